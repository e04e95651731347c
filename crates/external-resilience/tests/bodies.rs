//! Bodies that stream: what ends them, and which layers they still have to do with. Under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use back_end::{READ, ended_by, ms, pipeline};
use bytes::Bytes;
use external_core::{ByteStream, CallContext, CallOptions, Effect, Error, ErrorKind, Result};
use external_resilience::{
    BreakerState, BulkheadPolicy, CallGuard, CallObserver, CallRecord, OperationPolicy, Outcome, Pipeline,
    Policy,
};
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep};

const IDLE: Duration = ms(1000);
/// So much shows that a body flows.
const ENOUGH: usize = 1024;

/// Chunks of so many bytes, each after so many milliseconds of being waited for.
fn body(chunks: impl IntoIterator<Item = (u64, usize), IntoIter: Send + 'static>) -> ByteStream {
    ByteStream::new(stream::iter(chunks).then(async |(after, bytes)| {
        sleep(ms(after)).await;
        Ok(Bytes::from(vec![0; bytes]))
    }))
}

async fn head(pipeline: &Pipeline, cx: &CallContext) -> CallGuard {
    pipeline.run_streaming(READ, cx, |_, _| Box::pin(async { Ok(()) })).await.unwrap().1
}

/// Reads to the end, and rests after each chunk: how many bytes came.
async fn read(mut body: ByteStream, rest: Duration) -> Result<usize> {
    let mut bytes = 0;
    while let Some(chunk) = body.next_chunk().await? {
        bytes += chunk.len();
        sleep(rest).await;
    }
    Ok(bytes)
}

#[derive(Default)]
struct Ends(Mutex<Vec<Outcome>>);

