//! The loop: attempts, and the waits between them, within the total deadline.

use std::sync::PoisonError;
use std::time::Duration;

use external_core::{CallContext, Effect, Error, Result, Retry};
use tokio::time::Instant;

use super::attempt::Turn;
use super::recorder::Recorder;
use super::{Attempt, Call, Inner, Pipeline};

impl Pipeline {
    /// Attempts a call until it ends well, or trying again is not safe, not allowed or of no use. On success the record
    /// stays open, for whoever owns what comes after.
    pub(super) async fn repeat<'env, T>(
        &self,
        recorder: &mut Recorder<&Inner>,
        call: &Call,
        cx: &CallContext,
        attempt: &Attempt<'_, 'env, T>,
    ) -> Result<T> {
        recorder.enter()?;
        let end = recorder.end_of(cx);
        // However clients are nested, a call meets one retry layer: the outermost.
        let max_attempts = if cx.is_managed() { 1 } else { recorder.limits.max_attempts };
        let mut earlier: Option<Error> = None;
        let mut number = 0;
        // The clock is read once before an attempt and once behind it: a fast call costs little more than that.
        let mut now = recorder.started();
        loop {
            let permit = match self.inner.breaker.as_ref().map(|breaker| breaker.admit(now)).transpose() {
                Ok(permit) => permit,
                // A refusal says less than the failure that led to it.
                Err(refusal) => {
                    return Err(earlier.map_or(refusal, |error| error.with_context("ended_by", "breaker")));
                }
            };
            number += 1;
            let mut error = match self
                .attempt(recorder, permit, call, cx, Turn { number, started: now, end }, attempt)
                .await
            {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // What an earlier attempt may have done is not undone by a later one that failed.
            if earlier.is_some_and(|earlier| earlier.effect() == Effect::MaybeApplied) {
                error = error.with_effect(Effect::MaybeApplied);
            }
            if number >= max_attempts || !error.may_repeat(&call.operation) {
                return Err(error);
            }
            let Some(wait) = self.wait(&error, number) else {
                return Err(error);
            };
            if end.is_some_and(|end| end.saturating_duration_since(Instant::now()) <= wait) {
                return Err(error.with_context("ended_by", "deadline"));
            }
            tokio::time::sleep(wait).await;
            earlier = Some(error);
            now = Instant::now();
        }
    }

    /// How long to wait after attempt `number`; `None` if trying again is of no use.
    fn wait(&self, error: &Error, number: u32) -> Option<Duration> {
        match error.retry() {
            Retry::Never => None,
            Retry::Backoff => Some(self.backoff(number)),
            Retry::After(hint) => Some(hint.max(self.backoff(number))),
        }
    }

    /// Full jitter: anything from nothing to the bound, which doubles with each attempt up to the cap.
    fn backoff(&self, number: u32) -> Duration {
        let policy = &self.inner.policy.retry;
        let doubled = policy.base.saturating_mul(1_u32.checked_shl(number - 1).unwrap_or(u32::MAX));
        let mut jitter = self.inner.jitter.lock().unwrap_or_else(PoisonError::into_inner);
        doubled.min(policy.cap).mul_f64(jitter.f64())
    }
}
