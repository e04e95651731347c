//! What a policy makes of a service that is slow, hangs or errs about time; and of values that make no sense. Under a paused
//! clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::Arc;
use std::time::Duration;

use back_end::{
    BackEnd, READ, SEND, call, call_with, ended_by, ms, opens_after_two, pipeline, refused_by, throttled,
};
use external_core::{
    CallContext, CallOptions, Capabilities, Error, Provider, ProviderInfo, Result, Retry, async_trait,
};
use external_resilience::{
    BreakerPolicy, BreakerState, BulkheadPolicy, Call, Pipeline, Policy, RateLimitPolicy,
};
use tokio::time::{Instant, advance};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// As e-mail has it.
fn patient() -> Policy {
    Policy::default().with_attempt_timeout(secs(180)).with_total_deadline(secs(240)).with_max_attempts(1)
}

#[tokio::test(start_paused = true)]
async fn a_service_that_always_takes_long_closes_its_circuit() {
    let pipeline = pipeline(patient().with_breaker(opens_after_two()));
    let down = (0..2).map(|_| (Duration::ZERO, Err(Error::unavailable("down"))));
    let slow = (0..3).map(|_| (secs(40), Ok(())));
    let back_end = BackEnd::new(down.chain(slow));
    for _ in 0..2 {
        call(&pipeline, SEND, &back_end).await.unwrap_err();
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Open));
    advance(BreakerPolicy::default().open_for).await;
    for _ in 0..3 {
        call(&pipeline, SEND, &back_end).await.unwrap();
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
}

