//! The same client over Redis: `REDIS_URL=redis://127.0.0.1:6379 cargo run -p external-cache --example redis --features redis`
//!
//! `rediss://user:password@host` for TLS and an ACL user.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::Duration;

use external_cache::CacheClient;
use external_cache::providers::redis::RedisConfig;
use external_core::{BuildContext, Secret};

#[tokio::main(flavor = "current_thread")]
async fn main() -> external_core::Result<()> {
    let provider = RedisConfig::new(Secret::from_env("REDIS_URL"))
        .with_namespace("external-example")
        .build(&BuildContext::default())?;
    let cache = CacheClient::over(provider);
    println!("connected to {}", cache.info().location());

    let visits = cache.increment("visits", 1, Duration::from_secs(3600)).await?;
    println!("visit number {visits} within this hour");

    let users = cache.namespace("users")?;
    let name: String = users
        .get_or_load("1", Duration::from_secs(60), || async { Ok::<_, std::io::Error>("Ada".to_owned()) })
        .await?;
    println!("user 1 is {name}");
    users.clear().await?;

    if let Some(lock) = cache.lock("nightly", Duration::from_secs(30)).await? {
        println!("holding the lock with fencing number {}", lock.fencing());
        lock.release().await?;
    }
    Ok(())
}
