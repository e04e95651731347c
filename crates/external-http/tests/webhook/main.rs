//! The kit for webhooks: recorded verdicts of vendors' own SDKs, and what nobody may get past it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod cases;
mod random;
mod receiver;
mod replays;
mod sns;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use external_http::BuildContext;
use http::request::Parts;

/// When the fixtures were made: 2024-01-02T03:04:05Z.
const NOW: u64 = 1_704_164_645;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The real world but for its clock.
fn context(seconds: u64) -> BuildContext {
    BuildContext::default().with_clock(move || at(seconds))
}

fn post(fields: &[(&str, &str)], body: impl Into<Bytes>) -> (Parts, Bytes) {
    let request = fields
        .iter()
        .fold(http::Request::post("/hooks"), |request, (name, value)| request.header(*name, *value));
    request.body(body.into()).unwrap().into_parts()
}
