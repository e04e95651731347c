//! The common block is tested where it counts bytes: a provider that talks to a server over TCP, right and wrong.

mod dial;
mod echo;

use external_contract::{Harness, Resilience, Suite, Tally, check, clause, refuses, verify};
use external_core::{Capability, ErrorKind};

use echo::{Echo, Flaw};

type S = dyn Echo;

fn suite() -> Suite<S> {
    let supports = |service: &S, id: &str| -> Capability { service.info().capabilities().grade(id) };
    Suite::of_contract("echo", &[("shout", "in capitals")], supports, echo::calls()).with(
        clause!("echo.shout.1", "It shouts.", |case: S| {
            case.service().say(&case.cx(), "a", true).await?;
        })
        .capability(
            "shout",
            check!(|case| {
                refuses(case, "a shout", ErrorKind::Unsupported, |case, service| {
                    Box::pin(async move { service.say(&case.cx(), "a", true).await.map(drop) })
                })
                .await?;
            }),
        ),
    )
}

fn tested(flaw: Flaw, clauses: &[&str]) -> Tally {
    let text = format!(
        "[[target]]\nname = \"plain\"\nlane = \"embedded\"\nproxy = \"address\"\n\
         config = {{ address = \"{}\", flaw = \"{flaw:?}\" }}\nmissing = {{ address = \"127.0.0.1:1\" }}\n",
        echo::server(),
    );
    tested_as(&text, clauses)
}

/// Behind TLS, which nobody but the proxy speaks here.
fn tested_with_tls(flaw: Flaw, clauses: &[&str]) -> Tally {
    let text = format!(
        "[[target]]\nname = \"tls\"\nlane = \"embedded\"\nproxy = \"address\"\nopaque = true\n\
         config = {{ address = \"{}\", flaw = \"{flaw:?}\", tls = true }}\n",
        echo::server(),
    );
    tested_as(&text, clauses)
}

fn tested_as(text: &str, clauses: &[&str]) -> Tally {
    let suite = if clauses.is_empty() { suite() } else { suite().only(clauses) };
    let behind = |service, _: Resilience| service;
    let harnesses = Harness::from_toml(&echo::ENTRY, text);
    verify(suite, harnesses.into_iter().map(|harness| harness.behind(behind)).collect())
}

#[track_caller]
fn is_caught(flaw: Flaw, clause: &str) {
    is_caught_by_each(flaw, &[clause]);
}

#[track_caller]
fn is_caught_by_each(flaw: Flaw, clauses: &[&str]) {
    let tally = tested(flaw, clauses);
    for clause in clauses {
        assert!(tally.has_failed(clause), "{flaw:?} passed {clause}: {tally} {:?}", tally.not_run);
    }
}

