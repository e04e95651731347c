//! The e-mail suite is tested: a correct model passes the clauses that its small abilities allow, and each broken one
//! fails the clause that names its fault.

mod model;

use std::sync::Arc;

use external_contract::{Harness, Tally, email, verify};
use external_core::email::EmailService;
use model::{Flaw, Model};

/// The model writes plain text alone, so what concerns HTML and files is not for it.
const CLAUSES: &[&str] = &[
    "email.send.1",
    "email.send.2",
    "email.send.3",
    "email.send.4",
    "email.send.5",
    "email.send.12",
    "email.send.13",
    "email.send.14",
    "email.send.15",
    "email.send.20",
    "email.send.24",
    "email.send.25",
    "email.send.26",
    "email.send.27",
    "email.send.29",
    "email.outbox.1",
    "email.outbox.2",
    "email.capability.1",
    "common.4.1",
    "common.5.1",
    "common.9.1",
];

fn tested(flaw: Flaw, clauses: &[&str]) -> Tally {
    let make = move || Ok(Arc::new(Model::new(flaw)) as Arc<dyn EmailService>);
    verify(email::suite().only(clauses), vec![Harness::embedded("model", make)])
}

#[test]
fn a_correct_model_passes() {
    let tally = tested(Flaw::None, CLAUSES);
    assert!(tally.failed.is_empty(), "{:#?}", tally.failed);
    assert!(tally.not_run.is_empty(), "{:#?}", tally.not_run);
    assert_eq!(tally.passed, CLAUSES.len());
}

#[track_caller]
fn is_caught(flaw: Flaw, clause: &str) {
    let tally = tested(flaw, &[clause]);
    assert!(tally.has_failed(clause), "{flaw:?} passed {clause}: {tally}");
}

#[test]
fn losing_the_others_is_caught() {
    is_caught(Flaw::StopsAtRefusal, "email.send.3");
}

#[test]
fn an_error_for_a_refused_recipient_is_caught() {
    is_caught(Flaw::RefusalIsError, "email.send.5");
}

#[test]
fn a_written_bcc_is_caught() {
    is_caught(Flaw::WritesBcc, "email.send.13");
}

#[test]
fn two_copies_are_caught() {
    is_caught(Flaw::SendsTwice, "email.send.2");
}

#[test]
fn a_swallowed_lost_answer_is_caught() {
    is_caught(Flaw::RepeatsLost, "email.send.27");
    is_caught(Flaw::LostIsNotSent, "email.send.27");
}

#[test]
fn a_key_that_is_claimed_but_ignored_is_caught() {
    is_caught(Flaw::IgnoresKeys, "email.send.24");
    is_caught(Flaw::ReplaysAnything, "email.send.25");
}

#[test]
fn mails_that_mix_are_caught() {
    is_caught(Flaw::MixesMails, "email.send.26");
}

#[test]
fn an_ignored_envelope_sender_is_caught() {
    is_caught(Flaw::IgnoresEnvelopeSender, "email.send.14");
}

#[test]
fn a_receipt_with_another_id_is_caught() {
    is_caught(Flaw::TellsAnotherId, "email.send.15");
}

#[test]
fn delivering_what_was_refused_as_a_whole_is_caught() {
    is_caught(Flaw::KeepsRefusedContent, "email.send.29");
}

#[test]
fn a_facet_that_is_not_declared_is_caught() {
    is_caught(Flaw::HidesOutbox, "email.capability.1");
}
