//! Which layers meet which, and the test that shows how: one row for each pair. A pair that has nothing to do with each other
//! says why. Whoever adds a layer adds it to [`LAYERS`], and is told what is missing.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;
#[path = "pairs/closes.rs"]
mod closes;
#[path = "pairs/waits.rs"]
mod waits;

use Meet::{Apart, In};

const LAYERS: [&str; 11] = [
    "deadline",
    "bulkhead",
    "rate limit",
    "gate",
    "retry",
    "budget",
    "breaker",
    "hedge",
    "attempt timeout",
    "body",
    "close",
];

/// How two layers meet.
#[derive(Debug)]
enum Meet {
    /// In a test, by its program or file and its name.
    In(&'static str),
    /// Not at all, and why.
    Apart(&'static str),
}

#[rustfmt::skip]
const PAIRS: &[(&str, &str, Meet)] = &[
    ("deadline", "bulkhead", In("admission::who_waits_too_long_or_gives_up_leaves_its_place")),
    ("deadline", "rate limit", In("admission::a_place_beyond_the_deadline_is_refused_at_once_and_not_taken")),
    ("deadline", "gate", In("admission::a_hint_beyond_the_deadline_fails_at_once")),
    ("deadline", "retry", In("pipeline::the_callers_deadline_holds_and_no_wait_passes_it")),
    ("deadline", "budget", In("pairs/waits::a_retry_that_the_deadline_forbids_costs_nothing")),
    ("deadline", "breaker", In("breaker::a_timeout_set_further_out_speaks_to_the_breaker_of_a_managed_call_only")),
    ("deadline", "hedge", In("hedging::a_deadline_ends_both_attempts_and_begins_none")),
    ("deadline", "attempt timeout", In("pipeline::the_callers_deadline_holds_and_no_wait_passes_it")),
    ("deadline", "body", In("bodies::neither_the_attempts_timeout_nor_the_total_deadline_ends_a_body")),
    ("deadline", "close", In("pairs/closes::what_hangs_is_waited_for_until_its_timeout_or_its_deadline")),
    ("bulkhead", "rate limit", In("pairs/waits::who_waits_for_the_rate_limit_has_a_place_in_the_bulkhead_and_who_is_refused_there_takes_none_of_the_limit")),
    ("bulkhead", "gate", In("pacing::a_call_keeps_its_place_in_the_bulkhead_while_it_waits")),
    ("bulkhead", "retry", In("pacing::a_call_keeps_its_place_in_the_bulkhead_while_it_waits")),
    ("bulkhead", "budget", In("admission::a_full_bulkhead_costs_no_retry")),
    ("bulkhead", "breaker", In("breaker::an_inner_refusal_does_not_speak_against_the_service")),
    ("bulkhead", "hedge", In("hedging::a_hedged_call_has_one_place_in_the_bulkhead")),
    ("bulkhead", "attempt timeout", In("pairs/waits::a_wait_is_neither_part_of_the_attempts_timeout_nor_slow")),
    ("bulkhead", "body", In("admission::a_streaming_body_keeps_its_place_until_it_ends")),
    ("bulkhead", "close", In("pairs/closes::who_waits_in_the_bulkhead_is_waited_for")),
    ("rate limit", "gate", In("pacing::the_rate_limit_is_kept_behind_the_gate")),
    ("rate limit", "retry", In("admission::the_rate_limit_counts_retries_too")),
    ("rate limit", "budget", In("pacing::a_retry_that_will_find_no_place_fails_at_once")),
    ("rate limit", "breaker", In("breaker::a_refusal_by_the_rate_limit_uses_no_probe_up")),
    ("rate limit", "hedge", In("hedging::a_hedge_that_is_refused_costs_nothing")),
    ("rate limit", "attempt timeout", In("pairs/waits::a_wait_is_neither_part_of_the_attempts_timeout_nor_slow")),
    ("rate limit", "body", Apart("it is about when attempts begin, and a body begins none")),
    ("rate limit", "close", In("pairs/closes::who_waits_for_the_rate_limit_is_waited_for")),
    ("gate", "retry", In("pairs/waits::a_retry_in_its_backoff_heeds_the_gate_and_one_that_the_gate_refuses_is_paid_back")),
    ("gate", "budget", In("pairs/waits::a_retry_in_its_backoff_heeds_the_gate_and_one_that_the_gate_refuses_is_paid_back")),
    ("gate", "breaker", In("breaker::a_probe_that_is_throttled_decides_nothing_and_closes_the_gate")),
    ("gate", "hedge", In("hedging::a_closed_gate_lets_no_hedge_pass")),
    ("gate", "attempt timeout", In("pairs/waits::a_wait_is_neither_part_of_the_attempts_timeout_nor_slow")),
    ("gate", "body", In("bodies::a_hint_in_mid_body_closes_no_gate")),
    ("gate", "close", In("limits::a_close_waits_for_calls_that_wait")),
    ("retry", "budget", In("admission::the_budget_ends_retries_and_says_so")),
    ("retry", "breaker", In("breaker::calls_beyond_the_probes_wait_for_their_verdict")),
    ("retry", "hedge", In("hedging::hedges_count_as_attempts")),
    ("retry", "attempt timeout", In("pairs/waits::each_attempt_has_its_timeout_and_one_that_ran_out_costs_a_retry")),
    ("retry", "body", In("bodies::the_calls_record_closes_with_the_body_whichever_way")),
    ("retry", "close", In("limits::a_close_waits_for_calls_that_wait")),
    ("budget", "breaker", In("admission::a_retry_that_is_refused_costs_nothing")),
    ("budget", "hedge", In("pacing::a_retry_or_a_hedge_that_is_made_is_charged")),
    ("budget", "attempt timeout", In("pairs/waits::each_attempt_has_its_timeout_and_one_that_ran_out_costs_a_retry")),
    ("budget", "body", In("streams::a_body_that_breaks_off_pays_for_no_retry")),
    ("budget", "close", Apart("who is refused as closed makes no attempt, and who runs is under no other rule than before")),
    ("breaker", "hedge", In("hedging::both_attempts_of_a_hedged_call_speak_to_the_breaker")),
    ("breaker", "attempt timeout", In("breaker::what_is_slow_follows_from_the_attempts_timeout")),
    ("breaker", "body", In("streams::bodies_that_break_off_open_the_circuit_and_count_once")),
    ("breaker", "close", In("pairs/closes::who_waits_for_a_probe_is_waited_for")),
    ("hedge", "attempt timeout", In("pairs/waits::a_hedge_has_a_timeout_of_its_own")),
    ("hedge", "body", In("hedging::the_winners_body_streams_and_the_loser_is_gone")),
    ("hedge", "close", In("pairs/closes::a_call_may_still_be_hedged")),
    ("attempt timeout", "body", In("bodies::neither_the_attempts_timeout_nor_the_total_deadline_ends_a_body")),
    ("attempt timeout", "close", In("pairs/closes::what_hangs_is_waited_for_until_its_timeout_or_its_deadline")),
    ("body", "close", In("pipeline::what_hangs_leaves_a_close_the_time_to_clean_up_and_to_flush")),
];

const PROGRAMS: [(&str, &str); 10] = [
    ("admission", include_str!("admission.rs")),
    ("bodies", include_str!("bodies.rs")),
    ("breaker", include_str!("breaker.rs")),
    ("hedging", include_str!("hedging.rs")),
    ("limits", include_str!("limits.rs")),
    ("pacing", include_str!("pacing.rs")),
    ("pairs/closes", include_str!("pairs/closes.rs")),
    ("pairs/waits", include_str!("pairs/waits.rs")),
    ("pipeline", include_str!("pipeline.rs")),
    ("streams", include_str!("streams.rs")),
];

#[test]
fn every_pair_has_one_row_and_every_row_a_test_that_exists() {
    let mut expected = Vec::new();
    for (at, one) in LAYERS.iter().enumerate() {
        expected.extend(LAYERS[at + 1..].iter().map(|other| (*one, *other)));
    }
    assert_eq!(PAIRS.iter().map(|(one, other, _)| (*one, *other)).collect::<Vec<_>>(), expected);
    for (one, other, meet) in PAIRS {
        match meet {
            Apart(why) => assert!(why.len() > 20, "{one} and {other}: why?"),
            In(test) => {
                let (program, name) = test.split_once("::").unwrap();
                let text = PROGRAMS.iter().find(|(known, _)| *known == program).map(|(_, text)| text);
                assert!(
                    text.is_some_and(|text| text.contains(&format!("fn {name}()"))),
                    "there is no {test}"
                );
            }
        }
    }
}
