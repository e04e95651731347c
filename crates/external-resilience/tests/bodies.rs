//! Bodies that stream: what ends them, and which layers they still have to do with. Under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use back_end::{READ, ended_by, ms, pipeline};
use bytes::Bytes;
use external_core::{ByteStream, CallContext, CallOptions, Error, ErrorKind, Result};
use external_resilience::{CallGuard, CallObserver, CallRecord, Outcome, Pipeline, Policy};
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

#[tokio::test(start_paused = true)]
async fn a_hint_in_mid_body_closes_no_gate() {
    let pipeline = pipeline(Policy::default());
    let guard = head(&pipeline, &CallContext::default()).await;
    drop(guard.fail(back_end::throttled(ms(60_000))));
    assert_eq!(pipeline.pressure().gate_closed_until, None);
}
