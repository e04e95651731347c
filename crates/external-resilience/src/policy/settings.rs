//! A policy in configuration: what is absent keeps the domain's default, what is there is checked.

use std::collections::BTreeMap;
use std::time::Duration;

use external_core::config::duration;
use external_core::{Result, Section};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{BreakerPolicy, BudgetPolicy, BulkheadPolicy, OperationPolicy, Policy, RateLimitPolicy};

/// The `resilience` table of an instance. Every value is optional; durations are text such as `"250ms"`.
///
/// ```
/// use external_core::{Section, config::Value};
/// use external_resilience::{Policy, PolicySettings};
///
/// let value: Value = toml::from_str(r#"
///     total_deadline = "5s"
///     max_attempts = 5
///     [operations.put]
///     attempt_timeout = "20s"
/// "#).unwrap();
/// let policy = PolicySettings::policy(&Section::new("storage.avatars.resilience", value), Policy::default(), &["get", "put"])?;
/// assert_eq!(policy.retry.max_attempts, 5);
/// # Ok::<(), external_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PolicySettings {
    /// `false` leaves nothing but the call: one attempt, no deadline of its own, no breaker, no gate. Default: true.
    pub enabled: Option<bool>,
    /// How long a call may take in all. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub total_deadline: Option<Duration>,
    /// How long one attempt may take, without its body. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub attempt_timeout: Option<Duration>,
    /// The slowest rate, in bytes a second, at which a body may move. At least 1.
    pub floor_rate: Option<u64>,
    /// How many attempts a call may have, the first included. 1 to 20.
    pub max_attempts: Option<u32>,
    /// The bound of the first wait; each further one doubles it; 0: at once. 0 to 1 h.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub backoff_base: Option<Duration>,
    /// The largest bound of a wait. 1 ms to 1 h.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub backoff_cap: Option<Duration>,
    /// How many retries there may be in all.
    pub retry_budget: Option<BudgetSettings>,
    /// A call that only reads and has no answer after this is attempted a second time beside the first. 1 ms to 1 day,
    /// below the attempt timeout. Default: never.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub hedge_after: Option<Duration>,
    /// Whether all callers wait when the service has asked one of them to (429 with `Retry-After`). Default: true.
    pub retry_after_gate: Option<bool>,
    /// How long they wait for that at most. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub retry_after_cap: Option<Duration>,
    /// How many calls run at a time. Default: any number.
    pub bulkhead: Option<BulkheadSettings>,
    /// How often attempts may start. Default: any number.
    pub rate_limit: Option<RateLimitSettings>,
    /// When calls are refused.
    pub breaker: Option<BreakerSettings>,
    /// What differs for single operations, by name.
    pub operations: BTreeMap<String, OperationSettings>,
}

/// The `breaker` table.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BreakerSettings {
    /// `false` takes the breaker out. Default: true.
    pub enabled: Option<bool>,
    /// The share of failed attempts at which it opens. Above 0, up to 1.
    pub failure_rate: Option<f64>,
    /// From which duration on an attempt is slow. 1 ms to 1 day. Default: half of what it may take.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub slow_call: Option<Duration>,
    /// The share of slow attempts at which it opens. Above 0, up to 1.
    pub slow_call_rate: Option<f64>,
    /// How many of the last attempts are looked at. 1 to 100,000.
    pub window: Option<u32>,
    /// Looks at the attempts of the last so long instead. 1 s to 1 h.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub window_time: Option<Duration>,
    /// Fewer attempts than this in the window say nothing. 1 to the window.
    pub minimum_calls: Option<u32>,
    /// How long it stays open. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub open_for: Option<Duration>,
    /// How many probes have to succeed. 1 to 1,000.
    pub half_open_calls: Option<u32>,
    /// How long probing may take, from the first probe on, and at least as long as an attempt may. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub half_open_for: Option<Duration>,
}

