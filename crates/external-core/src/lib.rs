//! Contracts, errors and shared types for connecting services to external systems.
//!
//! A **contract** is a small, dyn-safe async trait ([`storage::StorageService`], [`cache::CacheService`],
//! [`email::EmailService`], [`http::HttpTransport`]). A **provider** implements it for one vendor or protocol. Services hold a *client*
//! from a sibling crate (`external-storage` and so on), which adds validation, streaming and the call pipeline.
//! Authors of providers need this crate alone.
//!
//! What every contract shares:
//!
//! - [`Error`] says not only what went wrong but whether the call took [`Effect`], so that repeating is decided
//!   by certainty: [`Error::may_repeat`].
//! - [`CallContext`] is the first argument of every contract method: deadline, attempt, idempotency key and the
//!   *sent mark*.
//! - [`Operation`] names a call and says what repeating it would do.
//! - [`Capabilities`] are graded (native, emulated, unsupported) and true.
//! - [`BuildContext`] is a provider's only door to the outside world while it is built; [`Section`] is its part
//!   of the configuration, with the place each value came from.
//!
//! This crate does no network I/O and starts no task.
#![forbid(unsafe_code)]

pub mod build;
mod byte_stream;
pub mod cache;
pub mod capability;
pub mod config;
mod context;
pub mod email;
mod entry;
pub mod error;
pub mod http;
mod operation;
mod options;
mod provider;
mod secret;
mod sharded;
pub mod storage;

pub use async_trait::async_trait;
pub use build::BuildContext;
pub use byte_stream::ByteStream;
pub use capability::{Capabilities, Capability};
pub use config::Section;
pub use context::{CallContext, SentMark};
pub use entry::{ProviderEntry, ProviderKind};
pub use error::{Effect, Error, ErrorKind, Result, Retry};
pub use operation::{Operation, Repeat};
pub use options::CallOptions;
pub use provider::{Provider, ProviderInfo};
pub use secret::Secret;
pub use sharded::{Shard, Sharded};

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
