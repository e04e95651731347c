//! The storage suite is tested: a correct model passes it, and each broken one fails the clause that names its fault.

mod model;

use std::sync::Arc;

use external_contract::{Harness, Tally, storage, verify};
use external_core::storage::StorageService;
use model::{Flaw, Model};

fn tested(flaw: Flaw, clauses: &[&str]) -> Tally {
    let make = move || Ok(Arc::new(Model::new(flaw)) as Arc<dyn StorageService>);
    let suite = if clauses.is_empty() { storage::suite() } else { storage::suite().only(clauses) };
    verify(suite, vec![Harness::embedded("model", make)])
}

#[test]
fn a_correct_model_passes_every_clause() {
    let tally = tested(Flaw::None, &[]);
    assert!(tally.failed.is_empty(), "{:#?}", tally.failed);
    // Made by code, without a client: what concerns a client alone is told as not run.
    assert!(tally.not_run.iter().all(|(_, why)| why.contains("no client")), "{:#?}", tally.not_run);
    assert!(tally.passed > 40, "{tally}");
    assert!(tally.unsupported.len() > 20, "the model has no facet: {tally}");
}

#[track_caller]
fn is_caught(flaw: Flaw, clause: &str) {
    let tally = tested(flaw, &[clause]);
    assert!(tally.has_failed(clause), "{flaw:?} passed {clause}: {tally}");
}

#[test]
fn a_swallowed_precondition_is_caught() {
    is_caught(Flaw::IgnoresPreconditions, "storage.put.4");
    is_caught(Flaw::IgnoresPreconditions, "storage.put.5");
    is_caught(Flaw::IgnoresPreconditions, "storage.put.6");
    is_caught(Flaw::IgnoresPreconditions, "storage.put.7");
}

#[test]
fn a_precondition_checked_too_early_is_caught() {
    is_caught(Flaw::ChecksBeforeWriting, "storage.put.5");
    is_caught(Flaw::ChecksBeforeWriting, "storage.put.7");
}

#[test]
fn a_precondition_that_claims_to_be_unsent_is_caught() {
    is_caught(Flaw::LiesAboutEffect, "storage.put.4");
}

#[test]
fn tokens_made_of_sizes_are_caught() {
    is_caught(Flaw::TokensOfSize, "storage.put.8");
}

#[test]
fn a_listing_without_limit_is_caught() {
    is_caught(Flaw::ListsWithoutLimit, "storage.list_page.2");
}

#[test]
fn pages_that_overlap_or_leave_gaps_are_caught() {
    is_caught(Flaw::PagesOverlap, "storage.list_page.1");
    is_caught(Flaw::PagesByOffset, "storage.list_page.5");
}

#[test]
fn prefixes_by_segment_are_caught() {
    is_caught(Flaw::PrefixBySegment, "storage.list_page.8");
}

#[test]
fn common_prefixes_told_twice_are_caught() {
    is_caught(Flaw::PrefixesRepeat, "storage.list_page.3");
}

#[test]
fn ranges_off_by_one_are_caught() {
    is_caught(Flaw::RangesInclusive, "storage.get.2");
}

#[test]
fn metadata_that_shines_through_is_caught() {
    is_caught(Flaw::KeepsOldMetadata, "storage.put.2");
}

#[test]
fn checksums_that_nobody_verifies_are_caught() {
    is_caught(Flaw::IgnoresChecksums, "storage.put.9");
}

#[test]
fn deleting_a_folder_is_caught() {
    is_caught(Flaw::DeletesBelow, "storage.delete.3");
}

#[test]
fn folded_keys_are_caught() {
    is_caught(Flaw::FoldsKeys, "storage.key.2");
}

#[test]
fn an_option_silently_ignored_is_caught() {
    // `versions` and `tags` are not declared, and a request that asks for them is answered all the same.
    is_caught(Flaw::IgnoresVersion, "storage.list_versions.2");
    is_caught(Flaw::IgnoresTags, "storage.get_tags.1");
}
