//! One attempt: attempt timeout, the sent mark, the breaker's verdict, the attempt record.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use external_core::{CallContext, Effect, Error, ErrorKind, Result, Retry};
use tokio::time::Instant;
use tracing::Span;

use super::recorder::{AttemptGuard, Recorder};
use super::{BoxFuture, Call, Exchange, In, Inner, Pipeline};
use crate::breaker::{Permit, Verdict};
use crate::policy::Limits;
use crate::refusal::Refusal;

/// Which attempt of a call it is, the time it has, and the breaker's leave to make it.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    /// Counted from 1.
    pub(super) number: u32,
    pub(super) started: Instant,
    /// When the call must be over.
    pub(super) end: Option<Instant>,
    /// Dropped with the turn, it counts the attempt as cut short unless it was settled.
    pub(super) permit: Option<Permit<'a>>,
    /// Whether anything that can take effect was sent; known once the attempt's future is gone.
    pub(super) sent: bool,
}

/// How an attempt ended, and when. What was answered lies in the call's slot: it may be large, and no layer looks at it.
pub(super) struct Attempted {
    pub(super) result: Result<()>,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// Whether anything that can take effect was sent, by this attempt or by one beside it; asked where it failed.
    pub(super) sent: bool,
}

impl Pipeline {
    /// The turn of an attempt that begins now, if the breaker lets it.
    pub(super) fn admit(
        &self,
        limits: &Limits,
        number: u32,
        started: Instant,
        end: Option<Instant>,
    ) -> Result<Turn<'_>> {
        let permit = match &self.inner.breaker {
            Some(breaker) => Some(breaker.admit(started, limits.slow_call)?),
            None => None,
        };
        Ok(Turn { number, started, end, permit, sent: false })
    }

    /// Makes one attempt of a call, and puts what is answered into the slot.
    pub(super) async fn attempt<T>(
        &self,
        recorder: &Recorder<&Inner>,
        &Exchange { call, cx, limits, attempt }: &Exchange<'_, '_, T>,
        turn: &mut Turn<'_>,
        answer: &mut Option<T>,
    ) -> Attempted {
        let Turn { number, started, end, .. } = *turn;
        let moving = self.inner.policy.time_to_move(call.body);
        let timeout = limits.attempt_timeout.map(|timeout| timeout.saturating_add(moving));
        let own_end = timeout.and_then(|timeout| started.checked_add(timeout));
        let attempt_cx = cx.for_attempt_at(started, number, earlier(own_end, end));
        if let Some(permit) = &mut turn.permit {
            permit.allow(moving, attempt_cx.deadline());
        }
        recorder.began(number);
        let mut guard = AttemptGuard::new(recorder, number, started);
        // Declared before the future, so dropped after it: whoever drops this call reads a true mark.
        let _mark = PassMarkUp { from: &attempt_cx, to: cx, sent: &mut turn.sent };

        let finished = {
            let mut future =
                Entered { span: recorder.span(), future: attempt(&attempt_cx, In::new()), answer };
            match attempt_cx.deadline() {
                Some(deadline) => self.inner.timers.within(deadline, &mut future).await,
                None => Some(future.await),
            }
        };
        let ended = Instant::now();
        let took = ended.saturating_duration_since(started);
        let mut result = finished.unwrap_or_else(|| Err(timed_out(&attempt_cx, took)));
        if let Some(permit) = &mut turn.permit {
            match &result {
                Ok(()) => permit.settle(Verdict::Success, ended),
                // Cut short by the caller's own deadline: no verdict, unless it had run for long. In a managed call the
                // deadline is the outer attempt's, so a timeout is ours; and so is one at the policy's own total deadline,
                // unless earlier attempts had used up most of that.
                Err(error)
                    if error.kind() == ErrorKind::Timeout
                        && !Refusal::is(error)
                        && !cx.is_managed()
                        && end.is_some_and(|end| ended >= end)
                        && (cx.deadline().is_some()
                            || self.longest(call, limits).is_some_and(|longest| took < longest / 2)) =>
                {
                    permit.settle(Verdict::Nothing, ended);
                }
                Err(error) => permit.settle(Verdict::of(error), ended),
            }
        }
        if let Err(error) = &mut result {
            error.locate(self.inner.provider, call.operation);
            if let (Some(gate), ErrorKind::RateLimited, Retry::After(hint), false) =
                (&self.inner.gate, error.kind(), error.retry(), Refusal::is(error))
            {
                gate.close_for(hint, ended);
            }
            guard.fail(error, took);
        } else {
            guard.succeed(took);
        }
        let sent = result.is_err() && attempt_cx.was_sent();
        Attempted { result, began: started, ended, sent }
    }

    /// How long an attempt of this call may take by the policy, its body included.
    fn longest(&self, call: &Call, limits: &Limits) -> Option<Duration> {
        let moving = self.inner.policy.time_to_move(call.body);
        limits.longest_attempt().map(|longest| longest.saturating_add(moving))
    }
}

/// The provider works inside the span of the call, the layers around it outside.
struct Entered<'a, 'f, T> {
    span: &'a Span,
    future: BoxFuture<'f, Result<T>>,
    answer: &'a mut Option<T>,
}

impl<T> Future for Entered<'_, '_, T> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let _entered = this.span.enter();
        this.future.as_mut().poll(cx).map_ok(|value| *this.answer = Some(value))
    }
}

/// The earlier of two moments, or the shorter of two times; what is absent has no end.
fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
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

/// Tells the outer context and the attempt's turn what the inner context knows, also when the call is dropped.
struct PassMarkUp<'a> {
    from: &'a CallContext,
    to: &'a CallContext,
    sent: &'a mut bool,
}

impl Drop for PassMarkUp<'_> {
    fn drop(&mut self) {
        if self.from.was_sent() {
            *self.sent = true;
            self.to.mark_sent();
        }
    }
}
