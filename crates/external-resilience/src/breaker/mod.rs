//! The circuit breaker: once a service is known to be down, calls are refused at once.
//!
//! While the circuit is closed and calls succeed, which is nearly always, nothing is locked and nothing is written that
//! other callers write too: successes are counted by thread, and gathered when a call fails or was slow. So it is a
//! failing or a slow call that opens the circuit, never one that succeeded in time.

#[cfg(test)]
mod interleavings;
mod lock;
mod permit;
mod probes;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use external_core::Error;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub(crate) use permit::{Permit, Verdict};

use crate::BreakerPolicy;
use crate::clock::later;
use crate::refusal::Refusal;
use lock::Lock;
use probes::Probes;
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
pub(crate) struct Breaker<L = Mutex<Inner>> {
    policy: BreakerPolicy,
    /// The generation while the circuit is closed, with [`OTHERWISE`] else: all that a call looks at which succeeds.
    closed: AtomicU64,
    window: Window,
    inner: L,
    /// Hears of every change of phase.
    state: watch::Sender<BreakerState>,
    /// Wakes those who wait for one, in the order in which they came.
    decided: Notify,
}

/// The circuit is not closed.
const OTHERWISE: u64 = 1 << 63;

#[derive(Debug)]
pub(crate) struct Inner {
    phase: Phase,
    /// Counts changes of phase, so that a late answer does not speak for a phase it did not belong to.
    generation: u64,
    /// When the phase began.
    since: Instant,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen(Probes),
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
            Self::HalfOpen(_) | Self::Closed => {
                Refusal::Breaker.error("the circuit is half open and all its probes are out", None)
            }
        }
    }

    fn state(&self) -> BreakerState {
        match self {
            Self::Closed => BreakerState::Closed,
            Self::Open { .. } => BreakerState::Open,
            Self::HalfOpen(_) => BreakerState::HalfOpen,
            Self::Isolated => BreakerState::Isolated,
        }
    }
}

impl<L: Lock> Breaker<L> {
    pub(crate) fn new(policy: BreakerPolicy) -> Self {
        Self {
            policy,
            closed: AtomicU64::new(0),
            window: Window::new(&policy),
            inner: L::around(Inner { phase: Phase::Closed, generation: 0, since: Instant::now() }),
            state: watch::Sender::new(BreakerState::Closed),
            decided: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        let mut inner = self.inner.lock();
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
            let (mut inner, now) = (self.inner.lock(), Instant::now());
            self.let_time_pass(&mut inner, now);
            match &inner.phase {
                Phase::Open { .. } | Phase::Isolated => return false,
                Phase::HalfOpen(probes) => !probes.have_a_place(now, &self.policy),
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
        self.enter(&mut self.inner.lock(), Phase::Isolated, Instant::now());
    }

    pub(crate) fn reset(&self) {
        self.enter(&mut self.inner.lock(), Phase::Closed, Instant::now());
    }

    /// As [`admit`](Self::admit), while calls pass and are watched.
    #[inline]
    pub(crate) fn admit_if_closed(&self, now: Instant, slow_call: Duration) -> Option<Permit<'_, L>> {
        self.pass_if_closed(later(now, slow_call))
    }

    #[inline]
    fn pass_if_closed(&self, slow_from: Instant) -> Option<Permit<'_, L>> {
        let generation = self.closed.load(Ordering::Acquire);
        let is_closed = generation & OTHERWISE == 0;
        is_closed.then(|| Permit::new(self, generation, slow_from, None))
    }

