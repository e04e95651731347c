//! How an instance's calls are treated: values with defaults, ranges and reasons.

mod layers;
mod limits;
mod ranges;
mod settings;

use std::time::Duration;

use external_core::{Error, Result};

pub use layers::{BreakerPolicy, BudgetPolicy, BulkheadPolicy, RateLimitPolicy};
pub use settings::PolicySettings;

pub(crate) use limits::{Limits, LimitsByOperation};
pub(crate) use ranges::Misfit;

use crate::Domain;

/// How calls of one instance are treated.
///
/// A value that is out of its range is held to the nearest within it by the pipeline, which takes every policy: a client
/// under another policy is still that client, and making one cannot fail. A client's `with_policy` logs a warning about the
/// first such value, and about a name that is none of the domain's operations; [`checked`](Self::checked) makes an error of
/// it, as reading a file does.
///
/// | value | default | range | why |
/// |---|---|---|---|
/// | total deadline | 30 s | 1 ms to 1 day | a caller waits no longer, whatever the layers do |
/// | attempt timeout | 10 s | 1 ms to 1 day, at most the total deadline | leaves room for two more attempts within the deadline |
/// | floor rate | 64 KiB/s | at least 1 B/s | an attempt's timeout and the total deadline grow by body / floor rate |
/// | attempts | 3 | 1 to 20 | more only add load to what is down |
/// | backoff | 100 ms doubling to 5 s, full jitter; a first one on top of a service's hint, within the deadline | 0 to 1 h; 1 ms to 1 h | callers that failed together do not return together |
/// | retry budget | 50 and a tenth of what succeeds | see [`BudgetPolicy`] | retries must not finish off what is down |
/// | Retry-After gate | on | | what a service asks of a caller that is too fast (429, `Retry-After`) all callers of the instance heed; a 503's hint is its caller's: one node that restarts must not shut everybody out from the others, and the breaker sees whether it is all of them |
/// | Retry-After cap | 5 min | 1 ms to 1 day | a wrong date shuts nobody out for long, and a service that means it says it again |
/// | hedging | off | 1 ms to 1 day, below the attempt timeout | it makes more load, within attempts and budget; only who measures knows from which delay on it is of use |
/// | bulkhead | off | see [`BulkheadPolicy`] | only the service's owner knows how much it takes |
/// | rate limit | off | see [`RateLimitPolicy`] | only the service's contract knows |
/// | breaker | see [`BreakerPolicy`] | | |
///
/// What holds for an operation by name comes before what holds for the instance, also where a domain says it: a `put` of
/// storage has its 600 s whatever the instance's total deadline is, until `operations.put` says otherwise. Every domain has
/// an operation `probe`: one attempt.
///
/// Neither time holds for the body that a call sends: what it takes at the floor rate is added to both. So the default leaves
/// a large upload the time it takes; the deadline of a caller, `CallOptions::with_timeout`, is for all of it, and nothing is
/// added. A body of unknown length is taken for [1 GiB](crate::Call::UNKNOWN_LENGTH).
///
/// What the domains change, and why:
///
/// | domain | value | why |
/// |---|---|---|
/// | cache | 5 s in all, 1 s an attempt, waits of 20 ms to 500 ms | a cache that is slow is of no use |
/// | storage | 600 s in all for `put`, `put_part` | a retry moves a large body once more, and only one such time is added |
/// | storage | 180 s in all, 60 s an attempt for `complete_multipart`, `copy`, `restore_version` | the store puts objects together before it answers |
/// | email | 240 s in all, 180 s an attempt | a mail server may take minutes to accept a mail (RFC 5321 section 4.5.3.2), and giving up too early sends it twice |
/// | each | slow from half of what an attempt may take on: a cache from 500 ms, storage from 5 s and 30 s where it puts together, email from 90 s | where nine of ten attempts take that long, the service is about to run into the timeouts; no one number is right for a cache and for a mail server |
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// How long a call may take in all, without the body that it sends; `None`: as long as its caller says.
    pub total_deadline: Option<Duration>,
    /// How long one attempt may take, without its body, at most as long as the call; `None`: as long as that.
    pub attempt_timeout: Option<Duration>,
    /// The slowest rate, in bytes a second, at which a body may move before the attempt counts as hung.
    pub floor_rate: u64,
    /// When and how calls are repeated.
    pub retry: RetryPolicy,
    /// A `Safe` call that has no answer after this is attempted a second time beside the first, if it has attempts left;
    /// `None`: never.
    pub hedge_after: Option<Duration>,
    /// Whether all callers wait when the service has throttled one of them and asked it to wait; the one waits anyway before it
    /// tries again.
    pub retry_after_gate: bool,
    /// How long the gate is closed at most, whatever the service asks for.
    pub retry_after_cap: Duration,
    /// How many calls run at a time; `None`: any number.
    pub bulkhead: Option<BulkheadPolicy>,
    /// How often attempts start; `None`: any number.
    pub rate_limit: Option<RateLimitPolicy>,
    /// When calls are refused; `None`: never.
    pub breaker: Option<BreakerPolicy>,
    /// What differs for single operations, by name (`"put"`).
    pub operations: Vec<(String, OperationPolicy)>,
}

