//! A call that was answered leaves nothing behind: an instance holds as much after a thousand more of them as after its first
//! hundred. A program of its own, for it counts what the whole process holds.
#![allow(clippy::unwrap_used, reason = "a test")]

mod recorder;

use std::alloc::System;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use external_core::{
    ByteStream, CallContext, CallOptions, Capabilities, Error, Operation, ProviderInfo, Repeat,
};
use external_resilience::metrics::Metrics;
use external_resilience::{BulkheadPolicy, Pipeline, Policy, RateLimitPolicy};
use recorder::Taken;
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Fills what is kept for calls to come: the breaker's window of as many, a timer, the series of the metrics.
const WARM_UP: usize = 100;
const CALLS: usize = 1000;
/// Instances they are counted of. The test harness has a thread of its own, which allocates too, but not all the time.
const ROUNDS: usize = 5;
/// So many calls at a time, and attempts a millisecond: more than there ever are.
const MANY: u32 = 1_000_000;

const GET: Operation = Operation::new("cache", "get", Repeat::Safe);

/// Lets its caller wait once, as for an answer from a socket.
struct Waits(bool);

impl Future for Waits {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Every layer, and metrics.
fn everything() -> Pipeline {
    let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
    let rate = RateLimitPolicy::new(MANY, Duration::from_millis(1)).with_burst(MANY);
    let policy = Policy::default()
        .with_bulkhead(BulkheadPolicy::new(MANY))
        .with_rate_limit(rate)
        .with_hedge_after(Duration::from_secs(5));
    Pipeline::new("default", &info, policy).with_observer(Arc::new(Metrics::new()))
}

async fn value(pipeline: &Pipeline) {
    let cx = CallContext::default();
    let answer = pipeline.run(GET, &cx, |_, _| {
        Box::pin(async {
            Waits(false).await;
            Ok(())
        })
    });
    answer.await.unwrap();
}

/// An error is an answer too, and what is not there says nothing about the service.
async fn absence(pipeline: &Pipeline) {
    let cx = CallContext::default();
    let answer = pipeline.run(GET, &cx, |_, _| {
        Box::pin(async {
            Waits(false).await;
            Err::<(), _>(Error::not_found("no such entry"))
        })
    });
    answer.await.unwrap_err();
}

/// A body that is read to its end, and has to be over in time.
async fn body(pipeline: &Pipeline) {
    let cx = CallContext::new(&CallOptions::new().with_transfer_deadline());
    let head = pipeline.run_streaming(GET, &cx, |_, _| Box::pin(async { Ok(()) })).await;
    let chunks = futures_util::stream::once(async {
        Waits(false).await;
        Ok(Bytes::from_static(b"chunk"))
    });
    let body = head.unwrap().1.around(ByteStream::new(chunks), Duration::from_secs(30));
    assert_eq!(body.collect(u64::MAX).await.unwrap(), "chunk");
}

/// Bytes that are allocated and not given back.
fn live() -> usize {
    let Stats { bytes_allocated, bytes_deallocated, .. } = ALLOCATED.stats();
    bytes_allocated.saturating_sub(bytes_deallocated)
}

/// By how many bytes the process grows over so many calls of an instance, at the least.
async fn growth(call: impl AsyncFn(&Pipeline)) -> usize {
    let mut least = usize::MAX;
    for _ in 0..ROUNDS {
        let pipeline = everything();
        for _ in 0..WARM_UP {
            call(&pipeline).await;
        }
        let before = live();
        for _ in 0..CALLS {
            call(&pipeline).await;
        }
        least = least.min(live().saturating_sub(before));
    }
    least
}

#[test]
fn an_answered_call_leaves_nothing_behind() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let taken = Arc::new(Taken::default());
    let grown = metrics::with_local_recorder(&*taken, || {
        runtime.block_on(async {
            [
                ("a value", growth(value).await),
                ("an error", growth(absence).await),
                ("a body", growth(body).await),
            ]
        })
    });
    for (answer, bytes) in grown {
        // A call that kept anything would keep a byte at least, and would do so in every instance.
        assert!(bytes < CALLS, "{answer}: {bytes} bytes more after {CALLS} calls");
    }
}
