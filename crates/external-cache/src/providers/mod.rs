//! The provider table: a row each.

pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;

use std::any::Any;
use std::sync::Arc;

use external_core::cache::CacheService;
use external_core::{Effect, Error, ProviderEntry, Result};
use external_resilience::KnownProvider;

/// Every provider that is compiled in.
pub(crate) const TABLE: &[ProviderEntry<dyn CacheService>] = &[
    memory::ENTRY,
    #[cfg(feature = "redis")]
    redis::ENTRY,
];

/// Every provider there is, so that a missing one can name its feature.
pub(crate) const KNOWN: &[KnownProvider] =
    &[KnownProvider { id: "memory", feature: "" }, KnownProvider { id: "redis", feature: "redis" }];

/// The provider, if its values are in this process and reading one neither waits nor fails. One that stands before
/// another (`inner()`) is not: it would be passed by.
pub(crate) fn in_process(service: &Arc<dyn CacheService>) -> Option<Arc<memory::MemoryCache>> {
    let service: Arc<dyn Any + Send + Sync> = service.clone();
    service.downcast().ok()
}

/// The JSON Schema of a configuration.
pub(crate) fn schema<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).to_value().to_string()
}

/// Refuses a value beyond the limit before anything is sent.
fn check_value(bytes: usize, limit: u64) -> Result<()> {
    if bytes as u64 <= limit {
        return Ok(());
    }
    Err(Error::payload_too_large("the value is larger than this cache takes")
        .with_effect(Effect::NotSent)
        .with_context("bytes", bytes)
        .with_context("limit", limit))
}

/// Refuses a batch beyond the limit before anything is sent.
fn check_batch(keys: usize, limit: usize) -> Result<()> {
    if keys <= limit {
        return Ok(());
    }
    Err(Error::invalid_argument("more keys than this cache takes in one batch")
        .with_context("keys", keys)
        .with_context("limit", limit))
}

/// A token that another kind of provider made.
fn foreign_token() -> Error {
    Error::invalid_argument("the token was not made by this cache")
}
