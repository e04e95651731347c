//! Hedging: a second attempt beside one that takes long, for calls that change nothing. Whoever answers first wins.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use external_core::CallContext;
use tokio::time::Instant;

use super::attempt::{Attempted, Turn};
use super::recorder::Recorder;
use super::{Attempt, Call, Inner, Pipeline};
use crate::breaker::Permit;
use crate::clock::later;

impl Pipeline {
    /// As one attempt; the loser is dropped, and a failure waits for the other.
    #[allow(clippy::too_many_arguments, reason = "an attempt's, and the delay")]
    pub(super) async fn hedged<'env, T>(
        &self,
        recorder: &Recorder<&Inner>,
        permit: Option<Permit<'_>>,
        call: &Call,
        cx: &CallContext,
        turn: Turn,
        attempt: &Attempt<'_, 'env, T>,
        delay: Duration,
    ) -> Attempted<T> {
        let mut first = pin!(self.attempt(recorder, permit, call, cx, turn, attempt));
        if let Some(attempted) = self.inner.timers.within(later(turn.started, delay), first.as_mut()).await {
            return attempted;
        }
        let Some((started, permit)) = self.admit_hedge(turn.end) else {
            return first.await;
        };
        let turn = Turn { number: turn.number + 1, started, end: turn.end };
        let mut second = pin!(self.attempt(recorder, permit, call, cx, turn, attempt));
        let (attempted, first_is_over) = poll_fn(|cx| {
            if let Poll::Ready(attempted) = first.as_mut().poll(cx) {
                return Poll::Ready((attempted, true));
            }
            second.as_mut().poll(cx).map(|attempted| (attempted, false))
        })
        .await;
        match (attempted.result.is_ok(), first_is_over) {
            (true, _) => attempted,
            (false, true) => second.await,
            (false, false) => first.await,
        }
    }

    /// A second attempt waits for nothing, and is paid for like a retry.
    fn admit_hedge(&self, end: Option<Instant>) -> Option<(Instant, Option<Permit<'_>>)> {
        let inner = &self.inner;
        let now = Instant::now();
        if inner.gate.closed_until(now).is_some() || end.is_some_and(|end| now >= end) {
            return None;
        }
        if inner.rate_limit.as_ref().is_some_and(|limit| limit.reserve(now, now).is_err()) {
            return None;
        }
        let permit = self.admit(now).ok()?;
        if inner.budget.as_ref().is_some_and(|budget| !budget.pay_for_hedge()) {
            return None;
        }
        Some((now, permit))
    }
}