async fn send_megabytes(pipeline: &Pipeline, cx: &CallContext, back_end: &BackEnd) -> Result<()> {
    let megabytes = Call::new(SEND).with_body(16 << 20);
    pipeline.run(megabytes, cx, |cx, _| Box::pin(back_end.answer(cx))).await
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_body_takes_long_has_a_say() {
    let pipeline = pipeline(Policy::default().with_total_deadline(secs(600)).with_breaker(opens_after_two()));
    let send = async |back_end: &BackEnd| send_megabytes(&pipeline, &CallContext::default(), back_end).await;
    let back_end = BackEnd::new((0..2).map(|_| (Duration::ZERO, Err(Error::unavailable("down")))));
    for _ in 0..2 {
        send(&back_end).await.unwrap_err();
    }
    advance(BreakerPolicy::default().open_for).await;
    let back_end = BackEnd::new((0..3).map(|_| (secs(80), Ok(()))));
    for _ in 0..3 {
        send(&back_end).await.unwrap();
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_probe_has_the_time_that_its_caller_gives_it() {
    for managed in [false, true] {
        let pipeline = pipeline(Policy::default().with_breaker(opens_after_two()));
        let outer = back_end::pipeline(Policy::off().with_attempt_timeout(secs(600)));
        let patient = CallContext::new(&CallOptions::new().with_timeout(secs(600)));
        let send = async |back_end: &BackEnd| {
            if managed {
                let cx = CallContext::default();
                outer.run(SEND, &cx, |cx, _| Box::pin(send_megabytes(&pipeline, cx, back_end))).await
            } else {
                send_megabytes(&pipeline, &patient, back_end).await
            }
        };
        let back_end = BackEnd::new((0..2).map(|_| (Duration::ZERO, Err(Error::unavailable("down")))));
        for _ in 0..2 {
            send(&back_end).await.unwrap_err();
        }
        advance(BreakerPolicy::default().open_for).await;
        let back_end = BackEnd::new((0..3).map(|_| (secs(80), Ok(()))));
        for _ in 0..3 {
            send(&back_end).await.unwrap();
        }
        assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed), "managed: {managed}");
    }
}

/// A service that answers nothing.
fn hanging() -> Arc<BackEnd> {
    BackEnd::new((0..100).map(|_| (secs(1 << 20), Ok(()))))
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_beyond_the_total_deadline_opens_the_circuit() {
    let hasty = Policy::default().with_total_deadline(secs(4));
    for body in [0, 64 << 20] {
        let (pipeline, back_end) = (pipeline(hasty.clone()), hanging());
        for _ in 0..20 {
            let (sent, cx) = (Call::new(SEND).with_body(body), CallContext::default());
            pipeline.run(sent, &cx, |cx, _| Box::pin(back_end.answer(cx))).await.unwrap_err();
        }
        assert_eq!((back_end.calls(), pipeline.breaker_state()), (20, Some(BreakerState::Open)), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_policys_deadline_leaves_the_time_in_which_a_body_moves_and_a_callers_does_not() {
    let pipeline = pipeline(Policy::default().with_max_attempts(1));
    // At 64 KiB a second 16 MiB take 256 s; 10 s an attempt and 30 s in all are on top.
    for (answers_after, timeout, expected) in [
        (secs(265), None, Ok(secs(265))),
        (secs(1000), None, Err(secs(266))),
        (secs(265), Some(secs(40)), Err(secs(40))),
    ] {
        let mut options = CallOptions::new();
        if let Some(timeout) = timeout {
            options = options.with_timeout(timeout);
        }
        let (start, back_end) = (Instant::now(), BackEnd::new([(answers_after, Ok(()))]));
        let sent = send_megabytes(&pipeline, &CallContext::new(&options), &back_end).await;
        let took = start.elapsed();
        assert_eq!(sent.map(|()| took).map_err(|_| took), expected);
    }
    let timeout = |body| pipeline.attempt_timeout("send", body);
    assert_eq!((timeout(0), timeout(16 << 20)), (Some(secs(10)), Some(secs(266))));
}

#[tokio::test(start_paused = true)]
async fn a_body_of_unknown_length_has_the_time_of_a_large_one() {
    let pipeline = pipeline(Policy::default());
    let back_end = BackEnd::new([(secs(16_000), Ok(()))]);
    let sent = Call::new(SEND).with_body(None);
    assert_eq!(sent.body, Call::UNKNOWN_LENGTH);
    let cx = CallContext::default();
    pipeline.run(sent, &cx, |cx, _| Box::pin(back_end.answer(cx))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_earlier_attempts_used_up_is_no_verdict_on_the_last() {
    let mut breaker = opens_after_two();
    breaker.minimum_calls = 1;
    let policy =
        Policy::default().with_total_deadline(secs(10)).with_breaker(breaker).with_backoff(ms(1), ms(1));
    let pipeline = pipeline(policy);
    // The first two are answers and take most of the time; what is left for the third says little.
    let busy = || (secs(4), Err(Error::conflict("busy").with_retry(Retry::Backoff)));
    let back_end = BackEnd::new([busy(), busy(), (secs(3600), Ok(()))]);
    call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!((back_end.calls(), pipeline.breaker_state()), (3, Some(BreakerState::Closed)));
    let hurried = CallContext::new(&CallOptions::new().with_timeout(secs(4)));
    call_with(&pipeline, READ, &hanging(), &hurried).await.unwrap_err();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed), "it was the caller's deadline");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_hint_shuts_nobody_out_for_long() {
    let days = throttled(secs(40 * 24 * 3600));
    for opened_by_hand in [false, true] {
        let pipeline = pipeline(Policy::default());
        let back_end = BackEnd::new([(Duration::ZERO, Err(days.clone()))]);
        call(&pipeline, READ, &back_end).await.unwrap_err();
        let start = Instant::now();
        assert_eq!(refused_by(&call(&pipeline, READ, &back_end).await.unwrap_err()), "gate");
        assert_eq!(pipeline.pressure().gate_closed_until, Some(start + secs(300)));
        if opened_by_hand {
            pipeline.open_gate();
        } else {
            advance(secs(300)).await;
        }
        assert_eq!(pipeline.pressure().gate_closed_until, None);
        call(&pipeline, READ, &back_end).await.unwrap();
    }
    let patient = pipeline(Policy::default().with_retry_after_cap(secs(3600)));
    call(&patient, READ, &BackEnd::new([(Duration::ZERO, Err(days))])).await.unwrap_err();
    assert_eq!(patient.pressure().gate_closed_until, Some(Instant::now() + secs(3600)));
}

#[tokio::test(start_paused = true)]
async fn a_policy_without_sense_still_lets_calls_pass() {
    let mut breaker = opens_after_two();
    (breaker.window, breaker.half_open_calls) = (u32::MAX, 0);
    (breaker.failure_rate, breaker.minimum_calls) = (f64::NAN, 2);
    let policy = Policy::default()
        .with_bulkhead(BulkheadPolicy::new(0))
        .with_rate_limit(RateLimitPolicy::new(0, Duration::ZERO).with_burst(0))
        .with_breaker(breaker)
        .with_max_attempts(1);
    let pipeline = pipeline(policy);
    let taken = pipeline.policy().breaker.unwrap();
    assert_eq!((taken.window, taken.half_open_calls, taken.failure_rate), (100_000, 1, 0.5));
    let back_end = BackEnd::new((0..2).map(|_| (Duration::ZERO, Err(Error::unavailable("down")))));
    for _ in 0..2 {
        call(&pipeline, READ, &back_end).await.unwrap_err();
    }
    assert_eq!((back_end.calls(), pipeline.breaker_state()), (2, Some(BreakerState::Open)));
    advance(breaker.open_for).await;
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn isolating_says_whether_there_is_what_isolates() {
    let (with, without) = (pipeline(Policy::default()), pipeline(Policy::off()));
    assert!(with.isolate() && !without.isolate());
    let back_end = BackEnd::new([]);
    assert_eq!(refused_by(&call(&with, READ, &back_end).await.unwrap_err()), "breaker");
    call(&without, READ, &back_end).await.unwrap();
}

/// A provider that is down.
#[derive(Debug)]
struct Down(ProviderInfo);

#[async_trait]
impl Provider for Down {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Err(Error::unavailable("down"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_and_a_body_say_why_there_was_no_other_attempt() {
    let pipeline = pipeline(Policy::default());
    let down = Down(ProviderInfo::new("memory", "cache", "memory:", Capabilities::new()));
    let error = pipeline.probe(&down, &CallContext::default()).await.unwrap_err();
    assert_eq!((error.attempts(), ended_by(&error)), (1, "attempts"));
    let streamed =
        pipeline.run_streaming(READ, &CallContext::default(), |_, _| Box::pin(async { Ok(()) })).await;
    let error = streamed.unwrap().1.fail(Error::unavailable("reset"));
    assert_eq!((error.attempts(), ended_by(&error)), (1, "body"));
}
