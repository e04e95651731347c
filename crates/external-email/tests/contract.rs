//! Runs the contract suite of e-mail against every provider of this crate.

#[path = "simulators/mod.rs"]
mod simulators;

use std::process::ExitCode;
use std::sync::Arc;

use external_contract::Resilience;
use external_email::{EmailClient, EmailService};
use external_resilience::metrics::Metrics;
use external_resilience::{Domain, Policy};

fn main() -> ExitCode {
    let simulators = simulators::start();
    external_contract::run(external_contract::email::suite(), simulators.harnesses(behind))
}

fn behind(service: Arc<dyn EmailService>, resilience: Resilience) -> Arc<dyn EmailService> {
    let policy = match resilience {
        Resilience::Off => Policy::off(),
        Resilience::On => EmailClient::policy(),
    };
    EmailClient::from(service).with_policy(policy).with_observer(Arc::new(Metrics::new())).into()
}
