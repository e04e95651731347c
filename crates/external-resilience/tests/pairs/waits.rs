//! What one layer's wait means to another.

use std::time::Duration;

use external_core::{CallContext, Error, ErrorKind, Retry};
use external_resilience::{BreakerState, BulkheadPolicy, Pipeline, Policy, RateLimitPolicy};
use tokio::time::{Instant, sleep};

use super::back_end::{
    BackEnd, READ, SEND, call, ended_by, ms, opens_after_two, pipeline, refused_by, throttled,
};

const NOW: Duration = Duration::ZERO;
/// So long a call waits, which is longer than an attempt may take.
const WAIT: Duration = ms(3000);

/// The service is down, and says for how long.
fn down_for(hint: Duration) -> Error {
    Error::unavailable("down").with_retry(Retry::After(hint))
}

/// An attempt may take a second, and is slow after half of that; one slow call of two opens the circuit.
fn hurried() -> Policy {
    let mut breaker = opens_after_two();
    breaker.slow_call_rate = 0.5;
    Policy::default().with_attempt_timeout(ms(1000)).with_breaker(breaker).with_backoff(NOW, ms(1))
}

/// A call that waits, and then neither fails nor is slow.
async fn waits_and_is_answered(pipeline: &Pipeline, back_end: &BackEnd, layer: &str) {
    let start = Instant::now();
    call(pipeline, READ, back_end).await.unwrap();
    assert_eq!(start.elapsed(), WAIT + ms(400), "{layer}");
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed), "{layer}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_neither_part_of_the_attempts_timeout_nor_slow() {
    let answers = || BackEnd::new((0..10).map(|_| (ms(400), Ok(()))));

    let queued = pipeline(hurried().with_bulkhead(BulkheadPolicy::new(1).with_queue(1, WAIT * 2)));
    for _ in 0..2 {
        let cx = CallContext::default();
        let held = queued.run_streaming(READ, &cx, |_, _| Box::pin(async { Ok(()) })).await.unwrap().1;
        let back_end = answers();
        tokio::join!(waits_and_is_answered(&queued, &back_end, "bulkhead"), async {
            sleep(WAIT).await;
            held.succeed();
        });
    }

    let limited = pipeline(hurried().with_rate_limit(RateLimitPolicy::new(1, WAIT)));
    for _ in 0..2 {
        call(&limited, READ, &BackEnd::new([])).await.unwrap();
        waits_and_is_answered(&limited, &answers(), "rate limit").await;
        sleep(WAIT).await;
    }

    let gated = pipeline(hurried());
    for _ in 0..2 {
        let throttles = BackEnd::new([(NOW, Err(throttled(WAIT)))]);
        let once = call(&gated, SEND, &throttles);
        assert!(tokio::time::timeout(ms(1), once).await.is_err(), "it waits to repeat");
        assert!(gated.pressure().gate_closed_until.is_some());
        let (start, back_end) = (Instant::now(), answers());
        call(&gated, READ, &back_end).await.unwrap();
        assert_eq!(start.elapsed(), WAIT - ms(1) + ms(400));
        assert_eq!(gated.breaker_state(), Some(BreakerState::Closed));
    }

    let repeated = pipeline(hurried().with_breaker(None));
    let back_end = BackEnd::new([(NOW, Err(down_for(WAIT))), (ms(900), Ok(()))]);
    let start = Instant::now();
    call(&repeated, READ, &back_end).await.unwrap();
    assert_eq!((start.elapsed(), back_end.calls()), (WAIT + ms(900), 2));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_its_timeout_and_one_that_ran_out_costs_a_retry() {
    let pipeline = pipeline(hurried().with_breaker(None));
    let hangs = || (Duration::from_secs(3600), Ok(()));
    let back_end = BackEnd::new([hangs(), hangs(), (ms(900), Ok(()))]);
    let start = Instant::now();
    call(&pipeline, READ, &back_end).await.unwrap();
    assert!((ms(2900)..ms(2910)).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!((back_end.calls(), pipeline.pressure().retries_left), (3, Some(48)));
    // Nobody knows what came of it.
    let back_end = BackEnd::new([hangs()]);
    let error = call(&pipeline, SEND, &back_end).await.unwrap_err();
    assert_eq!((error.kind(), ended_by(&error), back_end.calls()), (ErrorKind::Timeout, "not_safe", 1));
    assert_eq!(pipeline.pressure().retries_left, Some(48));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_has_a_timeout_of_its_own() {
    let pipeline = pipeline(hurried().with_hedge_after(ms(400)).with_max_attempts(2));
    let hangs = |then| BackEnd::new([(Duration::from_secs(3600), Ok(())), then]);
    let (back_end, start) = (hangs((ms(900), Ok(()))), Instant::now());
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!((start.elapsed(), back_end.calls()), (ms(1300), 2), "it goes on when the first ran out");
    let (back_end, start) = (hangs((Duration::from_secs(3600), Ok(()))), Instant::now());
    pipeline.reset_breaker();
    let error = call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), start.elapsed()), (ErrorKind::Timeout, 2, ms(1400)));
}

#[tokio::test(start_paused = true)]
async fn a_retry_in_its_backoff_heeds_the_gate_and_one_that_the_gate_refuses_is_paid_back() {
    for (hint, begins) in [(ms(3000), true), (Duration::from_secs(60), false)] {
        let pipeline = pipeline(Policy::default().with_backoff(NOW, ms(1)));
        let back_end = BackEnd::new([(NOW, Err(down_for(ms(2000))))]);
        let throttles = BackEnd::new([(NOW, Err(throttled(hint)))]);
        let start = Instant::now();
        let (repeated, ()) = tokio::join!(call(&pipeline, READ, &back_end), async {
            sleep(ms(1000)).await;
            assert_eq!(pipeline.pressure().retries_left, Some(49), "paid for, in its backoff");
            let once = call(&pipeline, SEND, &throttles);
            drop(tokio::time::timeout(ms(1), once).await);
        });
        if begins {
            repeated.unwrap();
            assert_eq!((start.elapsed(), pipeline.pressure().retries_left), (ms(4000), Some(49)));
        } else {
            let error = repeated.unwrap_err();
            assert_eq!((error.message(), error.attempts(), ended_by(&error)), ("down", 1, "gate"));
            assert_eq!((start.elapsed(), pipeline.pressure().retries_left), (ms(2000), Some(50)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_the_deadline_forbids_costs_nothing() {
    let pipeline = pipeline(Policy::default().with_total_deadline(ms(1000)));
    let error = call(&pipeline, READ, &BackEnd::always(&down_for(ms(1000)))).await.unwrap_err();
    assert_eq!((ended_by(&error), pipeline.pressure().retries_left), ("deadline", Some(50)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_rate_limit_has_a_place_in_the_bulkhead_and_who_is_refused_there_takes_none_of_the_limit()
 {
    let policy = Policy::default().with_bulkhead(BulkheadPolicy::new(1));
    let pipeline = pipeline(policy.with_rate_limit(RateLimitPolicy::new(1, ms(2000))));
    let (back_end, start) = (BackEnd::new([]), Instant::now());
    call(&pipeline, READ, &back_end).await.unwrap();
    let (waits, ()) = tokio::join!(call(&pipeline, READ, &back_end), async {
        sleep(ms(1000)).await;
        for _ in 0..10 {
            assert_eq!(refused_by(&call(&pipeline, READ, &back_end).await.unwrap_err()), "bulkhead");
        }
    });
    waits.unwrap();
    assert_eq!(start.elapsed(), ms(2000));
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!((start.elapsed(), back_end.calls()), (ms(4000), 3));
}
