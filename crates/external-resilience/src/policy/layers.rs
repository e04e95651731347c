//! The policies of single layers.

use std::time::Duration;

/// When a circuit opens and how it closes.
///
/// An attempt failed that ended `Unavailable`, `Timeout`, `Corrupt` or `Unexpected`; other errors are answers, and say nothing
/// about the service. An answer that streams its body is a success as soon as its head is there, and a failure after all if
/// the body ends with one of these errors.
///
/// | value | default | range |
/// |---|---|---|
/// | failure rate | 0.5 of the window | above 0, up to 1 |
/// | slow call | half of what the attempt may take by its timeout and by the total deadline; 5 s where it has neither | 1 ms to 1 day |
/// | slow call rate | 0.9 of the window | above 0, up to 1 |
/// | window | the last 100 attempts | 1 to 100,000 |
/// | window by time | none: by attempts | 1 s to 1 h |
/// | minimum calls | 20 in the window | 1 to the window |
/// | open | 5 s | 1 ms to 1 day |
/// | half open | 3 probes; 30 s from the first on, and then the time of those that are out | 1 to 1,000; 1 ms to 1 day |
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BreakerPolicy {
    /// The share of failed attempts at which it opens.
    pub failure_rate: f64,
    /// From which duration on an attempt is slow, the time to move its body apart. `None`: half of what it may take, which
    /// each domain and operation says for itself.
    ///
    /// An attempt that its caller gave up, by a deadline of its own or by dropping the call, is slow once it took that long,
    /// and says nothing before: the caller was in a hurry. So a service that hangs is noticed only where callers wait for it
    /// as long as that; where they never do, a cache whose callers give it 100 ms, state a shorter time here.
    pub slow_call: Option<Duration>,
    /// The share of slow attempts at which it opens.
    pub slow_call_rate: f64,
    /// How many of the last attempts are looked at.
    pub window: u32,
    /// Looks at the attempts of the last so long instead, in steps of a tenth: for traffic that comes and goes, where the
    /// last hundred attempts may be from yesterday.
    pub window_time: Option<Duration>,
    /// Fewer attempts than this in the window say nothing.
    pub minimum_calls: u32,
    /// How long it stays open before probes are let through.
    pub open_for: Duration,
    /// How many probes have to succeed. An answer that says nothing about the service, `NotFound`, is no success: the next
    /// call takes its place.
    pub half_open_calls: u32,
    /// How long probing takes, from the first probe on, if neither one fails nor enough succeed before. Then the circuit
    /// closes if one succeeded and none is out, and opens again else; it never closes without a probe that succeeded.
    ///
    /// A probe that is out then is waited for, as long as its attempt may take, the body included: the verdict does not come
    /// before its own. But no probe keeps its place for longer than this: a large body does not keep others from probing,
    /// and from closing the circuit.
    pub half_open_for: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failure_rate: 0.5,
            slow_call: None,
            slow_call_rate: 0.9,
            window: 100,
            window_time: None,
            minimum_calls: 20,
            open_for: Duration::from_secs(5),
            half_open_calls: 3,
            half_open_for: Duration::from_secs(30),
        }
    }
}

/// How many calls run at a time, and how many wait for their turn: first come, first served.
///
/// Off by default: only the service's owner knows how many calls it takes, and a limit that nobody chose is one more
/// thing that fails.
///
/// | value | default | range |
/// |---|---|---|
/// | concurrent | none | 1 to 1,000,000 |
/// | queue | 0: refused at once | 0 to 1,000,000 |
/// | wait | 1 s | 1 ms to 1 day |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkheadPolicy {
    /// How many calls run at a time; one that streams its body runs until the body ends.
    pub max_concurrent: u32,
    /// How many more may wait.
    pub max_queue: u32,
    /// How long one waits at most.
    pub max_wait: Duration,
}

impl BulkheadPolicy {
    /// So many at a time; others are refused at once.
    #[must_use]
    pub const fn new(max_concurrent: u32) -> Self {
        Self { max_concurrent, max_queue: 0, max_wait: Duration::from_secs(1) }
    }

    /// So many may wait for so long.
    #[must_use]
    pub const fn with_queue(mut self, max_queue: u32, max_wait: Duration) -> Self {
        (self.max_queue, self.max_wait) = (max_queue, max_wait);
        self
    }
}

/// How often attempts may start, repeated ones included: the generic cell rate algorithm (ITU-T I.371), evenly spread.
///
/// In the long run `attempts` start in each period. In any one period it is `attempts + burst - 1` at most: a burst after a
/// pause is on top, since places are made up for while it is used. Where a service counts by fixed or sliding windows and
/// forbids more than its number, `burst` is 1, or `attempts` that much less.
///
/// Off by default, as the bulkhead is: it is for an allowance that the service's contract states.
///
/// | value | default | range |
/// |---|---|---|
/// | attempts | none | 1 to 1,000,000 |
/// | per | 1 s | 1 ms to 1 day |
/// | burst | 1: evenly spread | 1 to 1,000,000 |
/// | wait | 5 s | 1 ms to 1 day |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimitPolicy {
    /// How many attempts start in a period in the long run.
    pub attempts: u32,
    /// The period.
    pub per: Duration,
    /// How many may start at once: so many less one are on top in one period.
    pub burst: u32,
    /// How long an attempt waits at most; one that would wait longer is refused at once.
    pub max_wait: Duration,
}

impl RateLimitPolicy {
    /// So many attempts a period, evenly spread.
    #[must_use]
    pub const fn new(attempts: u32, per: Duration) -> Self {
        Self { attempts, per, burst: 1, max_wait: Duration::from_secs(5) }
    }

    /// So many may start at once.
    #[must_use]
    pub const fn with_burst(mut self, burst: u32) -> Self {
        self.burst = burst;
        self
    }

    /// An attempt waits so long at most.
    #[must_use]
    pub const fn with_max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }
}

/// How many retries there may be in all, shared by all callers of an instance: a bucket that starts full.
///
/// | value | default | range | why |
/// |---|---|---|---|
/// | burst | 50 | 0 to 100,000 | an instance that has just started may ride out a short fault |
/// | share | 0.1 | 0 to 1 | a service that is down gets a tenth more calls, not three times as many |
/// | throttle cost | 0.5 | 0 to 1 | a throttled call was cheap for the service, and waits for its hint |
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BudgetPolicy {
    /// How many retries a full bucket pays for.
    pub burst: u32,
    /// What a call that succeeds puts back, in retries.
    pub share: f64,
    /// What a retry after a throttle costs; after any other fault it costs 1. Refusals of our own cost nothing.
    pub throttle_cost: f64,
}

impl Default for BudgetPolicy {
    fn default() -> Self {
        Self { burst: 50, share: 0.1, throttle_cost: 0.5 }
    }
}
