//! The pipeline's layers and how they meet, under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use back_end::{Nothing, READ, SEND, info, pipeline};
use external_core::{
    CallContext, CallOptions, Effect, Error, ErrorKind, Operation, Provider, ProviderInfo, Repeat, Result,
    Retry, async_trait,
};
use external_resilience::{
    AttemptRecord, BoxFuture, BreakerPolicy, BreakerState, Call, CallObserver, CallRecord, Policy,
};
use tokio::time::Instant;

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl CallObserver for Heard {
    fn on_attempt(&self, record: &AttemptRecord<'_>) {
        self.0.lock().unwrap().push(format!("attempt {} {}", record.attempt, record.outcome.as_str()));
    }

    fn on_call(&self, record: &CallRecord<'_>) {
        let managed = if record.managed { " managed" } else { "" };
        let line = format!("call {} {}{managed}", record.attempts, record.outcome.as_str());
        self.0.lock().unwrap().push(line);
    }
}

impl Heard {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// An attempt that counts itself and ends with this error.
fn failing<'a>(
    count: &'a AtomicU32,
    error: &'a Error,
) -> impl Fn() -> BoxFuture<'a, Result<()>> + Send + Sync + 'a {
    move || {
        Box::pin(async move {
            count.fetch_add(1, Ordering::SeqCst);
            Err(error.clone())
        })
    }
}

async fn attempts(operation: Operation, error: Error) -> (u32, Error) {
    let count = AtomicU32::new(0);
    let attempt = failing(&count, &error);
    let ended = pipeline(Policy::default())
        .run(operation, &CallContext::default(), |_, _| attempt())
        .await
        .unwrap_err();
    (count.load(Ordering::SeqCst), ended)
}

