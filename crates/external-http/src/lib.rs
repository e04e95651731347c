//! HTTP through one client: replayable bodies, errors that say whether the request took effect, redirects that carry no
//! credentials away.
//!
//! A service holds an [`HttpClient`]. Which provider makes the exchanges is a matter of configuration ([`registry`]), or
//! of one line:
//!
//! ```
//! use external_http::{HttpClient, MemoryAnswer, MemoryHttp, Method};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let double = MemoryHttp::new()
//!     .with_route(Method::GET, "/users/{id}", |request| MemoryAnswer::new(200).with_body(format!("user {}", request.parameter("id"))));
//! let http = HttpClient::over(double);
//! assert_eq!(http.get("/users/7").await?.text().await?, "user 7");
//! # Ok::<(), external_core::Error>(()) }).unwrap();
//! ```
//!
//! | provider | feature | makes exchanges |
//! |---|---|---|
//! | [`memory`](providers::memory) | always there | with functions of this process: the double for tests |
//! | `reqwest` | `reqwest` | over the network: HTTP/1.1 and HTTP/2, TLS, proxies |
//!
//! - [`HttpRequest`] is what is asked; its body can be sent again ([`HttpBody`], [`FileBody`]).
//! - [`Statuses`] says which statuses are answers; all others are errors with kind, effect and retry advice.
//! - [`auth`] puts credentials on requests, and is the seam for vendors' signing schemes.
//! - [`sse`] reads server-sent events and connects again, [`json_lines`] reads newline-delimited JSON.
//! - `vendor` (with the feature `reqwest`) is what providers of vendors' web APIs stand on.
//! - `webhook` (a feature) verifies what vendors send before anybody reads it.
//! - The client follows redirects within [`HttpSettings`], and drops credentials where they lead to another host.
//!
//! What every provider promises is written at the contract, [`HttpTransport`]. Who writes a transport gets the table of
//! statuses, limits and decompression from [`answered`]; whose vendor says more than a status does begins with [`refusal`].
#![forbid(unsafe_code)]

mod answer;
pub mod auth;
mod client;
mod decoding;
mod file;
pub mod json_lines;
mod lines;
pub mod providers;
mod request_id;
mod retry_after;
pub mod sse;
#[cfg(feature = "reqwest")]
pub mod vendor;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use answer::{answered, refusal, send_headers};
pub use auth::{ApiKeyAuth, BasicAuth, BearerAuth, HmacAuth, HttpAuth, OAuth2Auth};
pub use client::{HttpClient, HttpSettings, TraceContext};
pub use external_core::http::*;
pub use external_core::{
    BuildContext, ByteStream, CallOptions, Capability, Effect, Error, ErrorKind, Provider, Repeat, Result,
    Retry, Secret,
};
pub use external_resilience::{CallObserver, Domain, Policy};
pub use file::FileBody;
pub use http::{HeaderMap, Method, StatusCode};
// Whatever else stands in the signatures here, so that a service needs this crate alone.
pub use providers::memory::{MemoryAnswer, MemoryConfig, MemoryHttp, MemoryRequest};
#[cfg(feature = "reqwest")]
pub use providers::reqwest::{HttpVersion, ProxyConfig, ReqwestConfig, ReqwestHttp};
pub use request_id::request_id;
pub use retry_after::retry_after;
pub use {external_core, external_resilience};

use external_resilience::Registry;

/// Every provider of this crate that is compiled in; `.with(ENTRY)` adds one from outside.
#[must_use]
pub fn registry() -> Registry<HttpClient> {
    Registry::new(env!("CARGO_PKG_NAME"), providers::TABLE.to_vec(), providers::KNOWN)
}

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
