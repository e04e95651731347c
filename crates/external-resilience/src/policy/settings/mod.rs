//! A policy in configuration: what is absent keeps the domain's default, what is there is checked.

mod layers;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use external_core::config::duration;
use external_core::{Result, Section};
use schemars::JsonSchema;
use serde::Deserialize;

use layers::{BreakerSettings, BudgetSettings, BulkheadSettings, RateLimitSettings};

use super::ranges::ATTEMPT_TIMEOUT;
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
///     total_deadline = "60s"
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
    /// How long a call may take in all, without the body that it sends. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub total_deadline: Option<Duration>,
    /// How long one attempt may take, without its body. 1 ms to 1 day, and no longer than the total deadline.
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
    /// What differs for single operations, by name: those of the domain, and `probe`.
    pub operations: BTreeMap<String, OperationSettings>,
}

/// The table of one operation.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct OperationSettings {
    /// How long a call may take in all, without the body that it sends. 1 ms to 1 day.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub total_deadline: Option<Duration>,
    /// How long one attempt may take, without its body. 1 ms to 1 day, at most the total deadline.
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
    /// Reads a `resilience` table over a domain's default policy; `operations` are the names it may speak of, besides `probe`.
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
            // Whoever states a shorter deadline alone means the attempts too: they are over with their call.
            Some(misfit) if misfit.key == ATTEMPT_TIMEOUT && settings.attempt_timeout.is_none() => Ok(policy),
            Some(misfit) => Err(section.invalid(&misfit.key, misfit.reason)),
        }
    }

    /// The JSON Schema of the table.
    #[must_use]
    pub fn schema() -> String {
        serde_json::to_string(&schemars::schema_for!(Self)).unwrap_or_default()
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
