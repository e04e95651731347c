//! The circuit breaker: once a service is known to be down, calls are refused at once.
//!
//! While the circuit is closed and calls succeed, which is nearly always, nothing is locked and nothing is written that
//! other callers write too: successes are counted by thread, and gathered when a call fails or was slow. So it is a
//! failing or a slow call that opens the circuit, never one that succeeded in time.

mod window;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use external_core::{Error, ErrorKind};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::BreakerPolicy;
use crate::clock::later;
use crate::permits::Permits;
use crate::refusal::Refusal;
use window::Window;

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
    window: Window,
    inner: Mutex<Inner>,
    /// Hears of every change of phase.
    state: watch::Sender<BreakerState>,
    /// Wakes those who wait for one, in the order in which they came.
    decided: Notify,
}

/// The circuit is not closed.
const OTHERWISE: u64 = 1 << 63;

#[derive(Debug)]
struct Inner {
    phase: Phase,
    /// Counts changes of phase, so that a late answer does not speak for a phase it did not belong to.
    generation: u64,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    /// Probes hold their permits, those that succeeded for good.
    HalfOpen {
        /// When the first probe was made: nobody waits for a verdict before.
        since: Option<Instant>,
        /// How long after that it is decided without those that are missing.
        patience: Duration,
        probes: Arc<Permits>,
        succeeded: u32,
    },
    Isolated,
}

impl Phase {
    /// What is said to an attempt that may not pass.
    fn refusal(&self, now: Instant) -> Error {
        match self {
            Self::Open { until } => {
                let wait = until.saturating_duration_since(now);
                Refusal::Breaker.error("the circuit is open", Some(wait))
            }
            Self::Isolated => Refusal::Breaker.error("the circuit was isolated by hand", None),
            Self::HalfOpen { .. } | Self::Closed => {
                Refusal::Breaker.error("the circuit is half open and all its probes are out", None)
            }
        }
    }

    fn state(&self) -> BreakerState {
        match self {
            Self::Closed => BreakerState::Closed,
            Self::Open { .. } => BreakerState::Open,
            Self::HalfOpen { .. } => BreakerState::HalfOpen,
            Self::Isolated => BreakerState::Isolated,
        }
    }
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
    /// Only these kinds speak against a service; all others are its answers, or a refusal of our own.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            _ if Refusal::is(error) => Self::Nothing,
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Corrupt | ErrorKind::Unexpected => {
                Self::Failure
            }
            _ => Self::Nothing,
        }
    }
}