/// When and how calls are repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How many attempts a call may have, the first included.
    pub max_attempts: u32,
    /// The bound of the first wait; each further one doubles it.
    pub base: Duration,
    /// The largest bound of a wait.
    pub cap: Duration,
    /// How many retries there may be in all; `None`: as many as the calls have left.
    pub budget: Option<BudgetPolicy>,
}

/// What differs for one operation. `None` leaves what holds without it; an attempt takes no longer than its call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationPolicy {
    /// How long a call may take in all, without the body that it sends.
    pub total_deadline: Option<Duration>,
    /// How long one attempt may take, without its body.
    pub attempt_timeout: Option<Duration>,
    /// How many attempts a call may have.
    pub max_attempts: Option<u32>,
    /// When a `Safe` call is attempted a second time beside the first; `Some(None)`: never, whatever the instance says.
    pub hedge_after: Option<Option<Duration>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            total_deadline: Some(Duration::from_secs(30)),
            attempt_timeout: Some(Duration::from_secs(10)),
            floor_rate: 64 << 10,
            retry: RetryPolicy::default(),
            hedge_after: None,
            retry_after_gate: true,
            retry_after_cap: Duration::from_secs(300),
            bulkhead: None,
            rate_limit: None,
            breaker: Some(BreakerPolicy::default()),
            operations: Vec::new(),
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base: Duration::from_millis(100),
            cap: Duration::from_secs(5),
            budget: Some(BudgetPolicy::default()),
        }
    }
}

impl Policy {
    /// Nothing but the call: one attempt, no deadline but the caller's, no breaker, no gate. N calls make N requests.
    #[must_use]
    pub fn off() -> Self {
        Self {
            total_deadline: None,
            attempt_timeout: None,
            retry: RetryPolicy { max_attempts: 1, budget: None, ..RetryPolicy::default() },
            retry_after_gate: false,
            breaker: None,
            ..Self::default()
        }
    }

    /// What is left for a composite, a service made of other clients (a failover): record, total deadline and retry. Its members
    /// have the rest, each for the service that it calls: a circuit or a gate around all of them would shut out those that
    /// are well.
    ///
    /// A container begins with this for every provider of the kind `Composite`, and lays over it what the instance's table
    /// `resilience` states. In code it is for whoever puts the client around the composite:
    /// `client.with_policy(StorageClient::policy().for_composite())`.
    #[must_use]
    pub fn for_composite(mut self) -> Self {
        (self.attempt_timeout, self.hedge_after, self.retry_after_gate) = (None, None, false);
        (self.bulkhead, self.rate_limit, self.breaker) = (None, None, None);
        for (_, differs) in &mut self.operations {
            (differs.attempt_timeout, differs.hedge_after) = (None, None);
        }
        self
    }

