//! What a policy comes to for each operation, worked out once.

use std::time::Duration;

use super::{OperationPolicy, Policy};

/// What holds for the calls of each operation, worked out once.
#[derive(Debug)]
pub(crate) struct LimitsByOperation {
    others: Limits,
    named: Vec<(String, Limits)>,
}

impl LimitsByOperation {
    pub(crate) fn new(policy: &Policy) -> Self {
        let named =
            policy.operations.iter().map(|(name, differs)| (name.clone(), policy.limits(Some(*differs))));
        Self { others: policy.limits(None), named: named.collect() }
    }

    pub(crate) fn of(&self, name: &str) -> &Limits {
        self.named.iter().find(|(known, _)| known == name).map_or(&self.others, |(_, limits)| limits)
    }
}

/// What holds for one call.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) total_deadline: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) max_attempts: u32,
    pub(crate) hedge_after: Option<Duration>,
    /// From which duration on an attempt is slow.
    pub(crate) slow_call: Duration,
}

impl Limits {
    /// How long an attempt without a body may take, at most.
    pub(crate) fn longest_attempt(&self) -> Option<Duration> {
        [self.attempt_timeout, self.total_deadline].into_iter().flatten().min()
    }
}

impl Policy {
    pub(super) fn limits(&self, differs: Option<OperationPolicy>) -> Limits {
        let differs = differs.unwrap_or_default();
        let mut limits = Limits {
            total_deadline: differs.total_deadline.or(self.total_deadline),
            attempt_timeout: differs.attempt_timeout.or(self.attempt_timeout),
            max_attempts: differs.max_attempts.unwrap_or(self.retry.max_attempts).max(1),
            hedge_after: differs.hedge_after.unwrap_or(self.hedge_after),
            slow_call: SLOW_WITHOUT_TIMEOUT,
        };
        if let Some(stated) = self.breaker.and_then(|breaker| breaker.slow_call) {
            limits.slow_call = stated;
        } else if let Some(longest) = limits.longest_attempt() {
            limits.slow_call = longest / 2;
        }
        limits
    }

    /// How long a body of so many bytes may take: at the floor rate. An attempt has this besides its timeout.
    pub(crate) fn time_to_move(&self, body: u64) -> Duration {
        if body == 0 {
            return Duration::ZERO;
        }
        Duration::from_millis(body.saturating_mul(1000) / self.floor_rate.max(1))
    }
}

/// Half of the general attempt timeout.
const SLOW_WITHOUT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BreakerPolicy;

    #[test]
    fn an_attempt_with_a_body_gets_the_time_to_move_it() {
        let policy = Policy::default();
        assert_eq!(policy.time_to_move(0), Duration::ZERO);
        assert_eq!(policy.time_to_move(1 << 20), Duration::from_secs(16));
        assert!(policy.time_to_move(u64::MAX) > Duration::from_secs(1 << 20));
    }

    #[test]
    fn an_operation_differs_where_it_says_so() {
        let policy = Policy::default().with_operation("get", OperationPolicy::new().with_max_attempts(1));
        let limits = LimitsByOperation::new(&policy);
        assert_eq!(limits.of("get").max_attempts, 1);
        assert_eq!(limits.of("get").attempt_timeout, policy.attempt_timeout);
        assert_eq!(limits.of("put").max_attempts, 3);
    }

    #[test]
    fn what_was_said_of_an_operation_before_stays_unless_it_is_said_again() {
        let secs = Duration::from_secs;
        let first = OperationPolicy::new().with_total_deadline(secs(600)).with_hedge_after(secs(1));
        let second = OperationPolicy::new().with_attempt_timeout(secs(20)).with_hedge_after(None);
        let policy = Policy::default()
            .with_hedge_after(secs(2))
            .with_operation("put", first)
            .with_operation("put", second)
            .with_operation("get", OperationPolicy::new().with_max_attempts(1));
        assert_eq!(policy.operations.len(), 2);
        let limits = LimitsByOperation::new(&policy);
        let put = limits.of("put");
        assert_eq!((put.total_deadline, put.attempt_timeout), (Some(secs(600)), Some(secs(20))));
        assert_eq!(put.hedge_after, None, "of this operation hedging is off");
        assert_eq!(limits.of("get").hedge_after, Some(secs(2)));
    }

    #[test]
    fn what_is_slow_follows_from_the_timeout_unless_it_is_stated() {
        let secs = Duration::from_secs;
        let copy = OperationPolicy::new().with_attempt_timeout(secs(60)).with_total_deadline(secs(180));
        let policy = Policy::default().with_operation("copy", copy);
        let slow =
            |policy: &Policy| ["get", "copy"].map(|name| LimitsByOperation::new(policy).of(name).slow_call);
        assert_eq!(slow(&policy), [secs(5), secs(30)]);
        let breaker = BreakerPolicy { slow_call: Some(secs(2)), ..BreakerPolicy::default() };
        assert_eq!(slow(&policy.clone().with_breaker(breaker)), [secs(2); 2]);
        assert_eq!(slow(&policy.clone().with_attempt_timeout(None)), [secs(15), secs(30)]);
        let hasty = policy.with_total_deadline(secs(4));
        assert_eq!(slow(&hasty), [secs(2), secs(30)], "no attempt takes longer than its call");
        assert_eq!(slow(&Policy::off()), [secs(5); 2]);
    }
}
