//! One file a command.

pub mod servers;
