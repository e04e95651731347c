//! A policy in configuration: what is absent keeps the domain's default, what is there is checked.

use std::collections::BTreeMap;
use std::time::Duration;

use external_core::config::duration;
use external_core::{Result, Section};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{OperationPolicy, Policy};

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
    /// `false` leaves nothing but the call: one attempt, no deadline of its own, no breaker. Default: true.
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
    /// From which duration on an attempt is slow. At least 1 ms.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub slow_call: Option<Duration>,
    /// The share of slow attempts at which it opens. Above 0, up to 1.
    pub slow_call_rate: Option<f64>,
    /// How many of the last attempts are looked at. 1 to 100,000.
    pub window: Option<u32>,
    /// Fewer attempts than this in the window say nothing. 1 to the window.
    pub minimum_calls: Option<u32>,
    /// How long it stays open. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub open_for: Option<Duration>,
    /// How many probes have to succeed. 1 to 1,000.
    pub half_open_calls: Option<u32>,
    /// How long probing may take. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub half_open_for: Option<Duration>,
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
}

const MOMENT: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

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

impl BreakerSettings {
    fn apply(self, check: &Check<'_>, policy: &mut Policy) -> Result<()> {
        if self.enabled == Some(false) {
            policy.breaker = None;
            return Ok(());
        }
        // Who configures a breaker wants one, also where everything else is off.
        let breaker = policy.breaker.get_or_insert_default();
        set(&mut breaker.failure_rate, check.share("breaker.failure_rate", self.failure_rate)?);
        set(&mut breaker.slow_call, check.duration("breaker.slow_call", self.slow_call, DAY)?);
        set(&mut breaker.slow_call_rate, check.share("breaker.slow_call_rate", self.slow_call_rate)?);
        set(&mut breaker.window, check.range("breaker.window", self.window, 1, 100_000)?);
        let minimum = check.range("breaker.minimum_calls", self.minimum_calls, 1, breaker.window)?;
        breaker.minimum_calls = minimum.unwrap_or_else(|| breaker.minimum_calls.min(breaker.window));
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
            Some(value) if value < least || value > most => {
                Err(self.0.invalid(key, format_args!("{value} is out of range: {least} to {most}")))
            }
            value => Ok(value),
        }
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
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        for (text, key) in [
            ("max_attempts = 0", "max_attempts"),
            ("total_deadline = '2d'", "total_deadline"),
            ("breaker = { failure_rate = 1.5 }", "breaker.failure_rate"),
            ("breaker = { window = 10, minimum_calls = 11 }", "breaker.minimum_calls"),
            ("operations.get.max_attempts = 99", "operations.get.max_attempts"),
            ("operations.gett.max_attempts = 2", "operations.gett"),
            ("backoff_base = '1m'", "backoff_cap"),
        ] {
            let message = policy(text).unwrap_err().to_string();
            assert!(message.contains(&format!("cache.default.resilience.{key}")), "{message}");
        }
    }
}
