//! Hedging: a second attempt beside one that takes long, for calls that change nothing. Whoever answers first wins.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use external_core::{Effect, Error, Retry};
use tokio::time::Instant;

use super::attempt::{Attempted, Turn};
use super::recorder::Recorder;
use super::{Exchange, Inner, Pipeline};
use crate::clock::later;
use crate::policy::Limits;

impl Pipeline {
    /// As one attempt; the loser is dropped, and a failure that may pass waits for the other. What the loser may have done
    /// is part of the error, if it comes to one.
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
        let mut second_turn;
        let Raced { mut attempted, first_won, failed } = {
            let mut first = pin!(self.attempt(recorder, exchange, &mut turn, answer));
            if let Some(attempted) = self.inner.timers.within(late, first.as_mut()).await {
                return attempted;
            }
            second_turn = self.admit_hedge(exchange.limits, number, end);
            let Some(second_turn) = &mut second_turn else {
                return first.await;
            };
            let second = pin!(self.attempt(recorder, exchange, second_turn, &mut hedge));
            race(first, second).await
        };
        if hedge.is_some() {
            *answer = hedge;
        }
        let loser = if first_won { second_turn.as_ref() } else { Some(&turn) };
        // One that failed knows its effect; one that was dropped is like one that timed out.
        let may_be_applied = match failed {
            Some(error) => error.effect() == Effect::MaybeApplied,
            None => loser.is_some_and(|loser| loser.sent),
        };
        attempted.sent |= loser.is_some_and(|loser| loser.sent);
        if may_be_applied {
            attempted.result = attempted.result.map_err(|error| error.with_effect(Effect::MaybeApplied));
        }
        attempted
    }

    /// A second attempt waits for nothing, takes no probe's place, and is paid for like a retry.
    fn admit_hedge(&self, limits: &Limits, number: u32, end: Option<Instant>) -> Option<Turn<'_>> {
        let Inner { gate, breaker, budget, .. } = &*self.inner;
        let now = Instant::now();
        if gate.as_ref().is_some_and(|gate| gate.closed_until(now).is_some())
            || end.is_some_and(|end| now >= end)
            || breaker.as_ref().is_some_and(|breaker| !breaker.is_closed())
        {
            return None;
        }
        let payment = match budget {
            Some(budget) => Some(budget.pay_for_hedge()?),
            None => None,
        };
        let place = match &self.inner.rate_limit {
            Some(limit) => Some(limit.reserve(now, || now).ok()?),
            None => None,
        };
        let turn = self.admit(limits, number, now, end).ok()?;
        if let Some(place) = place {
            place.used();
        }
        if let Some(payment) = payment {
            payment.used();
        }
        Some(turn)
    }
}

/// What two attempts at a time came to.
struct Raced {
    attempted: Attempted,
    first_won: bool,
    /// What the other failed with, if it was over before.
    failed: Option<Error>,
}

/// Waits for a final answer of either, else for what the last of the two says.
async fn race(
    mut first: Pin<&mut impl Future<Output = Attempted>>,
    mut second: Pin<&mut impl Future<Output = Attempted>>,
) -> Raced {
    let (attempted, first_won) = poll_fn(|cx| {
        if let Poll::Ready(attempted) = first.as_mut().poll(cx) {
            return Poll::Ready((attempted, true));
        }
        second.as_mut().poll(cx).map(|attempted| (attempted, false))
    })
    .await;
    match attempted.result {
        Err(error) if error.retry() != Retry::Never => {
            let attempted = if first_won { second.await } else { first.await };
            Raced { attempted, first_won: !first_won, failed: Some(error) }
        }
        // An error that trying again does not change, a `NotFound`, is an answer too.
        _ => Raced { attempted, first_won, failed: None },
    }
}
