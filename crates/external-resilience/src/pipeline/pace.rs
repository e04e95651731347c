//! What comes before an attempt: the longer of backoff and gate, then a place of the rate limit, and the breaker's leave.

use std::sync::PoisonError;
use std::time::Duration;

use external_core::{Result, Retry};
use tokio::time::Instant;

use super::attempt::Turn;
use super::{Inner, Pipeline};
use crate::clock::{LONGEST, later};
use crate::pacing::{Place, RateLimit};
use crate::policy::Limits;
use crate::refusal::Refusal;

impl Pipeline {
    /// The turn of an attempt that nothing stands in the way of, as nearly always: what [`turn`](Self::turn) comes to without
    /// a wait while the circuit is closed. `None` changes nothing: `turn` finds out what there is.
    #[inline]
    pub(super) fn turn_at_once(
        &self,
        limits: &Limits,
        number: u32,
        now: Instant,
        earliest: Instant,
        end: Option<Instant>,
    ) -> Option<Turn<'_>> {
        let Inner { gate, rate_limit, breaker, .. } = &*self.inner;
        if earliest > now
            || end.is_some_and(|end| now >= end)
            || gate.as_ref().is_some_and(|gate| gate.closed_until(now).is_some())
            || breaker.as_ref().is_some_and(|breaker| !breaker.is_closed())
        {
            return None;
        }
        // The place comes first: one that is not used is free again, while a permit counts as an attempt.
        let place = match rate_limit {
            Some(limit) => Some(limit.reserve(now, || now).ok()?),
            None => None,
        };
        let permit = match breaker {
            Some(breaker) => Some(breaker.admit_if_closed(now, limits.slow_call)?),
            None => None,
        };
        if let Some(place) = place {
            place.used();
        }
        Some(Turn { number, started: now, end, permit, sent: false })
    }

    /// Waits until attempt `number` may start that could at `earliest`, and lets it begin. The call must be over at `end`.
    ///
    /// # Errors
    ///
    /// With nothing sent, and no place of the rate limit or of a probe used up: `RateLimited`, as soon as it is known, if the
    /// wait is too long; `Timeout` if the attempt could only start when the call must be over; `Unavailable` from the breaker.
    pub(super) async fn turn(
        &self,
        limits: &Limits,
        number: u32,
        mut now: Instant,
        earliest: Instant,
        end: Option<Instant>,
    ) -> Result<Turn<'_>> {
        let mut start = self.after_gate(now, earliest, end)?;
        let mut place = None;
        loop {
            // Who is refused anyway neither waits nor makes others wait.
            if let Some(breaker) = &self.inner.breaker {
                breaker.check(start, now)?;
            }
            if let (None, Some(limit)) = (&place, &self.inner.rate_limit) {
                place = self.place(limit, now, start, end)?;
                start = place.as_ref().map_or(start, Place::start);
            }
            if end.is_some_and(|end| start.max(now) >= end) {
                let message = "the deadline passed before an attempt could begin";
                return Err(Refusal::Deadline.error(message, None));
            }
            if start <= now {
                break;
            }
            tokio::time::sleep_until(start).await;
            now = Instant::now();
            // Others went on meanwhile, and one of them may have been asked to wait.
            start = self.after_gate(now, now, end)?;
            if start > now {
                // It will have passed by then; were it used all the same, all who wait would start together.
                place = None;
            }
        }
        let turn = self.admit(limits, number, now, end)?;
        if let Some(place) = place {
            place.used();
        }
        Ok(turn)
    }

    /// The moment itself, or a later one if the service asks everybody to wait.
    fn after_gate(&self, now: Instant, start: Instant, end: Option<Instant>) -> Result<Instant> {
        let Some(until) = self.inner.gate.as_ref().and_then(|gate| gate.closed_until(now)) else {
            return Ok(start);
        };
        if end.is_some_and(|end| until >= end) {
            let message = "the service asked to wait for longer than the deadline leaves";
            return Err(Refusal::Gate.error(message, Some(until.saturating_duration_since(now))));
        }
        Ok(start.max(self.spread(until, end)))
    }

    /// A little later than the moment that many wait for, so that they do not come back together: by a first backoff at most,
    /// and within the deadline.
    pub(super) fn spread(&self, moment: Instant, end: Option<Instant>) -> Instant {
        let most = end.map_or(LONGEST, |end| end.saturating_duration_since(moment) / 2);
        moment + self.backoff(1).min(most)
    }

    /// The rate limit's place for an attempt that cannot start before `earliest`. One in the future is left to others; that
    /// there will be one is all that is asked then.
    fn place<'a>(
        &self,
        limit: &'a RateLimit,
        now: Instant,
        earliest: Instant,
        end: Option<Instant>,
    ) -> Result<Option<Place<'a>>> {
        let latest = || end.unwrap_or_else(|| later(now, LONGEST)).min(later(earliest, limit.max_wait));
        let place = if earliest > now {
            limit.check(earliest, latest).map(|()| None)
        } else {
            limit.reserve(now, latest).map(Some)
        };
        place.map_err(|could| {
            let wait = could.saturating_duration_since(now);
            Refusal::RateLimit.error("the rate limit leaves no place in time", Some(wait))
        })
    }

    /// Waits for the verdict of a half-open circuit's probes, as long as a backoff may be; `false` if the circuit is open.
    pub(super) async fn probed(&self, now: Instant, end: Option<Instant>) -> bool {
        let Some(breaker) = &self.inner.breaker else {
            return false;
        };
        let patience = later(now, self.inner.policy.retry.cap);
        breaker.probed(end.map_or(patience, |end| end.min(patience))).await
    }

    /// When the attempt after attempt `number` may start, which ended `now`: at the end of its backoff, and later than the
    /// service asked for. `None` if trying again is of no use.
    pub(super) fn wait(
        &self,
        advice: Retry,
        number: u32,
        now: Instant,
        end: Option<Instant>,
    ) -> Option<Instant> {
        let backoff = later(now, self.backoff(number));
        match advice {
            Retry::Never => None,
            Retry::Backoff => Some(backoff),
            Retry::After(hint) => Some(backoff.max(self.spread(later(now, hint), end))),
        }
    }

    /// Full jitter: anything from nothing to the bound, which doubles with each attempt up to the cap.
    pub(super) fn backoff(&self, number: u32) -> Duration {
        let policy = &self.inner.policy.retry;
        let doubled = policy.base.saturating_mul(1_u32.checked_shl(number - 1).unwrap_or(u32::MAX));
        let mut jitter = self.inner.jitter.lock().unwrap_or_else(PoisonError::into_inner);
        doubled.min(policy.cap).mul_f64(jitter.f64())
    }
}

