//! A policy in configuration: what is absent keeps the domain's default, what is there is checked.

use std::collections::BTreeMap;
use std::time::Duration;

use external_core::config::duration;
use external_core::{Result, Section};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{BudgetPolicy, BulkheadPolicy, OperationPolicy, Policy, RateLimitPolicy};

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
    /// The bound of the first wait; each further one doubles it. 1 ms to 1 h.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub backoff_base: Option<Duration>,
    /// The largest bound of a wait. 1 ms to 1 h.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub backoff_cap: Option<Duration>,
    /// How many retries there may be in all.
    pub retry_budget: Option<BudgetSettings>,
    /// A call that only reads and has no answer after this is attempted a second time beside the first. 1 ms to 1 day.
    /// Default: never.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub hedge_after: Option<Duration>,
    /// Whether all callers wait when the service has asked one of them to (429 with `Retry-After`). Default: true.
    pub retry_after_gate: Option<bool>,
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
    /// From which duration on an attempt is slow. 1 ms to 1 day. Default: half of its timeout.
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
    /// How long probing may take, from the first probe on. 1 ms to 1 day.
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
    /// How many calls run at a time. 1 to 1,000,000. Required.
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
    /// How many attempts start in a period. 1 to 1,000,000. Required.
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
}

const MOMENT: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MILLION: u32 = 1_000_000;

impl PolicySettings {
    /// Reads a `resilience` table over a domain's default policy; `operations` are the names it may speak of.
    ///
    /// # Errors
    ///
    /// `Configuration` naming key and place of a value that is unknown, of the wrong type or out of range.
    pub fn policy(section: &Section, default: Policy, operations: &[&str]) -> Result<Policy> {
        let settings: Self = section.parse()?;
        let mut policy = if settings.enabled == Some(false) { Policy::off() } else { default };
        let check = Check(section);
        if let Some(deadline) = check.duration("total_deadline", settings.total_deadline, DAY)? {
            policy.total_deadline = Some(deadline);
        }
        if let Some(timeout) = check.duration("attempt_timeout", settings.attempt_timeout, DAY)? {
            policy.attempt_timeout = Some(timeout);
        }
        set(&mut policy.floor_rate, check.range("floor_rate", settings.floor_rate, 1, u64::MAX)?);
        set(&mut policy.retry.max_attempts, check.range("max_attempts", settings.max_attempts, 1, 20)?);
        set(&mut policy.retry.base, check.duration("backoff_base", settings.backoff_base, HOUR)?);
        set(&mut policy.retry.cap, check.duration("backoff_cap", settings.backoff_cap, HOUR)?);
        if policy.retry.cap < policy.retry.base {
            return Err(section.invalid("backoff_cap", "backoff_cap is below backoff_base"));
        }
        if let Some(budget) = settings.retry_budget {
            policy.retry.budget = budget.policy(&check, policy.retry.budget)?;
        }
        if let Some(delay) = check.duration("hedge_after", settings.hedge_after, DAY)? {
            policy.hedge_after = Some(delay);
        }
        set(&mut policy.retry_after_gate, settings.retry_after_gate);
        if let Some(bulkhead) = settings.bulkhead {
            policy.bulkhead = Some(bulkhead.policy(&check)?);
        }
        if let Some(limit) = settings.rate_limit {
            policy.rate_limit = Some(limit.policy(&check)?);
        }
        if let Some(breaker) = settings.breaker {
            breaker.apply(&check, &mut policy)?;
        }
        for (name, operation) in settings.operations {
            if !operations.contains(&name.as_str()) {
                let reason = format_args!("no operation `{name}`; there are: {}", operations.join(", "));
                return Err(section.invalid(&format!("operations.{name}"), reason));
            }
            let key = |field: &str| format!("operations.{name}.{field}");
            let differs = OperationPolicy {
                total_deadline: check.duration(&key("total_deadline"), operation.total_deadline, DAY)?,
                attempt_timeout: check.duration(&key("attempt_timeout"), operation.attempt_timeout, DAY)?,
                max_attempts: check.range(&key("max_attempts"), operation.max_attempts, 1, 20)?,
                hedge_after: check.duration(&key("hedge_after"), operation.hedge_after, DAY)?,
            };
            policy = policy.with_operation(name, differs);
        }
        Ok(policy)
    }

    /// The JSON Schema of the table.
    #[must_use]
    pub fn schema() -> String {
        serde_json::to_string(&schemars::schema_for!(Self)).unwrap_or_default()
    }
}

impl BudgetSettings {
    fn policy(self, check: &Check<'_>, default: Option<BudgetPolicy>) -> Result<Option<BudgetPolicy>> {
        if self.enabled == Some(false) {
            return Ok(None);
        }
        let mut budget = default.unwrap_or_default();
        set(&mut budget.burst, check.range("retry_budget.burst", self.burst, 0, 100_000)?);
        set(&mut budget.share, check.range("retry_budget.share", self.share, 0.0, 1.0)?);
        set(
            &mut budget.throttle_cost,
            check.range("retry_budget.throttle_cost", self.throttle_cost, 0.0, 1.0)?,
        );
        Ok(Some(budget))
    }
}

