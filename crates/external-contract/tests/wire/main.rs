//! The common block is tested where it counts bytes: a provider that talks to a server over TCP, right and wrong.

mod backend;
mod dial;
mod echo;

use std::sync::Mutex;

use external_contract::{Harness, Resilience, Suite, Tally, check, clause, refuses, verify};
use external_core::{Capability, ErrorKind};

use backend::Backend;
use echo::{Echo, Flaw, PASSWORD};

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

/// As it comes, and behind a login.
fn tested(flaw: Flaw, clauses: &[&str]) -> Tally {
    let address = echo::server();
    let text = format!(
        "[[target]]\nname = \"plain\"\nlane = \"embedded\"\nproxy = \"address\"\n\
         config = {{ address = \"{address}\", flaw = \"{flaw:?}\" }}\n\
         missing = {{ address = \"127.0.0.1:${{NOBODY}}\" }}\n\
         [[target]]\nname = \"login\"\nlane = \"embedded\"\nproxy = \"address\"\n\
         config = {{ address = \"{address}\", flaw = \"{flaw:?}\", password = \"{PASSWORD}\" }}\n\
         missing = {{ address = \"127.0.0.1:${{NOBODY}}\" }}\ndenied = {{ password = \"${{CANARY}}\" }}\n",
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

/// Each way to be wrong, and the clauses that are there to catch it.
const CAUGHT: &[(Flaw, &[&str])] = &[
    (Flaw::HidesRefusal, &["common.1.1", "common.1.6"]),
    (Flaw::HidesDenial, &["common.1.2"]),
    (Flaw::ProbeFails, &["common.1.3"]),
    (Flaw::ProbeIsSilent, &["common.1.4"]),
    (Flaw::GivesUpForGood, &["common.1.7", "common.1.8"]),
    (Flaw::SaysNotSentAfterReset, &["common.1.8", "common.2.2"]),
    (Flaw::BelievesHalfAnAnswer, &["common.1.9", "common.1.10"]),
    (Flaw::NeedsAnswersInOnePiece, &["common.1.12"]),
    (Flaw::IsImpatient, &["common.1.11", "common.6.1"]),
    (Flaw::DeniesSending, &["common.2.1", "common.2.2"]),
    (Flaw::MarksTooEarly, &["common.2.3"]),
    (Flaw::MarksTooLate, &["common.2.4", "common.2.5"]),
    (Flaw::AsksTwice, &["common.3.1"]),
    (Flaw::RetriesHidden, &["common.3.2", "common.3.3"]),
    // However the line breaks.
    (Flaw::RetriesHidden, &["common.1.7", "common.1.8", "common.1.9", "common.1.10", "common.11.1"]),
    (Flaw::NeverRedials, &["common.3.4", "common.11.4"]),
    (Flaw::RefusesAfterSending, &["echo.shout.1"]),
    (Flaw::IgnoresShout, &["echo.shout.1"]),
    (Flaw::StaysBusy, &["common.5.1"]),
    (Flaw::HangsOnClose, &["common.5.3"]),
    (Flaw::KeepsDirtyConnection, &["common.5.4"]),
    (Flaw::LeavesConnectionOpen, &["common.5.5"]),
    (
        Flaw::IgnoresDeadline,
        &["common.2.3", "common.2.4", "common.2.5", "common.6.1", "common.6.2", "common.6.3", "common.6.4"],
    ),
    (Flaw::WaitsWhileBytesCome, &["common.6.3"]),
    // The client that stands before it here is none: it answers after `close`.
    (Flaw::None, &["common.9.4"]),
    (Flaw::ServesOneAtATime, &["common.9.6"]),
    (Flaw::TakesAnyField, &["common.10.1"]),
    (Flaw::NamesNoField, &["common.10.2", "common.10.3"]),
    (Flaw::DialsInBuild, &["common.10.4", "common.10.5"]),
    (Flaw::PanicsOnGarbage, &["common.11.1"]),
    (Flaw::BlamesTheCaller, &["common.11.1"]),
    (Flaw::BlamesTheConfiguration, &["common.11.2"]),
    (Flaw::ReadsWithoutEnd, &["common.11.3"]),
];

/// Beginnings of clauses that no flaw in [`CAUGHT`] is made for, and where it is.
const ELSEWHERE: &[(&str, &str)] = &[
    ("common.1.5", "with a server that can be stopped, below"),
    ("common.1.13", CERTIFICATE),
    ("common.1.14", CERTIFICATE),
    ("common.1.15", CERTIFICATE),
    ("common.1.16", HTTP),
    ("common.1.17", HTTP),
    ("common.1.18", HTTP),
    ("common.3.5", HTTP),
    ("common.4.1", ANYWHERE),
    ("common.4.2", ANYWHERE),
    ("common.4.3", "its client is the provider itself"),
    ("common.4.4", ANYWHERE),
    ("common.4.5", INSIDE),
    ("common.5.2", ANYWHERE),
    ("common.7.", INSIDE),
    ("common.8.", INSIDE),
    ("common.9.1", ANYWHERE),
    ("common.9.2", ANYWHERE),
    ("common.9.3", ANYWHERE),
    ("common.9.5", ANYWHERE),
    ("common.10.6", "another schema, below"),
];

const HTTP: &str = "tests/http";
const CERTIFICATE: &str = "behind TLS, below";
const ANYWHERE: &str = "a flaw that every domain ships (broken)";
const INSIDE: &str = "tests/inside";

#[test]
fn every_flaw_is_caught() {
    for (flaw, clauses) in CAUGHT {
        let tally = tested(*flaw, clauses);
        for clause in *clauses {
            assert!(tally.has_failed(clause), "{flaw:?} passed {clause}: {tally} {:?}", tally.not_run);
            println!("{flaw:?} is caught by {clause}");
        }
    }
}

/// Whatever breaks under a call, and whichever clause looks at its error.
#[test]
fn an_error_that_repeats_what_was_sent_is_caught() {
    for clause in [
        "common.1.6",
        "common.1.7",
        "common.1.8",
        "common.1.9",
        "common.1.10",
        "common.2.1",
        "common.2.2",
        "common.3.3",
        "common.6.4",
        "common.11.1",
        "common.11.3",
        "common.11.4",
    ] {
        let tally = tested(Flaw::QuotesTheLine, &[clause]);
        assert!(tally.has_failed("common.7.2"), "{clause}: {tally} {:?}", tally.not_run);
    }
}

/// Rounds that all draw the same are one round.
#[test]
fn the_proxies_of_a_case_draw_by_seeds_of_their_own_and_those_of_the_next_case_by_the_same() {
    static DRAWN: Mutex<Vec<[u64; 2]>> = Mutex::new(Vec::new());
    let draws = clause!("echo.draws.1", "What a proxy draws is decided by a seed.", |case: S| {
        let (one, other) = (case.proxied().await?, case.proxied().await?);
        DRAWN.lock().unwrap().push([one.proxy.seed(), other.proxy.seed()]);
    });
    let text = format!(
        "[[target]]\nname = \"plain\"\nlane = \"embedded\"\nproxy = \"address\"\n\
         config = {{ address = \"{}\", flaw = \"None\" }}\n",
        echo::server(),
    );
    for _ in 0..2 {
        let tally = verify(suite().only(&[]).with(draws.clone()), Harness::from_toml(&echo::ENTRY, &text));
        assert!(
            tally.failed.is_empty() && tally.not_run.is_empty(),
            "{:?} {:?}",
            tally.failed,
            tally.not_run
        );
    }
    let drawn = DRAWN.lock().unwrap();
    assert!(drawn.len() > 1 && drawn.iter().all(|[one, other]| one != other), "{drawn:?}");
    assert!(drawn.iter().all(|seeds| *seeds == drawn[0]), "{drawn:?}");
}

#[test]
fn every_clause_catches_one() {
    for clause in suite().clauses() {
        let caught = CAUGHT.iter().any(|(_, clauses)| clauses.contains(&clause.id));
        // `common.1.1` is not the beginning of `common.1.13`.
        let is = |id: &str| clause.id == id || id.ends_with('.') && clause.id.starts_with(id);
        let elsewhere = ELSEWHERE.iter().any(|(id, _)| is(id));
        assert!(caught != elsewhere, "{}: no flaw is made for it and no reason given, or both", clause.id);
    }
}

#[test]
fn a_schema_that_describes_nothing_is_caught() {
    let text = format!(
        "[[target]]\nname = \"plain\"\nlane = \"embedded\"\nproxy = \"address\"\n\
         config = {{ address = \"{}\", flaw = \"None\" }}\n",
        echo::server(),
    );
    let harnesses = Harness::from_toml(&echo::UNDESCRIBED, &text);
    assert!(verify(suite().only(&["common.10.6"]), harnesses).has_failed("common.10.6"));
}

#[test]
fn a_correct_provider_passes_the_whole_common_block() {
    let tally = tested(Flaw::None, &[]);
    // The client that stands before it here is none: it does not refuse calls after `close`, and tells nothing of them.
    let is_of_client = |id: &str| id == "common.9.4" || id.starts_with("common.8.");
    let failed: Vec<_> = tally.failed.iter().filter(|(id, _)| !is_of_client(id)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(tally.not_run.iter().all(|(id, _)| is_of_client(id)), "{:#?}", tally.not_run);
    assert_eq!(tally.unsupported, ["echo.shout.1"; 4]);
    assert!(tally.passed > 40, "{tally}");
}

#[test]
fn who_bears_a_back_end_that_stops_passes_and_who_does_not_is_caught() {
    let tested = |flaw: Flaw| {
        let backend = Backend::start();
        let text = format!(
            "[[target]]\nname = \"plain\"\nlane = \"embedded\"\nproxy = \"address\"\nbackend = \"echo\"\n\
             config = {{ address = \"{}\", flaw = \"{flaw:?}\" }}\n",
            backend.address(),
        );
        let harnesses = Harness::from_toml(&echo::ENTRY, &text).into_iter();
        let harnesses = harnesses.map(|harness| harness.with_variable("EXTERNAL_CONTROL", backend.control()));
        verify(suite().only(&["common.1.5"]), harnesses.collect())
    };
    let tally = tested(Flaw::None);
    assert_eq!(tally.passed, 1, "{tally} {:?} {:?}", tally.failed, tally.not_run);
    let tally = tested(Flaw::HidesRefusal);
    assert!(tally.has_failed("common.1.5"), "{tally} {:?}", tally.not_run);
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
