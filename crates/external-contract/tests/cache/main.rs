//! The cache suite is tested: a correct model passes it, and each broken one fails the clause that names its fault.

mod model;

use std::sync::Arc;

use external_contract::{Harness, Tally, cache, verify};
use external_core::cache::CacheService;
use model::{Flaw, Model};

fn tested(flaw: Flaw, clauses: &[&str]) -> Tally {
    let make = move || Ok(Arc::new(Model::new(flaw)) as Arc<dyn CacheService>);
    let suite = if clauses.is_empty() { cache::suite() } else { cache::suite().only(clauses) };
    verify(suite, vec![Harness::embedded("model", make)])
}

#[test]
fn a_correct_model_passes_every_clause() {
    let tally = tested(Flaw::None, &[]);
    assert!(tally.failed.is_empty(), "{:#?}", tally.failed);
    // Made by code, without a client: what concerns a client alone is told as not run.
    assert!(tally.not_run.iter().all(|(_, why)| why.contains("no client")), "{:#?}", tally.not_run);
    assert!(tally.passed > 60, "{tally}");
    assert!(!tally.unsupported.is_empty(), "the model has no invalidation");
}

#[track_caller]
fn is_caught(flaw: Flaw, clause: &str) {
    let tally = tested(flaw, &[clause]);
    assert!(tally.has_failed(clause), "{flaw:?} passed {clause}: {tally}");
}

#[test]
fn ignoring_ttls_is_caught() {
    is_caught(Flaw::IgnoresTtl, "cache.set.2");
    is_caught(Flaw::IgnoresTtl, "cache.get.1");
}

#[test]
fn ending_too_early_is_caught() {
    is_caught(Flaw::EndsEarly, "cache.set.2");
}

#[test]
fn a_ttl_that_slides_is_caught() {
    is_caught(Flaw::ReadsProlong, "cache.get.4");
}

#[test]
fn a_set_that_keeps_the_old_ttl_is_caught() {
    is_caught(Flaw::KeepsOldTtl, "cache.set.1");
}

#[test]
fn a_swallowed_condition_is_caught() {
    is_caught(Flaw::IgnoresConditions, "cache.set.3");
    is_caught(Flaw::IgnoresConditions, "cache.set.5");
    is_caught(Flaw::IgnoresConditions, "cache.set.6");
}

#[test]
fn folded_keys_are_caught() {
    is_caught(Flaw::FoldsKeys, "cache.get.3");
}

#[test]
fn counting_in_floats_is_caught() {
    is_caught(Flaw::CountsInFloats, "cache.increment.7");
}

#[test]
fn wrapping_counters_are_caught() {
    is_caught(Flaw::Wraps, "cache.increment.5");
}

#[test]
fn counters_that_lose_updates_are_caught() {
    is_caught(Flaw::LosesUpdates, "cache.increment.6");
}

#[test]
fn lax_numbers_are_caught() {
    is_caught(Flaw::ParsesLoosely, "cache.increment.4");
}

#[test]
fn a_swap_without_comparison_is_caught() {
    is_caught(Flaw::SwapsAlways, "cache.compare_and_swap.2");
    is_caught(Flaw::SwapsAlways, "cache.compare_and_swap.4");
}

#[test]
fn answers_out_of_order_are_caught() {
    is_caught(Flaw::SortsBatches, "cache.get_many.1");
}

#[test]
fn fencing_that_starts_again_is_caught() {
    is_caught(Flaw::FencingRestarts, "cache.acquire.3");
}

#[test]
fn releasing_anothers_lock_is_caught() {
    is_caught(Flaw::ReleasesForAnybody, "cache.release.2");
}

#[test]
fn claiming_what_is_not_there_is_caught() {
    // Declared and not kept: every clause of the capability fails.
    is_caught(Flaw::ClaimsInvalidation, "cache.subscribe.1");
    // Not declared, but quietly done.
    is_caught(Flaw::StrictThoughUndeclared, "cache.compare_and_swap.5");
}

#[test]
fn an_unknown_capability_is_caught() {
    is_caught(Flaw::UnknownCapability, "common.4.1");
}

#[test]
fn calls_that_hang_and_calls_that_panic_are_failures() {
    let tally = tested(Flaw::Panics, &["cache.get.1"]);
    assert!(tally.failed.iter().any(|(_, detail)| detail.contains("the model panics")), "{tally:?}");
    is_caught(Flaw::HangsOnClose, "common.9.3");
}

#[test]
fn leaking_on_drop_is_caught() {
    is_caught(Flaw::LeaksPermits, "common.5.2");
}
