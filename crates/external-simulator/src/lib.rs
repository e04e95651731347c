//! What stands in for the world in tests: a [`Proxy`] between a client of any TCP protocol and its server, which
//! counts what passes and cuts connections on demand.
#![forbid(unsafe_code)]

mod proxy;

pub use proxy::{Cut, Proxy};

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
