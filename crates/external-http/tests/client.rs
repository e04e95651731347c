//! What only the HTTP client has, as clauses over every provider of this crate.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "client/auth.rs"]
mod auth;
#[path = "origin/mod.rs"]
mod origin;
#[path = "client/redirects.rs"]
mod redirects;
#[path = "client/repeats.rs"]
mod repeats;
#[path = "client/traces.rs"]
mod traces;

use std::process::ExitCode;
use std::sync::Arc;

use external_contract::{Resilience, Suite};
use external_http::{HttpClient, HttpTransport};
use external_resilience::Policy;

type S = dyn HttpTransport;

fn main() -> ExitCode {
    let origins = origin::start();
    let suite = Suite::of_client("http")
        .with_all(redirects::clauses())
        .with_all(repeats::clauses())
        .with_all(traces::clauses())
        .with_all(auth::clauses());
    external_contract::run(suite, origins.harnesses(behind))
}

fn behind(service: Arc<S>, resilience: Resilience) -> Arc<S> {
    match resilience {
        Resilience::Off => HttpClient::from(service).with_policy(Policy::off()).into(),
        Resilience::On => HttpClient::from(service).into(),
    }
}
