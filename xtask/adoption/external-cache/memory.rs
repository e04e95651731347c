//! A service that caches in memory: typed values, one load however many callers wait, a lock.
//!
//! beside: serde, tokio
//!
//! ```text
//! Profile { name: "Ada", logins: 1 }
//! 50 answers, 1 load
//! lock held: true, held twice: false
//! compiled in: memory
//! ```

use std::sync::Arc;
use std::time::Duration;

use external_cache::{CacheClient, MemoryCache, Result};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Profile {
    name: String,
    logins: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cache = CacheClient::over(MemoryCache::new());
    cache.set("user:1", &Profile { name: "Ada".into(), logins: 1 }, Duration::from_secs(60)).await?;
    println!("{:?}", cache.get::<Profile>("user:1").await?.expect("it was just set"));

    let gate = Arc::new(tokio::sync::Barrier::new(50));
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (cache, gate) = (cache.clone(), gate.clone());
            tokio::spawn(async move {
                gate.wait().await;
                let load = || async {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Ok::<_, std::io::Error>("Grace".to_owned())
                };
                cache.get_or_load("user:2", Duration::from_secs(60), load).await
            })
        })
        .collect();
    let mut answers = 0;
    for caller in callers {
        assert_eq!(caller.await.expect("no panic")?, "Grace");
        answers += 1;
    }
    println!("{answers} answers, {} load", cache.stats().loads);

    let lock = cache.lock("nightly", Duration::from_secs(30)).await?;
    let second = cache.lock("nightly", Duration::from_secs(30)).await?;
    println!("lock held: {}, held twice: {}", lock.is_some(), second.is_some());
    let registry = external_cache::registry();
    let ids: Vec<&str> = registry.entries().iter().map(|entry| entry.id).collect();
    println!("compiled in: {}", ids.join(", "));
    Ok(())
}
