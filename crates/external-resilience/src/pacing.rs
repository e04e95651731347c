//! Pacing: when the next attempt of anybody may start. The Retry-After gate is what the service asked for, the rate limit
//! what we allow ourselves; both are shared by all callers of an instance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::later;
use crate::policy::RateLimitPolicy;

/// Moments as nanoseconds, so that they fit an atomic number.
#[derive(Debug, Clone, Copy)]
struct Epoch(Instant);

impl Epoch {
    /// From 1 on: zero stands for "never".
    fn nanos(self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.0)).saturating_add(1)
    }

    fn at(self, nanos: u64) -> Instant {
        self.0 + Duration::from_nanos(nanos.saturating_sub(1))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Closed while the service has asked everybody to wait.
#[derive(Debug)]
pub(crate) struct Gate {
    epoch: Epoch,
    /// How long it is closed at most, whatever the service asks for.
    cap: Duration,
    /// Until when it is closed; 0 if it is open.
    until: AtomicU64,
}

impl Gate {
    pub(crate) fn new(cap: Duration) -> Self {
        Self { epoch: Epoch(Instant::now()), cap, until: AtomicU64::new(0) }
    }

    /// The service asked to be left alone for so long from now.
    pub(crate) fn close_for(&self, hint: Duration, now: Instant) {
        let hint = hint.min(self.cap);
        self.until.fetch_max(self.epoch.nanos(later(now, hint)), Ordering::AcqRel);
    }

    /// Opens it, whatever the service asked for.
    pub(crate) fn open(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// Whether it is open, without a look at the clock: one that has just opened may not be known as such.
    #[inline]
    pub(crate) fn is_surely_open(&self) -> bool {
        self.until.load(Ordering::Acquire) == 0
    }

    /// Until when it is closed, if it is.
    #[inline]
    pub(crate) fn closed_until(&self, now: Instant) -> Option<Instant> {
        let until = self.until.load(Ordering::Acquire);
        if until == 0 {
            return None;
        }
        if until > self.epoch.nanos(now) {
            return Some(self.epoch.at(until));
        }
        // Open again: who comes next need not read the time. Lost to a new hint, it stays as that says.
        let _ = self.until.compare_exchange(until, 0, Ordering::AcqRel, Ordering::Acquire);
        None
    }
}

/// So many attempts in a period, with a burst on top: the generic cell rate algorithm (ITU-T I.371), in one number.
#[derive(Debug)]
pub(crate) struct RateLimit {
    epoch: Epoch,
    interval: u64,
    /// How far ahead of its time an attempt may be.
    tolerance: u64,
    pub(crate) max_wait: Duration,
    /// When the next attempt is due, were all evenly spread.
    next: AtomicU64,
}

impl RateLimit {
    pub(crate) fn new(policy: RateLimitPolicy) -> Self {
        let interval = (nanos(policy.per) / u64::from(policy.attempts.max(1))).max(1);
        let burst = u64::from(policy.burst.max(1));
        Self {
            epoch: Epoch(Instant::now()),
            interval,
            tolerance: interval.saturating_mul(burst - 1),
            max_wait: policy.max_wait,
            next: AtomicU64::new(0),
        }
    }

    /// Takes the next place for an attempt that may start `now`: one in the future is not taken ahead, since nobody could
    /// start before it then. Takes none, and says when it could have been, if that is after `latest`.
    pub(crate) fn reserve(&self, now: Instant, latest: impl Fn() -> Instant) -> Result<Place<'_>, Instant> {
        let earliest = self.epoch.nanos(now);
        let mut next = self.next.load(Ordering::Acquire);
        loop {
            let (due, start) = self.next_place(next, earliest);
            let waits = start > earliest;
            if waits && start > self.epoch.nanos(latest()) {
                return Err(self.epoch.at(start));
            }
            let taken = due.saturating_add(self.interval);
            match self.next.compare_exchange(next, taken, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    let start = if waits { self.epoch.at(start) } else { now };
                    return Ok(Place { limit: self, start, next, taken });
                }
                Err(now) => next = now,
            }
        }
    }

    /// Whether an attempt that cannot start before `earliest` finds a place by `latest`, if nobody else takes one; says
    /// when it could have been if not.
    pub(crate) fn check(&self, earliest: Instant, latest: impl Fn() -> Instant) -> Result<(), Instant> {
        let earliest = self.epoch.nanos(earliest);
        let (_, start) = self.next_place(self.next.load(Ordering::Acquire), earliest);
        if start > earliest && start > self.epoch.nanos(latest()) {
            return Err(self.epoch.at(start));
        }
        Ok(())
    }

    /// When an attempt is due that cannot start before `earliest`, and when it may.
    fn next_place(&self, next: u64, earliest: u64) -> (u64, u64) {
        let due = next.max(earliest);
        (due, due.saturating_sub(self.tolerance).max(earliest))
    }
}