    /// Lets an attempt pass that begins `now` and is slow from `slow_call` on, or says why not. The permit counts the attempt
    /// as cut short unless it is settled.
    pub(crate) fn admit(&self, now: Instant, slow_call: Duration) -> Result<Permit<'_, L>, Error> {
        let slow_from = later(now, slow_call);
        if let Some(permit) = self.pass_if_closed(slow_from) {
            return Ok(permit);
        }
        let mut inner = self.inner.lock();
        self.let_time_pass(&mut inner, now);
        let probe = match &mut inner.phase {
            Phase::Closed => None,
            Phase::HalfOpen(probes) if probes.have_a_place(now, &self.policy) => {
                Some(probes.make(now, &self.policy))
            }
            phase => return Err(phase.refusal(now)),
        };
        Ok(Permit::new(self, inner.generation, slow_from, probe))
    }

    /// Refuses an attempt that could begin `at` the earliest, if that is known `now`; takes no probe's place.
    pub(crate) fn check(&self, at: Instant, now: Instant) -> Result<(), Error> {
        if self.is_closed() {
            return Ok(());
        }
        let mut inner = self.inner.lock();
        self.let_time_pass(&mut inner, now);
        match &inner.phase {
            Phase::Closed => Ok(()),
            Phase::Open { until } if at >= *until => Ok(()),
            Phase::HalfOpen(probes) if at > now || probes.have_a_place(now, &self.policy) => Ok(()),
            phase => Err(phase.refusal(now)),
        }
    }

    fn enter(&self, inner: &mut Inner, phase: Phase, now: Instant) {
        inner.generation += 1;
        inner.since = now;
        let otherwise = if matches!(phase, Phase::Closed) { 0 } else { OTHERWISE };
        inner.phase = phase;
        self.closed.store(inner.generation | otherwise, Ordering::Release);
        // A success that looked just before may be counted for what comes after: one success more.
        self.window.clear();
        self.state.send_replace(inner.phase.state());
        self.decided.notify_waiters();
    }

    fn open(&self, inner: &mut Inner, now: Instant) {
        self.enter(inner, Phase::Open { until: later(now, self.policy.open_for) }, now);
    }

    /// What time alone has changed, each change at its own moment: whoever looks late finds what an early one left.
    fn let_time_pass(&self, inner: &mut Inner, now: Instant) {
        loop {
            match &inner.phase {
                &Phase::Open { until } if now >= until => {
                    self.enter(inner, Phase::HalfOpen(Probes::default()), until);
                }
                Phase::HalfOpen(probes) => match probes.decided(&self.policy) {
                    Some(decided) if now >= decided && probes.speak_for_the_service() => {
                        self.enter(inner, Phase::Closed, decided);
                    }
                    Some(decided) if now >= decided => self.open(inner, decided),
                    _ => return,
                },
                _ => return,
            }
        }
    }

    /// A probe may last until `end`: the verdict waits for it.
    fn wait_for(&self, generation: u64, probe: u64, end: Instant) {
        let mut inner = self.inner.lock();
        if inner.generation == generation
            && let Phase::HalfOpen(probes) = &mut inner.phase
        {
            probes.wait_for(probe, end);
        }
    }

    /// An attempt that began at `began` and succeeded at `head` failed `now` all the same: in its body. It
    /// counts as a failure in the place of a success, if it belongs to what is looked at.
    pub(crate) fn take_back(&self, began: Instant, head: Instant, now: Instant) {
        let mut inner = self.inner.lock();
        self.let_time_pass(&mut inner, now);
        if began < inner.since {
            return;
        }
        match &inner.phase {
            Phase::Closed => {
                if self.window.take_back(head, now).trips(&self.policy) {
                    self.open(&mut inner, now);
                }
            }
            Phase::HalfOpen(_) => self.open(&mut inner, now),
            Phase::Open { .. } | Phase::Isolated => {}
        }
    }

    /// Takes note of an attempt's end.
    fn settle(&self, permit: &Permit<'_, L>, verdict: Verdict, now: Instant) {
        // Who was refused further in has waited for us, not for the service.
        let slow = verdict != Verdict::Refused && now >= permit.slow_from;
        if verdict != Verdict::Failure && !slow && self.closed.load(Ordering::Acquire) == permit.generation {
            if verdict == Verdict::Success {
                self.window.success(now);
            }
            return;
        }
        let mut inner = self.inner.lock();
        self.let_time_pass(&mut inner, now);
        if inner.generation != permit.generation {
            return;
        }
        match &mut inner.phase {
            Phase::Closed => {
                // An attempt cut short says something only once it was slow.
                if self.window.note(verdict == Verdict::Failure, slow, now).trips(&self.policy) {
                    self.open(&mut inner, now);
                }
            }
            Phase::HalfOpen(_) if verdict == Verdict::Failure || slow => self.open(&mut inner, now),
            Phase::HalfOpen(probes) => {
                let Some(probe) = permit.probe else { return };
                let succeeded = probes.come_back(probe, verdict == Verdict::Success, now);
                if succeeded >= self.policy.half_open_calls {
                    self.enter(&mut inner, Phase::Closed, now);
                    return;
                }
                // It may have been the one that was waited for.
                self.let_time_pass(&mut inner, now);
                if verdict != Verdict::Success {
                    // Whoever waits for a verdict may make the next probe.
                    self.decided.notify_waiters();
                }
            }
            Phase::Open { .. } | Phase::Isolated => {}
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
