//! What a breaker looks at: the last so many attempts, or those of the last so long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use external_core::Sharded;
use tokio::time::Instant;

use crate::BreakerPolicy;

/// A window of time moves on by a tenth of its length.
const STEPS: u32 = 10;
const PLACES: usize = STEPS as usize;

#[derive(Debug)]
pub(super) enum Window {
    Calls(Calls),
    /// Boxed: it is larger, and few have it.
    Time(Box<Time>),
}

/// What a window holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    calls: u64,
    failures: u64,
    slow: u64,
}

impl Seen {
    /// Whether this opens the circuit.
    #[allow(clippy::cast_precision_loss, reason = "shares of counts far below 2^52")]
    pub(super) fn trips(self, policy: &BreakerPolicy) -> bool {
        let share = |count: u64| count as f64 / self.calls.max(1) as f64;
        self.calls >= u64::from(policy.minimum_calls)
            && (share(self.failures) >= policy.failure_rate || share(self.slow) >= policy.slow_call_rate)
    }
}

impl Window {
    pub(super) fn new(policy: &BreakerPolicy) -> Self {
        match policy.window_time {
            Some(time) => Self::Time(Box::new(Time::new(time))),
            None => Self::Calls(Calls::new(policy.window as usize)),
        }
    }

    /// An attempt succeeded in time. No lock, and nothing is written that other threads write.
    pub(super) fn success(&self, now: Instant) {
        match self {
            Self::Calls(calls) => {
                calls.successes.here().fetch_add(1, Ordering::Relaxed);
            }
            Self::Time(time) => time.success(now),
        }
    }

    /// An attempt failed or was slow: what the window holds now.
    pub(super) fn note(&self, failure: bool, slow: bool, now: Instant) -> Seen {
        match self {
            Self::Calls(calls) => calls.note(failure, slow),
            Self::Time(time) => time.note(failure, slow, now),
        }
    }

    /// An attempt that succeeded at `head` failed after all, as is known `now`: what the window holds now.
    pub(super) fn take_back(&self, head: Instant, now: Instant) -> Seen {
        match self {
            Self::Calls(calls) => calls.take_back(),
            Self::Time(time) => {
                time.forget_success(head);
                time.note(true, false, now)
            }
        }
    }

