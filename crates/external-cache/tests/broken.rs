//! The suite is itself tested: every flaw that is shipped with it is laid over the providers of this crate, and caught.

use std::sync::Arc;

use external_cache::{CacheClient, CacheService};
use external_contract::{Resilience, broken, cache, harnesses, verify};
use external_resilience::{Domain, Policy};

const COUNTED: &str = "counted on the way to a server: the memory provider has none";

/// Clauses of this domain that no flaw is shipped for.
const EXEMPT: &[(&str, &str)] = &[
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
    let judgement =
        broken::judge(cache::suite, &harnesses, &broken::cache(), &[broken::EXEMPT, EXEMPT].concat());
    println!("{judgement}");
    assert_eq!(judgement.findings(), Vec::<String>::new());
}

/// What is laid over a provider changes nothing but what is said to be wrong.
#[test]
fn a_flaw_is_no_more_than_that() {
    let flaw = broken::cache().into_iter().find(|flaw| flaw.name == "TruncatesValues").unwrap();
    let folder = env!("CARGO_MANIFEST_DIR");
    let harnesses = harnesses(folder, external_cache::registry().entries(), behind);
    let tally = verify(cache::suite(), flaw.laid_over(&harnesses));
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
