//! One attempt at the breaker: what lets it pass, and what its end says about the service.

use std::sync::Mutex;
use std::time::Duration;

use external_core::{Error, ErrorKind};
use tokio::time::Instant;

use super::lock::Lock;
use super::{Breaker, Inner};
use crate::clock::later;
use crate::refusal::Refusal;

/// An attempt that was let through. Dropped unsettled, it was cut short: it gives its place back, and counts as a
/// slow call if it ran that long.
#[derive(Debug)]
pub(crate) struct Permit<'a, L: Lock = Mutex<Inner>> {
    breaker: &'a Breaker<L>,
    pub(super) generation: u64,
    pub(super) slow_from: Instant,
    /// Which probe it is, if it is one.
    pub(super) probe: Option<u64>,
    settled: bool,
}

impl<'a, L: Lock> Permit<'a, L> {
    #[inline]
    pub(super) fn new(
        breaker: &'a Breaker<L>,
        generation: u64,
        slow_from: Instant,
        probe: Option<u64>,
    ) -> Self {
        Self { breaker, generation, slow_from, probe, settled: false }
    }

    /// The attempt ended `now`.
    pub(crate) fn settle(&mut self, verdict: Verdict, now: Instant) {
        self.settled = true;
        self.breaker.settle(self, verdict, now);
    }

    /// The attempt may last until `end`. So much of that is its body's, and says nothing about how slow the service is.
    pub(crate) fn allow(&mut self, body: Duration, end: Option<Instant>) {
        self.slow_from = later(self.slow_from, body);
        if let (Some(probe), Some(end)) = (self.probe, end) {
            self.breaker.wait_for(self.generation, probe, end);
        }
    }
}

impl<L: Lock> Drop for Permit<'_, L> {
    fn drop(&mut self) {
        if !self.settled {
            self.settle(Verdict::Nothing, Instant::now());
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
    /// Another pipeline further in refused it: however long that took, the service had no part in it.
    Refused,
}

impl Verdict {
    /// Only these kinds speak against a service; all others are its answers, or a refusal of our own.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            _ if Refusal::is(error) => Self::Refused,
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Corrupt | ErrorKind::Unexpected => {
                Self::Failure
            }
            _ => Self::Nothing,
        }
    }
}
