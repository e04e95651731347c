//! The breaker among the other layers: what speaks against a service, who waits for its probes, and that what it refuses uses
//! nothing up. Under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::Arc;
use std::time::Duration;

use back_end::{
    BackEnd, READ, SEND, call, call_with, ms, opens_after_two, pipeline, refused_by, seldom, throttled,
};
use external_core::{CallContext, CallOptions, Error};
use external_resilience::{BreakerPolicy, BreakerState, BulkheadPolicy, Pipeline, Policy, RateLimitPolicy};
use tokio::time::{Instant, advance, sleep};

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_its_time_is_no_slow_call() {
    let breaker = opens_after_two();
    let slow = Duration::from_secs(6);
    for (bytes, state) in [(1 << 20, BreakerState::Closed), (0, BreakerState::Open)] {
        let pipeline = pipeline(Policy::default().with_breaker(breaker).with_attempt_timeout(slow * 2));
        let back_end = BackEnd::new((0..4).map(|_| (slow, Ok(()))));
        for _ in 0..2 {
            let call = external_resilience::Call::new(READ).with_body(bytes);
            pipeline.run(call, &CallContext::default(), |cx, _| Box::pin(back_end.answer(cx))).await.unwrap();
        }
        assert_eq!(pipeline.breaker_state(), Some(state), "a body of {bytes} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inner_refusal_does_not_speak_against_the_service() {
    let outer = pipeline(Policy::default().with_max_attempts(1));
    let inner = pipeline(Policy::default().with_bulkhead(BulkheadPolicy::new(1)));
    let back_end = BackEnd::new([(Duration::from_secs(5), Ok(()))]);
    let running = tokio::spawn({
        let (inner, back_end) = (inner.clone(), back_end.clone());
        async move { call(&inner, READ, &back_end).await }
    });
    tokio::task::yield_now().await;
    for _ in 0..100 {
        let refused = outer
            .run(READ, &CallContext::default(), |cx, _| Box::pin(call_with(&inner, READ, &back_end, cx)))
            .await;
        assert_eq!(refused_by(&refused.unwrap_err()), "bulkhead");
    }
    assert_eq!(outer.breaker_state(), Some(BreakerState::Closed));
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_waited_for_is_no_slow_call_of_the_service() {
    let pipeline = pipeline(Policy::default().with_max_attempts(1));
    for _ in 0..100 {
        let cx = CallContext::default();
        let refused = pipeline.run(READ, &cx, |_, _| {
            Box::pin(async {
                sleep(Duration::from_secs(8)).await;
                Err::<(), _>(Error::unavailable("too many calls run").with_context("refused_by", "bulkhead"))
            })
        });
        refused.await.unwrap_err();
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_probes_wait_for_their_verdict() {
    for (recovers, most) in [(true, ms(400)), (false, ms(400))] {
        let mut breaker = BreakerPolicy::default();
        (breaker.minimum_calls, breaker.half_open_calls) = (2, 1);
        let pipeline = pipeline(Policy::default().with_breaker(breaker).with_backoff(ms(100), ms(5000)));
        let down = || Err(Error::unavailable("down"));
        let probe = (ms(300), if recovers { Ok(()) } else { down() });
        let back_end = BackEnd::new([(Duration::ZERO, down()), (Duration::ZERO, down()), probe]);
        call(&pipeline, SEND, &back_end).await.unwrap_err();
        call(&pipeline, SEND, &back_end).await.unwrap_err();
        assert_eq!(pipeline.breaker_state(), Some(BreakerState::Open));
        advance(breaker.open_for).await;
        let start = Instant::now();
        let calls = (0..8).map(|_| {
            let (pipeline, back_end) = (pipeline.clone(), back_end.clone());
            async move { call(&pipeline, SEND, &back_end).await }
        });
        let ended = calls.collect::<tokio::task::JoinSet<_>>().join_all().await;
        assert!(start.elapsed() <= most, "{:?}", start.elapsed());
        assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), if recovers { 8 } else { 0 });
        assert_eq!(
            back_end.calls(),
            if recovers { 10 } else { 3 },
            "only the probe went to what is still down"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn changes_of_the_breaker_can_be_heard() {
    let mut breaker = BreakerPolicy::default();
    (breaker.minimum_calls, breaker.half_open_calls) = (2, 1);
    let pipeline = pipeline(Policy::default().with_breaker(breaker).with_max_attempts(1));
    let mut changes = pipeline.breaker_changes().unwrap();
    let down = || (Duration::ZERO, Err(Error::unavailable("down")));
    let back_end = BackEnd::new([down(), down()]);
    for _ in 0..2 {
        call(&pipeline, READ, &back_end).await.unwrap_err();
    }
    assert_eq!(changes.next().await, Some(BreakerState::Open));
    advance(breaker.open_for).await;
    let probe = tokio::spawn({
        let pipeline = pipeline.clone();
        async move { call(&pipeline, READ, &BackEnd::new([(ms(10), Ok(()))])).await }
    });
    assert_eq!(changes.next().await, Some(BreakerState::HalfOpen));
    probe.await.unwrap().unwrap();
    assert_eq!(changes.next().await, Some(BreakerState::Closed));
    drop(pipeline);
    assert_eq!(changes.next().await, None);
}

/// So many calls that fail at once.
fn down(calls: usize) -> Arc<BackEnd> {
    BackEnd::new((0..calls).map(|_| (Duration::ZERO, Err(Error::unavailable("down")))))
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_takes_no_place_of_the_rate_limit() {
    let breaker = opens_after_two();
    let policy = Policy::default().with_breaker(breaker).with_rate_limit(seldom(3)).with_max_attempts(1);
    let (pipeline, back_end) = (pipeline(policy), down(2));
    for _ in 0..2 {
        call(&pipeline, READ, &back_end).await.unwrap_err();
    }
    for _ in 0..20 {
        assert_eq!(refused_by(&call(&pipeline, READ, &back_end).await.unwrap_err()), "breaker");
    }
    advance(breaker.open_for).await;
    let start = Instant::now();
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!((start.elapsed(), back_end.calls()), (Duration::ZERO, 3), "the third place is left");
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_anyway_waits_for_no_place() {
    let limit = RateLimitPolicy::new(1, Duration::from_secs(1)).with_burst(2);
    let policy = Policy::default().with_breaker(opens_after_two()).with_rate_limit(limit);
    let (pipeline, back_end) = (pipeline(policy.with_max_attempts(1)), down(2));
    for _ in 0..2 {
        call(&pipeline, READ, &back_end).await.unwrap_err();
    }
    let start = Instant::now();
    assert_eq!(refused_by(&call(&pipeline, READ, &back_end).await.unwrap_err()), "breaker");
    assert_eq!(start.elapsed(), Duration::ZERO, "the next place is a second away");
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_after_a_wait_gives_its_place_back() {
    let policy = Policy::default().with_rate_limit(RateLimitPolicy::new(1, Duration::from_secs(1)));
    let (pipeline, back_end) = (pipeline(policy.with_max_attempts(1)), BackEnd::new([]));
    let start = Instant::now();
    call(&pipeline, READ, &back_end).await.unwrap();
    let (waited, ()) = tokio::join!(call(&pipeline, READ, &back_end), async {
        sleep(ms(500)).await;
        pipeline.isolate();
    });
    assert_eq!((refused_by(&waited.unwrap_err()), start.elapsed()), ("breaker", ms(1000)));
    pipeline.reset_breaker();
    // So does who gives up while it waits.
    call(&pipeline, READ, &back_end).await.unwrap();
    assert!(tokio::time::timeout(ms(500), call(&pipeline, READ, &back_end)).await.is_err());
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!((start.elapsed(), back_end.calls()), (ms(2000), 3));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_rate_limit_uses_no_probe_up() {
    let mut breaker = opens_after_two();
    breaker.half_open_calls = 1;
    let policy = Policy::default().with_breaker(breaker).with_rate_limit(seldom(2)).with_max_attempts(1);
    let (pipeline, back_end) = (pipeline(policy), down(2));
    for _ in 0..2 {
        call(&pipeline, READ, &back_end).await.unwrap_err();
    }
    advance(breaker.open_for).await;
    for _ in 0..20 {
        assert_eq!(refused_by(&call(&pipeline, READ, &back_end).await.unwrap_err()), "rate_limit");
    }
    advance(Duration::from_secs(100)).await;
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::HalfOpen), "no probe was made");
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn what_is_slow_follows_from_the_attempts_timeout() {
    // A cache, a mail server, and a mail server that is too slow for itself.
    for (timeout, takes, state) in [
        (ms(1000), ms(600), BreakerState::Open),
        (Duration::from_secs(180), Duration::from_secs(60), BreakerState::Closed),
        (Duration::from_secs(180), Duration::from_secs(100), BreakerState::Open),
    ] {
        let policy = Policy::default().with_breaker(opens_after_two()).with_total_deadline(None);
        let pipeline = pipeline(policy.with_attempt_timeout(timeout));
        let back_end = BackEnd::new([(takes, Ok(())), (takes, Ok(()))]);
        for _ in 0..2 {
            call(&pipeline, READ, &back_end).await.unwrap();
        }
        assert_eq!(pipeline.breaker_state(), Some(state), "{takes:?} of {timeout:?}");
    }
}

/// Half open: the circuit has opened and waited, and its two places for probes are free.
async fn half_open(policy: Policy) -> Pipeline {
    let mut breaker = opens_after_two();
    breaker.half_open_calls = 2;
    let pipeline = pipeline(policy.with_breaker(breaker).with_max_attempts(1));
    let back_end = down(2);
    for _ in 0..2 {
        call(&pipeline, READ, &back_end).await.unwrap_err();
    }
    advance(breaker.open_for).await;
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::HalfOpen));
    pipeline
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_throttled_decides_nothing_and_closes_the_gate() {
    let pipeline = half_open(Policy::default()).await;
    let back_end = BackEnd::new([(Duration::ZERO, Err(throttled(Duration::from_secs(10))))]);
    call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::HalfOpen));
    // What the gate refuses takes no probe's place.
    let hurried = CallContext::new(&CallOptions::new().with_timeout(ms(100)));
    for _ in 0..20 {
        let refused = call_with(&pipeline, READ, &back_end, &hurried).await.unwrap_err();
        assert_eq!(refused_by(&refused), "gate");
    }
    assert_eq!((back_end.calls(), pipeline.breaker_state()), (1, Some(BreakerState::HalfOpen)));
    // The throttled probe gave its place back: both are there when the gate opens.
    advance(Duration::from_secs(10)).await;
    let (one, two) = tokio::join!(call(&pipeline, READ, &back_end), call(&pipeline, READ, &back_end));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn probes_that_are_only_throttled_open_the_circuit_again() {
    let pipeline = half_open(Policy::default()).await;
    let back_end = BackEnd::new([(Duration::ZERO, Err(throttled(ms(100))))]);
    call(&pipeline, READ, &back_end).await.unwrap_err();
    advance(BreakerPolicy::default().half_open_for).await;
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Open));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_set_further_out_speaks_to_the_breaker_of_a_managed_call_only() {
    let hanging = || BackEnd::new((0..4).map(|_| (Duration::from_secs(3600), Ok(()))));
    let watching = || pipeline(Policy::off().with_breaker(opens_after_two()));
    // In a managed call the deadline is the outer attempt's: the service did not answer in time.
    let (outer, inner, back_end) = (Policy::off().with_attempt_timeout(ms(100)), watching(), hanging());
    let outer =
        pipeline(outer.with_max_attempts(2).with_breaker(opens_after_two()).with_backoff(ms(1), ms(1)));
    let cx = CallContext::default();
    let ended = outer.run(READ, &cx, |cx, _| Box::pin(call_with(&inner, READ, &back_end, cx))).await;
    assert_eq!((ended.unwrap_err().attempts(), back_end.calls()), (2, 2));
    assert_eq!(inner.breaker_state(), Some(BreakerState::Open));
    assert_eq!(outer.breaker_state(), Some(BreakerState::Open));
    // Else it is the caller's, who may be in a hurry.
    let (direct, back_end) = (watching(), hanging());
    for _ in 0..4 {
        let hurried = CallContext::new(&CallOptions::new().with_timeout(ms(100)));
        call_with(&direct, READ, &back_end, &hurried).await.unwrap_err();
    }
    assert_eq!((back_end.calls(), direct.breaker_state()), (4, Some(BreakerState::Closed)));
}

#[tokio::test(start_paused = true)]
async fn what_a_managed_call_says_both_breakers_hear_and_a_refusal_only_one() {
    let breaking = || pipeline(Policy::default().with_breaker(opens_after_two()).with_max_attempts(1));
    let (outer, inner, back_end) = (breaking(), breaking(), down(2));
    let through = async || {
        let cx = CallContext::default();
        outer.run(READ, &cx, |cx, _| Box::pin(call_with(&inner, READ, &back_end, cx))).await.unwrap_err()
    };
    inner.isolate();
    for _ in 0..4 {
        assert_eq!(refused_by(&through().await), "breaker");
    }
    assert_eq!(outer.breaker_state(), Some(BreakerState::Closed), "nothing was asked of the service");
    inner.reset_breaker();
    for _ in 0..2 {
        through().await;
    }
    assert_eq!(inner.breaker_state(), Some(BreakerState::Open));
    assert_eq!(outer.breaker_state(), Some(BreakerState::Open));
}
