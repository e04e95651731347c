//! The provider table: one row a provider, under its feature.

#[cfg(feature = "local")]
pub(crate) mod local;
pub(crate) mod memory;

use external_core::ProviderEntry;
use external_core::storage::StorageService;

/// What this build can make, in the order it is listed to users.
pub(crate) const TABLE: &[ProviderEntry<dyn StorageService>] = &[
    memory::ENTRY,
    #[cfg(feature = "local")]
    local::ENTRY,
];

/// The JSON Schema of a provider's configuration.
pub(crate) fn schema<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).to_value().to_string()
}
