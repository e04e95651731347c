//! The tables of single layers: a value that is absent keeps what the domain says of the layer.

use std::time::Duration;

use external_core::config::duration;
use external_core::{Result, Section};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{set, set_some};
use crate::{BreakerPolicy, BudgetPolicy, BulkheadPolicy, RateLimitPolicy};

/// The `breaker` table.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BreakerSettings {
    /// `false` takes the breaker out. Default: true.
    pub enabled: Option<bool>,
    /// The share of failed attempts at which it opens. Above 0, up to 1.
    pub failure_rate: Option<f64>,
    /// From which duration on an attempt is slow, one that its caller gave up included. 1 ms to 1 day. Default: half of what it
    /// may take.
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
    /// How many attempts start in a period in the long run. 1 to 1,000,000. Required, unless the domain's default has a limit.
    pub attempts: Option<u32>,
    /// The period. 1 ms to 1 day. Default: 1 s.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub per: Option<Duration>,
    /// How many may start at once: in one period `attempts + burst - 1` start at most. 1 to 1,000,000. Default: 1.
    pub burst: Option<u32>,
    /// How long an attempt waits at most. 1 ms to 1 day. Default: 5 s.
    #[serde(with = "duration::option")]
    #[schemars(with = "Option<String>")]
    pub max_wait: Option<Duration>,
}

impl BudgetSettings {
    pub(super) fn apply(self, budget: &mut Option<BudgetPolicy>) {
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
    pub(super) fn over(
        self,
        default: Option<BulkheadPolicy>,
        section: &Section,
    ) -> Result<Option<BulkheadPolicy>> {
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
    pub(super) fn over(
        self,
        default: Option<RateLimitPolicy>,
        section: &Section,
    ) -> Result<Option<RateLimitPolicy>> {
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
    pub(super) fn apply(self, breaker: &mut Option<BreakerPolicy>, section: &Section) -> Result<()> {
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

const REQUIRED: &str = "this value is required";