/// The `retry_budget` table.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BudgetSettings {
    /// `false` takes the budget out. Default: true.
    pub enabled: Option<bool>,
    /// How many retries a full bucket pays for. 0 to 100,000.
    pub burst: Option<u32>,
    /// What a call that succeeds puts back, in retries. 0 to 1.
    pub share: Option<f64>,
    /// What a retry after a throttle costs. 0 to 1.
    pub throttle_cost: Option<f64>,
}

/// The `bulkhead` table.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BulkheadSettings {
    /// `false` takes the bulkhead out. Default: true.
    pub enabled: Option<bool>,
    /// How many calls run at a time. 1 to 1,000,000. Required, unless the domain's default has one.
    pub max_concurrent: Option<u32>,
    /// How many more may wait. 0 to 1,000,000. Default: 0.
    pub max_queue: Option<u32>,
    /// How long one waits at most. 1 ms to 1 day. Default: 1 s.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub max_wait: Option<Duration>,
}

/// The `rate_limit` table.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RateLimitSettings {
    /// `false` takes the rate limit out. Default: true.
    pub enabled: Option<bool>,
    /// How many attempts start in a period. 1 to 1,000,000. Required, unless the domain's default has a limit.
    pub attempts: Option<u32>,
    /// The period. 1 ms to 1 day. Default: 1 s.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub per: Option<Duration>,
    /// How many may start at once. 1 to 1,000,000. Default: 1.
    pub burst: Option<u32>,
    /// How long an attempt waits at most. 1 ms to 1 day. Default: 5 s.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub max_wait: Option<Duration>,
}

/// The table of one operation.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct OperationSettings {
    /// How long a call may take in all. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub total_deadline: Option<Duration>,
    /// How long one attempt may take, without its body. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub attempt_timeout: Option<Duration>,
    /// How many attempts a call may have. 1 to 20.
    pub max_attempts: Option<u32>,
    /// When a call that only reads is attempted a second time beside the first. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub hedge_after: Option<Duration>,
    /// `false`: no call is attempted a second time beside the first, whatever the instance says. Default: true.
    pub hedging: Option<bool>,
}

impl PolicySettings {
    /// Reads a `resilience` table over a domain's default policy; `operations` are the names it may speak of.
    ///
    /// What holds for an operation by name comes before what holds for the instance, also where it is the domain's default
    /// that says it.
    ///
    /// # Errors
    ///
    /// `Configuration` naming key and place of a value that is unknown, of the wrong type or out of range.
    pub fn policy(section: &Section, default: Policy, operations: &[&str]) -> Result<Policy> {
        let settings: Self = section.parse()?;
        let mut policy = if settings.enabled == Some(false) { Policy::off() } else { default };
        set_some(&mut policy.total_deadline, settings.total_deadline);
        set_some(&mut policy.attempt_timeout, settings.attempt_timeout);
        set(&mut policy.floor_rate, settings.floor_rate);
        set(&mut policy.retry.max_attempts, settings.max_attempts);
        set(&mut policy.retry.base, settings.backoff_base);
        set(&mut policy.retry.cap, settings.backoff_cap);
        if let Some(budget) = settings.retry_budget {
            budget.apply(&mut policy.retry.budget);
        }
        set_some(&mut policy.hedge_after, settings.hedge_after);
        set(&mut policy.retry_after_gate, settings.retry_after_gate);
        set(&mut policy.retry_after_cap, settings.retry_after_cap);
        if let Some(bulkhead) = settings.bulkhead {
            policy.bulkhead = bulkhead.over(policy.bulkhead, section)?;
        }
        if let Some(limit) = settings.rate_limit {
            policy.rate_limit = limit.over(policy.rate_limit, section)?;
        }
        if let Some(breaker) = settings.breaker {
            breaker.apply(&mut policy.breaker, section)?;
        }
        for (name, operation) in settings.operations {
            let differs = operation.policy(&name, section)?;
            policy = policy.with_operation(name, differs);
        }
        match policy.misfit(operations) {
            None => Ok(policy),
            Some(misfit) => Err(section.invalid(&misfit.key, misfit.reason)),
        }
    }

    /// The JSON Schema of the table.
    #[must_use]
    pub fn schema() -> String {
        serde_json::to_string(&schemars::schema_for!(Self)).unwrap_or_default()
    }
}