/// A place of the rate limit. Dropped before it was used, by an attempt that was refused or whose caller gave up, it is free
/// again; but not once somebody has queued behind it, who would otherwise start too soon.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    limit: &'a RateLimit,
    start: Instant,
    /// What the limit said before and after.
    next: u64,
    taken: u64,
}

impl Place<'_> {
    /// When the attempt may start.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// The attempt begins.
    #[inline]
    pub(crate) fn used(self) {
        std::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Self { limit, next, taken, .. } = *self;
        let _ = limit.next.compare_exchange(taken, next, Ordering::AcqRel, Ordering::Acquire);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::LONGEST;

    #[tokio::test(start_paused = true)]
    async fn a_gate_closes_for_the_longest_hint_and_opens_by_itself() {
        let gate = Gate::new(LONGEST);
        let now = Instant::now();
        assert_eq!(gate.closed_until(now), None);
        gate.close_for(Duration::from_secs(2), now);
        gate.close_for(Duration::from_secs(1), now);
        assert_eq!(gate.closed_until(now), Some(now + Duration::from_secs(2)));
        assert!(!gate.is_surely_open());
        assert_eq!(gate.closed_until(now + Duration::from_secs(2)), None);
        assert!(gate.is_surely_open(), "somebody has looked");
        gate.close_for(Duration::MAX, now);
        assert_eq!(gate.closed_until(now), Some(now + LONGEST));
        gate.open();
        assert_eq!(gate.closed_until(now), None);
        let capped = Gate::new(Duration::from_secs(60));
        capped.close_for(Duration::MAX, now);
        assert_eq!(capped.closed_until(now), Some(now + Duration::from_secs(60)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_evenly() {
        let policy = RateLimitPolicy::new(10, Duration::from_secs(1)).with_burst(3);
        let limit = RateLimit::new(policy);
        let now = Instant::now() + Duration::from_secs(5);
        let far = now + Duration::from_secs(60);
        let starts: Vec<_> = (0..5).map(|_| (take(&limit, now, far).unwrap() - now).as_millis()).collect();
        assert_eq!(starts, [0, 0, 0, 100, 200]);
        // What would be too late takes no place.
        let soon = now + Duration::from_millis(250);
        assert_eq!(take(&limit, now, soon), Err(now + Duration::from_millis(300)));
        let just = now + Duration::from_millis(300);
        assert_eq!(take(&limit, now, just), Ok(just));
        let later = now + Duration::from_secs(10);
        assert_eq!(take(&limit, later, later), Ok(later));
    }

    #[tokio::test(start_paused = true)]
    async fn a_period_holds_a_burst_on_top_of_its_attempts_and_no_more() {
        for (attempts, burst) in [(10, 1), (10, 4), (10, 10), (1, 5)] {
            let per = Duration::from_secs(1);
            let limit = RateLimit::new(RateLimitPolicy::new(attempts, per).with_burst(burst));
            let now = Instant::now() + Duration::from_secs(5);
            let mut starts: Vec<Instant> = Vec::new();
            // As eager as can be, and after a pause once more.
            for eager in [now, now + Duration::from_secs(3600)] {
                let far = eager + Duration::from_secs(60);
                starts.extend((0..50).map_while(|_| take(&limit, eager, far).ok()));
            }
            let within =
                |from: &Instant| starts.iter().filter(|at| (*from..*from + per).contains(*at)).count();
            assert_eq!(starts.iter().map(within).max(), Some((attempts + burst - 1) as usize));
            let later = starts.iter().find(|at| **at >= now + per).map(within);
            assert_eq!(later, Some(attempts as usize), "{attempts} and {burst}");
        }
    }

    /// Takes a place and uses it: when it is.
    fn take(limit: &RateLimit, earliest: Instant, latest: Instant) -> Result<Instant, Instant> {
        let place = limit.reserve(earliest, || latest)?;
        let start = place.start();
        place.used();
        Ok(start)
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_was_not_used_is_free_again_unless_somebody_queued_behind_it() {
        let limit = RateLimit::new(RateLimitPolicy::new(10, Duration::from_secs(1)).with_burst(2));
        let now = Instant::now() + Duration::from_secs(5);
        let far = now + Duration::from_secs(60);
        let ms = |millis| Ok(now + Duration::from_millis(millis));
        for _ in 0..5 {
            drop(limit.reserve(now, || far));
            drop(limit.reserve(now + Duration::from_secs(1), || far));
        }
        assert_eq!((take(&limit, now, far), take(&limit, now, far)), (ms(0), ms(0)), "the burst is whole");
        let first = limit.reserve(now, || far).unwrap();
        let second = limit.reserve(now, || far).unwrap();
        drop(first);
        assert_eq!(take(&limit, now, far), ms(300), "no two start at a time");
        drop(second);
        assert_eq!(take(&limit, now, far), ms(400));
    }
}
