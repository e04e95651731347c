//! From one configuration file to clients.
//!
//! A service names the domains it uses and gets its clients by name; which providers stand behind them, with
//! which settings, is said in a file:
//!
//! ```toml
//! [storage.avatars]                     # a table a domain, a table an instance
//! provider = "local"                    # picks the row of the domain's registry
//! requires = ["create-only"]            # start-up fails if the provider cannot do it
//! root = "/var/lib/avatars"             # what the provider is configured with
//!
//! [storage.avatars.client]              # what the client is configured with
//! upload_concurrency = 8
//!
//! [storage.avatars.resilience]          # how calls are treated; what is absent keeps the domain's default
//! total_deadline = "20s"
//! operations.put.total_deadline = "60s" # storage gives a `put` 600 s: what is said of an operation comes first
//!
//! [cache.default]
//! provider = "redis"
//! url = { env = "REDIS_URL" }           # secrets by reference: { env = "…" } or { file = "…" }
//! ```
//!
//! ```
//! use external_cache::CacheClient;
//! use external_container::Container;
//! use external_storage::StorageClient;
//!
//! # let file = std::env::temp_dir().join(format!("external-container-doc-{}.toml", std::process::id()));
//! # std::fs::write(&file, "[storage.avatars]\nprovider = 'memory'\n[cache.default]\nprovider = 'memory'\n").unwrap();
//! let container = Container::builder()
//!     .domain(external_storage::registry())
//!     .domain(external_cache::registry())
//!     .from_file(&file)?;
//! let avatars: StorageClient = container.get("avatars")?;
//! let cache: CacheClient = container.get_default()?;
//! # std::fs::remove_file(&file).unwrap();
//! # Ok::<(), external_core::Error>(())
//! ```
//!
//! - **Environment variables** are laid over the file: `EXTERNAL__STORAGE__AVATARS__BUCKET=other`. A value is a TOML
//!   value where it parses as one, else text. The name is lower-cased; what has upper-case letters or two underscores
//!   in a row in its key cannot be set so.
//! - **Everything is built at once** and nothing is opened: a wrong configuration ends the start, naming file, line
//!   and key; a back end that is down does not.
//! - **Instances may be made of others**: what a provider resolves is built before it, a ring is an error that names it.
//! - **Top-level tables** are domains, `mode`, `tls` (see [`TlsSettings`](external_core::build::TlsSettings)) and what
//!   the service names as its own with [`ContainerBuilder::ignore`]; all others are errors.
//! - **Development mode** (`mode = "development"` or [`Container::development`]) fills what is missing with embedded
//!   providers, and with what their clients cannot do without: a sender of mails.
//! - **Tests** put their own clients in with [`ContainerBuilder::with`].
//!
//! The container knows no domain: they are handed to it.
#![forbid(unsafe_code)]

mod assembly;
mod builder;
mod container;
mod document;
mod domain;
mod explain;
mod health;
mod in_force;
mod schema;
mod shutdown;
mod source;
#[cfg(not(feature = "yaml"))]
#[path = "without_yaml.rs"]
mod yaml;
#[cfg(feature = "yaml")]
mod yaml;

pub use builder::ContainerBuilder;
pub use container::Container;
pub use document::Mode;
pub use external_core::{BuildContext, Error, ErrorKind, Result, Section};
// Whatever else stands in the signatures here, so that a service needs this crate and its domains alone.
pub use health::{Health, HealthStatus, InstanceHealth};
pub use shutdown::{InstanceShutdown, ShutdownReport};
pub use {external_core, external_resilience};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
