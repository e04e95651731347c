//! Runs the contract suite of HTTP against every provider of this crate.

#[path = "origin/mod.rs"]
mod origin;

use std::process::ExitCode;
use std::sync::Arc;

use external_contract::Resilience;
use external_http::{HttpClient, HttpTransport};
use external_resilience::metrics::Metrics;
use external_resilience::{Domain, Policy};

fn main() -> ExitCode {
    let origins = origin::start();
    external_contract::run(external_contract::http::suite(), origins.harnesses(behind))
}

fn behind(service: Arc<dyn HttpTransport>, resilience: Resilience) -> Arc<dyn HttpTransport> {
    let policy = match resilience {
        Resilience::Off => Policy::off(),
        Resilience::On => HttpClient::policy(),
    };
    HttpClient::from(service).with_policy(policy).with_observer(Arc::new(Metrics::new())).into()
}
