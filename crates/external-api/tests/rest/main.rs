//! The REST client over both transports: functions of this process, and a server on loopback.
#![cfg(feature = "rest")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod conditions;
mod downloads;
mod endpoints;
mod errors;
mod moved;
mod origin;
mod pages;
mod repeats;
mod uploads;
