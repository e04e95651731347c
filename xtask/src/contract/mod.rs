//! Contract tests: rows of the report, the run of one suite binary, what is printed.

pub mod needs;
pub mod offer;
pub mod outcome;
pub mod report;
pub mod suite;
pub mod suites;
