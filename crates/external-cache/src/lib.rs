//! Caching through one client: typed values, single-flight loading, locks with fencing.
//!
//! A service holds a [`CacheClient`]. Which provider answers is a matter of configuration ([`registry`]), or of one
//! line:
//!
//! ```
//! use std::time::Duration;
//! use external_cache::{CacheClient, providers::memory::MemoryCache};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let cache = CacheClient::over(MemoryCache::new());
//! let name: String = cache
//!     .get_or_load("user:1", Duration::from_secs(60), || async { Ok::<_, std::io::Error>("Ada".to_owned()) })
//!     .await?;
//! assert_eq!(name, "Ada");
//! # Ok::<(), external_core::Error>(()) }).unwrap();
//! ```
//!
//! | provider | feature | keeps values |
//! |---|---|---|
//! | [`memory`](providers::memory) | always there | in this process, within a bound |
//! | `redis` | `redis` | in a Redis server, plain or over TLS |
//!
//! - [`CacheClient`]: typed values, [`get_or_load`](CacheClient::get_or_load), counters, batches.
//! - [`CacheNamespace`] and tags: what is invalidated together, at once and without scanning.
//! - [`LockGuard`]: a lease that renews itself, says when it is lost, and has a fencing number.
//!
//! What every provider promises is written at the contract, [`CacheService`], and its facets.
#![forbid(unsafe_code)]

mod client;
pub mod providers;

pub use client::{
    CacheClient, CacheNamespace, CacheRequest, CacheSettings, CacheStats, Codec, Encode, Json, LoadError,
    LoadOptions, LockGuard, LockOptions, Raw,
};
pub use external_core::cache::*;
pub use external_core::{
    BuildContext, CallOptions, Capability, Effect, Error, ErrorKind, Provider, Result, Retry, Secret,
};
pub use external_resilience::{CallObserver, Domain, Policy};
// Whatever else stands in the signatures here, so that a service needs this crate alone.
pub use providers::memory::{MemoryCache, MemoryConfig};
#[cfg(feature = "redis")]
pub use providers::redis::{RedisCache, RedisConfig};
pub use {external_core, external_resilience};

use external_resilience::Registry;

/// Every provider of this crate that is compiled in; `.with(ENTRY)` adds one from outside.
#[must_use]
pub fn registry() -> Registry<CacheClient> {
    Registry::new(env!("CARGO_PKG_NAME"), providers::TABLE.to_vec(), providers::KNOWN)
}

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
