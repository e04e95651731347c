//! Clients for interfaces that nobody wrapped: REST, GraphQL and SOAP, on top of [`external_http::HttpClient`].
//!
//! | client | feature |
//! |---|---|
//! | `graphql::GraphqlClient` | `graphql` |
//! | `rest::RestClient` | `rest` |
//! | `soap` | `soap` |
//! | `rest` | `rest` |
//! | `graphql` | `graphql` |
//! | `soap::SoapClient`, `soap::SoapService` | `soap` |
#![forbid(unsafe_code)]

#[cfg(feature = "graphql")]
pub mod graphql;
#[cfg(feature = "rest")]
pub mod rest;
#[cfg(feature = "soap")]
pub mod soap;

pub use external_http::{self, CallOptions, Effect, Error, ErrorKind, HttpClient, Result, Secret};

/// The examples of the README, compiled.
#[cfg(all(doctest, feature = "graphql", feature = "rest", feature = "soap"))]
#[cfg(all(doctest, feature = "soap"))]
#[doc = include_str!("../README.md")]
struct Readme;