#[tokio::test(start_paused = true)]
async fn repeats_only_what_is_safe_and_of_use() {
    let maybe = Error::unavailable("reset");
    assert_eq!(attempts(READ, maybe.clone()).await.0, 3);
    assert_eq!(attempts(SEND, maybe.clone()).await.0, 1);
    assert_eq!(attempts(SEND, maybe.with_effect(Effect::NotSent)).await.0, 3);
    assert_eq!(attempts(READ, Error::not_found("gone")).await.0, 1);
    let (count, ended) = attempts(READ, Error::timeout("slow")).await;
    assert_eq!((count, ended.attempts()), (3, 3));
    assert_eq!(ended.provider(), Some("memory"));
    assert_eq!(ended.operation().map(|operation| operation.to_string()), Some("cache.get".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_attempt_may_have_done_stays_possible() {
    let put = Operation::new("storage", "put", Repeat::Idempotent);
    let ended = pipeline(Policy::default())
        .run(put, &CallContext::default(), |cx, _| {
            let first = cx.attempt() == 1;
            Box::pin(async move {
                let error = Error::unavailable("reset");
                Err::<(), _>(if first { error } else { error.with_effect(Effect::NotSent) })
            })
        })
        .await
        .unwrap_err();
    assert_eq!(ended.effect(), Effect::MaybeApplied);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_knows_whether_anything_was_sent() {
    let policy = Policy::off().with_attempt_timeout(Duration::from_secs(1));
    for (mark, effect) in [(false, Effect::NotSent), (true, Effect::MaybeApplied)] {
        let cx = CallContext::default();
        let ended = pipeline(policy.clone())
            .run(SEND, &cx, |cx, _| {
                Box::pin(async move {
                    if mark {
                        cx.mark_sent();
                    }
                    std::future::pending::<Result<()>>().await
                })
            })
            .await
            .unwrap_err();
        assert_eq!((ended.kind(), ended.effect()), (ErrorKind::Timeout, effect));
        assert_eq!(cx.was_sent(), mark);
    }
}

#[tokio::test(start_paused = true)]
async fn the_mark_reaches_the_outer_context_even_if_the_call_is_dropped() {
    let cx = CallContext::default();
    let pipeline = pipeline(Policy::default());
    let call = pipeline.run(SEND, &cx, |cx, _| {
        Box::pin(async move {
            cx.mark_sent();
            std::future::pending::<Result<()>>().await
        })
    });
    assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
    assert!(cx.was_sent());
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_holds_and_no_wait_passes_it() {
    let start = Instant::now();
    let cx = CallContext::new(&CallOptions::new().with_timeout(Duration::from_secs(2)));
    // A server may say anything, also what no clock can hold.
    let hint = Error::rate_limited("slow down").with_retry(Retry::After(Duration::MAX));
    let ended = pipeline(Policy::default())
        .run(READ, &cx, |_, _| {
            let hint = hint.clone();
            Box::pin(async move { Err::<(), _>(hint) })
        })
        .await
        .unwrap_err();
    assert_eq!(ended.ended_by(), Some("deadline"));
    assert_eq!(start.elapsed(), Duration::ZERO);

    let hanging = pipeline(Policy::default())
        .run(READ, &cx, |_, _| Box::pin(std::future::pending::<Result<()>>()))
        .await
        .unwrap_err();
    assert_eq!(hanging.kind(), ErrorKind::Timeout);
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn the_policys_own_deadline_ends_an_attempt_under_way() {
    let start = Instant::now();
    let policy = Policy::off().with_total_deadline(Duration::from_secs(2));
    let (cx, pipeline) = (CallContext::default(), pipeline(policy));
    let hanging = pipeline.run(READ, &cx, |_, _| Box::pin(std::future::pending::<Result<()>>()));
    let ended = tokio::time::timeout(Duration::from_secs(60), hanging).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(start.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_body_lengthens_the_attempt() {
    let start = Instant::now();
    let policy = Policy::off().with_attempt_timeout(Duration::from_secs(1));
    let call = Call::new(READ).with_body(128 << 10);
    let cx = CallContext::default();
    let ended = pipeline(policy).run(call, &cx, |_, _| Box::pin(std::future::pending::<Result<()>>())).await;
    assert!(ended.is_err());
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn nested_pipelines_meet_one_retry_layer() {
    let (outer, inner) = (pipeline(Policy::default()), pipeline(Policy::default()));
    let heard = Arc::new(Heard::default());
    let inner = inner.with_observer(heard.clone());
    let (count, error) = (AtomicU32::new(0), Error::unavailable("reset"));
    let attempt = failing(&count, &error);
    let (inner, attempt) = (&inner, &attempt);
    let ended = outer
        .run(READ, &CallContext::default(), |cx, _| Box::pin(inner.run(READ, cx, move |_, _| attempt())))
        .await
        .unwrap_err();
    assert_eq!((count.load(Ordering::SeqCst), ended.attempts()), (3, 3));
    assert_eq!(heard.take().iter().filter(|line| line.ends_with("managed")).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn every_end_is_one_record() {
    let heard = Arc::new(Heard::default());
    let pipeline = pipeline(Policy::default()).with_observer(heard.clone());
    let cx = CallContext::default();
    pipeline.run(READ, &cx, |_, _| Box::pin(async { Ok(()) })).await.unwrap();
    assert_eq!(heard.take(), ["attempt 1 ok", "call 1 ok"]);

    let hanging = pipeline.run(READ, &cx, |_, _| Box::pin(std::future::pending::<Result<()>>()));
    assert!(tokio::time::timeout(Duration::from_millis(5), hanging).await.is_err());
    assert_eq!(heard.take(), ["attempt 1 dropped", "call 1 dropped"]);

    let ((), guard) = pipeline.run_streaming(READ, &cx, |_, _| Box::pin(async { Ok(()) })).await.unwrap();
    assert_eq!(heard.take(), ["attempt 1 ok"]);
    assert_eq!(pipeline.running(), 1);
    drop(guard);
    assert_eq!(heard.take(), ["call 1 dropped"]);
}

#[derive(Default)]
struct Durations(Mutex<Vec<Duration>>);

impl CallObserver for Durations {
    fn on_call(&self, record: &CallRecord<'_>) {
        self.0.lock().unwrap().push(record.duration);
    }
}

/// A call lasts until its answer; one with a body until the body has ended, whichever way.
#[tokio::test(start_paused = true)]
async fn a_call_lasts_as_long_as_its_body() {
    let heard = Arc::new(Durations::default());
    let pipeline = pipeline(Policy::default()).with_observer(heard.clone());
    let cx = CallContext::default();
    let second = || {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(())
        })
    };
    pipeline.run(READ, &cx, |_, _| second()).await.unwrap();
    for end in ["ok", "error", "dropped"] {
        let ((), guard) = pipeline.run_streaming(READ, &cx, |_, _| second()).await.unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
        match end {
            "ok" => guard.succeed(),
            "error" => drop(guard.fail(Error::unavailable("broke"))),
            _ => drop(guard),
        }
    }
    let seconds: Vec<_> = heard.0.lock().unwrap().iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [1, 6, 6, 6]);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_refuses_without_sending() {
    let breaker = BreakerPolicy::default();
    let pipeline = pipeline(Policy::default().with_max_attempts(1));
    for _ in 0..breaker.minimum_calls {
        let cx = CallContext::default();
        let failed =
            pipeline.run(READ, &cx, |_, _| Box::pin(async { Err::<(), _>(Error::unavailable("down")) }));
        assert!(failed.await.is_err());
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Open));
    let refused =
        pipeline.run(SEND, &CallContext::default(), |_, _| Box::pin(async { Ok(()) })).await.unwrap_err();
    assert_eq!((refused.effect(), refused.attempts()), (Effect::NotSent, 0));
    // The probe asks the service itself, whatever the breaker thinks.
    pipeline.probe(&Nothing(info()), &CallContext::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn closing_waits_refuses_and_lets_clean_up_through() {
    let pipeline = pipeline(Policy::default());
    let slow = {
        let pipeline = pipeline.clone();
        tokio::spawn(async move {
            let cx = CallContext::default();
            pipeline.run(READ, &cx, |_, _| Box::pin(nap())).await
        })
    };
    tokio::task::yield_now().await;
    let report = pipeline.close(&Nothing(info()), Duration::from_secs(5)).await;
    assert!(report.is_clean(), "{report:?}");
    slow.await.unwrap().unwrap();

    let refused =
        pipeline.run(READ, &CallContext::default(), |_, _| Box::pin(async { Ok(()) })).await.unwrap_err();
    assert_eq!((refused.kind(), refused.ended_by()), (ErrorKind::Closed, Some("closed")));
    let cx = CallContext::for_cleanup(Duration::from_secs(1));
    pipeline.run(READ, &cx, |_, _| Box::pin(async { Ok(()) })).await.unwrap();
}

async fn nap() -> Result<()> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_close_that_runs_out_of_time_says_what_was_left() {
    let pipeline = pipeline(Policy::off());
    let hanging = {
        let pipeline = pipeline.clone();
        tokio::spawn(async move {
            let cx = CallContext::default();
            pipeline.run(READ, &cx, |_, _| Box::pin(std::future::pending::<Result<()>>())).await
        })
    };
    tokio::task::yield_now().await;
    pipeline.cleanup().spawn(std::future::pending());
    let report = pipeline.close(&Nothing(info()), Duration::from_secs(1)).await;
    assert_eq!((report.calls_left, report.cleanups_left), (1, 1));
    hanging.abort();
}

/// A provider that has something to flush.
#[derive(Debug)]
struct Flushes(ProviderInfo);

#[async_trait]
impl Provider for Flushes {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_hangs_leaves_a_close_the_time_to_clean_up_and_to_flush() {
    let ms = Duration::from_millis;
    for (within, cleanup_lasts, cleanups_left, takes) in [
        (60_000, 54_300, 0, 54_310),
        (60_000, 3_600_000, 1, 57_010),
        (1000, 700, 0, 710),
        (1000, 3_600_000, 1, 760),
    ] {
        let pipeline = pipeline(Policy::off());
        let cx = CallContext::default();
        let body = pipeline.run_streaming(READ, &cx, |_, _| Box::pin(async { Ok(()) }));
        let ((), held) = body.await.unwrap();
        pipeline.cleanup().spawn(tokio::time::sleep(ms(cleanup_lasts)));
        let start = Instant::now();
        let report = pipeline.close(&Flushes(info()), ms(within)).await;
        assert!(report.error.is_none(), "{report:?}");
        assert_eq!((report.calls_left, report.cleanups_left), (1, cleanups_left), "{within} {cleanup_lasts}");
        assert_eq!(start.elapsed(), ms(takes), "{within} {cleanup_lasts}");
        drop(held);
    }
}
