//! What every TCP protocol stands on: one TLS stack, and dialling whose failure is known not to have sent a thing.
//!
//! [`dial`] connects with TCP_NODELAY, since request and answer protocols lose 40 ms a turn without it.
//! [`Tls`] makes rustls' client configuration out of [`TlsSettings`](external_core::build::TlsSettings), and reads
//! certificate files again when they change. Peers are always verified: nothing here can switch that off.
#![forbid(unsafe_code)]

mod coalesce;
mod dial;
mod tls;

pub use coalesce::Coalesced;
pub use dial::{Connection, dial, dial_tls};
// Its settings and errors stand in every signature here: one dependency is enough.
pub use external_core;
pub use tls::{Tls, ensure_provider};

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
