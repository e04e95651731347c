//! The suite is itself tested: every flaw that is shipped with it is laid over the providers of this crate, and caught.

#[path = "origin/mod.rs"]
mod origin;

use std::sync::Arc;

use external_contract::{Resilience, broken, http};
use external_http::{HttpClient, HttpTransport};
use external_resilience::{Domain, Policy};

#[test]
fn every_flaw_is_caught_and_every_clause_catches_one() {
    let origins = origin::start();
    let judgement = broken::judge(http::suite, &origins.harnesses(behind), &broken::http(), broken::EXEMPT);
    println!("{judgement}");
    assert_eq!(judgement.findings(), Vec::<String>::new());
}

fn behind(service: Arc<dyn HttpTransport>, resilience: Resilience) -> Arc<dyn HttpTransport> {
    let policy = match resilience {
        Resilience::Off => Policy::off(),
        Resilience::On => HttpClient::policy(),
    };
    HttpClient::from(service).with_policy(policy).into()
}
