//! The suite is itself tested: every flaw that is shipped with it is laid over the providers of this crate, and caught.

use std::sync::Arc;

use external_contract::{Resilience, broken, harnesses, storage, verify};
use external_resilience::{Domain, Policy};
use external_storage::{StorageClient, StorageService};

#[test]
fn every_flaw_is_caught_and_every_clause_catches_one() {
    let folder = env!("CARGO_MANIFEST_DIR");
    let harnesses = harnesses(folder, external_storage::registry().entries(), behind);
    let judgement = broken::judge(storage::suite, &harnesses, &broken::storage(), broken::EXEMPT);
    println!("{judgement}");
    assert_eq!(judgement.findings(), Vec::<String>::new());
}

/// What is laid over a provider changes nothing but what is said to be wrong.
#[test]
fn a_flaw_is_no_more_than_that() {
    let flaw = broken::storage().into_iter().find(|flaw| flaw.name == "UploadsBackwards").unwrap();
    let folder = env!("CARGO_MANIFEST_DIR");
    let harnesses = harnesses(folder, external_storage::registry().entries(), behind);
    let tally = verify(storage::suite(), flaw.laid_over(&harnesses));
    let mut failed: Vec<_> = tally.failed.iter().map(|(clause, _)| clause.as_str()).collect();
    failed.dedup();
    assert_eq!(failed, flaw.caught_by, "{:#?}", tally.failed);
}

fn behind(service: Arc<dyn StorageService>, resilience: Resilience) -> Arc<dyn StorageService> {
    let policy = match resilience {
        Resilience::Off => Policy::off(),
        Resilience::On => StorageClient::policy(),
    };
    StorageClient::from(service).with_policy(policy).into()
}
