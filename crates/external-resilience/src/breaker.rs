//! The circuit breaker: once a service is known to be down, calls are refused at once.
//!
//! While the circuit is closed and calls succeed, which is nearly always, nothing is locked and nothing is written that
//! other callers write too: successes are counted by thread, and gathered when a call fails or was slow. So it is a
//! failing or a slow call that opens the circuit, never one that succeeded in time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use external_core::{Effect, Error, ErrorKind, Retry, Sharded};
use tokio::time::Instant;

use crate::BreakerPolicy;

/// What a breaker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Calls pass and are watched.
    Closed,
    /// Calls are refused.
    Open,
    /// A few calls pass as probes.
    HalfOpen,
    /// Calls are refused until someone resets it by hand.
    Isolated,
}

#[derive(Debug)]
pub(crate) struct Breaker {
    policy: BreakerPolicy,
    /// The generation while the circuit is closed, with [`OTHERWISE`] else: all that a call looks at which succeeds.
    closed: AtomicU64,
    /// Successes of this generation that the window does not hold yet.
    successes: Sharded<AtomicU64>,
    inner: Mutex<Inner>,
}

/// The circuit is not closed.
const OTHERWISE: u64 = 1 << 63;

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// Counts changes of phase, so that a late answer does not speak for a phase it did not belong to.
    generation: u64,
    window: Window,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { until: Instant, running: u32, answered: u32 },
    Isolated,
}

/// What an attempt said about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    Failure,
    /// It was cut short, or the error says nothing about the service.
    Nothing,
}

