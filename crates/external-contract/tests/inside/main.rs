//! The common block is tested where it looks inside: providers that tell secrets, clients that tell calls wrongly or
//! keep what a dropped call held, each in its own way.

mod client;
mod vault;

use external_contract::{Behind, Harness, Suite, Tally, clause, ensure, ensure_error, verify};
use external_core::{Capability, ErrorKind};

use vault::{Flaw, Vault};

const PASSWORD: &str = "correct horse/battery+staple";
const PASSWORD_OF_URL: &str = "p@ssphrase";
const TELEMETRY: [&str; 6] =
    ["common.8.1", "common.8.2", "common.8.3", "common.8.4", "common.8.5", "common.8.6"];
const SECRECY: [&str; 4] = ["common.7.1", "common.7.2", "common.7.3", "common.7.4"];

fn suite() -> Suite<dyn Vault> {
    // A facet that no vault has.
    let supports = |_: &dyn Vault, _: &str| Capability::Unsupported;
    Suite::of_contract("vault", &[("shelf", "contents stand side by side")], supports, vault::calls())
}

fn told(flaw: Flaw, leaks: &[&str], clauses: &[&str]) -> Tally {
    let text = format!(
        "[[target]]\nname = \"plain\"\nlane = \"embedded\"\nleaks = {leaks:?}\n\
         config = {{ url = \"vault://app:p%40ssphrase@localhost\", password = \"{PASSWORD}\", flaw = \"{flaw:?}\" }}\n",
    );
    verify(suite().only(clauses), Harness::from_toml(&vault::ENTRY, &text))
}

#[track_caller]
fn is_caught(flaw: Flaw, clause: &str, encoding: &str) {
    let tally = told(flaw, &[], &SECRECY);
    let failed: Vec<_> = tally.failed.iter().filter(|(id, _)| id == clause).collect();
    assert!(!failed.is_empty(), "{flaw:?} passed {clause}: {tally} {:?}", tally.not_run);
    assert!(failed.iter().any(|(_, detail)| detail.contains(encoding)), "{encoding}: {failed:?}");
    // Who reports a secret must not show it.
    for (id, detail) in &tally.failed {
        for secret in [PASSWORD, PASSWORD_OF_URL, "p%40ssphrase", "canary/"] {
            assert!(!detail.contains(secret), "{id} repeats a secret: {detail}");
        }
    }
}

#[test]
fn a_provider_that_tells_nothing_passes() {
    let tally = told(Flaw::None, &[], &SECRECY);
    assert_eq!(tally.to_string(), "4 passed, 0 failed, 0 unsupported, 0 not run", "{:?}", tally.failed);
}

#[test]
fn a_secret_in_debug_is_caught() {
    is_caught(Flaw::PasswordInDebug, "common.7.3", "a list of bytes");
    is_caught(Flaw::PasswordInUsedDebug, "common.7.3", "an instance that was used");
    is_caught(Flaw::RecoveryInConfiguration, "common.7.3", "of a configuration");
}

#[test]
fn a_secret_in_what_an_instance_says_of_its_place_is_caught() {
    let tally = told(Flaw::PasswordInLocation, &[], &["common.4.4"]);
    let failed: Vec<_> = tally.failed.iter().filter(|(id, _)| id == "common.7.3").collect();
    assert!(failed.iter().any(|(_, detail)| detail.contains("its location")), "{:?}", tally.failed);
}

#[test]
fn a_secret_in_events_spans_and_logs_is_caught() {
    is_caught(
        Flaw::LoginInEvent,
        "common.7.1",
        "the secret `password` (base64) in the field `authorization`",
    );
    is_caught(
        Flaw::PasswordInLog,
        "common.7.1",
        "the secret `password` (hex) in a log record of `inside::vault`",
    );
    is_caught(Flaw::ContentInThread, "common.7.1", "the content of a call (plain) in the field `message`");
    is_caught(Flaw::ContentInSpan, "common.7.1", "the field `content` of a span");
    is_caught(Flaw::ContentInLateField, "common.7.1", "the field `content` of a span");
}

