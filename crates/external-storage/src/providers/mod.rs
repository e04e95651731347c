//! The provider table: one row a provider, under its feature.

#[cfg(feature = "local")]
pub mod local;
pub mod memory;

use external_core::ProviderEntry;
use external_core::storage::StorageService;
use external_resilience::KnownProvider;

/// What this build can make, in the order it is listed to users.
pub(crate) const TABLE: &[ProviderEntry<dyn StorageService>] = &[
    memory::ENTRY,
    #[cfg(feature = "local")]
    local::ENTRY,
];

/// Every provider of this crate, compiled in or not.
pub(crate) const KNOWN: &[KnownProvider] =
    &[KnownProvider { id: "memory", feature: "" }, KnownProvider { id: "local", feature: "local" }];

/// The JSON Schema of a provider's configuration.
pub(crate) fn schema<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).to_value().to_string()
}