impl Verdict {
    /// Only these kinds speak against a service; all others are its answers.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Corrupt | ErrorKind::Unexpected => {
                Self::Failure
            }
            _ => Self::Nothing,
        }
    }
}

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        let window = Window::new(policy.window as usize);
        Self {
            policy,
            closed: AtomicU64::new(0),
            successes: Sharded::default(),
            inner: Mutex::new(Inner { phase: Phase::Closed, generation: 0, window }),
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        let mut inner = self.lock();
        self.let_time_pass(&mut inner, Instant::now());
        match inner.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
            Phase::Isolated => BreakerState::Isolated,
        }
    }

    /// Whether calls pass and are watched; does not look at the clock, since time alone closes nothing.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) & OTHERWISE == 0
    }

    pub(crate) fn isolate(&self) {
        self.enter(&mut self.lock(), Phase::Isolated);
    }

    pub(crate) fn reset(&self) {
        self.enter(&mut self.lock(), Phase::Closed);
    }

    /// Lets an attempt pass that begins `now`, or says why not. The permit counts the attempt as cut short unless it is
    /// settled.
    pub(crate) fn admit(&self, now: Instant) -> Result<Permit<'_>, Error> {
        let generation = self.closed.load(Ordering::Acquire);
        if generation & OTHERWISE == 0 {
            return Ok(Permit { breaker: self, generation, started: now, settled: false });
        }
        let mut inner = self.lock();
        self.let_time_pass(&mut inner, now);
        match &mut inner.phase {
            Phase::Closed => {}
            Phase::HalfOpen { running, answered, .. }
                if *running + *answered < self.policy.half_open_calls =>
            {
                *running += 1;
            }
            Phase::HalfOpen { .. } => {
                return Err(refusal("the circuit is half open and all its probes are out", None));
            }
            Phase::Open { until } => {
                let wait = until.saturating_duration_since(now);
                return Err(refusal("the circuit is open", Some(wait)));
            }
            Phase::Isolated => return Err(refusal("the circuit was isolated by hand", None)),
        }
        Ok(Permit { breaker: self, generation: inner.generation, started: now, settled: false })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, inner: &mut Inner, phase: Phase) {
        inner.generation += 1;
        let otherwise = if matches!(phase, Phase::Closed) { 0 } else { OTHERWISE };
        inner.phase = phase;
        inner.window.clear();
        self.closed.store(inner.generation | otherwise, Ordering::Release);
        // A success that looked just before may be counted for what comes after: one success more.
        self.gathered();
    }

    /// The successes since the last time.
    fn gathered(&self) -> u64 {
        self.successes.iter().map(|shard| shard.swap(0, Ordering::Relaxed)).sum()
    }

    fn open(&self, inner: &mut Inner) {
        let until = Instant::now() + self.policy.open_for;
        self.enter(inner, Phase::Open { until });
    }

    fn let_time_pass(&self, inner: &mut Inner, now: Instant) {
        match inner.phase {
            Phase::Open { until } if now >= until => {
                let until = now + self.policy.half_open_for;
                self.enter(inner, Phase::HalfOpen { until, running: 0, answered: 0 });
            }
            // Probes that hang say that the service is still down; nothing but answers that say nothing
            // about it (`NotFound`) says that it is up.
            Phase::HalfOpen { until, running, .. } if now >= until => {
                if running > 0 {
                    self.open(inner);
                } else {
                    self.enter(inner, Phase::Closed);
                }
            }
            _ => {}
        }
    }

    fn settle(&self, generation: u64, verdict: Verdict, took: Duration) {
        let slow = took >= self.policy.slow_call;
        if verdict != Verdict::Failure && !slow && self.closed.load(Ordering::Acquire) == generation {
            if verdict == Verdict::Success {
                self.successes.here().fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        let mut inner = self.lock();
        if inner.generation != generation {
            return;
        }
        match &mut inner.phase {
            Phase::Closed => {
                inner.window.push_successes(self.gathered());
                // An attempt cut short says something only once it was slow.
                inner.window.push(verdict == Verdict::Failure, slow);
                if self.is_tripped(&inner.window) {
                    self.open(&mut inner);
                }
            }
            Phase::HalfOpen { running, answered, .. } => {
                *running = running.saturating_sub(1);
                if verdict == Verdict::Failure || slow {
                    self.open(&mut inner);
                } else if verdict == Verdict::Success {
                    *answered += 1;
                    if *answered >= self.policy.half_open_calls {
                        self.enter(&mut inner, Phase::Closed);
                    }
                }
            }
            Phase::Open { .. } | Phase::Isolated => {}
        }
    }

    fn is_tripped(&self, window: &Window) -> bool {
        let seen = window.len();
        seen >= self.policy.minimum_calls as usize
            && (window.rate(window.failures) >= self.policy.failure_rate
                || window.rate(window.slow) >= self.policy.slow_call_rate)
    }
}

/// A refusal of our own: nothing was sent, and it says nothing new about the service.
fn refusal(message: &'static str, wait: Option<Duration>) -> Error {
    let retry = wait.map_or(Retry::Backoff, Retry::After);
    Error::unavailable(message)
        .with_effect(Effect::NotSent)
        .with_retry(retry)
        .with_context("refused_by", "breaker")
}

/// An attempt that was let through. Dropped unsettled, it was cut short: it gives its place back, and counts as a
/// slow call if it ran that long.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    breaker: &'a Breaker,
    generation: u64,
    started: Instant,
    settled: bool,
}

impl Permit<'_> {
    /// The attempt ended `now`.
    pub(crate) fn settle(mut self, verdict: Verdict, now: Instant) {
        self.settled = true;
        self.breaker.settle(self.generation, verdict, now.saturating_duration_since(self.started));
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.breaker.settle(self.generation, Verdict::Nothing, self.started.elapsed());
        }
    }
}

/// The last so many attempts, as a ring of two flags each.
#[derive(Debug)]
struct Window {
    ring: Box<[(bool, bool)]>,
    next: usize,
    filled: usize,
    failures: usize,
    slow: usize,
}

impl Window {
    fn new(size: usize) -> Self {
        Self { ring: vec![(false, false); size.max(1)].into(), next: 0, filled: 0, failures: 0, slow: 0 }
    }

