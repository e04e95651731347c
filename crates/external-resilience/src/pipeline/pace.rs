//! What comes before an attempt: the longer of backoff and gate, then a place of the rate limit, and the breaker's leave.

use std::sync::PoisonError;
use std::time::Duration;

use external_core::{Effect, Error, Result, Retry};
use tokio::time::Instant;

use super::attempt::Turn;
use super::{Inner, Pipeline};
use crate::clock::{LONGEST, later};
use crate::pacing::{Place, RateLimit};
use crate::policy::Limits;
use crate::refusal::Refusal;

impl Pipeline {
    /// The turn of an attempt that nothing stands in the way of, as nearly always. `None` says no more than that there may
    /// be something: [`turn`](Self::turn) finds out what.
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
            || gate.as_ref().is_some_and(|gate| !gate.is_surely_open())
        {
            return None;
        }
        let permit = match breaker {
            Some(breaker) => Some(breaker.admit_if_closed(now, limits.slow_call)?),
            None => None,
        };
        match rate_limit {
            Some(limit) if !limit.take(now) => None,
            _ => Some(Turn { number, started: now, end, permit, sent: false }),
        }
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
            if let (None, Some(limit)) = (&place, &self.inner.rate_limit) {
                place = self.place(limit, now, start, end)?;
                start = place.as_ref().map_or(start, Place::start);
            }
            if end.is_some_and(|end| start.max(now) >= end) {
                let message = "the deadline passed before an attempt could begin";
                return Err(Error::timeout(message).with_effect(Effect::NotSent));
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
    fn spread(&self, moment: Instant, end: Option<Instant>) -> Instant {
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
        // Who is refused anyway neither waits nor makes others wait.
        if let Some(breaker) = &self.inner.breaker {
            breaker.check(earliest, now)?;
        }
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
        error: &Error,
        number: u32,
        now: Instant,
        end: Option<Instant>,
    ) -> Option<Instant> {
        let backoff = later(now, self.backoff(number));
        match error.retry() {
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
