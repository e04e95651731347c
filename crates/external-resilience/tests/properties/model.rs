//! The breaker as its documentation has it, without threads and locks.

use std::collections::VecDeque;
use std::time::Duration;

use external_resilience::{BreakerPolicy, BreakerState};
use tokio::time::Instant;

use super::back_end::ms;

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum How {
    Success,
    Failure,
    /// An answer, but none that says how the service is.
    NotFound,
    GivenUp,
    Panic,
}

const SLOW: Duration = ms(1000);

/// What the breaker looks at: the last 8 attempts, or those of the last 3 seconds.
pub(crate) fn policy(by_time: bool) -> BreakerPolicy {
    let mut policy = BreakerPolicy::default();
    (policy.window, policy.minimum_calls, policy.half_open_calls) = (8, 4, 2);
    (policy.slow_call, policy.slow_call_rate) = (Some(SLOW), 0.5);
    (policy.open_for, policy.half_open_for) = (ms(5000), ms(10_000));
    policy.window_time = by_time.then_some(ms(3000));
    policy
}

/// The breaker as its documentation has it.
pub(crate) struct Model {
    policy: BreakerPolicy,
    /// How long an attempt may last.
    timeout: Option<Duration>,
    /// From when on steps of its window are counted, if that is one of time.
    start: Instant,
    /// Of each attempt the step in which it ended, whether it failed, and whether it was slow.
    window: VecDeque<(u128, bool, bool)>,
    phase: Phase,
    /// Which phase it is, counted: what was let through in an earlier one has no say.
    number: u32,
}

#[derive(Debug)]
pub(crate) enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    /// Of each probe that is out when it began.
    HalfOpen {
        first: Option<Instant>,
        out: Vec<Instant>,
        succeeded: u32,
        back: Option<Instant>,
    },
    Isolated,
}

impl Model {
    pub(crate) fn new(policy: BreakerPolicy, timeout: Option<Duration>) -> Self {
        let (start, window) = (Instant::now(), VecDeque::new());
        Self { policy, timeout, start, window, phase: Phase::Closed, number: 0 }
    }

    /// Until when a probe is waited for.
    fn end_of(&self, began: Instant) -> Instant {
        began + self.timeout.unwrap_or(self.policy.half_open_for)
    }

    /// What is in the window once an attempt has ended `now`.
    fn note(&mut self, failure: bool, slow: bool, now: Instant) {
        let step =
            self.policy.window_time.map_or(0, |time| (now - self.start).as_nanos() / (time / 10).as_nanos());
        self.window.push_back((step, failure, slow));
        if self.policy.window_time.is_some() {
            self.window.retain(|(ended, ..)| ended + 10 > step);
        } else if self.window.len() > self.policy.window as usize {
            self.window.pop_front();
        }
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.number += 1;
        self.window.clear();
    }

    fn open(&mut self, now: Instant) {
        self.enter(Phase::Open { until: now + self.policy.open_for });
    }

    pub(crate) fn let_time_pass(&mut self, now: Instant) {
        loop {
            match &self.phase {
                Phase::Open { until } if now >= *until => {
                    self.enter(Phase::HalfOpen { first: None, out: Vec::new(), succeeded: 0, back: None });
                }
                Phase::HalfOpen { first: Some(first), out, succeeded, back } => {
                    let mut until = *first + self.policy.half_open_for;
                    until =
                        out.iter().map(|began| self.end_of(*began)).chain(*back).fold(until, Instant::max);
                    if now < until {
                        return;
                    }
                    if out.is_empty() && *succeeded > 0 {
                        self.enter(Phase::Closed);
                    } else {
                        self.open(until);
                    }
                }
                _ => return,
            }
        }
    }

    /// The phase in which a call is let through, if it is.
    pub(crate) fn admits(&mut self, now: Instant) -> Option<u32> {
        self.let_time_pass(now);
        let keeps = self.policy.half_open_for;
        let has_a_place = match &self.phase {
            Phase::HalfOpen { first, out, succeeded, .. } => {
                let taken = out.iter().filter(|began| now < **began + keeps).count() + *succeeded as usize;
                let is_waited_for = |first: Instant| {
                    out.iter().any(|began| *began < first + keeps && now < self.end_of(*began))
                };
                taken < self.policy.half_open_calls as usize
                    && first.is_none_or(|first| now < first + keeps || is_waited_for(first))
            }
            _ => false,
        };
        match &mut self.phase {
            Phase::Closed => Some(self.number),
            Phase::HalfOpen { first, out, .. } if has_a_place => {
                first.get_or_insert(now);
                out.push(now);
                Some(self.number)
            }
            Phase::HalfOpen { .. } | Phase::Open { .. } | Phase::Isolated => None,
        }
    }

    pub(crate) fn ended(&mut self, admitted: u32, how: How, began: Instant, now: Instant) {
        let slow = now - began >= SLOW;
        self.let_time_pass(now);
        if admitted != self.number {
            return;
        }
        let failure = how == How::Failure;
        match &mut self.phase {
            Phase::Closed => {
                if failure || slow || how == How::Success {
                    self.note(failure, slow, now);
                }
                let seen = self.window.len() as f64;
                let share = |count: usize| count as f64 / seen.max(1.0);
                let trips = seen >= f64::from(self.policy.minimum_calls)
                    && (share(self.window.iter().filter(|(_, failure, _)| *failure).count())
                        >= self.policy.failure_rate
                        || share(self.window.iter().filter(|(_, _, slow)| *slow).count())
                            >= self.policy.slow_call_rate);
                if (failure || slow) && trips {
                    self.open(now);
                }
            }
            Phase::HalfOpen { .. } if failure || slow => self.open(now),
            Phase::HalfOpen { out, succeeded, back, .. } => {
                out.remove(out.iter().position(|out| *out == began).unwrap());
                *back = Some(now);
                if how == How::Success {
                    *succeeded += 1;
                    if *succeeded >= self.policy.half_open_calls {
                        self.enter(Phase::Closed);
                    }
                }
            }
            Phase::Open { .. } | Phase::Isolated => {}
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
            Phase::Isolated => BreakerState::Isolated,
        }
    }
}
