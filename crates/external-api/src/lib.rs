//! Clients for interfaces that nobody wrapped: REST, GraphQL and SOAP, on top of [`external_http::HttpClient`].
//!
//! | client | feature | for |
//! |---|---|---|
//! | `rest::RestClient` | `rest` | typed endpoints, lists by pages, conditions, uploads, downloads, batches |
//! | `graphql::GraphqlClient` | `graphql` | queries, mutations, persisted queries, uploads, subscriptions |
//! | `soap::SoapClient`, `soap::SoapService` | `soap` | SOAP 1.1 and 1.2, WS-Security, services by their WSDL |
//!
//! All three are made alike, `over` an `HttpClient`, whose credentials, policy and observers are theirs: `with_policy`,
//! `with_observer` and `with_header` give one of them its own, `close` ends it. What an error says is the same too: kind,
//! effect, and whether trying again is of use.
//!
//! ```
//! use external_api::HttpClient;
//! use external_api::external_http::{MemoryAnswer, MemoryHttp};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let http = HttpClient::over(MemoryHttp::new().with_fallback(|_| MemoryAnswer::new(200).with_body("pong")));
//! assert_eq!(http.get("https://api.example.org/ping").await?.text().await?, "pong");
//! # Ok::<(), external_api::Error>(()) }).unwrap();
//! ```
#![forbid(unsafe_code)]

#[cfg(any(feature = "graphql", feature = "soap"))]
mod attempts;
#[cfg(feature = "graphql")]
pub mod graphql;
#[cfg(any(feature = "graphql", feature = "rest", feature = "soap"))]
mod media;
#[cfg_attr(
    not(feature = "rest"),
    allow(unreachable_pub, reason = "public where REST is; GraphQL takes what its uploads need")
)]
#[cfg(any(feature = "graphql", feature = "rest"))]
mod multipart;
#[cfg(feature = "rest")]
pub mod rest;
#[cfg(any(feature = "graphql", feature = "soap"))]
mod shown;
#[cfg(feature = "soap")]
pub mod soap;
#[cfg(any(feature = "graphql", feature = "rest", feature = "soap"))]
mod wire;

pub use external_http::{self, CallOptions, Effect, Error, ErrorKind, HttpClient, Result, Secret};

/// The examples of the README, compiled.
#[cfg(all(doctest, feature = "graphql", feature = "rest", feature = "soap"))]
#[doc = include_str!("../README.md")]
struct Readme;