impl BulkheadSettings {
    fn policy(self, check: &Check<'_>) -> Result<BulkheadPolicy> {
        let key = "bulkhead.max_concurrent";
        let mut bulkhead =
            BulkheadPolicy::new(check.required(key, check.range(key, self.max_concurrent, 1, MILLION)?)?);
        set(&mut bulkhead.max_queue, check.range("bulkhead.max_queue", self.max_queue, 0, MILLION)?);
        set(&mut bulkhead.max_wait, check.duration("bulkhead.max_wait", self.max_wait, DAY)?);
        Ok(bulkhead)
    }
}

impl RateLimitSettings {
    fn policy(self, check: &Check<'_>) -> Result<RateLimitPolicy> {
        let key = "rate_limit.attempts";
        let attempts = check.required(key, check.range(key, self.attempts, 1, MILLION)?)?;
        let mut limit = RateLimitPolicy::new(attempts, Duration::from_secs(1));
        set(&mut limit.per, check.duration("rate_limit.per", self.per, DAY)?);
        set(&mut limit.burst, check.range("rate_limit.burst", self.burst, 1, MILLION)?);
        set(&mut limit.max_wait, check.duration("rate_limit.max_wait", self.max_wait, DAY)?);
        Ok(limit)
    }
}

impl BreakerSettings {
    fn apply(self, check: &Check<'_>, policy: &mut Policy) -> Result<()> {
        if self.enabled == Some(false) {
            policy.breaker = None;
            return Ok(());
        }
        // Who configures a breaker wants one, also where everything else is off.
        let breaker = policy.breaker.get_or_insert_default();
        set(&mut breaker.failure_rate, check.share("breaker.failure_rate", self.failure_rate)?);
        if let Some(slow) = check.duration("breaker.slow_call", self.slow_call, DAY)? {
            breaker.slow_call = Some(slow);
        }
        set(&mut breaker.slow_call_rate, check.share("breaker.slow_call_rate", self.slow_call_rate)?);
        set(&mut breaker.window, check.range("breaker.window", self.window, 1, 100_000)?);
        if let Some(time) = check.duration("breaker.window_time", self.window_time, HOUR)? {
            if self.window.is_some() {
                return Err(check
                    .0
                    .invalid("breaker.window_time", "a window is by attempts or by time, not both"));
            }
            if time < Duration::from_secs(1) {
                return Err(check.0.invalid("breaker.window_time", "a window of time is at least 1s long"));
            }
            breaker.window_time = Some(time);
        }
        let most = if breaker.window_time.is_some() { 100_000 } else { breaker.window };
        let minimum = check.range("breaker.minimum_calls", self.minimum_calls, 1, most)?;
        breaker.minimum_calls = minimum.unwrap_or_else(|| breaker.minimum_calls.min(most));
        set(&mut breaker.open_for, check.duration("breaker.open_for", self.open_for, DAY)?);
        set(
            &mut breaker.half_open_calls,
            check.range("breaker.half_open_calls", self.half_open_calls, 1, 1000)?,
        );
        set(&mut breaker.half_open_for, check.duration("breaker.half_open_for", self.half_open_for, DAY)?);
        Ok(())
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

struct Check<'a>(&'a Section);

impl Check<'_> {
    fn range<T: PartialOrd + std::fmt::Display + Copy>(
        &self,
        key: &str,
        value: Option<T>,
        least: T,
        most: T,
    ) -> Result<Option<T>> {
        match value {
            Some(value) if !(value >= least && value <= most) => {
                Err(self.0.invalid(key, format_args!("{value} is out of range: {least} to {most}")))
            }
            value => Ok(value),
        }
    }

    fn required<T>(&self, key: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.0.invalid(key, "this value is required"))
    }

    fn share(&self, key: &str, value: Option<f64>) -> Result<Option<f64>> {
        match value {
            Some(value) if !(value > 0.0 && value <= 1.0) => {
                Err(self.0.invalid(key, format_args!("{value} is not a share: above 0, up to 1")))
            }
            value => Ok(value),
        }
    }

    fn duration(&self, key: &str, value: Option<Duration>, most: Duration) -> Result<Option<Duration>> {
        match value {
            Some(value) if value < MOMENT || value > most => {
                Err(self.0.invalid(key, format_args!("{value:?} is out of range: {MOMENT:?} to {most:?}")))
            }
            value => Ok(value),
        }
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
    }

    /// Every key with a range: what it needs beside it, the least and the most, and what lies just outside.
    const RANGES: &[(&str, &str, [&str; 2], &[&str])] = &[
        ("total_deadline", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
        ("attempt_timeout", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
        ("floor_rate", "", ["1", "9223372036854775807"], &["0", "-1"]),
        ("max_attempts", "", ["1", "20"], &["0", "21"]),
        ("backoff_base", "backoff_cap = '1h'", ["'1ms'", "'1h'"], &["'0ms'", "'3601s'"]),
        ("backoff_cap", "backoff_base = '1ms'", ["'1ms'", "'1h'"], &["'0ms'", "'3601s'"]),
        ("retry_budget.burst", "", ["0", "100000"], &["-1", "100001"]),
        ("retry_budget.share", "", ["0.0", "1.0"], &["-0.001", "1.001", "nan"]),
        ("retry_budget.throttle_cost", "", ["0.0", "1.0"], &["-0.001", "1.001", "nan"]),
        ("hedge_after", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
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
        ("operations.get.hedge_after", "", ["'1ms'", "'1d'"], &["'0ms'", "'86401s'"]),
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
        ] {
            is_refused(text, key);
        }
    }
}