#[cfg(test)]
mod tests {
    use external_core::{Capabilities, Error, ProviderInfo};
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;
    use crate::breaker::Verdict;
    use crate::{BreakerPolicy, Policy, RateLimitPolicy};

    const SLOW: Duration = Duration::from_millis(2);

    /// What happens before an attempt wants to begin.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        GateCloses(u64),
        PlaceIsTaken,
        AttemptFails,
        IsIsolated,
        Pause(u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            2 => (1_u64..8).prop_map(Event::GateCloses),
            4 => Just(Event::PlaceIsTaken),
            2 => Just(Event::AttemptFails),
            1 => Just(Event::IsIsolated),
            4 => (1_u64..12).prop_map(Event::Pause),
        ]
    }

    fn pipeline([has_gate, has_limit, has_breaker]: [bool; 3], burst: u32) -> Pipeline {
        let mut breaker = BreakerPolicy::default();
        (breaker.minimum_calls, breaker.half_open_calls) = (1, 1);
        (breaker.open_for, breaker.slow_call) = (Duration::from_millis(8), Some(SLOW));
        let mut policy = Policy::off().with_breaker(has_breaker.then_some(breaker));
        if has_limit {
            policy =
                policy.with_rate_limit(RateLimitPolicy::new(1, Duration::from_millis(5)).with_burst(burst));
        }
        policy.retry_after_gate = has_gate;
        let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
        Pipeline::new("default", &info, policy).with_jitter_seed(1)
    }

    fn happens(pipeline: &Pipeline, event: Event) {
        let (Inner { gate, rate_limit, breaker, .. }, now) = (&*pipeline.inner, Instant::now());
        match event {
            Event::GateCloses(millis) => {
                gate.iter().for_each(|gate| gate.close_for(Duration::from_millis(millis), now));
            }
            Event::PlaceIsTaken => {
                rate_limit.iter().filter_map(|limit| limit.reserve(now, || now).ok()).for_each(Place::used);
            }
            Event::AttemptFails => {
                let permit = breaker.as_ref().and_then(|breaker| breaker.admit(now, SLOW).ok());
                permit.into_iter().for_each(|mut permit| permit.settle(Verdict::Failure, now));
            }
            Event::IsIsolated => {
                pipeline.isolate();
            }
            // Not this one's.
            Event::Pause(_) => {}
        }
    }

    /// All that a turn looks at and changes.
    fn layers(pipeline: &Pipeline) -> String {
        let Inner { gate, rate_limit, breaker, .. } = &*pipeline.inner;
        format!("{gate:?} {rate_limit:?} {breaker:?}")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn a_turn_at_once_is_the_turn_that_would_have_been_ready(
            has in any::<[bool; 3]>(),
            burst in 1_u32..4,
            events in prop::collection::vec(event(), 0..6),
            backoff in prop_oneof![3 => Just(0_u64), 1 => 1_u64..4],
            end in prop::option::of(0_u64..6),
            lag in prop_oneof![2 => Just(0_u64), 1 => 1_u64..6],
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap().block_on(async {
                let (quick, thorough) = (pipeline(has, burst), pipeline(has, burst));
                for event in events {
                    if let Event::Pause(millis) = event {
                        tokio::time::advance(Duration::from_millis(millis)).await;
                    }
                    happens(&quick, event);
                    happens(&thorough, event);
                }
                let now = Instant::now();
                let (earliest, end) = (now + Duration::from_millis(backoff), end.map(|end| now + Duration::from_millis(end)));
                // The thread is late: what the turn does must not depend on when it gets to it.
                tokio::time::advance(Duration::from_millis(lag)).await;
                let limits = quick.inner.limits.of("get");
                let was_closed = thorough.inner.breaker.as_ref().is_none_or(|breaker| breaker.is_closed());
                let ready = thorough.turn(limits, 1, now, earliest, end).now_or_never();
                // A late thread may find that a wait is over before it began.
                let is_at_once = matches!(&ready, Some(Ok(turn)) if turn.started == now);
                let before = layers(&quick);
                let at_once = quick.turn_at_once(limits, 1, now, earliest, end);
                match at_once {
                    Some(turn) => {
                        prop_assert!(was_closed);
                        prop_assert_eq!(format!("{:?}", Some(Ok::<_, Error>(turn))), format!("{ready:?}"));
                    }
                    None => {
                        prop_assert!(!was_closed || !is_at_once, "{:?}", ready);
                        // A gate that has opened may be known as open now.
                        if quick.inner.gate.is_none() {
                            prop_assert_eq!(layers(&quick), before);
                        }
                        let ready_then = quick.turn(limits, 1, now, earliest, end).now_or_never();
                        prop_assert_eq!(format!("{ready_then:?}"), format!("{ready:?}"));
                    }
                }
                drop(ready);
                // Whatever was let through is gone by now.
                prop_assert_eq!(layers(&quick), layers(&thorough));
                Ok(())
            })?;
        }
    }
}
