//! The suite is itself tested: every flaw that is shipped with it is laid over the providers of this crate, and caught.

use std::sync::Arc;

use external_cache::{CacheClient, CacheService};
use external_contract::{Resilience, broken, cache, harnesses, verify};
use external_resilience::{Domain, Policy};

const WIRE: &str = "a fault between a provider and its back end: external-contract, tests/wire";
const INSIDE: &str = "a secret shown, a call told wrongly: external-contract, tests/inside";
const CLIENT: &str = "a fault of the client, over any provider";
const COUNTED: &str = "counted on the way to a server: the memory provider has none";

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
    ("cache.get_many.5", COUNTED),
    ("cache.set_many.5", COUNTED),
    ("cache.delete_many.3", COUNTED),
    ("cache.subscribe.3", "two namespaces on one back end"),
    ("cache.subscribe.4", COUNTED),
    ("cache.subscribe.5", COUNTED),
];

#[test]
fn every_flaw_is_caught_and_every_clause_catches_one() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let harnesses = harnesses(folder, external_cache::registry().entries(), behind);
    let judgement = broken::judge(cache::suite, &harnesses, &broken::cache(), EXEMPT);
    println!("{judgement}");
    assert_eq!(judgement.findings(), Vec::<String>::new());
}

/// What is laid over a provider changes nothing but what is said to be wrong.
#[test]
fn a_flaw_is_no_more_than_that() {
    let flaw = broken::cache().into_iter().find(|flaw| flaw.name == "TruncatesValues").unwrap();
    let folder = env!("CARGO_MANIFEST_DIR");
    let flawed = harnesses(folder, external_cache::registry().entries(), behind).into_iter().map(|harness| {
        let flaw = flaw.clone();
        harness.wrapped(move |right| flaw.over(right))
    });
    let tally = verify(cache::suite(), flawed.collect());
    let mut failed: Vec<_> = tally.failed.iter().map(|(clause, _)| clause.as_str()).collect();
    failed.dedup();
    assert_eq!(failed, flaw.caught_by, "{:#?}", tally.failed);
}

fn behind(service: Arc<dyn CacheService>, resilience: Resilience) -> Arc<dyn CacheService> {
    let policy = match resilience {
        Resilience::Off => Policy::off(),
        Resilience::On => CacheClient::policy(),
    };
    CacheClient::from(service).with_policy(policy).into()
}