impl Breaker {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            closed: AtomicU64::new(0),
            window: Window::new(&policy),
            inner: Mutex::new(Inner { phase: Phase::Closed, generation: 0 }),
            state: watch::Sender::new(BreakerState::Closed),
            decided: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        let mut inner = self.lock();
        self.let_time_pass(&mut inner, Instant::now());
        inner.phase.state()
    }

    /// Waits while all probes are out, until `end` at most; `false` if the circuit is open, so that asking again is of no
    /// use. Whoever was refused may come here when the probes have just settled: then there is nothing to wait for.
    pub(crate) async fn probed(&self, end: Instant) -> bool {
        let decided = self.decided.notified();
        tokio::pin!(decided);
        // Listens before it looks: a verdict in between is not missed.
        decided.as_mut().enable();
        let all_are_out = {
            let mut inner = self.lock();
            self.let_time_pass(&mut inner, Instant::now());
            match &inner.phase {
                Phase::Open { .. } | Phase::Isolated => return false,
                Phase::HalfOpen { probes, .. } => probes.taken() >= self.policy.half_open_calls,
                Phase::Closed => false,
            }
        };
        if all_are_out {
            drop(tokio::time::timeout_at(end, decided).await);
        }
        true
    }

    /// Tells of every change from now on.
    pub(crate) fn changes(&self) -> BreakerChanges {
        BreakerChanges(self.state.subscribe())
    }

    /// Whether calls pass and are watched; does not look at the clock, since time alone closes nothing.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) & OTHERWISE == 0
    }

    pub(crate) fn isolate(&self) {
        self.enter(&mut self.lock(), Phase::Isolated);
    }

    pub(crate) fn reset(&self) {
        self.enter(&mut self.lock(), Phase::Closed);
    }

    /// As [`admit`](Self::admit), while calls pass and are watched.
    #[inline]
    pub(crate) fn admit_if_closed(&self, now: Instant, slow_call: Duration) -> Option<Permit<'_>> {
        let generation = self.closed.load(Ordering::Acquire);
        let is_closed = generation & OTHERWISE == 0;
        let slow_from = later(now, slow_call);
        is_closed.then(|| Permit { breaker: self, generation, slow_from, probe: None, settled: false })
    }

    /// Lets an attempt pass that begins `now` and is slow from `slow_call` on, or says why not. The permit counts the attempt
    /// as cut short unless it is settled.
    pub(crate) fn admit(&self, now: Instant, slow_call: Duration) -> Result<Permit<'_>, Error> {
        if let Some(permit) = self.admit_if_closed(now, slow_call) {
            return Ok(permit);
        }
        let slow_from = later(now, slow_call);
        let mut inner = self.lock();
        self.let_time_pass(&mut inner, now);
        let probe = match &mut inner.phase {
            Phase::Closed => None,
            Phase::HalfOpen { since, probes, .. } if probes.try_take() => {
                since.get_or_insert(now);
                Some(probes.clone())
            }
            phase => return Err(phase.refusal(now)),
        };
        Ok(Permit { breaker: self, generation: inner.generation, slow_from, probe, settled: false })
    }

    /// Refuses an attempt that could begin `at` the earliest, if that is known `now`; takes no probe's place.
    pub(crate) fn check(&self, at: Instant, now: Instant) -> Result<(), Error> {
        if self.is_closed() {
            return Ok(());
        }
        let mut inner = self.lock();
        self.let_time_pass(&mut inner, now);
        match &inner.phase {
            Phase::Closed => Ok(()),
            Phase::Open { until } if at >= *until => Ok(()),
            Phase::HalfOpen { probes, .. } if at > now || probes.taken() < self.policy.half_open_calls => {
                Ok(())
            }
            phase => Err(phase.refusal(now)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, inner: &mut Inner, phase: Phase) {
        inner.generation += 1;
        let otherwise = if matches!(phase, Phase::Closed) { 0 } else { OTHERWISE };
        inner.phase = phase;
        self.closed.store(inner.generation | otherwise, Ordering::Release);
        // A success that looked just before may be counted for what comes after: one success more.
        self.window.clear();
        self.state.send_replace(inner.phase.state());
        self.decided.notify_waiters();
    }

    fn open(&self, inner: &mut Inner, now: Instant) {
        self.enter(inner, Phase::Open { until: later(now, self.policy.open_for) });
    }

    /// What time alone has changed, each change at its own moment: whoever looks late finds what an early one left.
    fn let_time_pass(&self, inner: &mut Inner, now: Instant) {
        loop {
            match &inner.phase {
                Phase::Open { until } if now >= *until => {
                    let probes = Arc::new(Permits::new(self.policy.half_open_calls));
                    let patience = self.policy.half_open_for;
                    self.enter(inner, Phase::HalfOpen { since: None, patience, probes, succeeded: 0 });
                }
                Phase::HalfOpen { since: Some(since), patience, probes, succeeded }
                    if now >= later(*since, *patience) =>
                {
                    // Only what succeeded closes it: neither a probe that hangs nor an answer that says nothing
                    // about the service (`NotFound`) does.
                    if *succeeded > 0 && probes.taken() == *succeeded {
                        self.enter(inner, Phase::Closed);
                    } else {
                        let decided = later(*since, *patience);
                        self.open(inner, decided);
                    }
                }
                _ => return,
            }
        }
    }

    /// A probe may last so long: the verdict waits for it, as if it were the first.
    fn wait_for(&self, generation: u64, probe: Duration) {
        let mut inner = self.lock();
        if inner.generation == generation
            && let Phase::HalfOpen { patience, .. } = &mut inner.phase
        {
            *patience = probe.max(*patience);
        }
    }

    /// Takes note of an attempt's end. Answers whether a probe's place stays taken.
    fn settle(&self, permit: &Permit<'_>, verdict: Verdict, now: Instant) -> bool {
        let slow = now >= permit.slow_from;
        if verdict != Verdict::Failure && !slow && self.closed.load(Ordering::Acquire) == permit.generation {
            if verdict == Verdict::Success {
                self.window.success(now);
            }
            return false;
        }
        let mut inner = self.lock();
        self.let_time_pass(&mut inner, now);
        if inner.generation != permit.generation {
            return false;
        }
        match &mut inner.phase {
            Phase::Closed => {
                // An attempt cut short says something only once it was slow.
                if self.window.note(verdict == Verdict::Failure, slow, now).trips(&self.policy) {
                    self.open(&mut inner, now);
                }
                false
            }
            Phase::HalfOpen { .. } if verdict == Verdict::Failure || slow => {
                self.open(&mut inner, now);
                false
            }
            Phase::HalfOpen { succeeded, .. } if verdict == Verdict::Success => {
                *succeeded += 1;
                if *succeeded >= self.policy.half_open_calls {
                    self.enter(&mut inner, Phase::Closed);
                }
                true
            }
            Phase::HalfOpen { .. } | Phase::Open { .. } | Phase::Isolated => false,
        }
    }
}

/// Tells of every change of a breaker. What depends on time alone, half open after open, is seen by the next call.
#[derive(Debug)]
pub struct BreakerChanges(watch::Receiver<BreakerState>);

impl BreakerChanges {
    /// Waits for the next change: the state it led to, the latest one if there were several. `None` once the
    /// pipeline is gone.
    pub async fn next(&mut self) -> Option<BreakerState> {
        self.0.changed().await.ok()?;
        Some(*self.0.borrow_and_update())
    }
}

/// An attempt that was let through. Dropped unsettled, it was cut short: it gives its place back, and counts as a
/// slow call if it ran that long.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    breaker: &'a Breaker,
    generation: u64,
    slow_from: Instant,
    /// Where a probe has its place.
    probe: Option<Arc<Permits>>,
    settled: bool,
}