impl CallObserver for Ends {
    fn on_call(&self, record: &CallRecord<'_>) {
        self.0.lock().unwrap().push(record.outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_ends_with_a_timeout_in_its_call() {
    let pipeline = pipeline(Policy::default());
    let guard = head(&pipeline, &CallContext::default()).await;
    let start = Instant::now();
    let stalls = guard.around(body([(900, ENOUGH), (5000, ENOUGH)]), IDLE);
    let error = read(stalls, ms(0)).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed()), (ErrorKind::Timeout, ms(1900)));
    assert_eq!((error.attempts(), ended_by(&error), pipeline.running()), (1, "body", 0));
}

#[tokio::test(start_paused = true)]
async fn only_what_is_waited_for_stalls() {
    let guard = head(&pipeline(Policy::default()), &CallContext::default()).await;
    let flows = guard.around(body([(900, ENOUGH), (900, ENOUGH), (900, ENOUGH)]), IDLE);
    assert_eq!(read(flows, ms(10_000)).await.unwrap(), 3 * ENOUGH, "the reader takes its time");
}

#[tokio::test(start_paused = true)]
async fn a_stored_body_that_drips_stalls_and_others_do_not() {
    let pipeline = pipeline(Policy::default());
    // Enough within each second of waiting, a byte too few, and a byte now and then.
    for (bytes, flows) in [(ENOUGH / 2, true), (ENOUGH / 2 - 1, false), (1, false)] {
        let drips = || body([(400, bytes), (400, bytes), (400, bytes), (400, bytes)]);
        let cx = CallContext::default();
        let start = Instant::now();
        let read_all = read(head(&pipeline, &cx).await.around_stored(drips(), IDLE), ms(5)).await;
        assert_eq!(read_all.is_ok(), flows, "{bytes} bytes");
        assert_eq!(start.elapsed(), if flows { ms(1620) } else { ms(1010) }, "{bytes} bytes");
        read(head(&pipeline, &cx).await.around(drips(), IDLE), ms(5)).await.unwrap();
        read(head(&pipeline, &cx).await.around_events(drips(), IDLE), ms(5)).await.unwrap();
    }
    let events = head(&pipeline, &CallContext::default()).await.around_events(body([(1100, 1)]), IDLE);
    assert_eq!(read(events, ms(0)).await.unwrap_err().kind(), ErrorKind::Timeout, "nothing comes at all");
}

#[tokio::test(start_paused = true)]
async fn the_calls_record_closes_with_the_body_whichever_way() {
    let ends = Arc::new(Ends::default());
    let pipeline = pipeline(Policy::default()).with_observer(ends.clone());
    let cx = CallContext::default();
    let whole = head(&pipeline, &cx).await.around(body([(10, 1)]), IDLE);
    read(whole, ms(0)).await.unwrap();
    let broken = ByteStream::new(stream::iter([Err(Error::unavailable("reset"))]));
    let broken = head(&pipeline, &cx).await.around(broken, IDLE);
    let error = read(broken, ms(0)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.provider(), ended_by(&error)),
        (ErrorKind::Unavailable, Some("memory"), "body")
    );
    let mut dropped = head(&pipeline, &cx).await.around(body([(10, 1), (10, 1)]), IDLE);
    dropped.next_chunk().await.unwrap();
    assert_eq!(pipeline.running(), 1);
    drop(dropped);
    assert_eq!((*ends.0.lock().unwrap()).as_slice(), [Outcome::Ok, Outcome::Error, Outcome::Dropped]);
    assert_eq!(pipeline.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn neither_the_attempts_timeout_nor_the_total_deadline_ends_a_body() {
    let policy = Policy::default().with_attempt_timeout(ms(1000)).with_total_deadline(ms(2000));
    let pipeline = pipeline(policy);
    for options in [CallOptions::new(), CallOptions::new().with_timeout(ms(1500))] {
        let guard = head(&pipeline, &CallContext::new(&options)).await;
        let start = Instant::now();
        let long = guard.around(body((0..20).map(|_| (500, ENOUGH))), IDLE);
        assert_eq!(read(long, ms(0)).await.unwrap(), 20 * ENOUGH);
        assert_eq!(start.elapsed(), ms(10_000));
    }
}

/// A body that flows for ten seconds, read within this call by a reader that rests after each chunk.
async fn flows(pipeline: &Pipeline, options: &CallOptions, rest: Duration) -> Result<usize> {
    let guard = head(pipeline, &CallContext::new(options)).await;
    read(guard.around_stored(body((0..20).map(|_| (500, ENOUGH))), IDLE), rest).await
}

#[tokio::test(start_paused = true)]
async fn a_transfer_deadline_ends_a_body_that_flows() {
    let ends = Arc::new(Ends::default());
    let policy = Policy::default().with_total_deadline(ms(2100)).with_bulkhead(BulkheadPolicy::new(1));
    let pipeline = pipeline(policy).with_observer(ends.clone());
    let options = CallOptions::new().with_transfer_deadline();
    // The caller's, and where it says nothing the policy's; whoever of the two is slow.
    for (options, rest, after) in [
        (options.clone().with_timeout(ms(1700)), ms(0), 1700),
        (options.clone(), ms(0), 2100),
        (options.clone().with_timeout(ms(3600)), ms(1000), 4500),
    ] {
        let start = Instant::now();
        let error = flows(&pipeline, &options, rest).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed()), (ErrorKind::Timeout, ms(after)));
        assert_eq!((error.effect(), ended_by(&error), error.attempts()), (Effect::NotApplied, "deadline", 1));
        assert_eq!((error.provider(), error.operation()), (Some("memory"), Some(READ)));
        assert_eq!(pipeline.pressure().bulkhead_running, 0, "its place is free");
    }
    assert_eq!(flows(&pipeline, &options.with_timeout(ms(10_001)), ms(0)).await.unwrap(), 20 * ENOUGH);
    assert_eq!(
        (*ends.0.lock().unwrap()).as_slice(),
        [Outcome::Error, Outcome::Error, Outcome::Error, Outcome::Ok]
    );
}

