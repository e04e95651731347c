//! The SOAP client, over both transports: functions of the test, and a server on loopback.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "soap/calls.rs"]
mod calls;
#[path = "soap/derived.rs"]
mod derived;
#[path = "soap/descriptions.rs"]
mod descriptions;
#[path = "soap/exchanges.rs"]
mod exchanges;
#[path = "soap/faults.rs"]
mod faults;
#[path = "soap/random.rs"]
mod random;
#[path = "soap/security.rs"]
mod security;
#[path = "soap/service.rs"]
mod service;
