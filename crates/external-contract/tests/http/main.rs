//! The clauses about HTTP are tested: a provider that speaks it, right and wrong, and asks for something before each call.

mod letters;

use external_contract::{Harness, Suite, Tally, verify};
use external_core::Capability;

use letters::{Flaw, Letters};

const STATUSES: [&str; 3] = ["common.1.16", "common.1.17", "common.1.18"];

fn told(flaw: Flaw) -> Tally {
    let suite =
        Suite::<dyn Letters>::of_contract("letters", &[], |_, _| Capability::Unsupported, letters::calls());
    let text = format!(
        "[[target]]\nname = \"plain\"\nlane = \"embedded\"\nproxy = \"address\"\n\
         config = {{ address = \"127.0.0.1:1\", flaw = \"{flaw:?}\" }}\n\
         [[target.http.before]]\npath = \"/stamp\"\ncontent_type = \"application/json\"\nbody = '{{\"stamp\":7}}'\n"
    );
    verify(suite.only(&STATUSES), Harness::from_toml(&letters::ENTRY, &text))
}

#[test]
fn who_knows_what_statuses_mean_passes() {
    let tally = told(Flaw::None);
    assert_eq!(tally.to_string(), "3 passed, 0 failed, 0 unsupported, 0 not run", "{:#?}", tally.failed);
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
    ] {
        let tally = told(flaw);
        assert!(tally.has_failed(clause), "{flaw:?} passed {clause}: {tally} {:?}", tally.not_run);
    }
}
