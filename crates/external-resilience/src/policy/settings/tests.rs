//! What a `resilience` table may say, and what is said about one that makes no sense.

use serde_json::Value;

use super::*;
use crate::{BulkheadPolicy, RateLimitPolicy};

fn policy(text: &str) -> Result<Policy> {
    PolicySettings::policy(
        &Section::new("cache.default.resilience", toml::from_str(text).unwrap()),
        Policy::default(),
        &["get"],
    )
}

#[test]
fn what_is_absent_stays() {
    assert_eq!(policy("").unwrap(), Policy::default());
    assert_eq!(policy("enabled = false").unwrap(), Policy::off());
    assert_eq!(policy("breaker = { enabled = false }").unwrap().breaker, None);
    assert!(policy("enabled = false\nbreaker = {}").unwrap().breaker.is_some());
    assert!(policy("enabled = false\nretry_after_gate = true").unwrap().retry_after_gate);
    assert!(!policy("retry_after_gate = false").unwrap().retry_after_gate);
    let small = policy("breaker.window = 10").unwrap().breaker.unwrap();
    assert_eq!((small.window, small.minimum_calls), (10, 10));
}

#[test]
fn what_a_default_says_of_an_operation_or_a_layer_stays_where_the_file_leaves_it_open() {
    let secs = Duration::from_secs;
    let copy = OperationPolicy::new().with_total_deadline(secs(180)).with_attempt_timeout(secs(60));
    let default = Policy::default()
        .with_operation("put", OperationPolicy::new().with_total_deadline(secs(600)))
        .with_operation("copy", copy)
        .with_hedge_after(secs(1))
        .with_bulkhead(BulkheadPolicy::new(7).with_queue(8, secs(9)))
        .with_rate_limit(RateLimitPolicy::new(7, secs(8)).with_burst(9));
    let over = |text: &str| {
        let section = Section::new("storage.a.resilience", toml::from_str(text).unwrap());
        PolicySettings::policy(&section, default.clone(), &["get", "put", "copy"]).unwrap()
    };
    let text = "operations.put.attempt_timeout = '20s'\noperations.copy.max_attempts = 2";
    let expected = default
        .clone()
        .with_operation("put", OperationPolicy::new().with_attempt_timeout(secs(20)))
        .with_operation("copy", OperationPolicy::new().with_max_attempts(2));
    assert_eq!(over(text), expected);
    let by_name = |name| expected.operations.iter().find(|(known, _)| known == name).unwrap().1;
    assert_eq!(by_name("put").total_deadline, Some(secs(600)));
    assert_eq!(by_name("copy").attempt_timeout, Some(secs(60)));

    let limits = over("bulkhead.max_queue = 1\nrate_limit.burst = 1\noperations.get.hedging = false");
    assert_eq!(limits.bulkhead, Some(BulkheadPolicy::new(7).with_queue(1, secs(9))));
    assert_eq!(limits.rate_limit, Some(RateLimitPolicy::new(7, secs(8))));
    assert_eq!(limits.hedge_after, Some(secs(1)));
    assert_eq!(limits.operations.last().unwrap().1.hedge_after, Some(None));
    let off = over("bulkhead.enabled = false\nrate_limit.enabled = false");
    assert_eq!((off.bulkhead, off.rate_limit), (None, None));
}

