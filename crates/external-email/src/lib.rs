//! E-mail through one client: templates, one outcome per recipient, no mail sent twice.
#![forbid(unsafe_code)]

mod client;
pub mod mime;
pub mod providers;
mod rehearsal;
mod templates;

pub use client::{EmailClient, EmailSettings, MemorySuppressionList, SuppressionList};
pub use external_core::email::*;
pub use rehearsal::Rehearsal;
pub use templates::{RenderedTemplate, Templates, text_of_html};

use external_resilience::Registry;

/// The providers that are compiled in.
#[must_use]
pub fn registry() -> Registry<EmailClient> {
    Registry::new("external-email", providers::TABLE.to_vec(), providers::KNOWN)
}

/// The JSON Schema of a provider's configuration.
fn schema_of<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).as_value().to_string()
}
