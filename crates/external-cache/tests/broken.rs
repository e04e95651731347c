//! The suite is itself tested: every flaw that is shipped with it is laid over the providers of this crate, and caught.

mod wired;

use std::sync::Arc;

use external_cache::{CacheClient, CacheService};
use external_contract::broken::Flaw;
use external_contract::{Resilience, broken, cache, harnesses, verify};
use external_resilience::{Domain, Policy};

/// What is counted, severed and given back on the way to a server, which the providers of this crate that need none do not have.
const ON_THE_WAY: &[&str] = &[
    "cache.get_many.5",
    "cache.set_many.5",
    "cache.delete_many.3",
    "cache.subscribe.4",
    "cache.subscribe.5",
];

type Flaws = Vec<Flaw<dyn CacheService>>;

/// The flaws that show on the way to a server, and the others.
fn flaws() -> (Flaws, Flaws) {
    let shows = |flaw: &Flaw<dyn CacheService>| flaw.caught_by.iter().any(|id| ON_THE_WAY.contains(id));
    broken::cache().into_iter().partition(shows)
}

#[test]
fn every_flaw_is_caught_and_every_clause_catches_one() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let harnesses = harnesses(folder, external_cache::registry().entries(), behind);
    let elsewhere: Vec<_> = ON_THE_WAY.iter().map(|id| (*id, "over a wire, below")).collect();
    let exempt = [broken::EXEMPT, elsewhere.as_slice()].concat();
    let judgement = broken::judge(cache::suite, &harnesses, &flaws().1, &exempt);
    println!("{judgement}");
    assert_eq!(judgement.findings(), Vec::<String>::new());
}

#[test]
fn a_flaw_that_shows_on_the_way_to_a_server_is_caught_over_a_wire() {
    let suite = || cache::suite().only(ON_THE_WAY);
    let harnesses = wired::harnesses(behind);
    // Bare, and behind its client.
    let right = verify(suite(), harnesses.clone());
    assert_eq!(right.passed, 2 * ON_THE_WAY.len(), "{right} {:#?}", right.failed);
    let judgement = broken::judge(suite, &harnesses, &flaws().0, &[]);
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
