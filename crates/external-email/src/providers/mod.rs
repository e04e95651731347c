//! The provider table: one row a provider.

#[cfg(feature = "file")]
pub mod file;
pub mod memory;
#[cfg(feature = "smtp")]
pub mod smtp;

use external_core::ProviderEntry;
use external_core::email::EmailService;
use external_resilience::KnownProvider;

/// The rows that are compiled in.
pub(crate) const TABLE: &[ProviderEntry<dyn EmailService>] = &[
    memory::ENTRY,
    #[cfg(feature = "file")]
    file::ENTRY,
    #[cfg(feature = "smtp")]
    smtp::ENTRY,
];

/// Every provider of this crate, compiled in or not.
pub(crate) const KNOWN: &[KnownProvider] = &[
    KnownProvider { id: "memory", feature: "" },
    KnownProvider { id: "file", feature: "file" },
    KnownProvider { id: "smtp", feature: "smtp" },
];

/// The JSON Schema of a configuration.
pub(crate) fn schema<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).to_value().to_string()
}