impl BudgetSettings {
    fn apply(self, budget: &mut Option<BudgetPolicy>) {
        if self.enabled == Some(false) {
            *budget = None;
            return;
        }
        let budget = budget.get_or_insert_default();
        set(&mut budget.burst, self.burst);
        set(&mut budget.share, self.share);
        set(&mut budget.throttle_cost, self.throttle_cost);
    }
}

impl BulkheadSettings {
    fn over(self, default: Option<BulkheadPolicy>, section: &Section) -> Result<Option<BulkheadPolicy>> {
        if self.enabled == Some(false) {
            return Ok(None);
        }
        let mut bulkhead = match (default, self.max_concurrent) {
            (Some(default), _) => default,
            (None, Some(most)) => BulkheadPolicy::new(most),
            (None, None) => return Err(section.invalid("bulkhead.max_concurrent", REQUIRED)),
        };
        set(&mut bulkhead.max_concurrent, self.max_concurrent);
        set(&mut bulkhead.max_queue, self.max_queue);
        set(&mut bulkhead.max_wait, self.max_wait);
        Ok(Some(bulkhead))
    }
}

impl RateLimitSettings {
    fn over(self, default: Option<RateLimitPolicy>, section: &Section) -> Result<Option<RateLimitPolicy>> {
        if self.enabled == Some(false) {
            return Ok(None);
        }
        let mut limit = match (default, self.attempts) {
            (Some(default), _) => default,
            (None, Some(attempts)) => RateLimitPolicy::new(attempts, Duration::from_secs(1)),
            (None, None) => return Err(section.invalid("rate_limit.attempts", REQUIRED)),
        };
        set(&mut limit.attempts, self.attempts);
        set(&mut limit.per, self.per);
        set(&mut limit.burst, self.burst);
        set(&mut limit.max_wait, self.max_wait);
        Ok(Some(limit))
    }
}

impl BreakerSettings {
    fn apply(self, breaker: &mut Option<BreakerPolicy>, section: &Section) -> Result<()> {
        if self.enabled == Some(false) {
            *breaker = None;
            return Ok(());
        }
        if self.window.is_some() && self.window_time.is_some() {
            let reason = "a window is by attempts or by time, not both";
            return Err(section.invalid("breaker.window_time", reason));
        }
        // Who configures a breaker wants one, also where everything else is off.
        let breaker = breaker.get_or_insert_default();
        set(&mut breaker.failure_rate, self.failure_rate);
        set_some(&mut breaker.slow_call, self.slow_call);
        set(&mut breaker.slow_call_rate, self.slow_call_rate);
        set_some(&mut breaker.window_time, self.window_time);
        if let Some(window) = self.window {
            // The default's minimum may be more than a small window holds.
            (breaker.window, breaker.window_time) = (window, None);
            breaker.minimum_calls = breaker.minimum_calls.min(window.max(1));
        }
        set(&mut breaker.minimum_calls, self.minimum_calls);
        set(&mut breaker.open_for, self.open_for);
        set(&mut breaker.half_open_calls, self.half_open_calls);
        set(&mut breaker.half_open_for, self.half_open_for);
        Ok(())
    }
}

impl OperationSettings {
    fn policy(self, name: &str, section: &Section) -> Result<OperationPolicy> {
        let off = self.hedging == Some(false);
        if off && self.hedge_after.is_some() {
            let key = format!("operations.{name}.hedging");
            return Err(section.invalid(&key, "hedging is off, and hedge_after says when it begins"));
        }
        Ok(OperationPolicy {
            total_deadline: self.total_deadline,
            attempt_timeout: self.attempt_timeout,
            max_attempts: self.max_attempts,
            hedge_after: if off { Some(None) } else { self.hedge_after.map(Some) },
        })
    }
}

const REQUIRED: &str = "this value is required";

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn set_some<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

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
        ("attempt_timeout", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
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
        ("operations.get.attempt_timeout", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
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
            ("operations.get = { hedging = false, hedge_after = '1s' }", "operations.get.hedging"),
        ] {
            is_refused(text, key);
        }
    }
}
