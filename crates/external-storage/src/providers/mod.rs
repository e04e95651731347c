//! The provider table: one row a provider, under its feature.

#[cfg(feature = "local")]
pub mod local;
pub mod memory;
#[cfg(feature = "s3")]
pub mod s3;

use external_core::ProviderEntry;
use external_core::storage::StorageService;
use external_resilience::KnownProvider;

/// What this build can make, in the order it is listed to users.
pub(crate) const TABLE: &[ProviderEntry<dyn StorageService>] = &[
    memory::ENTRY,
    #[cfg(feature = "local")]
    local::ENTRY,
    #[cfg(feature = "s3")]
    s3::ENTRY,
];

/// Every provider of this crate, compiled in or not.
pub(crate) const KNOWN: &[KnownProvider] = &[
    KnownProvider { id: "memory", feature: "" },
    KnownProvider { id: "local", feature: "local" },
    KnownProvider { id: "s3", feature: "s3" },
];

/// The JSON Schema of a provider's configuration.
pub(crate) fn schema<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).to_value().to_string()
}
