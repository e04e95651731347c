//! One file a command.

pub mod adoption;
pub mod bench;
pub mod ci;
pub mod contract_test;
pub mod demo;
pub mod mutate;
pub mod new_provider;
pub mod servers;
pub mod support_matrix;
pub mod tidy;
pub mod vendor_truth;