#[tokio::test(start_paused = true)]
async fn what_came_in_time_is_whole_however_late_its_end_is_looked_at() {
    let options = CallOptions::new().with_timeout(ms(1000)).with_transfer_deadline();
    let guard = head(&pipeline(Policy::default()), &CallContext::new(&options)).await;
    let mut whole = guard.around(body([(500, ENOUGH)]), IDLE);
    assert_eq!(whole.next_chunk().await.unwrap().unwrap().len(), ENOUGH);
    sleep(ms(5000)).await;
    assert_eq!(whole.next_chunk().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn without_a_wait_too_a_transfer_deadline_is_seen() {
    let options = CallOptions::new().with_timeout(ms(1000)).with_transfer_deadline();
    let guard = head(&pipeline(Policy::default()), &CallContext::new(&options)).await;
    let mut endless = guard.around(ByteStream::new(stream::repeat_with(|| Ok(Bytes::from("x")))), IDLE);
    assert_eq!(endless.next_chunk().await.unwrap().unwrap(), "x");
    tokio::time::advance(ms(1000)).await;
    assert_eq!(endless.next_chunk().await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(endless.next_chunk().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_deadline_says_nothing_of_the_service() {
    let pipeline = pipeline(Policy::default().with_breaker(back_end::opens_after_two()));
    let options = CallOptions::new().with_timeout(ms(700)).with_transfer_deadline();
    for _ in 0..10 {
        flows(&pipeline, &options, ms(0)).await.unwrap_err();
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_taken_effect_may_have_with_a_body_that_is_out_of_time() {
    let options = CallOptions::new().with_timeout(ms(700)).with_transfer_deadline();
    let (pipeline, cx) = (pipeline(Policy::default()), CallContext::new(&options));
    let sent = pipeline.run_streaming(back_end::SEND, &cx, |_, _| Box::pin(async { Ok(()) })).await;
    let answer = sent.unwrap().1.around(body([(500, 1), (500, 1)]), IDLE);
    assert_eq!(read(answer, ms(0)).await.unwrap_err().effect(), Effect::MaybeApplied);
}

/// The deadline that a client further in sees is its attempt's, and no body has to be over by that.
#[tokio::test(start_paused = true)]
async fn a_transfer_deadline_is_kept_by_the_outermost_of_nested_clients() {
    let outer = pipeline(Policy::default().with_attempt_timeout(ms(1000)));
    let inner = pipeline(Policy::default());
    for (timeout, comes) in [(20_000, true), (3000, false)] {
        let options = CallOptions::new().with_timeout(ms(timeout)).with_transfer_deadline();
        let (cx, start) = (CallContext::new(&options), Instant::now());
        let answer = outer.run_streaming(READ, &cx, |cx, _| {
            let inner = &inner;
            Box::pin(async move {
                let (_, guard) = inner.run_streaming(READ, cx, |_, _| Box::pin(async { Ok(()) })).await?;
                Ok(guard.around(body((0..20).map(|_| (500, ENOUGH))), IDLE))
            })
        });
        let (body, guard) = answer.await.unwrap();
        let read = read(guard.around(body, IDLE), ms(0)).await;
        assert_eq!(read.is_ok(), comes, "{timeout} ms");
        assert_eq!(start.elapsed(), ms(timeout.min(10_000)));
        assert_eq!((outer.running(), inner.running()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_belong_together_have_one_end() {
    let policy = Policy::default().with_operation("list", OperationPolicy::new().with_total_deadline(ms(70)));
    let (pipeline, options) = (pipeline(policy), CallOptions::new().with_transfer_deadline());
    let end = |options: &CallOptions, operation| {
        let end = pipeline.transfer_deadline(operation, &CallContext::new(options));
        end.map(|end| end.duration_since(Instant::now()))
    };
    assert_eq!(end(&CallOptions::new().with_timeout(ms(10)), "get"), None, "nobody asked for it");
    assert_eq!(end(&options, "get"), Some(Duration::from_secs(30)));
    assert_eq!(end(&options, "list"), Some(ms(70)));
    assert_eq!(end(&options.clone().with_timeout(ms(10)), "list"), Some(ms(10)));
    let unbounded = back_end::pipeline(Policy::off());
    assert_eq!(unbounded.transfer_deadline("get", &CallContext::new(&options)), None);
}

#[tokio::test(start_paused = true)]
async fn a_hint_in_mid_body_closes_no_gate() {
    let pipeline = pipeline(Policy::default());
    let guard = head(&pipeline, &CallContext::default()).await;
    drop(guard.fail(back_end::throttled(ms(60_000))));
    assert_eq!(pipeline.pressure().gate_closed_until, None);
}
