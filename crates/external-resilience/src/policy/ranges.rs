//! The ranges of a policy's values, by the keys that they have in a file. One list, for what a file says, what code says, and
//! what a pipeline takes.

use std::fmt;
use std::time::Duration;

use super::{BreakerPolicy, BudgetPolicy, Policy};

const MOMENT: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const MILLION: u32 = 1_000_000;
const MOST_CALLS: u32 = 100_000;

/// The key of the timeout that holds for all operations.
pub(super) const ATTEMPT_TIMEOUT: &str = "attempt_timeout";

/// A value that makes no sense, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Where a file has it: `operations.put.max_attempts`.
    pub(crate) key: String,
    pub(crate) reason: String,
}

impl Policy {
    /// Moves every value that is out of range to the nearest within, and tells the first that was, or that makes no sense
    /// beside the others.
    pub(crate) fn put_in_range(&mut self) -> Option<Misfit> {
        let mut keep = Keeper::default();
        keep.time("total_deadline", &mut self.total_deadline);
        keep.time(ATTEMPT_TIMEOUT, &mut self.attempt_timeout);
        keep.range("floor_rate", &mut self.floor_rate, 1, u64::MAX);
        keep.range("max_attempts", &mut self.retry.max_attempts, 1, 20);
        keep.times("backoff_base", &mut self.retry.base, Duration::ZERO, HOUR);
        keep.times("backoff_cap", &mut self.retry.cap, MOMENT, HOUR);
        if self.retry.cap < self.retry.base {
            keep.note("backoff_cap", "backoff_cap is below backoff_base");
        }
        if let Some(budget) = &mut self.retry.budget {
            let default = BudgetPolicy::default();
            keep.range("retry_budget.burst", &mut budget.burst, 0, MOST_CALLS);
            keep.share("retry_budget.share", &mut budget.share, 0.0, default.share);
            keep.share("retry_budget.throttle_cost", &mut budget.throttle_cost, 0.0, default.throttle_cost);
        }
        keep.time("hedge_after", &mut self.hedge_after);
        keep.times("retry_after_cap", &mut self.retry_after_cap, MOMENT, DAY);
        if let Some(bulkhead) = &mut self.bulkhead {
            keep.range("bulkhead.max_concurrent", &mut bulkhead.max_concurrent, 1, MILLION);
            keep.range("bulkhead.max_queue", &mut bulkhead.max_queue, 0, MILLION);
            keep.times("bulkhead.max_wait", &mut bulkhead.max_wait, MOMENT, DAY);
        }
        if let Some(limit) = &mut self.rate_limit {
            keep.range("rate_limit.attempts", &mut limit.attempts, 1, MILLION);
            keep.times("rate_limit.per", &mut limit.per, MOMENT, DAY);
            keep.range("rate_limit.burst", &mut limit.burst, 1, MILLION);
            keep.times("rate_limit.max_wait", &mut limit.max_wait, MOMENT, DAY);
        }
        if let Some(breaker) = &mut self.breaker {
            keep.breaker(breaker);
        }
        for (name, differs) in &mut self.operations {
            let key = |field| format!("operations.{name}.{field}");
            keep.time(&key("total_deadline"), &mut differs.total_deadline);
            keep.time(&key("attempt_timeout"), &mut differs.attempt_timeout);
            if let Some(attempts) = &mut differs.max_attempts {
                keep.range(&key("max_attempts"), attempts, 1, 20);
            }
            if let Some(delay) = &mut differs.hedge_after {
                keep.time(&key("hedge_after"), delay);
            }
        }
        self.hedges_that_never_begin(&mut keep);
        self.attempts_longer_than_calls(&mut keep);
        keep.first
    }

    /// Whoever states a timeout that never strikes means another one. An operation that states its deadline alone does not:
    /// its attempts are over with it. What holds for the instance comes last: a file may leave it to the deadline too.
    fn attempts_longer_than_calls(&self, keep: &mut Keeper) {
        let general = (ATTEMPT_TIMEOUT.to_owned(), self.limits(None));
        let named = self.operations.iter().filter(|(_, differs)| differs.attempt_timeout.is_some());
        let named = named.map(|(name, differs)| {
            (format!("operations.{name}.attempt_timeout"), self.limits(Some(*differs)))
        });
        for (key, limits) in named.chain([general]) {
            if let (Some(timeout), Some(total)) = (limits.attempt_timeout, limits.total_deadline)
                && timeout > total
            {
                keep.note(&key, format_args!("{timeout:?} is longer than the total_deadline of {total:?}"));
            }
        }
    }