/// Every key with a range: what it needs beside it, the least and the most, and what lies just outside.
const RANGES: &[(&str, &str, [&str; 2], &[&str])] = &[
    ("total_deadline", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    ("attempt_timeout", "total_deadline = '1d'", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    ("floor_rate", "", ["1", "9223372036854775807"], &["0", "-1"]),
    ("max_attempts", "", ["1", "20"], &["0", "21"]),
    ("backoff_base", "backoff_cap = '1h'", ["'0ms'", "'1h'"], &["'3601s'"]),
    ("backoff_cap", "backoff_base = '1ms'", ["'1ms'", "'1h'"], &["'0ms'", "'3601s'"]),
    ("retry_budget.burst", "", ["0", "100000"], &["-1", "100001"]),
    ("retry_budget.share", "", ["0.0", "1.0"], &["-0.001", "1.001", "nan"]),
    ("retry_budget.throttle_cost", "", ["0.0", "1.0"], &["-0.001", "1.001", "nan"]),
    ("hedge_after", "enabled = false", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    ("retry_after_cap", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    ("bulkhead.max_concurrent", "", ["1", "1000000"], &["0", "1000001"]),
    ("bulkhead.max_queue", "bulkhead.max_concurrent = 1", ["0", "1000000"], &["-1", "1000001"]),
    ("bulkhead.max_wait", "bulkhead.max_concurrent = 1", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    ("rate_limit.attempts", "", ["1", "1000000"], &["0", "1000001"]),
    ("rate_limit.per", "rate_limit.attempts = 1", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    ("rate_limit.burst", "rate_limit.attempts = 1", ["1", "1000000"], &["0", "1000001"]),
    ("rate_limit.max_wait", "rate_limit.attempts = 1", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    ("breaker.failure_rate", "", ["0.001", "1.0"], &["0.0", "1.001", "nan"]),
    ("breaker.slow_call", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    ("breaker.slow_call_rate", "", ["0.001", "1.0"], &["0.0", "1.001", "nan"]),
    ("breaker.window", "", ["1", "100000"], &["0", "100001"]),
    ("breaker.window_time", "", ["'1s'", "'1h'"], &["'999ms'", "'3601s'"]),
    ("breaker.minimum_calls", "breaker.window = 50", ["1", "50"], &["0", "51"]),
    ("breaker.open_for", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    ("breaker.half_open_calls", "", ["1", "1000"], &["0", "1001"]),
    ("breaker.half_open_for", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    ("operations.get.total_deadline", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
    (
        "operations.get.attempt_timeout",
        "operations.get.total_deadline = '1d'",
        ["'1ms'", "'1d'"],
        &["'0ms'", "'86401s'"],
    ),
    ("operations.get.max_attempts", "", ["1", "20"], &["0", "21"]),
    ("operations.get.hedge_after", "enabled = false", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
];

#[track_caller]
fn is_refused(text: &str, key: &str) {
    let message = policy(text).expect_err(text).to_string();
    assert!(message.contains(&format!("cache.default.resilience.{key}")), "{text}: {message}");
}

#[test]
fn every_key_keeps_its_range_and_names_what_is_outside() {
    for (key, beside, within, outside) in RANGES {
        for value in within {
            let text = format!("{beside}\n{key} = {value}");
            assert!(policy(&text).is_ok(), "{text}: {:?}", policy(&text));
        }
        for value in *outside {
            is_refused(&format!("{beside}\n{key} = {value}"), key);
        }
    }
}

#[test]
fn every_key_is_a_switch_or_has_a_range() {
    let schema: Value = serde_json::from_str(&PolicySettings::schema()).unwrap();
    let mut keys = Vec::new();
    collect(&schema, &schema, "", &mut keys);
    let mut ranges: Vec<_> = RANGES.iter().map(|(key, ..)| (*key).to_owned()).collect();
    keys.sort();
    ranges.sort();
    assert_eq!(keys, ranges);
}

/// The paths of all values in a schema that are no switches; `get` stands for any operation.
fn collect(schema: &Value, table: &Value, path: &str, keys: &mut Vec<String>) {
    for (name, value) in table["properties"].as_object().unwrap() {
        let path = format!("{path}{name}");
        let inner = |value: &Value| {
            let reference = value["$ref"].as_str().or_else(|| value["anyOf"][0]["$ref"].as_str())?;
            schema.pointer(reference.strip_prefix('#')?).cloned()
        };
        if let Some(table) = inner(value) {
            collect(schema, &table, &format!("{path}."), keys);
        } else if let Some(table) = inner(&value["additionalProperties"]) {
            collect(schema, &table, &format!("{path}.get."), keys);
        } else if value["type"][0] != "boolean" {
            keys.push(path);
        }
    }
}

#[test]
fn what_makes_no_sense_together_is_named() {
    for (text, key) in [
        ("breaker = { window = 10, window_time = '10s' }", "breaker.window_time"),
        ("bulkhead = { max_queue = 5 }", "bulkhead.max_concurrent"),
        ("rate_limit = { per = '1s' }", "rate_limit.attempts"),
        ("operations.gett.max_attempts = 2", "operations.gett"),
        ("backoff_base = '1m'", "backoff_cap"),
        ("hedge_after = '10s'", "hedge_after"),
        ("attempt_timeout = '31s'", "attempt_timeout"),
        ("attempt_timeout = '5s'\ntotal_deadline = '4s'", "attempt_timeout"),
        ("operations.get.attempt_timeout = '31s'", "operations.get.attempt_timeout"),
        ("operations.probe.attempt_timeout = '31s'", "operations.probe.attempt_timeout"),
        ("operations.get = { hedging = false, hedge_after = '1s' }", "operations.get.hedging"),
    ] {
        is_refused(text, key);
    }
}

#[test]
fn a_deadline_may_be_stated_alone_and_probes_are_an_operation() {
    for text in ["total_deadline = '4s'", "operations.get.total_deadline = '4s'"] {
        assert!(policy(text).is_ok(), "{text}: the attempts are over with their call");
    }
    let probed = policy("operations.probe.attempt_timeout = '2s'").unwrap();
    assert_eq!(probed.operations[0].0, "probe");
    is_refused("operations.probed.attempt_timeout = '2s'", "operations.probed");
}