impl Permit<'_> {
    /// The attempt ended `now`.
    pub(crate) fn settle(&mut self, verdict: Verdict, now: Instant) {
        self.settled = true;
        let stays = self.breaker.settle(self, verdict, now);
        if let Some(probes) = self.probe.take().filter(|_| !stays) {
            probes.give_back();
            // Whoever waits for a verdict may make the next probe.
            self.breaker.decided.notify_waiters();
        }
    }

    /// The attempt may last so `long` in all. So much of that is its body's, and says nothing about how slow the service is.
    pub(crate) fn allow(&mut self, body: Duration, long: Option<Duration>) {
        self.slow_from = later(self.slow_from, body);
        if let (Some(_), Some(long)) = (&self.probe, long) {
            self.breaker.wait_for(self.generation, long);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.settle(Verdict::Nothing, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use external_core::Effect;

    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(BreakerPolicy {
            window: 10,
            minimum_calls: 4,
            half_open_calls: 2,
            ..BreakerPolicy::default()
        })
    }

    const SLOW: Duration = Duration::from_secs(5);

    fn admit(breaker: &Breaker) -> Result<Permit<'_>, Error> {
        breaker.admit(Instant::now(), SLOW)
    }

    fn settle(mut permit: Permit<'_>, verdict: Verdict) {
        permit.settle(verdict, Instant::now());
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            settle(admit(breaker).unwrap(), Verdict::Failure);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn opens_at_the_rate_and_closes_after_its_probes() {
        let breaker = breaker();
        fail(&breaker, 3);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1);
        assert_eq!(breaker.state(), BreakerState::Open);
        let error = admit(&breaker).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
        tokio::time::advance(BreakerPolicy::default().open_for).await;
        let (one, two) = (admit(&breaker).unwrap(), admit(&breaker).unwrap());
        assert!(admit(&breaker).is_err());
        settle(one, Verdict::Success);
        settle(two, Verdict::Success);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn successes_of_all_threads_weigh_against_failures() {
        let breaker = breaker();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let now = Instant::now();
                    admit(&breaker).unwrap().settle(Verdict::Success, now);
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
            settle(admit(&breaker).unwrap(), Verdict::Success);
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
        drop((admit(&breaker).unwrap(), admit(&breaker).unwrap()));
        assert!(admit(&breaker).is_ok() && admit(&breaker).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_probe_opens_again_and_late_answers_do_not_count() {
        let breaker = breaker();
        let late = admit(&breaker).unwrap();
        fail(&breaker, 4);
        tokio::time::advance(BreakerPolicy::default().open_for).await;
        settle(admit(&breaker).unwrap(), Verdict::Failure);
        assert_eq!(breaker.state(), BreakerState::Open);
        settle(late, Verdict::Success);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn late_answers_decide_nothing_while_probes_are_out() {
        let breaker = breaker();
        let (good, bad) = (admit(&breaker).unwrap(), admit(&breaker).unwrap());
        fail(&breaker, 4);
        tokio::time::advance(BreakerPolicy::default().open_for).await;
        let probe = admit(&breaker).unwrap();
        settle(good, Verdict::Success);
        settle(bad, Verdict::Failure);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        // Nor do they take or free the place of a probe.
        let other = admit(&breaker).unwrap();
        assert!(admit(&breaker).is_err());
        settle(probe, Verdict::Success);
        settle(other, Verdict::Success);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    /// A breaker that has just become half open.
    async fn half_open() -> Breaker {
        let breaker = breaker();
        fail(&breaker, 4);
        tokio::time::advance(BreakerPolicy::default().open_for).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn time_alone_decides_nothing_before_a_probe_was_made() {
        let (breaker, limit) = (half_open().await, BreakerPolicy::default().half_open_for);
        for wait in [limit, limit / 2, limit * 10] {
            tokio::time::advance(wait).await;
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
        }
        let probe = admit(&breaker).unwrap();
        tokio::time::advance(limit - Duration::from_millis(1)).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen, "the limit counts from the first probe on");
        drop(probe);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_success_in_time_it_opens_again() {
        let policy = BreakerPolicy::default();
        for hangs in [true, false] {
            let breaker = half_open().await;
            let mut probe = Some(admit(&breaker).unwrap());
            if !hangs {
                // `NotFound` is no verdict.
                settle(probe.take().unwrap(), Verdict::Nothing);
            }
            tokio::time::advance(policy.half_open_for - Duration::from_millis(1)).await;
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(breaker.state(), BreakerState::Open, "hangs: {hangs}");
            // Who looks later finds the same, and what hung has no say any more.
            tokio::time::advance(policy.open_for).await;
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            drop(probe);
            assert!(admit(&breaker).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_verdict_waits_for_what_may_take_longer() {
        let (second, long) = (Duration::from_secs(1), Duration::from_secs(180));
        // Opened again after 30 s, it is half open for the second time at the end.
        for (allowed, state) in [(long, BreakerState::Closed), (second, BreakerState::HalfOpen)] {
            let breaker = half_open().await;
            let mut probe = breaker.admit(Instant::now(), long / 2).unwrap();
            probe.allow(Duration::ZERO, Some(allowed));
            tokio::time::advance(Duration::from_secs(40)).await;
            settle(probe, Verdict::Success);
            tokio::time::advance(long - Duration::from_secs(40)).await;
            assert_eq!(breaker.state(), state, "may last {allowed:?}");
        }
        // One after the other, none of them a verdict: the limit still counts from the first on.
        let breaker = half_open().await;
        for _ in 0..4 {
            let mut probe = breaker.admit(Instant::now(), long / 2).unwrap();
            probe.allow(Duration::ZERO, Some(long));
            settle(probe, Verdict::Nothing);
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
            tokio::time::advance(long / 4).await;
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_after_the_limit_is_no_verdict() {
        let (breaker, limit) = (half_open().await, BreakerPolicy::default().half_open_for);
        let late = breaker.admit(Instant::now(), limit * 10).unwrap();
        tokio::time::advance(limit).await;
        settle(late, Verdict::Success);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_pays_for_a_limit_that_passed_unseen() {
        let breaker = half_open().await;
        settle(admit(&breaker).unwrap(), Verdict::Nothing);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(admit(&breaker).is_ok(), "it opened again, and that is long ago");
    }

    #[tokio::test(start_paused = true)]
    async fn what_succeeded_decides_when_fewer_call_than_there_are_probes() {
        let breaker = half_open().await;
        settle(admit(&breaker).unwrap(), Verdict::Success);
        tokio::time::advance(BreakerPolicy::default().half_open_for).await;
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn callers_that_give_up_on_hanging_calls_open_it() {
        let breaker = breaker();
        let hanging: Vec<_> = (0..4).map(|_| admit(&breaker).unwrap()).collect();
        tokio::time::advance(SLOW).await;
        drop(hanging);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_refused_waits_only_while_all_probes_are_out() {
        let (breaker, start) = (half_open().await, Instant::now());
        let end = start + Duration::from_secs(3);
        let (one, two) = (admit(&breaker).unwrap(), admit(&breaker).unwrap());
        assert!(admit(&breaker).is_err());
        // One gives its place back before the call that was refused has come to wait.
        drop(one);
        assert!(breaker.probed(end).await);
        assert_eq!(start.elapsed(), Duration::ZERO, "a place is free");
        let one = admit(&breaker).unwrap();
        assert!(breaker.probed(end).await);
        assert_eq!(start.elapsed(), Duration::from_secs(3), "nothing was decided in time");
        // The circuit closes, or opens, before it has come to wait.
        settle(one, Verdict::Success);
        settle(two, Verdict::Success);
        let end = end + Duration::from_secs(3);
        assert!(breaker.probed(end).await, "the circuit is closed");
        fail(&breaker, 4);
        assert!(!breaker.probed(end).await, "the circuit is open");
        breaker.isolate();
        assert!(!breaker.probed(end).await);
        assert_eq!(start.elapsed(), Duration::from_secs(3), "neither waits");
    }

    #[tokio::test(start_paused = true)]
    async fn isolation_lasts_until_the_reset() {
        let breaker = breaker();
        breaker.isolate();
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(admit(&breaker).is_err());
        breaker.reset();
        assert!(admit(&breaker).is_ok());
    }
}
