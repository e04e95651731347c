//! Server-sent events and newline-delimited JSON: however they are cut, and whatever becomes of the connection.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cuts;
mod script;
mod source;