    fn len(&self) -> usize {
        self.filled
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of a window of at most 100,000")]
    fn rate(&self, count: usize) -> f64 {
        count as f64 / self.filled.max(1) as f64
    }

    fn push_successes(&mut self, count: u64) {
        let size = self.ring.len();
        if count >= size as u64 {
            self.ring.fill((false, false));
            (self.next, self.filled, self.failures, self.slow) = (0, size, 0, 0);
            return;
        }
        for _ in 0..count {
            self.push(false, false);
        }
    }

    fn push(&mut self, failure: bool, slow: bool) {
        if self.filled == self.ring.len() {
            let (old_failure, old_slow) = self.ring[self.next];
            self.failures -= usize::from(old_failure);
            self.slow -= usize::from(old_slow);
        } else {
            self.filled += 1;
        }
        self.ring[self.next] = (failure, slow);
        self.failures += usize::from(failure);
        self.slow += usize::from(slow);
        self.next = (self.next + 1) % self.ring.len();
    }

    fn clear(&mut self) {
        (self.next, self.filled, self.failures, self.slow) = (0, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(BreakerPolicy {
            window: 10,
            minimum_calls: 4,
            half_open_calls: 2,
            ..BreakerPolicy::default()
        })
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.admit(Instant::now()).unwrap().settle(Verdict::Failure, Instant::now());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn opens_at_the_rate_and_closes_after_its_probes() {
        let breaker = breaker();
        fail(&breaker, 3);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1);
        assert_eq!(breaker.state(), BreakerState::Open);
        let error = breaker.admit(Instant::now()).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
        tokio::time::advance(BreakerPolicy::default().open_for).await;
        let (one, two) = (breaker.admit(Instant::now()).unwrap(), breaker.admit(Instant::now()).unwrap());
        assert!(breaker.admit(Instant::now()).is_err());
        one.settle(Verdict::Success, Instant::now());
        two.settle(Verdict::Success, Instant::now());
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn successes_of_all_threads_weigh_against_failures() {
        let breaker = breaker();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let now = Instant::now();
                    breaker.admit(now).unwrap().settle(Verdict::Success, now);
                });
            }
        });
        fail(&breaker, 2);
        assert_eq!(breaker.state(), BreakerState::Closed, "2 of 5");
        fail(&breaker, 1);
        assert_eq!(breaker.state(), BreakerState::Open, "3 of 6");
    }

    #[tokio::test(start_paused = true)]
    async fn successes_push_failures_out_of_the_window() {
        let breaker = breaker();
        fail(&breaker, 3);
        for _ in 0..10 {
            breaker.admit(Instant::now()).unwrap().settle(Verdict::Success, Instant::now());
        }
        fail(&breaker, 4);
        assert_eq!(breaker.state(), BreakerState::Closed, "4 of the last 10");
        fail(&breaker, 1);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_probe_gives_its_place_back() {
        let breaker = breaker();
        fail(&breaker, 4);
        tokio::time::advance(BreakerPolicy::default().open_for).await;
        drop((breaker.admit(Instant::now()).unwrap(), breaker.admit(Instant::now()).unwrap()));
        assert!(breaker.admit(Instant::now()).is_ok() && breaker.admit(Instant::now()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_probe_opens_again_and_late_answers_do_not_count() {
        let breaker = breaker();
        let late = breaker.admit(Instant::now()).unwrap();
        fail(&breaker, 4);
        tokio::time::advance(BreakerPolicy::default().open_for).await;
        breaker.admit(Instant::now()).unwrap().settle(Verdict::Failure, Instant::now());
        assert_eq!(breaker.state(), BreakerState::Open);
        late.settle(Verdict::Success, Instant::now());
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_probes_open_it_again_and_plain_answers_close_it() {
        let breaker = breaker();
        fail(&breaker, 4);
        tokio::time::advance(BreakerPolicy::default().open_for).await;
        let hanging = breaker.admit(Instant::now()).unwrap();
        tokio::time::advance(BreakerPolicy::default().half_open_for).await;
        assert_eq!(breaker.state(), BreakerState::Open);
        drop(hanging);
        tokio::time::advance(BreakerPolicy::default().open_for).await;
        breaker.admit(Instant::now()).unwrap().settle(Verdict::Nothing, Instant::now());
        tokio::time::advance(BreakerPolicy::default().half_open_for).await;
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_give_up_on_hanging_calls_open_it() {
        let breaker = breaker();
        let hanging: Vec<_> = (0..4).map(|_| breaker.admit(Instant::now()).unwrap()).collect();
        tokio::time::advance(BreakerPolicy::default().slow_call).await;
        drop(hanging);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn isolation_lasts_until_the_reset() {
        let breaker = breaker();
        breaker.isolate();
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(breaker.admit(Instant::now()).is_err());
        breaker.reset();
        assert!(breaker.admit(Instant::now()).is_ok());
    }
}
