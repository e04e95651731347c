//! The suite is itself tested: every flaw that is shipped with it is laid over the providers of this crate, and caught.

#[path = "simulators/mod.rs"]
mod simulators;

use std::sync::Arc;

use external_contract::{Resilience, broken, email, harnesses, verify};
use external_email::{EmailClient, EmailService};
use external_resilience::{Domain, Policy};

/// Clauses of this domain that no flaw is shipped for.
const EXEMPT: &[(&str, &str)] =
    &[("email.value.", "values of external-core, made before any provider sees them")];

/// Templates are kept by vendors alone, whose simulators not every build holds.
const TEMPLATES: &str = "email.template.1";
const NO_SIMULATOR: &[(&str, &str)] = &[(TEMPLATES, "this build holds no simulator of a vendor")];

#[test]
fn every_flaw_is_caught_and_every_clause_catches_one() {
    let simulators = simulators::start();
    let harnesses = simulators.harnesses(behind);
    let right = verify(email::suite().only(&[TEMPLATES]), harnesses.clone());
    assert!(right.failed.is_empty(), "{:#?}", right.failed);
    let keeps_templates = right.passed > 0;
    let mut flaws = broken::email();
    flaws.retain(|flaw| keeps_templates || !flaw.caught_by.contains(&TEMPLATES));
    let left_out: &[(&str, &str)] = if keeps_templates { &[] } else { NO_SIMULATOR };
    let exempt = [broken::EXEMPT, EXEMPT, left_out].concat();
    let judgement = broken::judge(email::suite, &harnesses, &flaws, &exempt);
    println!("{judgement}");
    assert_eq!(judgement.findings(), Vec::<String>::new());
}

/// What is laid over a provider changes nothing but what is said to be wrong.
#[test]
fn a_flaw_is_no_more_than_that() {
    let flaw = broken::email().into_iter().find(|flaw| flaw.name == "SendsEmptyBatches").unwrap();
    let folder = env!("CARGO_MANIFEST_DIR");
    let harnesses = harnesses(folder, external_email::registry().entries(), behind);
    let tally = verify(email::suite(), flaw.laid_over(&harnesses));
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
