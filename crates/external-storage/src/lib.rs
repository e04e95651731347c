//! Object storage through one client: many providers, streaming multipart upload, typed errors.
//!
//! A service holds a [`StorageClient`]. Which provider answers is a matter of configuration ([`registry`]), or of one
//! line:
//!
//! ```
//! use external_storage::{MemoryStorage, StorageClient};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let storage = StorageClient::over(MemoryStorage::default());
//! storage.put("portraits/ada.png", vec![0x89, b'P', b'N', b'G']).await?;
//! assert_eq!(storage.head("portraits/ada.png").await?.headers.content_type.as_deref(), Some("image/png"));
//! # Ok::<(), external_storage::Error>(()) }).unwrap();
//! ```
//!
//! | provider | feature | keeps objects |
//! |---|---|---|
//! | `memory` | always there | in this process |
//! | `local` | `local` (`serve` for links) | as plain files under a folder |
//! | `s3` | `s3` | in a bucket of Amazon S3, or of a store that speaks its protocol |
//!
//! What each method promises is written at the contract, [`StorageService`], and its facets.
#![forbid(unsafe_code)]

pub mod checksum;
mod client;
mod content_type;
pub mod providers;

pub use client::{
    ChecksumSetting, DownloadRequest, ListItem, RenameReceipt, StorageClient, StorageSettings, UploadReceipt,
    UploadRequest,
};
pub use content_type::guess as guess_content_type;
pub use external_core::storage::*;
pub use external_core::{
    BuildContext, CallOptions, Capability, Effect, Error, ErrorKind, Provider, Result, Retry, Secret,
};
pub use external_resilience::{CallObserver, Domain, Policy};
// Whatever else stands in the signatures here, so that a service needs this crate alone.
#[cfg(feature = "local")]
pub use providers::local::{LocalConfig, LocalStorage, MetadataPlace, ServeConfig, Swept};
pub use providers::memory::{MemoryConfig, MemoryStorage};
#[cfg(feature = "s3")]
pub use providers::s3::{PayloadSigning, RoleConfig, S3Config, S3Storage, Store as S3Store};
pub use {external_core, external_resilience};

use external_resilience::Registry;

/// The provider table: what this build can make. `.with(ENTRY)` adds a provider from outside.
#[must_use]
pub fn registry() -> Registry<StorageClient> {
    Registry::new(env!("CARGO_PKG_NAME"), providers::TABLE.to_vec(), providers::KNOWN)
}

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
