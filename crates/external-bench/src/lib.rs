//! What the benchmark programs have in common: rounds, the report, the command line.
//!
//! `cargo xtask bench` starts the servers, builds the programs in `src/bin/` (one a domain, behind a feature each) and
//! runs them. Within a case all contestants meet the same server with the same data in the same process, take turns in
//! rounds, and are compared by the medians.
#![allow(
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "programs for the terminal, which measure by the real clock"
)]

mod load;
mod options;
mod process;
mod python;
mod report;
mod rounds;

pub use load::{Until, nanoseconds, nanoseconds_async, per_second};
pub use options::Options;
pub use process::Process;
pub use python::{PYTHON, PythonPeer};
pub use report::{Bench, Peer, Report, more_is_better, ratio};
pub use rounds::{Contestant, Measured, Rounds, median};
