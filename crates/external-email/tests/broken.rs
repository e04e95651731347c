//! The suite is itself tested: every flaw that is shipped with it is laid over the providers of this crate, and caught.

use std::sync::Arc;

use external_contract::{Resilience, broken, email, harnesses, verify};
use external_email::{EmailClient, EmailService};
use external_resilience::{Domain, Policy};

const WIRE: &str = "a fault between a provider and its back end: external-contract, tests/wire";
const INSIDE: &str = "a secret shown, a call told wrongly: external-contract, tests/inside";
const CLIENT: &str = "a fault of the client, over any provider";

/// Clauses that no flaw is shipped for.
const EXEMPT: &[(&str, &str)] = &[
    ("common.1.", WIRE),
    ("common.2.", WIRE),
    ("common.3.", WIRE),
    ("common.5.1", WIRE),
    ("common.5.3", WIRE),
    ("common.5.4", WIRE),
    ("common.5.5", WIRE),
    ("common.6.", WIRE),
    ("common.10.", WIRE),
    ("common.11.", WIRE),
    ("common.4.5", INSIDE),
    ("common.7.", INSIDE),
    ("common.8.", INSIDE),
    ("common.4.3", CLIENT),
    ("common.9.4", CLIENT),
    ("email.value.", "values of external-core, made before any provider sees them"),
    ("email.template.1", "no provider of this crate has templates"),
];

#[test]
fn every_flaw_is_caught_and_every_clause_catches_one() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let harnesses = harnesses(folder, external_email::registry().entries(), behind);
    let judgement = broken::judge(email::suite, &harnesses, &broken::email(), EXEMPT);
    println!("{judgement}");
    assert_eq!(judgement.findings(), Vec::<String>::new());
}

/// What is laid over a provider changes nothing but what is said to be wrong.
#[test]
fn a_flaw_is_no_more_than_that() {
    let flaw = broken::email().into_iter().find(|flaw| flaw.name == "SendsEmptyBatches").unwrap();
    let folder = env!("CARGO_MANIFEST_DIR");
    let flawed = harnesses(folder, external_email::registry().entries(), behind).into_iter().map(|harness| {
        let flaw = flaw.clone();
        harness.wrapped(move |right| flaw.over(right))
    });
    let tally = verify(email::suite(), flawed.collect());
    let mut failed: Vec<_> = tally.failed.iter().map(|(clause, _)| clause.as_str()).collect();
    failed.dedup();
    assert_eq!(failed, flaw.caught_by, "{:#?}", tally.failed);
}

fn behind(service: Arc<dyn EmailService>, resilience: Resilience) -> Arc<dyn EmailService> {
    let policy = match resilience {
        Resilience::Off => Policy::off(),
        Resilience::On => EmailClient::policy(),
    };
    EmailClient::from(service).with_policy(policy).into()
}
