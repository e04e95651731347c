//! What only the e-mail client has, as clauses over every provider of this crate and over one that fails on demand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "client/batches.rs"]
mod batches;
#[path = "client/delivered.rs"]
mod delivered;
#[path = "client/faulty.rs"]
mod faulty;
#[path = "client/keys.rs"]
mod keys;
#[path = "client/short.rs"]
mod short;
#[path = "simulators/mod.rs"]
mod simulators;
#[path = "client/suppression.rs"]
mod suppression;
#[path = "client/templates.rs"]
mod templates;

use std::process::ExitCode;
use std::sync::Arc;

use external_contract::{Resilience, Suite};
use external_email::{EmailClient, EmailService};
use external_resilience::Policy;

type S = dyn EmailService;

fn main() -> ExitCode {
    let suite = Suite::of_client("email")
        .with_all(short::clauses())
        .with_all(keys::clauses())
        .with_all(templates::clauses())
        .with_all(batches::clauses())
        .with_all(suppression::clauses());
    let simulators = simulators::start();
    external_contract::run(suite, simulators.harnesses(behind))
}

fn behind(service: Arc<S>, resilience: Resilience) -> Arc<S> {
    match resilience {
        Resilience::Off => EmailClient::from(service).with_policy(Policy::off()).into(),
        Resilience::On => EmailClient::from(service).into(),
    }
}
