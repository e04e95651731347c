//! Hedging, and how it meets the other layers, under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::atomic::Ordering;
use std::time::Duration;

use back_end::{BackEnd, READ, SEND, call, call_with, ms, opens_after_two, pipeline, refused_by, throttled};
use external_core::{CallContext, CallOptions, Effect, Error, ErrorKind};
use external_resilience::{BreakerState, BudgetPolicy, BulkheadPolicy, Policy, RateLimitPolicy};
use tokio::time::{Instant, advance, sleep};

fn hedging() -> Policy {
    Policy::default().with_hedge_after(ms(50))
}

#[tokio::test(start_paused = true)]
async fn a_definite_answer_ends_a_hedged_call() {
    let pipeline = pipeline(hedging());
    let not_found = || Err(Error::not_found("nothing there"));
    let back_end = BackEnd::new([(Duration::from_secs(5), Ok(())), (ms(10), not_found())]);
    let start = Instant::now();
    let error = call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed(), back_end.calls()), (ErrorKind::NotFound, ms(60), 2));
}

#[tokio::test(start_paused = true)]
async fn a_slow_read_is_hedged_and_the_loser_cancelled() {
    let pipeline = pipeline(hedging());
    let back_end = BackEnd::new([(ms(5000), Ok(())), (ms(20), Ok(()))]);
    let start = Instant::now();
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!((start.elapsed(), back_end.calls()), (ms(70), 2));
    assert_eq!(back_end.at_a_time.load(Ordering::SeqCst), 0, "the loser is gone");
    assert_eq!(pipeline.pressure().retries_left, Some(49), "it was paid for");
}