#[test]
fn a_correct_provider_passes_the_whole_common_block() {
    let tally = tested(Flaw::None, &[]);
    // The client that stands before it here is none: it does not refuse calls after `close`, and tells nothing of them.
    let is_of_client = |id: &str| id == "common.9.4" || id.starts_with("common.8.");
    let failed: Vec<_> = tally.failed.iter().filter(|(id, _)| !is_of_client(id)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(tally.not_run.iter().all(|(id, _)| is_of_client(id)), "{:#?}", tally.not_run);
    assert_eq!(tally.unsupported, ["echo.shout.1", "echo.shout.1"]);
    assert!(tally.passed > 40, "{tally}");
}

#[test]
fn a_client_that_answers_after_close_is_caught() {
    is_caught(Flaw::None, "common.9.4");
}

#[test]
fn hidden_retries_are_caught() {
    is_caught(Flaw::RetriesHidden, "common.3.2");
    is_caught(Flaw::RetriesHidden, "common.3.3");
}

#[test]
fn asking_twice_is_caught() {
    is_caught(Flaw::AsksTwice, "common.3.1");
}

#[test]
fn never_dialling_again_is_caught() {
    is_caught(Flaw::NeverRedials, "common.3.4");
}

#[test]
fn an_effect_that_denies_what_was_sent_is_caught() {
    is_caught(Flaw::DeniesSending, "common.2.1");
}

#[test]
fn refusing_after_sending_is_caught() {
    is_caught(Flaw::RefusesAfterSending, "echo.shout.1");
    is_caught(Flaw::IgnoresShout, "echo.shout.1");
}

#[test]
fn anothers_answer_is_caught() {
    is_caught(Flaw::KeepsDirtyConnection, "common.5.4");
}

#[test]
fn a_connection_left_open_is_caught() {
    is_caught(Flaw::LeavesConnectionOpen, "common.5.5");
}

#[test]
fn dialling_while_built_is_caught() {
    is_caught(Flaw::DialsInBuild, "common.10.4");
    is_caught(Flaw::DialsInBuild, "common.10.5");
}

#[test]
fn swallowing_an_unknown_field_is_caught() {
    is_caught(Flaw::TakesAnyField, "common.10.1");
}

#[test]
fn a_lie_about_what_was_sent_is_caught_at_its_turn() {
    is_caught(Flaw::SaysNotSentAfterReset, "common.1.8");
    is_caught(Flaw::SaysNotSentAfterReset, "common.2.2");
    is_caught(Flaw::DeniesSending, "common.2.2");
}

#[test]
fn hidden_retries_are_caught_however_the_line_breaks() {
    let clauses = ["common.1.7", "common.1.8", "common.1.9", "common.1.10", "common.11.1"];
    is_caught_by_each(Flaw::RetriesHidden, &clauses);
}

#[test]
fn giving_up_for_good_is_caught() {
    is_caught(Flaw::GivesUpForGood, "common.1.7");
    is_caught(Flaw::GivesUpForGood, "common.1.8");
}

#[test]
fn half_an_answer_taken_for_one_is_caught() {
    is_caught(Flaw::BelievesHalfAnAnswer, "common.1.9");
    is_caught(Flaw::BelievesHalfAnAnswer, "common.1.10");
    is_caught(Flaw::NeedsAnswersInOnePiece, "common.1.12");
}

#[test]
fn impatience_is_caught() {
    is_caught(Flaw::IsImpatient, "common.1.11");
    is_caught(Flaw::IsImpatient, "common.6.1");
}

#[test]
fn a_deadline_that_is_not_kept_is_caught() {
    let clauses =
        ["common.2.3", "common.2.4", "common.2.5", "common.6.1", "common.6.2", "common.6.3", "common.6.4"];
    is_caught_by_each(Flaw::IgnoresDeadline, &clauses);
    is_caught(Flaw::WaitsWhileBytesCome, "common.6.3");
}

#[test]
fn a_mark_at_the_wrong_moment_is_caught() {
    is_caught(Flaw::MarksTooLate, "common.2.4");
    is_caught(Flaw::MarksTooLate, "common.2.5");
    is_caught(Flaw::MarksTooEarly, "common.2.3");
}

#[test]
fn being_upset_by_nonsense_is_caught() {
    is_caught(Flaw::PanicsOnGarbage, "common.11.1");
    is_caught(Flaw::BlamesTheCaller, "common.11.1");
    is_caught(Flaw::NeverRedials, "common.11.4");
}

const CERTIFICATES: [&str; 3] = ["common.1.13", "common.1.14", "common.1.15"];

#[test]
fn a_correct_provider_trusts_whom_it_should() {
    let tally = tested_with_tls(Flaw::None, &CERTIFICATES);
    // Bare, and behind its client.
    assert_eq!(tally.passed, 6, "{:#?}", tally.failed);
}

#[test]
fn trusting_anybody_is_caught_and_so_is_trusting_nobody() {
    for flaw in [Flaw::TrustsAnybody, Flaw::NeverTrustsAnybody] {
        let tally = tested_with_tls(flaw, &CERTIFICATES);
        assert!(CERTIFICATES.iter().all(|clause| tally.has_failed(clause)), "{flaw:?}: {tally}");
    }
}

#[test]
fn a_failure_tells_the_seed() {
    let tally = tested(Flaw::BelievesHalfAnAnswer, &["common.1.10"]);
    assert!(
        tally.failed.iter().all(|(_, seen)| seen.contains("EXTERNAL_CONTRACT_SEED=")),
        "{:?}",
        tally.failed
    );
}

#[test]
fn a_description_that_cannot_be_used_is_a_failure() {
    for text in ["", "[[target]]\nname = \"x\"\nlane = \"embedded\"\nconfig = {}\n", "[[target]]\nlane = 1\n"]
    {
        let tally = verify(suite(), Harness::from_toml(&echo::ENTRY, text));
        assert!(tally.has_failed("common.0.1"), "{text}: {tally}");
    }
}

#[test]
fn a_target_whose_variables_are_not_set_is_told_as_not_run() {
    let text = "[[target]]\nname = \"plain\"\nlane = \"server\"\nneeds = [\"EXTERNAL_TEST_NO_SUCH\"]\nproxy = \"address\"\n";
    let tally = verify(suite(), Harness::from_toml(&echo::ENTRY, text));
    assert_eq!((tally.passed, tally.failed.len()), (0, 0));
    assert!(
        tally.not_run.iter().all(|(_, why)| why.contains("EXTERNAL_TEST_NO_SUCH not set")),
        "{:?}",
        tally.not_run
    );
    assert!(!tally.not_run.is_empty());
}
