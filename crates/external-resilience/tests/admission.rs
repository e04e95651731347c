//! What lets an attempt begin, one by one and with a few callers: bulkhead, rate limit, gate and budget; and which of them
//! kept it from beginning. Under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use back_end::{
    BackEnd, READ, SEND, call, call_with, ended_by, ms, opens_after_two, pipeline, refused_by, seldom,
    throttled,
};
use external_core::{CallContext, CallOptions, Effect, Error, ErrorKind, Result, Retry};
use external_resilience::{
    BreakerPolicy, BudgetPolicy, BulkheadPolicy, CallGuard, Pipeline, Policy, RateLimitPolicy,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep, timeout};

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
    let dropped = timeout(ms(10), call(&pipeline, READ, &back_end)).await;
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
    assert_eq!((refused_by(&error), ended_by(&error)), ("deadline", "deadline"));
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
    let outer = pipeline(policy);
    let cx = CallContext::default();
    for _ in 0..10 {
        let refused = throttled(ms(1)).with_effect(Effect::NotSent).with_context("refused_by", "gate");
        let refusing =
            outer.run(READ, &cx, |_, _| Box::pin(std::future::ready(Err::<(), _>(refused.clone()))));
        assert_eq!(refusing.await.unwrap_err().attempts(), 2);
    }
    assert_eq!(outer.pressure().retries_left, Some(1));
    let down = BackEnd::always(&Error::unavailable("down"));
    call(&outer, READ, &down).await.unwrap_err();
    assert_eq!(outer.pressure().retries_left, Some(0));
    let up = BackEnd::default();
    for _ in 0..10 {
        call(&outer, READ, &up).await.unwrap();
    }
    assert_eq!(outer.pressure().retries_left, Some(1), "ten successes are one retry");
    assert_eq!(pipeline(Policy::off()).pressure().retries_left, None);
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_costs_no_retry() {
    let full = pipeline(Policy::default().with_bulkhead(BulkheadPolicy::new(1)));
    let outer = pipeline(Policy::default().with_backoff(ms(1), ms(1)));
    let back_end = BackEnd::new([(Duration::from_secs(5), Ok(()))]);
    let holds = call(&full, READ, &back_end);
    tokio::pin!(holds);
    assert!(timeout(ms(1), holds.as_mut()).await.is_err());
    for _ in 0..10 {
        let error = call(&full, READ, &back_end).await.unwrap_err();
        assert_eq!(refused_by(&error), "bulkhead");
        let cx = CallContext::default();
        let inner = outer.run(READ, &cx, |cx, _| Box::pin(call_with(&full, READ, &back_end, cx)));
        inner.await.unwrap_err();
    }
    let left = [&full, &outer].map(|pipeline| pipeline.pressure().retries_left);
    assert_eq!((left, back_end.calls()), ([Some(50); 2], 1));
    holds.await.unwrap();
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