#[tokio::test(start_paused = true)]
async fn a_hedge_waits_for_the_other_when_one_fails() {
    let down = || Err(Error::unavailable("down"));
    for answers in [[(ms(100), down()), (ms(200), Ok(()))], [(ms(200), Ok(())), (ms(20), down())]] {
        let pipeline = pipeline(hedging().with_max_attempts(2));
        let back_end = BackEnd::new(answers);
        call(&pipeline, READ, &back_end).await.unwrap();
        assert_eq!(back_end.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_changes_something_is_never_hedged_nor_what_nobody_pays_for() {
    let slow = || BackEnd::new([(ms(500), Ok(()))]);
    let back_end = slow();
    call(&pipeline(hedging()), SEND, &back_end).await.unwrap();
    assert_eq!(back_end.calls(), 1);
    let mut budget = BudgetPolicy::default();
    budget.burst = 0;
    let back_end = slow();
    call(&pipeline(hedging().with_retry_budget(budget)), READ, &back_end).await.unwrap();
    assert_eq!(back_end.calls(), 1);
    let back_end = slow();
    let limited = hedging().with_rate_limit(RateLimitPolicy::new(1, Duration::from_secs(10)));
    call(&pipeline(limited), READ, &back_end).await.unwrap();
    assert_eq!(back_end.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_is_refused_costs_nothing() {
    let mut nothing = BudgetPolicy::default();
    nothing.burst = 0;
    let limit = |burst| RateLimitPolicy::new(1, Duration::from_secs(100)).with_burst(burst);
    let slow = || BackEnd::new([(ms(500), Ok(()))]);
    let back_end = slow();
    let unpaid = pipeline(hedging().with_retry_budget(nothing).with_rate_limit(limit(2)));
    call(&unpaid, READ, &back_end).await.unwrap();
    assert_eq!(back_end.calls(), 1);
    call(&unpaid, READ, &back_end).await.unwrap();
    assert_eq!(back_end.calls(), 2, "its place was left");
    let back_end = slow();
    let full = pipeline(hedging().with_rate_limit(limit(1)));
    call(&full, READ, &back_end).await.unwrap();
    assert_eq!((back_end.calls(), full.pressure().retries_left), (1, Some(50)));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_takes_no_probes_place() {
    let mut breaker = opens_after_two();
    breaker.half_open_calls = 2;
    let pipeline = pipeline(hedging().with_breaker(breaker).with_max_attempts(2).with_backoff(ms(1), ms(1)));
    let down = || (Duration::ZERO, Err(Error::unavailable("down")));
    let back_end = BackEnd::new([down(), down(), (ms(500), Ok(())), (ms(100), Ok(()))]);
    call(&pipeline, READ, &back_end).await.unwrap_err();
    advance(breaker.open_for).await;
    let (one, two) = tokio::join!(call(&pipeline, READ, &back_end), async {
        sleep(ms(200)).await;
        assert_eq!(back_end.calls(), 3, "the probe is not hedged");
        call(&pipeline, READ, &back_end).await
    });
    assert!(one.is_ok() && two.is_ok());
    assert_eq!((back_end.calls(), pipeline.breaker_state()), (4, Some(BreakerState::Closed)));
}

#[tokio::test(start_paused = true)]
async fn hedges_count_as_attempts() {
    let down = || (ms(200), Err(Error::unavailable("down")));
    for most in 1..=5 {
        let pipeline = pipeline(hedging().with_max_attempts(most).with_breaker(None));
        let back_end = BackEnd::new((0..20).map(|_| down()));
        let error = call(&pipeline, READ, &back_end).await.unwrap_err();
        assert_eq!((back_end.calls(), error.attempts()), (most, most));
        assert_eq!(back_end.most_at_a_time.load(Ordering::SeqCst), most.min(2));
    }
}

/// Calls through a hedging pipeline; the first attempt marks itself as sent or not, and both end as told.
async fn effect_of(first_is_sent: bool, [first, second]: [(Duration, Error); 2]) -> (ErrorKind, Effect) {
    let pipeline = pipeline(hedging().with_max_attempts(2));
    let ended = pipeline
        .run(READ, &CallContext::default(), |cx, _| {
            let is_first = cx.attempt() == 1;
            let (after, error) = if is_first { first.clone() } else { second.clone() };
            Box::pin(async move {
                if is_first && first_is_sent {
                    cx.mark_sent();
                }
                sleep(after).await;
                Err::<(), _>(error)
            })
        })
        .await;
    let error = ended.unwrap_err();
    (error.kind(), error.effect())
}

#[tokio::test(start_paused = true)]
async fn what_the_loser_may_have_done_is_part_of_the_error() {
    let not_found = (ms(10), Error::not_found("nothing there"));
    let hanging = (ms(5000), Error::unavailable("down"));
    // The second has an answer, and the first is dropped.
    for (sent, effect) in [(true, Effect::MaybeApplied), (false, Effect::NotApplied)] {
        let ended = effect_of(sent, [hanging.clone(), not_found.clone()]).await;
        assert_eq!(ended, (ErrorKind::NotFound, effect), "sent: {sent}");
    }
    // Both fail: the one that failed before knows its effect.
    let refused = (ms(500), Error::unavailable("down").with_effect(Effect::NotSent));
    for effect in [Effect::MaybeApplied, Effect::NotApplied, Effect::NotSent] {
        let failed = (ms(100), Error::unavailable("down").with_effect(effect));
        let merged = if effect == Effect::MaybeApplied { effect } else { Effect::NotSent };
        assert_eq!(effect_of(true, [failed, refused.clone()]).await, (ErrorKind::Unavailable, merged));
    }
}

#[tokio::test(start_paused = true)]
async fn both_attempts_of_a_hedged_call_speak_to_the_breaker() {
    let down = || (ms(200), Err(Error::unavailable("down")));
    let pipeline = pipeline(hedging().with_breaker(opens_after_two()).with_max_attempts(2));
    let back_end = BackEnd::new([down(), down()]);
    call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!((back_end.calls(), pipeline.breaker_state()), (2, Some(BreakerState::Open)));
}

#[tokio::test(start_paused = true)]
async fn a_loser_that_was_not_slow_says_nothing_to_the_breaker() {
    let pipeline = pipeline(hedging().with_breaker(opens_after_two()));
    let back_end = BackEnd::new((0..20).flat_map(|_| [(ms(4000), Ok(())), (ms(10), Ok(()))]));
    for _ in 0..20 {
        call(&pipeline, READ, &back_end).await.unwrap();
    }
    assert_eq!((back_end.calls(), pipeline.breaker_state()), (40, Some(BreakerState::Closed)));
}

#[tokio::test(start_paused = true)]
async fn losers_that_hang_longer_than_a_slow_call_open_the_circuit() {
    let mut breaker = opens_after_two();
    breaker.slow_call_rate = 0.5;
    let pipeline = pipeline(hedging().with_hedge_after(ms(5000)).with_breaker(breaker));
    let back_end = BackEnd::new([(ms(9000), Ok(())), (ms(10), Ok(()))]);
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Open), "one of two was slow");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_both_attempts_and_begins_none() {
    let hanging = || BackEnd::new((0..2).map(|_| (Duration::from_secs(3600), Ok(()))));
    for (timeout, calls) in [(80, 2), (50, 1), (30, 1)] {
        let (pipeline, back_end, start) = (pipeline(hedging()), hanging(), Instant::now());
        let cx = CallContext::new(&CallOptions::new().with_timeout(ms(timeout)));
        let error = call_with(&pipeline, READ, &back_end, &cx).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::MaybeApplied));
        assert_eq!((start.elapsed(), back_end.calls()), (ms(timeout), calls));
        assert_eq!(back_end.at_a_time.load(Ordering::SeqCst), 0);
        assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
    }
}

#[tokio::test(start_paused = true)]
async fn the_winners_body_streams_and_the_loser_is_gone() {
    let pipeline = pipeline(hedging().with_bulkhead(BulkheadPolicy::new(1)));
    let back_end = BackEnd::new([(ms(5000), Ok(())), (ms(10), Ok(()))]);
    let cx = CallContext::default();
    let (winner, guard) = pipeline
        .run_streaming(READ, &cx, |cx, _| {
            let back_end = &back_end;
            Box::pin(async move { back_end.answer(cx).await.map(|()| cx.attempt()) })
        })
        .await
        .unwrap();
    assert_eq!((winner, back_end.at_a_time.load(Ordering::SeqCst)), (2, 0));
    assert_eq!((pipeline.running(), pipeline.pressure().bulkhead_running), (1, 1), "the body has the place");
    let broken = guard.fail(Error::unavailable("broke in mid-body"));
    assert_eq!((broken.attempts(), pipeline.running()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hedged_call_has_one_place_in_the_bulkhead() {
    let pipeline = pipeline(hedging().with_bulkhead(BulkheadPolicy::new(1)));
    let back_end = BackEnd::new([(ms(500), Ok(())), (ms(500), Ok(()))]);
    let (ended, ()) = tokio::join!(call(&pipeline, READ, &back_end), async {
        sleep(ms(100)).await;
        assert_eq!(back_end.at_a_time.load(Ordering::SeqCst), 2);
        assert_eq!(pipeline.pressure().bulkhead_running, 1);
        assert_eq!(refused_by(&call(&pipeline, READ, &back_end).await.unwrap_err()), "bulkhead");
    });
    ended.unwrap();
    assert_eq!(pipeline.pressure().bulkhead_running, 0);
    call(&pipeline, READ, &back_end).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closed_gate_lets_no_hedge_pass() {
    let pipeline = pipeline(hedging().with_max_attempts(2));
    let slow_down = (ms(10), Err(throttled(Duration::from_secs(10))));
    let back_end = BackEnd::new([(ms(500), Ok(())), slow_down]);
    let hurried = CallContext::new(&CallOptions::new().with_timeout(ms(1000)));
    let (slow, throttled) =
        tokio::join!(call(&pipeline, READ, &back_end), call_with(&pipeline, SEND, &back_end, &hurried));
    assert!(slow.is_ok() && throttled.is_err());
    assert_eq!(back_end.calls(), 2);
}
