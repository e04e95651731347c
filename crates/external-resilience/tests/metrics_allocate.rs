//! Counting a call allocates nothing once the first of its kind was counted: neither the layers nor the metrics do, around
//! an attempt that lets its caller wait once. A program of its own, for it counts what the whole process allocates.
#![allow(clippy::unwrap_used, reason = "a test")]

mod recorder;

use std::alloc::System;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use external_core::{CallContext, Capabilities, Operation, ProviderInfo, Repeat, Result};
use external_resilience::metrics::Metrics;
use external_resilience::{Pipeline, Policy};
use recorder::Taken;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: usize = 1000;

/// An answer that is there when it is asked for the second time.
struct Answered(bool);

impl Future for Answered {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn a_counted_call_allocates_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let taken = Arc::new(Taken::default());
    metrics::with_local_recorder(&*taken, || {
        runtime.block_on(async {
            let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
            let pipeline =
                Pipeline::new("default", &info, Policy::default()).with_observer(Arc::new(Metrics::new()));
            let get = Operation::new("cache", "get", Repeat::Safe);
            let cx = CallContext::default();
            let call = || pipeline.run(get, &cx, |_, _| Box::pin(Answered(false)));
            for _ in 0..10 {
                call().await.unwrap();
            }
            // The test harness has a thread of its own, which allocates too, but not all the time.
            let mut fewest = usize::MAX;
            for _ in 0..10 {
                let before = ALLOCATED.stats();
                for _ in 0..CALLS {
                    call().await.unwrap();
                }
                let made = ALLOCATED.stats() - before;
                fewest = fewest.min(made.allocations + made.reallocations);
            }
            assert_eq!(fewest, CALLS, "the attempt's own box, and nothing else");
        });
    });
    assert!(
        taken.values().values().any(|(count, _)| *count >= 10.0 * CALLS as f64),
        "every call was counted"
    );
}
