//! The provider table: one row a provider.

#[cfg(feature = "file")]
pub mod file;
pub mod memory;
#[cfg(feature = "sendgrid")]
pub mod sendgrid;
#[cfg(feature = "smtp")]
pub mod smtp;

#[cfg(feature = "simulator")]
use std::{io, path::Path};

use external_core::ProviderEntry;
use external_core::email::EmailService;
use external_resilience::KnownProvider;
#[cfg(feature = "simulator")]
use external_simulator::StandingServer;

/// The rows that are compiled in.
pub(crate) const TABLE: &[ProviderEntry<dyn EmailService>] = &[
    memory::ENTRY,
    #[cfg(feature = "file")]
    file::ENTRY,
    #[cfg(feature = "sendgrid")]
    sendgrid::ENTRY,
    #[cfg(feature = "smtp")]
    smtp::ENTRY,
];

/// Every provider of this crate, compiled in or not.
pub(crate) const KNOWN: &[KnownProvider] = &[
    KnownProvider { id: "memory", feature: "" },
    KnownProvider { id: "file", feature: "file" },
    KnownProvider { id: "sendgrid", feature: "sendgrid" },
    KnownProvider { id: "smtp", feature: "smtp" },
];

/// Starts a vendor-shaped server. What it delivers is written into this folder as `.eml` files, the envelope before it.
#[cfg(feature = "simulator")]
pub type Simulate = fn(mailbox: &Path) -> io::Result<StandingServer>;

/// The vendor-shaped servers of the providers that are compiled in, by provider.
#[cfg(feature = "simulator")]
pub const SIMULATORS: &[(&str, Simulate)] = &[
    #[cfg(feature = "sendgrid")]
    ("sendgrid", sendgrid::simulator::simulate),
];

/// The JSON Schema of a configuration.
pub(crate) fn schema<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).to_value().to_string()
}
