//! Caching through one client: typed values, single-flight loading, locks with fencing.
#![forbid(unsafe_code)]

mod client;
pub mod providers;

pub use client::{
    CacheClient, CacheNamespace, CacheRequest, CacheSettings, CacheStats, Codec, Json, LoadError,
    LoadOptions, LockGuard, LockOptions, Raw,
};
pub use external_core::cache::{CacheEntry, CacheKey, CacheService, TimeToLive, Ttl};
use external_resilience::Registry;

/// Every provider of this crate that is compiled in; `.with(ENTRY)` adds one from outside.
#[must_use]
pub fn registry() -> Registry<CacheClient> {
    Registry::new(
        env!("CARGO_PKG_NAME"),
        providers::TABLE.to_vec(),
        providers::KNOWN,
    )
}

fn schema_of<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).as_value().to_string()
}
