//! The probes of a half-open circuit: who may make one, and when it is decided without those that are missing.

use tokio::time::Instant;

use crate::BreakerPolicy;
use crate::clock::later;

/// What was tried since the circuit is half open.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// When the first one began: nobody waits for a verdict before.
    first: Option<Instant>,
    /// How many there were: each has its number.
    made: u64,
    out: Vec<Probe>,
    succeeded: u32,
    /// When one came back last.
    back: Option<Instant>,
}

#[derive(Debug)]
struct Probe {
    number: u64,
    began: Instant,
    /// Until when its verdict is waited for.
    end: Instant,
}

impl Probes {
    /// A probe that begins `now`, in a place that there is: its number.
    pub(super) fn make(&mut self, now: Instant, policy: &BreakerPolicy) -> u64 {
        self.first.get_or_insert(now);
        self.made += 1;
        self.out.push(Probe { number: self.made, began: now, end: later(now, policy.half_open_for) });
        self.made
    }

    /// Whether another probe may begin `now`. One that succeeded keeps its place; one that is out keeps it for as long as
    /// probing may take, so that a body that takes its time does not shut everybody else out.
    pub(super) fn have_a_place(&self, now: Instant, policy: &BreakerPolicy) -> bool {
        let keeps = |probe: &&Probe| now < later(probe.began, policy.half_open_for);
        let taken = self.succeeded as usize + self.out.iter().filter(keeps).count();
        taken < policy.half_open_calls as usize && !self.only_wait_for_verdicts(now, policy)
    }

    /// Past the time for probing others begin only while one from within is waited for: else it might never be decided.
    fn only_wait_for_verdicts(&self, now: Instant, policy: &BreakerPolicy) -> bool {
        self.first.map(|first| later(first, policy.half_open_for)).is_some_and(|limit| {
            now >= limit && !self.out.iter().any(|probe| probe.began < limit && now < probe.end)
        })
    }

    /// A probe may last so long, its body included.
    pub(super) fn wait_for(&mut self, number: u64, end: Instant) {
        if let Some(probe) = self.out.iter_mut().find(|probe| probe.number == number) {
            probe.end = end;
        }
    }

    /// A probe came back `now`, and did not fail. Answers how many succeeded.
    pub(super) fn come_back(&mut self, number: u64, succeeded: bool, now: Instant) -> u32 {
        self.out.retain(|probe| probe.number != number);
        self.back = self.back.max(Some(now));
        self.succeeded += u32::from(succeeded);
        self.succeeded
    }

    /// When time alone decides: once probing has taken its time, and so has each probe that is out.
    pub(super) fn decided(&self, policy: &BreakerPolicy) -> Option<Instant> {
        let limit = later(self.first?, policy.half_open_for);
        Some(self.out.iter().map(|probe| probe.end).chain(self.back).fold(limit, Instant::max))
    }

    /// What time alone decides. Only what succeeded closes the circuit: neither a probe that hangs nor an answer that says
    /// nothing about the service (`NotFound`) does.
    pub(super) fn speak_for_the_service(&self) -> bool {
        self.succeeded > 0 && self.out.is_empty()
    }
}