#[test]
fn a_secret_in_a_metric_is_caught() {
    is_caught(Flaw::ContentInMetric, "common.7.1", "a label of the metric `kept`");
}

#[test]
fn a_secret_in_a_panic_is_caught_and_not_reported() {
    is_caught(Flaw::ContentInPanic, "common.7.1", "the message of a panic");
    is_caught(Flaw::PasswordInPanic, "common.7.1", "the message of a panic");
    is_caught(Flaw::ContentInPanicOfThread, "common.7.1", "the message of a panic");
}

#[test]
fn a_secret_in_an_error_is_caught() {
    is_caught(Flaw::UrlInError, "common.7.2", "the password in `url`");
    is_caught(Flaw::ContentInErrorContext, "common.7.2", "the content of a call (plain) in the Display");
    is_caught(Flaw::ContentInErrorSource, "common.7.2", "the content of a call (plain) in the report");
    is_caught(Flaw::FieldInConfigurationError, "common.7.2", "the secret `password`");
}

#[test]
fn a_leak_in_any_other_clause_is_told_as_well() {
    let tally = told(Flaw::LoginInEvent, &[], &["common.9.3"]);
    assert_eq!((tally.passed, tally.failed.len()), (1, 1), "{:?}", tally.failed);
    let (clause, detail) = &tally.failed[0];
    assert!(clause == "common.7.1" && detail.contains("while:    common.9.3 was run"), "{clause}: {detail}");
}

/// What vendor crates show at TRACE is allowed where it is listed, and only there, and only at TRACE.
#[test]
fn the_list_of_what_vendors_show_is_checked_both_ways() {
    is_caught(Flaw::PasswordInVendorTrace, "common.7.1", "of `vendor::wire` at TRACE");
    is_caught(Flaw::PasswordInVendorDebug, "common.7.1", "of `vendor::wire` at DEBUG");
    let tally = told(Flaw::PasswordInVendorTrace, &["vendor"], &SECRECY);
    assert!(tally.failed.is_empty(), "{:?}", tally.failed);
    assert!(told(Flaw::PasswordInVendorTrace, &["vend"], &SECRECY).has_failed("common.7.1"));
    assert!(told(Flaw::PasswordInVendorDebug, &["vendor"], &SECRECY).has_failed("common.7.1"));
    assert!(told(Flaw::None, &["vendor"], &SECRECY).has_failed("common.7.4"));
}

#[test]
fn a_secret_that_is_an_ordinary_word_is_told() {
    let text = "[[target]]\nname = \"plain\"\nlane = \"embedded\"\n\
                config = { url = \"vault://localhost\", password = \"wrong\", flaw = \"None\" }\n";
    let tally = verify(suite().only(&["common.7.1"]), Harness::from_toml(&vault::ENTRY, text));
    assert!(tally.has_failed("common.7.1"), "{tally}");
}

#[test]
fn claiming_a_facet_that_is_not_there_is_caught() {
    assert!(told(Flaw::ClaimsShelf, &[], &["common.4.5"]).has_failed("common.4.5"));
    assert_eq!(told(Flaw::None, &[], &["common.4.5"]).passed, 1);
}