    pub(super) fn clear(&self) {
        match self {
            Self::Calls(calls) => {
                calls.gather();
                *locked(&calls.ring) = Ring::new(calls.size);
            }
            Self::Time(time) => time.clear(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last so many attempts.
#[derive(Debug)]
pub(super) struct Calls {
    size: usize,
    /// Successes that the ring does not hold yet.
    successes: Sharded<AtomicU64>,
    ring: Mutex<Ring>,
}

impl Calls {
    fn new(size: usize) -> Self {
        let size = size.max(1);
        Self { size, successes: Sharded::default(), ring: Mutex::new(Ring::new(size)) }
    }

    fn gather(&self) -> u64 {
        self.successes.iter().map(|shard| shard.swap(0, Ordering::Relaxed)).sum()
    }

    /// The ring with all successes in it.
    fn whole(&self) -> MutexGuard<'_, Ring> {
        let mut ring = locked(&self.ring);
        // More than fill it push everything out.
        for _ in 0..self.gather().min(self.size as u64) {
            ring.push(self.size, false, false);
        }
        ring
    }

    fn note(&self, failure: bool, slow: bool) -> Seen {
        let mut ring = self.whole();
        ring.push(self.size, failure, slow);
        ring.seen
    }

    fn take_back(&self) -> Seen {
        let mut ring = self.whole();
        if !ring.turn_a_success() {
            ring.push(self.size, true, false);
        }
        ring.seen
    }
}

/// Two flags an attempt.
#[derive(Debug)]
struct Ring {
    attempts: Vec<(bool, bool)>,
    next: usize,
    seen: Seen,
}

impl Ring {
    fn new(size: usize) -> Self {
        Self { attempts: Vec::with_capacity(size), next: 0, seen: Seen::default() }
    }

    fn push(&mut self, size: usize, failure: bool, slow: bool) {
        let attempt = (failure, slow);
        match self.attempts.get_mut(self.next) {
            Some(oldest) => {
                let (failure, slow) = std::mem::replace(oldest, attempt);
                self.seen.failures -= u64::from(failure);
                self.seen.slow -= u64::from(slow);
            }
            None => {
                self.attempts.push(attempt);
                self.seen.calls += 1;
            }
        }
        self.seen.failures += u64::from(failure);
        self.seen.slow += u64::from(slow);
        self.next = (self.next + 1) % size;
    }
}

impl Ring {
    /// Makes a failure of the latest success; `false` if there is none. Which of them it was makes no difference.
    fn turn_a_success(&mut self) -> bool {
        let (newer, older) = self.attempts.split_at_mut(self.next);
        let mut latest_first = newer.iter_mut().rev().chain(older.iter_mut().rev());
        let Some((failure, _)) = latest_first.find(|(failure, _)| !failure) else {
            return false;
        };
        *failure = true;
        self.seen.failures += 1;
        true
    }
}

/// The attempts of the last so long.
#[derive(Debug)]
pub(super) struct Time {
    start: Instant,
    step: Duration,
    /// Successes by step: the number of the step above, their count below, so that a step of a former round is seen.
    successes: Sharded<[AtomicU64; PLACES]>,
    others: Mutex<[Step; PLACES]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Step {
    number: u64,
    seen: Seen,
}

/// Where a step has its place.
fn place(number: u64) -> usize {
    usize::try_from(number % u64::from(STEPS)).unwrap_or(0)
}

/// Where the number of a step begins.
const NUMBER: u32 = 32;

impl Time {
    fn new(time: Duration) -> Self {
        Self {
            start: Instant::now(),
            step: (time / STEPS).max(Duration::from_micros(100)),
            successes: Sharded::default(),
            others: Mutex::default(),
        }
    }

    /// The number of the step that holds this moment, from [`STEPS`] on: zero is a step that never was.
    fn number(&self, now: Instant) -> u64 {
        let steps = now.saturating_duration_since(self.start).as_nanos() / self.step.as_nanos();
        (u64::try_from(steps).unwrap_or(u64::MAX) + u64::from(STEPS)) & u64::from(u32::MAX)
    }

    fn success(&self, now: Instant) {
        let number = self.number(now);
        let cell = &self.successes.here()[place(number)];
        let mut held = cell.load(Ordering::Relaxed);
        loop {
            let next = if held >> NUMBER == number { held + 1 } else { (number << NUMBER) + 1 };
            match cell.compare_exchange_weak(held, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => held = now,
            }
        }
    }

    /// Counts one success less in the step of this moment, if it is known there: a slow one is not.
    fn forget_success(&self, at: Instant) {
        let number = self.number(at);
        let one_less = |held: u64| {
            let is_there = held >> NUMBER == number && held & u64::from(u32::MAX) > 0;
            is_there.then(|| held - 1)
        };
        let mut cells = self.successes.iter().map(|cells| &cells[place(number)]);
        cells.find(|cell| cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok());
    }

    fn note(&self, failure: bool, slow: bool, now: Instant) -> Seen {
        let number = self.number(now);
        let mut others = locked(&self.others);
        let step = &mut others[place(number)];
        if step.number != number {
            *step = Step { number, seen: Seen::default() };
        }
        step.seen.calls += 1;
        step.seen.failures += u64::from(failure);
        step.seen.slow += u64::from(slow);
        let is_recent = |held: u64| number.wrapping_sub(held) < u64::from(STEPS);
        let mut seen = Seen::default();
        for step in others.iter().filter(|step| is_recent(step.number)) {
            seen.calls += step.seen.calls;
            seen.failures += step.seen.failures;
            seen.slow += step.seen.slow;
        }
        let cells = self.successes.iter().flatten().map(|cell| cell.load(Ordering::Relaxed));
        seen.calls += cells
            .filter(|held| is_recent(held >> NUMBER))
            .map(|held| held & u64::from(u32::MAX))
            .sum::<u64>();
        seen
    }

    fn clear(&self) {
        *locked(&self.others) = Default::default();
        for cell in self.successes.iter().flatten() {
            cell.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(calls: u64, failures: u64, slow: u64) -> Seen {
        Seen { calls, failures, slow }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_calls_push_out_what_was_before() {
        let window = Window::new(&BreakerPolicy { window: 4, ..BreakerPolicy::default() });
        let now = Instant::now();
        assert_eq!(window.note(true, false, now), seen(1, 1, 0));
        window.success(now);
        window.success(now);
        assert_eq!(window.note(false, true, now), seen(4, 1, 1));
        assert_eq!(window.note(true, false, now), seen(4, 1, 1));
        for _ in 0..1000 {
            window.success(now);
        }
        assert_eq!(window.note(true, true, now), seen(4, 1, 1));
        window.clear();
        assert_eq!(window.note(true, false, now), seen(1, 1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_back_is_a_failure_in_the_place_of_a_success() {
        for window_time in [None, Some(Duration::from_secs(10))] {
            let window = Window::new(&BreakerPolicy { window: 4, window_time, ..BreakerPolicy::default() });
            let start = Instant::now();
            let at = |seconds| start + Duration::from_secs(seconds);
            for _ in 0..3 {
                window.success(at(0));
            }
            assert_eq!(window.take_back(at(0), at(2)), seen(3, 1, 0), "{window_time:?}");
            assert_eq!(window.take_back(at(0), at(2)), seen(3, 2, 0), "{window_time:?}");
            assert_eq!(window.note(true, false, at(3)), seen(4, 3, 0), "{window_time:?}");
            assert_eq!(window.take_back(at(0), at(4)), seen(4, 4, 0), "{window_time:?}");
            // No success is left: it is one more failure.
            let calls = if window_time.is_some() { 5 } else { 4 };
            assert_eq!(window.take_back(at(0), at(4)), seen(calls, calls, 0), "{window_time:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_success_that_is_taken_back_stays_slow() {
        let window = Window::new(&BreakerPolicy { window: 4, ..BreakerPolicy::default() });
        let now = Instant::now();
        assert_eq!(window.note(false, true, now), seen(1, 0, 1));
        assert_eq!(window.take_back(now, now), seen(1, 1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn time_lets_go_of_what_is_too_long_ago() {
        let policy = BreakerPolicy { window_time: Some(Duration::from_secs(10)), ..BreakerPolicy::default() };
        let window = Window::new(&policy);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..100 {
            window.success(at(0));
        }
        assert_eq!(window.note(true, false, at(1)), seen(101, 1, 0));
        assert_eq!(window.note(true, false, at(9)), seen(102, 2, 0));
        assert_eq!(window.note(true, false, at(10)), seen(3, 3, 0), "the successes are ten seconds old");
        window.success(at(10));
        assert_eq!(window.note(false, true, at(20)), seen(1, 0, 1), "a step is used anew");
        window.success(at(20));
        window.clear();
        assert_eq!(window.note(true, false, at(20)), seen(1, 1, 0));
    }
}