    /// Replaces the total deadline. An attempt takes no longer than its call, so that a longer attempt timeout never strikes:
    /// [`checked`](Self::checked) finds that.
    #[must_use]
    pub fn with_total_deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.total_deadline = deadline.into();
        self
    }

    /// Replaces the attempt timeout, at most the total deadline.
    #[must_use]
    pub fn with_attempt_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.attempt_timeout = timeout.into();
        self
    }

    /// Replaces the number of attempts, at least one.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.retry.max_attempts = attempts.max(1);
        self
    }

    /// Replaces the bounds of the waits between attempts.
    #[must_use]
    pub fn with_backoff(mut self, base: Duration, cap: Duration) -> Self {
        (self.retry.base, self.retry.cap) = (base, cap);
        self
    }

    /// Replaces the breaker.
    #[must_use]
    pub fn with_breaker(mut self, breaker: impl Into<Option<BreakerPolicy>>) -> Self {
        self.breaker = breaker.into();
        self
    }

    /// Replaces the retry budget.
    #[must_use]
    pub fn with_retry_budget(mut self, budget: impl Into<Option<BudgetPolicy>>) -> Self {
        self.retry.budget = budget.into();
        self
    }

    /// Replaces the delay after which a `Safe` call is attempted a second time beside the first.
    #[must_use]
    pub fn with_hedge_after(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.hedge_after = delay.into();
        self
    }

    /// Sets whether all callers wait when the service has asked one of them to.
    #[must_use]
    pub fn with_retry_after_gate(mut self, gate: bool) -> Self {
        self.retry_after_gate = gate;
        self
    }

    /// Replaces how long the gate is closed at most.
    #[must_use]
    pub fn with_retry_after_cap(mut self, cap: Duration) -> Self {
        self.retry_after_cap = cap;
        self
    }

    /// Replaces the bulkhead.
    #[must_use]
    pub fn with_bulkhead(mut self, bulkhead: impl Into<Option<BulkheadPolicy>>) -> Self {
        self.bulkhead = bulkhead.into();
        self
    }

    /// Replaces the rate limit.
    #[must_use]
    pub fn with_rate_limit(mut self, limit: impl Into<Option<RateLimitPolicy>>) -> Self {
        self.rate_limit = limit.into();
        self
    }

    /// Sets what differs for one operation. What was said of it before, by the domain's default, stays where `policy` leaves
    /// it open; an attempt timeout only as far as a deadline that `policy` states lets it. Which names there are is the domain's to say: one that it does not have matches no call, and is noticed when
    /// a client takes the policy, or by [`checked`](Self::checked).
    #[must_use]
    pub fn with_operation(mut self, name: impl Into<String>, policy: OperationPolicy) -> Self {
        let name = name.into();
        match self.operations.iter_mut().find(|(known, _)| *known == name) {
            Some((_, differs)) => *differs = policy.over(*differs),
            None => self.operations.push((name, policy)),
        }
        self
    }

    /// The same policy, if every value is in its range and makes sense beside the others, and every name is one of the
    /// domain's operations. A file is held to the same as it is read.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the value by its key in a file.
    pub fn checked<D: Domain>(self) -> Result<Self> {
        match self.misfit(D::operations()) {
            None => Ok(self),
            Some(Misfit { key, reason }) => {
                let message = format!("the policy for {} makes no sense: {key}: {reason}", D::NAME);
                Err(Error::configuration(message))
            }
        }
    }

    pub(crate) fn misfit(&self, operations: &[&str]) -> Option<Misfit> {
        let is_known = |name: &str| name == PROBE || operations.contains(&name);
        let unknown = self.operations.iter().find(|(name, _)| !is_known(name));
        match unknown {
            Some((name, _)) => Some(Misfit {
                key: format!("operations.{name}"),
                reason: format!("no operation `{name}`; there are: {}, {PROBE}", operations.join(", ")),
            }),
            None => self.clone().put_in_range(),
        }
    }
}

impl OperationPolicy {
    /// Nothing differs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long a call may take in all.
    #[must_use]
    pub fn with_total_deadline(mut self, deadline: Duration) -> Self {
        self.total_deadline = Some(deadline);
        self
    }

    /// How long one attempt may take.
    #[must_use]
    pub fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// How many attempts a call may have.
    #[must_use]
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// When a `Safe` call is attempted a second time beside the first.
    /// `None`: never, whatever the instance says.
    #[must_use]
    pub fn with_hedge_after(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.hedge_after = Some(delay.into());
        self
    }

    /// What this says, and where it says nothing, what `below` does.
    fn over(self, below: Self) -> Self {
        let longest = self.total_deadline.unwrap_or(Duration::MAX);
        Self {
            total_deadline: self.total_deadline.or(below.total_deadline),
            attempt_timeout: self
                .attempt_timeout
                .or_else(|| below.attempt_timeout.map(|timeout| timeout.min(longest))),
            max_attempts: self.max_attempts.or(below.max_attempts),
            hedge_after: self.hedge_after.or(below.hedge_after),
        }
    }
}

/// The operation that every domain has.
pub(crate) const PROBE: &str = "probe";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_operation_has_is_noticed() {
        let policy = Policy::default().with_operation("gett", OperationPolicy::new().with_max_attempts(1));
        let misfit = policy.misfit(&["get", "put"]).unwrap();
        assert_eq!(misfit.key, "operations.gett");
        assert!(misfit.reason.contains("get, put, probe"), "{misfit:?}");
        assert_eq!(policy.misfit(&["gett"]), None);
    }
}
