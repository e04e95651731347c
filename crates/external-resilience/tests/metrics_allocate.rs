//! Counting a call allocates nothing once the first of its kind was counted. A program of its own, for it watches
//! the whole process's memory.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use external_core::{CallContext, Capabilities, Operation, ProviderInfo, Repeat, Result};
use external_resilience::metrics::Metrics;
use external_resilience::{Pipeline, Policy};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// An answer whose box takes no memory.
struct Answered;

impl Future for Answered {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_counted_call_allocates_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
        let pipeline =
            Pipeline::new("default", &info, Policy::default()).with_observer(Arc::new(Metrics::new()));
        let get = Operation::new("cache", "get", Repeat::Safe);
        let cx = CallContext::default();
        let call = || pipeline.run(get, &cx, |_, _| Box::pin(Answered));
        for _ in 0..10 {
            call().await.unwrap();
        }
        // The test harness has a thread of its own, which allocates too, but not all the time.
        let mut least = usize::MAX;
        for _ in 0..10 {
            let before = MEMORY.current_usage();
            MEMORY.reset_peak_usage();
            for _ in 0..1000 {
                call().await.unwrap();
            }
            least = least.min(MEMORY.peak_usage().saturating_sub(before));
        }
        assert_eq!(least, 0);
    });
}
