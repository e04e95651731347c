//! A cache in this process: typed values, a loader that runs once, a lock.
//!
//! `cargo run -p external-cache --example memory`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use external_cache::providers::memory::MemoryCache;
use external_cache::{CacheClient, LoadOptions};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Profile {
    name: String,
    logins: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> external_core::Result<()> {
    let cache = CacheClient::over(MemoryCache::new());

    let ada = Profile { name: "Ada".into(), logins: 1 };
    cache.set("user:1", &ada, Duration::from_secs(60)).await?;
    println!("read back: {:?}", cache.get::<Profile>("user:1").await?);

    // Two hundred callers, one load.
    let callers = (0..200).map(|_| {
        let options = LoadOptions::new(Duration::from_secs(60)).with_stale_if_error(Duration::from_secs(600));
        cache.get_or_load("user:2", options, || async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, std::io::Error>(Profile { name: "Grace".into(), logins: 7 })
        })
    });
    let answers = futures_util::future::try_join_all(callers).await?;
    println!("{} callers, {} load", answers.len(), cache.stats().loads);

    if let Some(lock) = cache.lock("nightly", Duration::from_secs(30)).await? {
        println!("holding the lock with fencing number {}", lock.fencing());
        lock.release().await?;
    }
    Ok(())
}
