//! The contract suites: one set of numbered clauses run against every provider of a contract.
//!
//! A **clause** is a promise of a contract with an id, a sentence and an async function that checks it. A
//! **suite** is every clause of one contract. A **harness** makes a provider, bare and behind its client, from
//! code or from data. [`run`] runs a suite against harnesses, speaks libtest's flags, and tells four outcomes
//! apart: passed, failed, unsupported (declared so, and proven to be refused before anything is sent) and not
//! run (with the reason).
//!
//! The [`guide`] says how to read a clause, declare a capability, write a harness and prove a clause of your own.
//!
//! # Testing a provider of your own
//!
//! A test target with `harness = false` and these lines is all (`tests/contract.rs`):
//!
//! ```no_run
//! # mod mine {
//! #     use std::sync::Arc;
//! #     use external_core::cache::CacheService;
//! #     pub fn make() -> external_core::Result<Arc<dyn CacheService>> { unimplemented!() }
//! # }
//! use std::process::ExitCode;
//! use external_contract::{Harness, run};
//!
//! fn main() -> ExitCode {
//!     run(external_contract::cache::suite(), vec![Harness::embedded("mine", mine::make)])
//! }
//! ```
//!
//! A provider that comes with a [`ProviderEntry`](external_core::ProviderEntry) is better described by data, a
//! `contract.toml` beside it: the suite then builds it from configuration as a user would, and tests the
//! configuration too ([`Harness::from_toml`]). A domain crate scans its folders for them:
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     external_contract::run(
//!         external_contract::storage::suite(),
//!         external_contract::harnesses(
//!             env!("CARGO_MANIFEST_DIR"),
//!             external_storage::registry().entries(),
//!             |service, resilience| match resilience {
//!                 Resilience::Off => Arc::new(client(service, Policy::off())),
//!                 Resilience::On => Arc::new(client(service, StorageClient::policy())),
//!             },
//!         ),
//!     )
//! }
//! ```
//!
//! # `contract.toml`
//!
//! ```toml
//! [[target]]
//! name = "plain"                        # several targets a provider: plain, tls
//! lane = "server"                       # embedded | simulator | server | live
//! needs = ["EXTERNAL_TEST_REDIS_URL"]   # must be set, else every clause is "not run"
//! feature = "serve"                     # optional: likewise, where the provider's error says that it is off
//! config = { url = "${EXTERNAL_TEST_REDIS_URL}", namespace = "${NAMESPACE}" }
//! missing = { url = "redis://127.0.0.1:${NOBODY}/" }   # optional: points where nobody is
//! denied = { password = "${CANARY}" }          # optional: right place, wrong credentials
//! backend = "redis"                     # optional: its name at the control port
//! proxy = "url"                         # optional: the field (or ["host", "port"]) behind which the counting proxy goes
//! opaque = false                        # optional: whether TLS is spoken, so that the proxy sees nothing but ciphertext
//! http = {}                             # optional: that HTTP is spoken (see the guide)
//! ca = "${EXTERNAL_TEST_CA}"            # optional: a PEM file of authorities to trust as well
//! facts = { mailbox = "${TEMP}/mail" }  # optional: what a suite wants to know about the back end
//! leaks = ["vendor::wire"]              # optional: modules of vendor crates that show secrets at TRACE
//! identifiers = ["access_key_id"]       # optional: fields read as secrets that are none, but names
//! ```
//!
//! `${NAMESPACE}` is a text unique to one case, `${TEMP}` a scratch folder of that case, `${CANARY}` a text of that case
//! that must not show anywhere (a password that is wrong), `${NOBODY}` a port of loopback at which nobody listens; every
//! other `${NAME}` is what the harness was told
//! ([`Harness::with_variable`]), or an environment variable. `missing` and `denied` are laid over `config`, field by field. A `missing` may use no variable that
//! `needs` names, since it also serves to ask for declared capabilities where there is no server.
//!
//! # Secrets
//!
//! While a case runs, everything that is written is searched: fields of spans and events of every crate at every
//! level, records of the façade `log`, labels of metrics, panics, and the errors that clauses meet. What must not be
//! found, plain, in base64, in hex, percent-encoded or as a list of bytes, are the secrets of the configuration (what the
//! provider asks for as a [`Secret`](external_core::Secret), what is named like one, the passwords in URLs) and the
//! [canary](Case::canary) that calls carry. A find fails `common.7.1` to `common.7.3`, whichever clause ran, and tells
//! where it was seen, but not what.
//!
//! Vendor crates may show secrets at TRACE alone, in the modules that `leaks` lists; tell your users which filter keeps
//! them out (`vendor::wire=debug`). What is listed and never seen fails as well.
//!
//! # Clauses about a client
//!
//! What only a client has (an uploader, `get_or_load`) the domain crate tests with clauses of its own, in a test
//! target `tests/client.rs`, with the same runner and into the same report:
//!
//! ```ignore
//! let suite = Suite::<dyn StorageService>::of_client("storage")
//!     .with(clause!("storage.upload.1", "A stream of unknown length arrives whole.", |case| {
//!         let client = StorageClient::from(case.bare()?);
//!         ensure_eq("the uploaded bytes", &client.download(&key).await?, &expected)?;
//!     }));
//! run(suite, harnesses(env!("CARGO_MANIFEST_DIR"), registry().entries(), behind))
//! ```
//!
//! # A contract of your own
//!
//! Suites are not bound to the contracts of this workspace: any trait that is a
//! [`Provider`](external_core::Provider) can have one. [`verify`] runs it within a program.
//!
//! ```
//! use std::sync::Arc;
//!
//! use external_contract::{Harness, Suite, clause, ensure_eq, verify};
//! use external_core::{CallContext, Capabilities, Provider, ProviderInfo, Result, async_trait};
//!
//! #[derive(Debug)]
//! struct Greeter(ProviderInfo);
//!
//! #[async_trait]
//! impl Provider for Greeter {
//!     fn info(&self) -> &ProviderInfo {
//!         &self.0
//!     }
//!     async fn probe(&self, _: &CallContext) -> Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! let suite = Suite::<dyn Provider>::of_contract("greeting", &[], |_, _| external_core::Capability::Unsupported, vec![])
//!     .only(&[])
//!     .with(clause!("greeting.info.1", "A greeter says where it is.", |case| {
//!         ensure_eq("the location", case.service().info().location(), "here:")?;
//!     }));
//! let make = || {
//!     let info = ProviderInfo::new("greeter", "greeting", "here:", Capabilities::new());
//!     Ok(Arc::new(Greeter(info)) as Arc<dyn Provider>)
//! };
//! let tally = verify(suite, vec![Harness::embedded("greeter", make)]);
//! assert_eq!(tally.to_string(), "1 passed, 0 failed, 0 unsupported, 0 not run");
//! ```
//!
//! # What is read by hand
//!
//! Whoever reads a format by hand tries it with inputs that nearly fit: [`fuzz`].
//!
//! # What the runner listens to
//!
//! libtest's flags (`--list`, a filter, `--exact`, `--skip`, `--format`, `--test-threads`), `--capabilities` (prints
//! what every provider declares, as JSON, and ends) and the environment:
//!
//! | variable | meaning |
//! |---|---|
//! | `EXTERNAL_CONTRACT_REPORT` | file that gets one JSON row a clause |
//! | `EXTERNAL_CONTRACT_CAPABILITIES` | file that gets what `--capabilities` prints; then nothing is run |
//! | `EXTERNAL_CONTRACT_LANES` | comma-separated lanes; the others do not appear. Without it: all but `live` |
//! | `EXTERNAL_CONTRACT_PROVIDER` | only this provider |
//! | `EXTERNAL_CONTRACT_CLAUSE` | only clauses whose id begins with this |
//! | `EXTERNAL_CONTRACT_SEED` | decides whatever is drawn (random programs, where an answer is cut, what garbage looks like); a failure tells it |
//! | `EXTERNAL_CONTRACT_PROGRESS` | `1`: one JSON line an event on standard error |
//! | `EXTERNAL_CONTROL` | address of the port that stops and starts back ends |
//!
//! Every clause has a time limit, after which it is stopped and counted as failed, and a panic is a failure with
//! its message.
#![forbid(unsafe_code)]

pub mod broken;
pub mod cache;
mod case;
mod chance;
mod clause;
mod common_block;
mod control;
pub mod email;
pub mod fuzz;
pub mod guide;
mod harness;
pub mod http;
mod programs;
mod runner;
pub mod storage;
mod suite;
pub mod truth;
mod verdict;
mod watch;

pub use case::{Case, Proxied};
pub use clause::{Check, Clause, Level, Subject};
pub use common_block::{Attempt, refuses};
pub use control::Control;
// What a provider is made of, in the version that the suites judge.
pub use external_core;
// What stands between a provider and its back end.
pub use external_simulator;
pub use harness::{Behind, Harness, Lane, Resilience, harnesses};
pub use runner::{Status, Tally, run, verify};
pub use suite::{Afterwards, ProviderCall, Suite, Supports, Traffic};
pub use verdict::{Finding, Verdict, abandon, ensure, ensure_eq, ensure_error, eventually, within};