    fn hedges_that_never_begin(&self, keep: &mut Keeper) {
        let general = ("hedge_after".to_owned(), self.limits(None));
        let named = self.operations.iter().filter(|(_, differs)| differs.hedge_after.is_some());
        let named = named
            .map(|(name, differs)| (format!("operations.{name}.hedge_after"), self.limits(Some(*differs))));
        for (key, limits) in [general].into_iter().chain(named) {
            if let (Some(delay), Some(timeout)) = (limits.hedge_after, limits.longest_attempt())
                && delay >= timeout
            {
                keep.note(
                    &key,
                    "an attempt is over by then: it is not below attempt_timeout or total_deadline",
                );
            }
        }
    }
}

/// Puts values into their ranges, and remembers the first that was not.
#[derive(Default)]
struct Keeper {
    first: Option<Misfit>,
}

impl Keeper {
    fn breaker(&mut self, breaker: &mut BreakerPolicy) {
        let default = BreakerPolicy::default();
        // Above nothing: the first failure is more than that.
        self.share(
            "breaker.failure_rate",
            &mut breaker.failure_rate,
            f64::MIN_POSITIVE,
            default.failure_rate,
        );
        self.time("breaker.slow_call", &mut breaker.slow_call);
        self.share(
            "breaker.slow_call_rate",
            &mut breaker.slow_call_rate,
            f64::MIN_POSITIVE,
            default.slow_call_rate,
        );
        self.range("breaker.window", &mut breaker.window, 1, MOST_CALLS);
        let most = match &mut breaker.window_time {
            Some(time) => {
                self.times("breaker.window_time", time, SECOND, HOUR);
                MOST_CALLS
            }
            None => breaker.window,
        };
        self.range("breaker.minimum_calls", &mut breaker.minimum_calls, 1, most);
        self.times("breaker.open_for", &mut breaker.open_for, MOMENT, DAY);
        self.range("breaker.half_open_calls", &mut breaker.half_open_calls, 1, 1000);
        self.times("breaker.half_open_for", &mut breaker.half_open_for, MOMENT, DAY);
    }

    fn time(&mut self, key: &str, value: &mut Option<Duration>) {
        if let Some(value) = value {
            self.times(key, value, MOMENT, DAY);
        }
    }

    fn times(&mut self, key: &str, value: &mut Duration, least: Duration, most: Duration) {
        if *value < least || *value > most {
            self.note(key, format_args!("{value:?} is out of range: {least:?} to {most:?}"));
            *value = (*value).clamp(least, most);
        }
    }

    fn range<T: Ord + Copy + fmt::Display>(&mut self, key: &str, value: &mut T, least: T, most: T) {
        if *value < least || *value > most {
            self.note(key, format_args!("{value} is out of range: {least} to {most}"));
            *value = (*value).clamp(least, most);
        }
    }

    /// What is no number has no nearest: the default stands in for it.
    fn share(&mut self, key: &str, value: &mut f64, least: f64, default: f64) {
        if !(*value >= least && *value <= 1.0) {
            let from = if least > 0.0 { "above 0" } else { "0" };
            self.note(key, format_args!("{value} is out of range: {from} to 1"));
            *value = if value.is_nan() { default } else { value.clamp(least, 1.0) };
        }
    }

