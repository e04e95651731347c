//! One file a command.

pub mod contract_test;
pub mod servers;
pub mod tidy;
