//! One attempt: attempt timeout, the sent mark, the breaker's verdict, the attempt record.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use external_core::{CallContext, Effect, Error, ErrorKind, Result, Retry};
use tokio::time::Instant;
use tracing::Span;

use super::recorder::{AttemptGuard, Recorder};
use super::{Attempt, BoxFuture, Call, In, Inner, Pipeline};
use crate::breaker::{Permit, Verdict};
use crate::refusal::Refusal;

/// Which attempt of a call it is, and the time it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Counted from 1.
    pub(super) number: u32,
    pub(super) started: Instant,
    /// When the call must be over.
    pub(super) end: Option<Instant>,
}

/// How an attempt ended, and when.
pub(super) struct Attempted<T> {
    pub(super) result: Result<T>,
    pub(super) ended: Instant,
}

impl Pipeline {
    /// Whether an attempt may begin `now`, as far as the breaker knows.
    pub(super) fn admit(&self, now: Instant) -> Result<Option<Permit<'_>>> {
        self.inner.breaker.as_ref().map(|breaker| breaker.admit(now)).transpose()
    }

    /// Makes one attempt of a call.
    pub(super) async fn attempt<'env, T>(
        &self,
        recorder: &Recorder<&Inner>,
        permit: Option<Permit<'_>>,
        call: &Call,
        cx: &CallContext,
        Turn { number, started, end }: Turn,
        attempt: &Attempt<'_, 'env, T>,
    ) -> Attempted<T> {
        let timeout = recorder.limits.attempt_timeout;
        let timeout = timeout.map(|timeout| self.inner.policy.attempt_timeout_with_body(timeout, call.body));
        let own_end = timeout.and_then(|timeout| started.checked_add(timeout));
        let attempt_cx = cx.for_attempt(number, earlier(own_end, end)).with_start(started);
        recorder.began(number);
        let guard = AttemptGuard::new(recorder, number, started);
        // Declared before the future, so dropped after it: whoever drops this call reads a true mark.
        let _mark = PassMarkUp { from: &attempt_cx, to: cx };

        let finished = {
            let future = Entered { span: recorder.span(), future: attempt(&attempt_cx, In::new()) };
            match attempt_cx.deadline() {
                Some(deadline) => self.inner.timers.within(deadline, future).await,
                None => Some(future.await),
            }
        };
        let ended = Instant::now();
        let took = ended.saturating_duration_since(started);
        let mut result = finished.unwrap_or_else(|| Err(timed_out(&attempt_cx, took)));
        if let Some(permit) = permit {
            match &result {
                Ok(_) => permit.settle(Verdict::Success, ended),
                // Cut short by the caller's own deadline: no verdict, unless it had run for long, which dropping
                // the permit looks at. In a managed call the deadline is the outer attempt's, so a timeout is ours.
                Err(error)
                    if error.kind() == ErrorKind::Timeout
                        && !cx.is_managed()
                        && end.is_some_and(|end| ended >= end) =>
                {
                    drop(permit);
                }
                Err(error) => permit.settle(Verdict::of(error), ended),
            }
        }
        // By reference: what was answered may be large, and is moved often enough.
        if let Err(error) = &mut result {
            error.locate(self.inner.provider, call.operation);
            guard.fail(error, took);
            if let (ErrorKind::RateLimited, Retry::After(hint), false) =
                (error.kind(), error.retry(), Refusal::is(error))
            {
                self.inner.gate.close_for(hint, ended);
            }
        } else {
            guard.succeed(took);
        }
        Attempted { result, ended }
    }
}

/// The provider works inside the span of the call, the layers around it outside.
struct Entered<'a, 'f, T> {
    span: &'a Span,
    future: BoxFuture<'f, Result<T>>,
}

impl<T> Future for Entered<'_, '_, T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let _entered = self.span.enter();
        self.future.as_mut().poll(cx)
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A timeout's effect is decided by the sent mark, read once the attempt's future is gone.
fn timed_out(cx: &CallContext, took: Duration) -> Error {
    let effect = if cx.was_sent() { Effect::MaybeApplied } else { Effect::NotSent };
    Error::timeout(format!("no answer within {}", Short(took))).with_effect(effect)
}

struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => write!(f, "{} ms", self.0.as_millis()),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}

/// Tells the outer context what the inner one knows, also when the call is dropped.
struct PassMarkUp<'a> {
    from: &'a CallContext,
    to: &'a CallContext,
}

impl Drop for PassMarkUp<'_> {
    fn drop(&mut self) {
        if self.from.was_sent() {
            self.to.mark_sent();
        }
    }
}
