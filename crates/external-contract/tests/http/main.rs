//! The clauses about HTTP are tested: a provider that speaks it, right and wrong, and asks for something before each call.

mod letters;

use external_contract::{Harness, Suite, Tally, verify};
use external_core::Capability;

use letters::{Flaw, Letters};

const CLAUSES: [&str; 4] = ["common.1.16", "common.1.17", "common.1.18", "common.3.5"];

fn told(flaw: Flaw) -> Tally {
    told_by(flaw, &CLAUSES, &["burn"])
}

/// By these clauses, of a target that lists these calls as silent.
fn told_by(flaw: Flaw, clauses: &[&str], silent: &[&str]) -> Tally {
    let suite =
        Suite::<dyn Letters>::of_contract("letters", &[], |_, _| Capability::Unsupported, letters::calls());
    let text = format!(
        "[[target]]\nname = \"plain\"\nlane = \"embedded\"\nproxy = \"address\"\n\
         config = {{ address = \"127.0.0.1:1\", flaw = \"{flaw:?}\" }}\n\
         [target.http]\nsilent = {silent:?}\n\
         [[target.http.before]]\npath = \"/stamp\"\ncontent_type = \"application/json\"\nbody = '{{\"stamp\":7}}'\n"
    );
    verify(suite.only(clauses), Harness::from_toml(&letters::ENTRY, &text))
}

#[test]
fn who_knows_what_statuses_mean_passes() {
    let tally = told(Flaw::None);
    assert_eq!(tally.to_string(), "4 passed, 0 failed, 0 unsupported, 0 not run", "{:#?}", tally.failed);
}

/// Whichever of these clauses meets the error, it is searched.
#[test]
fn a_refusal_that_repeats_what_was_sent_is_caught() {
    for clause in CLAUSES {
        let tally = told_by(Flaw::QuotesTheLetter, &[clause], &["burn"]);
        assert!(tally.has_failed("common.7.2"), "{clause}: {tally} {:?}", tally.not_run);
        assert!(!tally.has_failed(clause), "{clause}: {:#?}", tally.failed);
    }
}

/// What answers with a status alone is told by the target, and by nothing that a call does.
#[test]
fn which_calls_are_silent_is_as_the_target_says() {
    let wrong: [&[&str]; 4] = [&[], &["post"], &["post", "burn"], &["burn", "bury"]];
    for silent in wrong {
        let tally = told_by(Flaw::None, &["common.1.18"], silent);
        assert!(tally.has_failed("common.1.18"), "{silent:?}: {tally} {:?}", tally.not_run);
    }
}

#[test]
fn each_misreading_of_a_status_is_caught_by_its_clause() {
    for (flaw, clause) in [
        (Flaw::TakesGatewaysForRefusals, "common.1.16"),
        (Flaw::TakesRefusalsForFaults, "common.1.16"),
        (Flaw::ReadsPagesForReasons, "common.1.16"),
        (Flaw::RepeatsWhatIsUnavailable, "common.1.16"),
        (Flaw::ForgetsTheWait, "common.1.17"),
        (Flaw::KnowsNoDates, "common.1.17"),
        (Flaw::WaitsForGood, "common.1.17"),
        (Flaw::BelievesAnyPage, "common.1.18"),
        (Flaw::BlamesTheCallerForPages, "common.1.18"),
        (Flaw::FollowsRedirects, "common.3.5"),
    ] {
        let tally = told(flaw);
        assert!(tally.has_failed(clause), "{flaw:?} passed {clause}: {tally} {:?}", tally.not_run);
    }
}
