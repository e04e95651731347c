//! Hedging: a second attempt beside one that takes long, for calls that change nothing. Whoever answers first wins.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use external_core::Retry;
use tokio::time::Instant;

use super::attempt::{Attempted, Turn};
use super::recorder::Recorder;
use super::{Exchange, Inner, Pipeline};
use crate::clock::later;

impl Pipeline {
    /// As one attempt; the loser is dropped, and a failure that may pass waits for the other.
    pub(super) async fn hedged<T>(
        &self,
        recorder: &Recorder<&Inner>,
        exchange: &Exchange<'_, '_, T>,
        mut turn: Turn<'_>,
        answer: &mut Option<T>,
        delay: Duration,
    ) -> Attempted {
        let (number, end, late) = (turn.number + 1, turn.end, later(turn.started, delay));
        let mut hedge = None;
        let attempted = {
            let first = self.attempt(recorder, exchange, &mut turn, answer);
            let mut first = pin!(first);
            match self.inner.timers.within(late, first.as_mut()).await {
                Some(attempted) => attempted,
                None => match self.admit_hedge(number, end) {
                    Some(second) => self.beside(first, recorder, exchange, second, &mut hedge).await,
                    None => first.await,
                },
            }
        };
        if hedge.is_some() {
            *answer = hedge;
        }
        attempted
    }

    /// Makes a second attempt beside the first.
    async fn beside<T>(
        &self,
        mut first: Pin<&mut impl Future<Output = Attempted>>,
        recorder: &Recorder<&Inner>,
        exchange: &Exchange<'_, '_, T>,
        mut turn: Turn<'_>,
        answer: &mut Option<T>,
    ) -> Attempted {
        let mut second = pin!(self.attempt(recorder, exchange, &mut turn, answer));
        let (attempted, first_is_over) = poll_fn(|cx| {
            if let Poll::Ready(attempted) = first.as_mut().poll(cx) {
                return Poll::Ready((attempted, true));
            }
            second.as_mut().poll(cx).map(|attempted| (attempted, false))
        })
        .await;
        if is_final(&attempted) {
            return attempted;
        }
        if first_is_over { second.await } else { first.await }
    }

    /// A second attempt waits for nothing, takes no probe's place, and is paid for like a retry.
    fn admit_hedge(&self, number: u32, end: Option<Instant>) -> Option<Turn<'_>> {
        let Inner { gate, breaker, budget, .. } = &*self.inner;
        let now = Instant::now();
        if gate.closed_until(now).is_some()
            || end.is_some_and(|end| now >= end)
            || breaker.as_ref().is_some_and(|breaker| !breaker.is_closed())
            || budget.as_ref().is_some_and(|budget| !budget.pay_for_hedge())
        {
            return None;
        }
        let turn = self.turn_at_once(number, now, end);
        if let (None, Some(budget)) = (&turn, budget) {
            budget.give_back_hedge();
        }
        turn
    }

    fn turn_at_once(&self, number: u32, now: Instant, end: Option<Instant>) -> Option<Turn<'_>> {
        let place = match &self.inner.rate_limit {
            Some(limit) => Some(limit.reserve(now, || now).ok()?),
            None => None,
        };
        let turn = self.admit(number, now, end).ok()?;
        if let Some(place) = place {
            place.used();
        }
        Some(turn)
    }
}

/// An error that trying again does not change, a `NotFound`, is an answer too.
fn is_final(attempted: &Attempted) -> bool {
    attempted.result.as_ref().err().is_none_or(|error| error.retry() == Retry::Never)
}
