//! E-mail through one client: templates, one outcome per recipient, no mail sent twice.
//!
//! A service holds an [`EmailClient`] and does not know what carries its mail: the providers are in [`providers`], picked
//! by configuration through [`registry`]. What every provider promises is in [`EmailService`], sentence by sentence.
//!
//! - [`Message`] is what is mailed; its parts are parsed ([`EmailAddress`], [`HeaderText`]), so none can inject a header.
//! - [`SendReceipt`] holds one [`Outcome`] for each recipient. Errors concern the mail as a whole, and their effect says
//!   whether it may have arrived.
//! - [`Templates`] renders subject, HTML and text by name and locale.
//!
//! [`mime`] turns messages into bytes with lettre's builder of MIME trees. The SMTP connection is our own, since lettre's
//! gives no outcome for each recipient, waits for a reply to every command, and writes the end of a mail apart from it;
//! `providers/smtp/connection.rs` says more.
#![forbid(unsafe_code)]

mod client;
pub mod mime;
pub mod providers;
mod rehearsal;
mod templates;

pub use client::{EmailClient, EmailSettings, MemorySuppressionList, SuppressionList};
pub use external_core::email::*;
pub use external_core::{
    BuildContext, CallOptions, Capability, Effect, Error, ErrorKind, Provider, Result, Retry, Secret,
};
pub use external_resilience::{CallObserver, Domain, Policy};
// Whatever else stands in the signatures here, so that a service needs this crate alone.
#[cfg(feature = "vendor")]
pub use external_http;
#[cfg(feature = "file")]
pub use providers::file::{FileConfig, FileEmail};
pub use providers::memory::{MemoryConfig, MemoryEmail};
#[cfg(feature = "sendgrid")]
pub use providers::sendgrid::{SendgridConfig, SendgridEmail, SendgridEvents};
#[cfg(feature = "smtp")]
pub use providers::smtp::{SmtpConfig, SmtpEmail};
pub use rehearsal::Rehearsal;
pub use templates::{RenderedTemplate, Templates, text_of_html};
pub use {external_core, external_resilience};

use external_resilience::Registry;

/// The providers that are compiled in.
#[must_use]
pub fn registry() -> Registry<EmailClient> {
    Registry::new(env!("CARGO_PKG_NAME"), providers::TABLE.to_vec(), providers::KNOWN)
}

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
