//! Bulkhead, rate limit, gate, budget and breaker, and how they meet, under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use back_end::{
    BackEnd, READ, SEND, call, call_with, ended_by, ms, opens_after_two, pipeline, refused_by, throttled,
};
use external_core::{CallContext, CallOptions, Effect, Error, ErrorKind, Result, Retry};
use external_resilience::{
    BreakerPolicy, BreakerState, BudgetPolicy, BulkheadPolicy, CallGuard, Pipeline, Policy, RateLimitPolicy,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};

#[tokio::test(start_paused = true)]
async fn a_bulkhead_lets_so_many_run_and_so_many_wait() {
    let policy = Policy::default().with_bulkhead(BulkheadPolicy::new(2).with_queue(1, ms(500)));
    let pipeline = pipeline(policy);
    let back_end = BackEnd::new((0..4).map(|_| (ms(300), Ok(()))));
    let start = Instant::now();
    let one = call(&pipeline, READ, &back_end);
    let two = call(&pipeline, READ, &back_end);
    let waits = call(&pipeline, READ, &back_end);
    let too_many = async {
        tokio::task::yield_now().await;
        let pressure = pipeline.pressure();
        assert_eq!((pressure.bulkhead_running, pressure.bulkhead_waiting), (2, 1));
        call(&pipeline, READ, &back_end).await
    };
    let (one, two, waits, too_many) = tokio::join!(one, two, waits, too_many);
    assert!(one.is_ok() && two.is_ok() && waits.is_ok());
    assert_eq!(start.elapsed(), ms(600));
    let error = too_many.unwrap_err();
    assert_eq!(
        (error.kind(), error.effect(), refused_by(&error)),
        (ErrorKind::Unavailable, Effect::NotSent, "bulkhead")
    );
    assert_eq!(back_end.most_at_a_time.load(Ordering::SeqCst), 2);
    assert_eq!(pipeline.pressure().bulkhead_running, 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_or_gives_up_leaves_its_place() {
    let policy = Policy::default().with_bulkhead(BulkheadPolicy::new(1).with_queue(5, ms(100)));
    let pipeline = pipeline(policy);
    let back_end = BackEnd::new([(ms(1000), Ok(()))]);
    let running = tokio::spawn({
        let (pipeline, back_end) = (pipeline.clone(), back_end.clone());
        async move { call(&pipeline, READ, &back_end).await }
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    let error = call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!((start.elapsed(), error.kind()), (ms(100), ErrorKind::Unavailable));
    let hurried = CallContext::new(&CallOptions::new().with_timeout(ms(30)));
    let error = call_with(&pipeline, READ, &back_end, &hurried).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::NotSent));
    // Dropped while it waits.
    let dropped = tokio::time::timeout(ms(10), call(&pipeline, READ, &back_end)).await;
    assert!(dropped.is_err());
    assert_eq!(pipeline.pressure().bulkhead_waiting, 0);
    running.await.unwrap().unwrap();
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!((pipeline.pressure().bulkhead_running, back_end.calls()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_streaming_body_keeps_its_place_until_it_ends() {
    let pipeline = pipeline(Policy::default().with_bulkhead(BulkheadPolicy::new(1)));
    let back_end = BackEnd::default();
    let head =
        pipeline.run_streaming(READ, &CallContext::default(), |cx, _| Box::pin(back_end.answer(cx))).await;
    let ((), guard) = head.unwrap();
    assert_eq!(refused_by(&call(&pipeline, READ, &back_end).await.unwrap_err()), "bulkhead");
    guard.succeed();
    call(&pipeline, READ, &back_end).await.unwrap();
}

/// Calls that note in which order they were let run.
#[derive(Clone)]
struct Ordered {
    pipeline: Pipeline,
    order: Arc<Mutex<Vec<u32>>>,
}

impl Ordered {
    /// One at a time.
    fn new() -> Self {
        let policy = Policy::default().with_bulkhead(BulkheadPolicy::new(1).with_queue(10, ms(10_000)));
        Self { pipeline: pipeline(policy), order: Arc::default() }
    }

    async fn call(&self, number: u32) -> Result<()> {
        let cx = CallContext::default();
        let run = self.pipeline.run(READ, &cx, |_, _| {
            self.order.lock().unwrap().push(number);
            Box::pin(async {
                sleep(ms(10)).await;
                Ok(())
            })
        });
        run.await
    }

    /// A call in a task of its own that has come as far as it gets.
    async fn begin(&self, number: u32) -> JoinHandle<Result<()>> {
        let calls = self.clone();
        let task = tokio::spawn(async move { calls.call(number).await });
        tokio::task::yield_now().await;
        task
    }

    /// Takes the place until the guard ends.
    async fn occupy(&self) -> CallGuard {
        let cx = CallContext::default();
        self.pipeline.run_streaming(READ, &cx, |_, _| Box::pin(async { Ok(()) })).await.unwrap().1
    }

    fn order(&self) -> Vec<u32> {
        self.order.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_go_first() {
    let calls = Ordered::new();
    let mut tasks = Vec::new();
    for number in 0..5 {
        tasks.push(calls.begin(number).await);
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(calls.order(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn no_newcomer_overtakes_who_was_woken() {
    let calls = Ordered::new();
    let place = calls.occupy().await;
    let waiting = [calls.begin(1).await, calls.begin(2).await];
    place.succeed();
    // The place is free and the first of those who wait is woken, but has not been there yet: this call is.
    calls.call(3).await.unwrap();
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!(calls.order(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_when_it_was_woken_passes_the_place_on() {
    let calls = Ordered::new();
    let place = calls.occupy().await;
    let (first, second) = (calls.begin(1).await, calls.begin(2).await);
    place.succeed();
    first.abort();
    second.await.unwrap().unwrap();
    calls.call(3).await.unwrap();
    assert_eq!(calls.order(), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_counts_retries_too() {
    let limit = RateLimitPolicy::new(10, Duration::from_secs(1));
    let policy = Policy::default().with_rate_limit(limit).with_backoff(ms(1), ms(1)).with_breaker(None);
    let pipeline = pipeline(policy);
    let down = || (Duration::ZERO, Err(Error::unavailable("down")));
    let back_end = BackEnd::new([down(), down()]);
    let start = Instant::now();
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!((start.elapsed(), back_end.calls()), (ms(200), 3), "one attempt each tenth of a second");
}

#[tokio::test(start_paused = true)]
async fn a_place_beyond_the_deadline_is_refused_at_once_and_not_taken() {
    let pipeline =
        pipeline(Policy::default().with_rate_limit(RateLimitPolicy::new(1, Duration::from_secs(2))));
    let back_end = BackEnd::default();
    call(&pipeline, READ, &back_end).await.unwrap();
    let start = Instant::now();
    let hurried = CallContext::new(&CallOptions::new().with_timeout(Duration::from_secs(1)));
    let error = call_with(&pipeline, READ, &back_end, &hurried).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.effect(), refused_by(&error)),
        (ErrorKind::RateLimited, Effect::NotSent, "rate_limit")
    );
    assert_eq!(error.retry(), Retry::After(Duration::from_secs(2)));
    assert_eq!(start.elapsed(), Duration::ZERO);
    call(&pipeline, READ, &back_end).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(2), "the refused call took no place");
}

#[tokio::test(start_paused = true)]
async fn what_the_service_asks_of_one_caller_all_wait_for() {
    let pipeline = pipeline(Policy::default().with_backoff(ms(100), ms(100)).with_max_attempts(1));
    let back_end = BackEnd::new([(Duration::ZERO, Err(throttled(Duration::from_secs(3))))]);
    let start = Instant::now();
    call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!(pipeline.pressure().gate_closed_until, Some(start + Duration::from_secs(3)));
    let others = (0..20).map(|_| {
        let (pipeline, back_end) = (pipeline.clone(), back_end.clone());
        async move {
            call(&pipeline, READ, &back_end).await.unwrap();
            start.elapsed()
        }
    });
    let waited = others.collect::<tokio::task::JoinSet<_>>().join_all().await;
    assert!(waited.iter().all(|waited| (ms(3000)..=ms(3101)).contains(waited)), "{waited:?}");
    assert!(waited.iter().min() < waited.iter().max(), "they do not come back together");
}

#[tokio::test(start_paused = true)]
async fn off_means_that_nobody_waits_for_what_the_service_asked_of_another() {
    let hint = Duration::from_secs(60);
    for (policy, calls, closed) in
        [(Policy::off(), 2, false), (Policy::off().with_retry_after_gate(true), 1, true)]
    {
        let pipeline = pipeline(policy);
        let back_end = BackEnd::new([(Duration::ZERO, Err(throttled(hint)))]);
        call(&pipeline, READ, &back_end).await.unwrap_err();
        let hurried = CallContext::new(&CallOptions::new().with_timeout(ms(1000)));
        let second = call_with(&pipeline, READ, &back_end, &hurried).await;
        assert_eq!((second.is_err(), back_end.calls()), (closed, calls));
        assert_eq!(pipeline.pressure().gate_closed_until.is_some(), closed);
    }
}

#[tokio::test(start_paused = true)]
async fn who_already_waits_heeds_what_the_service_asks_meanwhile() {
    let policy =
        Policy::default().with_backoff(ms(100), ms(100)).with_rate_limit(RateLimitPolicy::new(1, ms(500)));
    let pipeline = pipeline(policy.with_max_attempts(1));
    let back_end = BackEnd::new([(ms(100), Err(throttled(Duration::from_secs(3))))]);
    let start = Instant::now();
    let (first, second) = tokio::join!(call(&pipeline, READ, &back_end), async {
        // Its place of the rate limit is in half a second, and the first call is asked to wait before that.
        call(&pipeline, READ, &back_end).await.unwrap();
        start.elapsed()
    });
    assert_eq!(first.unwrap_err().kind(), ErrorKind::RateLimited);
    assert!((ms(3100)..=ms(3201)).contains(&second), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_when_the_call_must_be_over() {
    let pipeline = pipeline(Policy::default());
    let back_end = BackEnd::new([]);
    let cx = CallContext::new(&CallOptions::new().with_timeout(Duration::ZERO));
    let error = call_with(&pipeline, SEND, &back_end, &cx).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), back_end.calls()), (ErrorKind::Timeout, Effect::NotSent, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_refused_costs_nothing() {
    let breaker = opens_after_two();
    let pipeline = pipeline(Policy::default().with_breaker(breaker));
    let back_end = BackEnd::always(&Error::unavailable("down"));
    let error = call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!((back_end.calls(), ended_by(&error)), (2, "breaker"));
    assert_eq!(pipeline.pressure().retries_left, Some(49), "one retry was made, and one refused");
}

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
async fn a_hint_beyond_the_deadline_fails_at_once() {
    let pipeline = pipeline(Policy::default());
    let back_end = BackEnd::new([(Duration::ZERO, Err(throttled(Duration::from_secs(60))))]);
    let start = Instant::now();
    let first = call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!((first.kind(), ended_by(&first)), (ErrorKind::RateLimited, "deadline"));
    let second = call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!(
        (second.kind(), second.effect(), refused_by(&second)),
        (ErrorKind::RateLimited, Effect::NotSent, "gate")
    );
    assert_eq!((start.elapsed(), back_end.calls()), (Duration::ZERO, 1));
    advance(Duration::from_secs(60)).await;
    call(&pipeline, READ, &back_end).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn durations_that_no_clock_holds_are_long_waits() {
    let endless = Policy::off()
        .with_retry_after_gate(true)
        .with_max_attempts(2)
        .with_backoff(Duration::MAX, Duration::MAX)
        .with_hedge_after(Duration::MAX)
        .with_bulkhead(BulkheadPolicy::new(1).with_queue(1, Duration::MAX))
        .with_rate_limit(RateLimitPolicy::new(1000, ms(1)).with_max_wait(Duration::MAX));
    let pipeline = pipeline(endless);
    for error in
        [throttled(Duration::MAX), Error::unavailable("down").with_retry(Retry::After(Duration::MAX))]
    {
        let back_end = BackEnd::new([(Duration::ZERO, Err(error))]);
        call(&pipeline, READ, &back_end).await.unwrap();
        assert_eq!(back_end.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_ends_retries_and_says_so() {
    let budget = BudgetPolicy::default();
    let policy = Policy::default().with_breaker(None).with_retry_budget(budget);
    let pipeline = pipeline(policy);
    let back_end = BackEnd::always(&Error::unavailable("down"));
    for _ in 0..100 {
        call(&pipeline, READ, &back_end).await.unwrap_err();
    }
    assert_eq!(back_end.calls(), 100 + budget.burst);
    let error = call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!((error.attempts(), ended_by(&error)), (1, "budget"));
    assert_eq!(pipeline.pressure().retries_left, Some(0));
}

#[tokio::test(start_paused = true)]
async fn what_succeeds_pays_for_retries_and_refusals_cost_nothing() {
    let mut budget = BudgetPolicy::default();
    budget.burst = 1;
    let policy = Policy::default().with_breaker(None).with_retry_budget(budget).with_max_attempts(2);
    let inner = pipeline(Policy::off());
    let outer = pipeline(policy);
    let refused =
        Error::unavailable("full").with_effect(Effect::NotSent).with_context("refused_by", "bulkhead");
    let back_end = BackEnd::always(&refused);
    for _ in 0..10 {
        call(&outer, READ, &back_end).await.unwrap_err();
    }
    assert_eq!((back_end.calls(), outer.pressure().retries_left), (20, Some(1)));
    let down = BackEnd::always(&Error::unavailable("down"));
    call(&outer, READ, &down).await.unwrap_err();
    assert_eq!(outer.pressure().retries_left, Some(0));
    let up = BackEnd::default();
    for _ in 0..10 {
        call(&outer, READ, &up).await.unwrap();
    }
    assert_eq!(outer.pressure().retries_left, Some(1), "ten successes are one retry");
    assert_eq!(inner.pressure().retries_left, None);
}

#[tokio::test(start_paused = true)]
async fn the_last_error_says_what_ended_the_attempts() {
    let (down, now) = (|| Error::unavailable("down"), Duration::ZERO);
    let policy = Policy::default;
    let (mut none, second) = (BudgetPolicy::default(), Duration::from_secs(1));
    none.burst = 0;
    for (policy, operation, error, attempts, ended) in [
        (policy(), READ, down(), 3, "attempts"),
        (policy().with_max_attempts(1), READ, down(), 1, "attempts"),
        (Policy::off(), READ, down(), 1, "attempts"),
        (policy(), SEND, down(), 1, "not_safe"),
        (policy(), SEND, Error::timeout("late").with_retry(Retry::Never), 1, "not_safe"),
        (policy(), READ, Error::not_found("gone"), 1, "not_retryable"),
        (policy(), SEND, Error::invalid_argument("no"), 1, "not_retryable"),
        (policy(), READ, throttled(Duration::from_secs(60)), 1, "deadline"),
        (policy().with_retry_budget(none), READ, down(), 1, "budget"),
        (policy().with_breaker(opens_after_two()), READ, down(), 2, "breaker"),
        (policy().with_rate_limit(seldom(2)), READ, down(), 2, "rate_limit"),
    ] {
        let message = error.message().to_owned();
        let ended_with = call(&pipeline(policy), operation, &BackEnd::always(&error)).await.unwrap_err();
        assert_eq!((ended_with.attempts(), ended_by(&ended_with)), (attempts, ended), "{message}");
        assert_eq!(ended_with.message(), message, "the failure, not what kept it from being repeated");
    }
    // Before the first attempt.
    let full = pipeline(policy().with_bulkhead(BulkheadPolicy::new(1)));
    let open = pipeline(policy().with_breaker(BreakerPolicy::default()));
    open.isolate();
    let gated = pipeline(policy());
    call(&gated, READ, &BackEnd::always(&throttled(Duration::from_secs(60)))).await.unwrap_err();
    let limited = pipeline(policy().with_rate_limit(seldom(1)));
    call(&limited, READ, &BackEnd::new([])).await.unwrap();
    let hanging = BackEnd::new([(second, Ok(()))]);
    let running = call(&full, READ, &hanging);
    let refusals = async {
        tokio::task::yield_now().await;
        for (pipeline, timeout, ended) in [
            (&full, second, "bulkhead"),
            (&open, second, "breaker"),
            (&gated, second, "gate"),
            (&limited, second, "rate_limit"),
            (&pipeline(policy()), now, "deadline"),
        ] {
            let cx = CallContext::new(&CallOptions::new().with_timeout(timeout));
            let error = call_with(pipeline, READ, &BackEnd::new([]), &cx).await.unwrap_err();
            assert_eq!((error.attempts(), ended_by(&error)), (0, ended));
        }
    };
    tokio::join!(running, refusals).0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_inner_client_neither_repeats_nor_hedges_nor_pays() {
    let policy = || Policy::default().with_hedge_after(ms(50)).with_backoff(ms(1), ms(1));
    let (outer, inner) = (pipeline(policy().with_hedge_after(None)), pipeline(policy()));
    let down = || (Duration::ZERO, Err(Error::unavailable("down")));
    let back_end = BackEnd::new([down(), down(), (ms(500), Ok(()))]);
    outer
        .run(READ, &CallContext::default(), |cx, _| Box::pin(call_with(&inner, READ, &back_end, cx)))
        .await
        .unwrap();
    assert_eq!(back_end.calls(), 3, "three attempts of the outer one, not nine");
    assert_eq!(inner.pressure().retries_left, Some(50));
    assert_eq!(outer.pressure().retries_left, Some(48));
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

/// One place each hundred seconds, so many at once.
const fn seldom(burst: u32) -> RateLimitPolicy {
    RateLimitPolicy::new(1, Duration::from_secs(100)).with_burst(burst)
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
