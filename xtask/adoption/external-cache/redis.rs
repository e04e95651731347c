//! A service whose Redis is down: it starts all the same, its calls say that nothing was sent, and it goes on without.
//!
//! features: redis
//! beside: tokio
//!
//! ```text
//! started with redis
//! increment: Unavailable, NotSent
//! loaded without the cache: Ada
//! ```

use std::time::Duration;

use external_cache::{BuildContext, CacheClient, Policy, RedisConfig, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let config =
        RedisConfig::new("redis://127.0.0.1:1/0").with_credentials("app", "s3cret").with_namespace("shop");
    let cache = CacheClient::over(config.build(&BuildContext::default())?).with_policy(Policy::off());
    println!("started with {}", cache.info().id());

    let error = cache.increment("visits", 1, None).await.expect_err("nobody listens there");
    println!("increment: {:?}, {:?}", error.kind(), error.effect());
    let load = || async { Ok::<_, std::io::Error>("Ada".to_owned()) };
    let name = cache.get_or_load("user:1", Duration::from_secs(60), load).await?;
    println!("loaded without the cache: {name}");
    cache.close(Duration::from_secs(1)).await;
    Ok(())
}