/// A capability without a clause would be true whatever a provider says.
#[test]
fn every_capability_has_a_clause_or_is_part_of_one() {
    // Asked within a clause about parts, both ways.
    const WITHIN: &[&str] = &["multipart-sha256"];
    fn without<S: ?Sized + external_core::Provider>(
        suite: &Suite<S>,
        capabilities: &[(&'static str, &str)],
    ) -> Vec<&'static str> {
        let levels: Vec<_> = suite.clauses().iter().map(|clause| clause.level.as_str()).collect();
        let ids = capabilities.iter().map(|(id, _)| *id);
        ids.filter(|id| !levels.contains(id) && !WITHIN.contains(id)).collect()
    }
    let storage = without(&external_contract::storage::suite(), external_core::storage::CAPABILITIES);
    let cache = without(&external_contract::cache::suite(), external_core::cache::CAPABILITIES);
    let email = without(&external_contract::email::suite(), external_core::email::CAPABILITIES);
    assert!(storage.is_empty() && cache.is_empty() && email.is_empty(), "{storage:?} {cache:?} {email:?}");
}

/// The vault behind a client.
fn behind(client: Behind<dyn Vault>, clauses: &[&str]) -> Tally {
    let text = "[[target]]\nname = \"plain\"\nlane = \"embedded\"\n\
                config = { url = \"vault://localhost\", password = \"correct horse\", flaw = \"None\" }\n\
                missing = { flaw = \"IsDown\" }\n";
    let harnesses = Harness::from_toml(&vault::ENTRY, text);
    verify(suite().only(clauses), harnesses.into_iter().map(|harness| harness.behind(client)).collect())
}

/// Whoever writes a provider goes on with the method that is named, also where a clause says of it only that it failed.
#[test]
fn a_failure_tells_which_method_is_not_written() {
    let looked_at = clause!("vault.keep.1", "A vault keeps.", |case: dyn Vault| {
        let kept = case.service().keep(&case.cx(), "x").await;
        ensure_error("keeping", kept, ErrorKind::Configuration)?;
        ensure(false, "it is kept", "it is not")?;
    });
    let not_looked_at = clause!("vault.keep.2", "A vault keeps.", |case: dyn Vault| {
        ensure(case.service().keep(&case.cx(), "x").await.is_ok(), "it is kept", "it is not")?;
    });
    let text = "[[target]]\nname = \"plain\"\nlane = \"embedded\"\n\
                config = { url = \"vault://localhost\", password = \"correct horse\", flaw = \"IsNotWritten\" }\n";
    let harnesses = Harness::from_toml(&vault::ENTRY, text).into_iter();
    let harnesses = harnesses
        .map(|harness| harness.behind(|vault, on| client::behind(vault, on, client::Flaw::None)))
        .collect();
    let suite = suite().only(&[]).with(looked_at.of_provider()).with(not_looked_at.of_client());
    let tally = verify(suite, harnesses);
    assert_eq!(tally.failed.len(), 2, "{tally}");
    for (clause, detail) in &tally.failed {
        let next = "\nnext:     not written yet: write `keep` in vault.rs: lock the door";
        assert!(detail.contains(next), "{clause}: {detail}");
    }
}

/// A client that is wrong in this way fails this clause.
macro_rules! is_caught {
    ($flaw:ident, $clause:literal) => {
        let tally =
            behind(|vault, resilience| client::behind(vault, resilience, client::Flaw::$flaw), &[$clause]);
        assert!(
            tally.has_failed($clause),
            "{} passed {}: {tally} {:?}",
            stringify!($flaw),
            $clause,
            tally.not_run
        );
    };
}

#[test]
fn a_client_that_tells_its_calls_passes_the_whole_common_block() {
    let ids: Vec<_> = suite().clauses().iter().map(|clause| clause.id).collect();
    let tally = behind(|vault, resilience| client::behind(vault, resilience, client::Flaw::None), &ids);
    assert!(tally.failed.is_empty() && tally.not_run.is_empty(), "{:?} {:?}", tally.failed, tally.not_run);
    assert!(TELEMETRY.iter().all(|id| ids.contains(id)), "{ids:?}");
}

#[test]
fn a_call_that_is_not_told_or_told_twice_is_caught() {
    is_caught!(TellsNothing, "common.8.1");
    is_caught!(TellsTwice, "common.8.1");
}

#[test]
fn an_error_that_is_told_as_another_one_is_caught() {
    is_caught!(RenamesErrors, "common.8.2");
}

#[test]
fn a_call_that_outlives_its_caller_is_caught() {
    is_caught!(OutlivesItsCaller, "common.8.3");
}

#[test]
fn a_label_with_whatever_callers_send_is_caught() {
    is_caught!(CountsByContent, "common.8.4");
}

#[test]
fn counting_twice_is_caught() {
    is_caught!(CountsTwice, "common.8.5");
}

#[test]
fn writing_outside_of_the_span_is_caught() {
    is_caught!(WritesOutsideOfItsSpan, "common.8.6");
}

#[test]
fn places_that_dropped_calls_keep_are_caught() {
    is_caught!(KeepsPlaces, "common.5.2");
}