    fn note(&mut self, key: &str, reason: impl fmt::Display) {
        self.first.get_or_insert_with(|| Misfit { key: key.to_owned(), reason: reason.to_string() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BulkheadPolicy, OperationPolicy, RateLimitPolicy};

    /// A policy in which nothing is within its range.
    fn senseless() -> Policy {
        let breaker = BreakerPolicy {
            failure_rate: f64::NAN,
            slow_call: Some(Duration::MAX),
            slow_call_rate: 0.0,
            window: u32::MAX,
            window_time: None,
            minimum_calls: u32::MAX,
            open_for: Duration::ZERO,
            half_open_calls: 0,
            half_open_for: Duration::ZERO,
        };
        let none = Duration::ZERO;
        let mut policy = Policy::default()
            .with_total_deadline(none)
            .with_attempt_timeout(Duration::MAX)
            .with_backoff(Duration::MAX, none)
            .with_retry_budget(BudgetPolicy { burst: u32::MAX, share: -1.0, throttle_cost: f64::INFINITY })
            .with_bulkhead(BulkheadPolicy::new(0).with_queue(u32::MAX, none))
            .with_rate_limit(RateLimitPolicy::new(0, none).with_burst(0).with_max_wait(none))
            .with_breaker(breaker)
            .with_retry_after_cap(none)
            .with_operation("get", OperationPolicy::new().with_max_attempts(0).with_attempt_timeout(none));
        (policy.floor_rate, policy.retry.max_attempts) = (0, 21);
        policy
    }

    #[test]
    fn what_is_out_of_range_is_moved_to_the_nearest_within() {
        let mut policy = senseless();
        assert_eq!(policy.put_in_range().unwrap().key, "total_deadline");
        assert_eq!(
            policy.put_in_range().unwrap().key,
            "backoff_cap",
            "below the base; what is the least is what holds"
        );
        assert_eq!((policy.total_deadline, policy.attempt_timeout), (Some(MOMENT), Some(DAY)));
        assert_eq!((policy.floor_rate, policy.retry.max_attempts), (1, 20));
        assert_eq!((policy.retry.base, policy.retry.cap, policy.retry_after_cap), (HOUR, MOMENT, MOMENT));
        let budget = BudgetPolicy { burst: 100_000, share: 0.0, throttle_cost: 1.0 };
        assert_eq!(policy.retry.budget, Some(budget));
        assert_eq!(policy.bulkhead, Some(BulkheadPolicy::new(1).with_queue(MILLION, MOMENT)));
        assert_eq!(policy.rate_limit, Some(RateLimitPolicy::new(1, MOMENT).with_max_wait(MOMENT)));
        let expected = BreakerPolicy {
            failure_rate: 0.5,
            slow_call: Some(DAY),
            slow_call_rate: f64::MIN_POSITIVE,
            window: 100_000,
            window_time: None,
            minimum_calls: 100_000,
            open_for: MOMENT,
            half_open_calls: 1,
            half_open_for: MOMENT,
        };
        assert_eq!(policy.breaker, Some(expected));
        let get = OperationPolicy::new().with_max_attempts(1).with_attempt_timeout(MOMENT);
        assert_eq!(policy.operations, [("get".to_owned(), get)]);
    }

    #[test]
    fn a_hedge_that_never_begins_makes_no_sense() {
        let hedged = |delay| Policy::default().with_hedge_after(Duration::from_secs(delay));
        let key = |mut policy: Policy| policy.put_in_range().map(|misfit| misfit.key);
        assert_eq!(key(hedged(9)), None);
        assert_eq!(key(hedged(10)).as_deref(), Some("hedge_after"));
        assert_eq!(key(hedged(9).with_total_deadline(SECOND)).as_deref(), Some("hedge_after"));
        let late = OperationPolicy::new().with_hedge_after(Duration::from_secs(10));
        assert_eq!(key(hedged(9).with_operation("get", late)).as_deref(), Some("operations.get.hedge_after"));
        assert_eq!(key(hedged(9).with_operation("get", late.with_hedge_after(None))), None);
    }

    #[test]
    fn an_attempt_that_outlasts_its_call_makes_no_sense() {
        let key = |mut policy: Policy| policy.put_in_range().map(|misfit| misfit.key);
        let timeout = |seconds| Policy::default().with_attempt_timeout(Duration::from_secs(seconds));
        assert_eq!(key(timeout(30)), None);
        assert_eq!(key(timeout(31)).as_deref(), Some("attempt_timeout"));
        assert_eq!(key(timeout(31).with_total_deadline(None)), None);
        assert_eq!(key(timeout(30).with_total_deadline(SECOND)).as_deref(), Some("attempt_timeout"));
        let get = OperationPolicy::new().with_total_deadline(SECOND);
        assert_eq!(key(timeout(30).with_operation("get", get)), None, "so does that of an operation");
        // Also where what it differs from has a timeout of its own.
        let slow = OperationPolicy::new().with_attempt_timeout(SECOND * 5);
        let both = timeout(30).with_operation("get", slow).with_operation("get", get);
        assert_eq!(both.limits(Some(both.operations[0].1)).attempt_timeout, Some(SECOND));
        assert_eq!(key(both), None);
        let get = key(timeout(30).with_operation("get", get.with_attempt_timeout(SECOND * 2)));
        assert_eq!(get.as_deref(), Some("operations.get.attempt_timeout"));
    }
}
