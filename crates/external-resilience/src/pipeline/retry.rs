//! The loop: attempts, and the waits between them, within the total deadline.

use external_core::{Effect, Error, Repeat, Result, Retry};
use tokio::time::Instant;

use super::recorder::Recorder;
use super::{Exchange, Inner, Pipeline};
use crate::budget::Payment;
use crate::refusal::Refusal;

/// Why no further attempt is made, besides the layers that refuse one: every number there may be was made.
pub(super) const ATTEMPTS: &str = "attempts";
/// There is no retry budget left.
const BUDGET: &str = "budget";
/// There is no time left.
pub(super) const DEADLINE: &str = "deadline";
/// The client was closed.
pub(super) const CLOSED: &str = "closed";
/// The operation must not take effect twice, and may have taken effect.
const NOT_SAFE: &str = "not_safe";
/// Trying again does not change the answer.
const NOT_RETRYABLE: &str = "not_retryable";

impl Pipeline {
    /// Attempts a call until it ends well, or trying again is not safe, not allowed or of no use. On success the record
    /// stays open, for whoever owns what comes after, and the answer is in the slot.
    pub(super) async fn repeat<T>(
        &self,
        recorder: &mut Recorder<&Inner>,
        exchange: &Exchange<'_, '_, T>,
        answer: &mut Option<T>,
    ) -> Result<()> {
        let &Exchange { call, cx, limits, .. } = exchange;
        recorder.enter()?;
        let end = recorder.end_of(cx, limits, self.inner.policy.time_to_move(call.body));
        // The clock is read once before an attempt and once behind it: a fast call costs little more than that.
        let mut now = recorder.started();
        if let Some(bulkhead) = &self.inner.bulkhead {
            let waited = bulkhead.enter(end).await.map_err(refused)?;
            recorder.holds_a_place();
            if waited {
                now = Instant::now();
            }
        }
        // However clients are nested, a call meets one retry layer: the outermost.
        let max_attempts = if cx.is_managed() { 1 } else { limits.max_attempts };
        // Only what changes nothing is attempted twice at a time.
        let hedge_after = limits.hedge_after.filter(|_| call.operation.repeat == Repeat::Safe);
        // To wait for another's probe repeats nothing, so that an inner pipeline does it too.
        let mut waits = limits.max_attempts - 1;
        let mut earliest = now;
        let mut earlier: Option<Error> = None;
        let mut payment = None;
        loop {
            let number = recorder.attempts() + 1;
            let turn = match self.turn_at_once(limits, number, now, earliest, end) {
                Some(turn) => Ok(turn),
                None => self.turn(limits, number, now, earliest, end).await,
            };
            let mut turn = match turn {
                Ok(turn) => turn,
                // Probes were out: their verdict is this call's, too. An upload's parts must not fail for each other.
                Err(refusal)
                    if waits > 0
                        && Refusal::of(&refusal) == Some(Refusal::Breaker)
                        && self.probed(now, end).await =>
                {
                    waits -= 1;
                    now = Instant::now();
                    earliest = self.spread(now, end);
                    continue;
                }
                // A refusal says less than the failure that led to it.
                Err(refusal) => {
                    let by = refuser(&refusal);
                    return Err(earlier.unwrap_or(refusal).with_ended_by(by));
                }
            };
            if let Some(payment) = payment.take() {
                Payment::used(payment);
            }
            let attempted = match hedge_after.filter(|_| number < max_attempts) {
                None => self.attempt(recorder, exchange, &mut turn, answer).await,
                // Boxed: two attempts at a time are room that others need not have.
                Some(delay) => Box::pin(self.hedged(recorder, exchange, turn, answer, delay)).await,
            };
            now = attempted.ended;
            let was_sent = attempted.sent;
            match recorder.attempted(attempted) {
                Ok(()) => {
                    if let Some(budget) = &self.inner.budget {
                        budget.refill();
                    }
                    return Ok(());
                }
                Err(error) => {
                    let failed = Failed { error, was_sent, attempts: recorder.attempts(), max_attempts };
                    let again = self.goes_on_after(failed, earlier.take(), exchange, now, end)?;
                    (earliest, payment) = (again.earliest, again.payment);
                    earlier = Some(again.error);
                }
            }
        }
    }
}

/// An attempt that failed.
struct Failed {
    error: Error,
    /// Whether anything that can take effect was sent.
    was_sent: bool,
    attempts: u32,
    max_attempts: u32,
}

/// Another attempt.
struct Again<'a> {
    earliest: Instant,
    payment: Option<Payment<'a>>,
    /// What the last one failed with.
    error: Error,
}

impl Pipeline {
    /// Whether there is another attempt; else the error of the call. Out of the way of calls that succeed.
    #[cold]
    #[inline(never)]
    fn goes_on_after<T>(
        &self,
        Failed { mut error, was_sent, attempts, max_attempts }: Failed,
        earlier: Option<Error>,
        &Exchange { call, cx, .. }: &Exchange<'_, '_, T>,
        now: Instant,
        end: Option<Instant>,
    ) -> Result<Again<'_>> {
        let refused_by = Refusal::of(&error);
        match refused_by {
            // One further in says less than the failure that led to it: neither is the service's word, and its hint no
            // reason to wait.
            Some(by) if by.is_final() && !was_sent => {
                return Err(earlier.unwrap_or(error).with_ended_by(by.as_str()));
            }
            // What was sent before it, to another member or on the way here, it knows nothing of.
            Some(_) if was_sent && error.effect() == Effect::NotSent => {
                error = error.with_effect(Effect::MaybeApplied);
            }
            _ => {}
        }
        // What an earlier attempt may have done is not undone by a later one that failed.
        if earlier.is_some_and(|earlier| earlier.effect() == Effect::MaybeApplied) {
            error = error.with_effect(Effect::MaybeApplied);
        }
        if cx.is_managed() {
            // Whether there is another is for the outer pipeline to say.
            return Err(error);
        }
        if !error.may_repeat(&call.operation) {
            return Err(error.with_ended_by(NOT_SAFE));
        }
        // The hint of one that refused is not the word of those that were asked before it.
        let advice = if refused_by.is_some() && was_sent { Retry::Backoff } else { error.retry() };
        let Some(earliest) = self.wait(advice, attempts, now, end) else {
            return Err(error.with_ended_by(NOT_RETRYABLE));
        };
        if attempts >= max_attempts {
            return Err(error.with_ended_by(ATTEMPTS));
        }
        if end.is_some_and(|end| earliest >= end) {
            return Err(error.with_ended_by(DEADLINE));
        }
        // What another pipeline refused cost the service nothing.
        let cost_nothing = refused_by.is_some() && !was_sent;
        let payment = match self.inner.budget.as_ref().filter(|_| !cost_nothing) {
            None => None,
            Some(budget) => match budget.pay_for(&error) {
                None => return Err(error.with_ended_by(BUDGET)),
                payment => payment,
            },
        };
        Ok(Again { earliest, payment, error })
    }
}

/// Which layer refused the attempt, or that there was no time left for it.
fn refuser(refusal: &Error) -> &'static str {
    Refusal::of(refusal).map_or(DEADLINE, Refusal::as_str)
}

/// A refusal before the first attempt.
fn refused(refusal: Error) -> Error {
    let by = refuser(&refusal);
    refusal.with_ended_by(by)
}
