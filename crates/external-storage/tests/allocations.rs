//! What the layers allocate above a call through `dyn`: nothing, with every one of them on, around a provider that lets its
//! caller wait once.
//!
//! A program of its own, since it counts every allocation of its process; one test, since others would be counted too.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "allocations/null.rs"]
mod null;

use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;

use external_core::CallContext;
use external_resilience::metrics::Metrics;
use external_resilience::{BulkheadPolicy, RateLimitPolicy};
use external_storage::{HeadRequest, ObjectKey, Policy, StorageClient, StorageService};
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use null::Null;

/// Of all threads.
#[global_allocator]
static ALLOCATED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Calls of each task.
const CALLS: usize = 500;
/// How often they are counted: what a runtime does once in a while is no call's, and is not done each time.
const ROUNDS: usize = 20;
/// So many calls at a time, and attempts a millisecond: more than there ever are.
const MANY: u32 = 1_000_000;

/// Deadline, attempt timeout, retry, budget, gate and breaker are on by default; both limits are not, nor are metrics.
fn everything() -> StorageClient {
    let rate = RateLimitPolicy::new(MANY, Duration::from_millis(1)).with_burst(MANY);
    let policy = Policy::default().with_bulkhead(BulkheadPolicy::new(MANY)).with_rate_limit(rate);
    StorageClient::over(Null::new()).with_policy(policy).with_observer(Arc::new(Metrics::new()))
}

/// One call of a task that has this key.
trait Head: Clone + Send + 'static {
    fn head(&self, key: &ObjectKey) -> impl Future<Output = ()> + Send;
}

impl Head for StorageClient {
    async fn head(&self, key: &ObjectKey) {
        self.head(key.clone()).await.unwrap();
    }
}

/// No layers.
impl Head for Arc<dyn StorageService> {
    async fn head(&self, key: &ObjectKey) {
        let request = HeadRequest::new(key.clone());
        self.as_ref().head(&CallContext::default(), &request).await.unwrap();
    }
}

/// How many allocations these calls make, growing what is there included.
async fn allocations(caller: &impl Head, tasks: usize) -> usize {
    let before = ALLOCATED.stats();
    let mut running = JoinSet::new();
    for number in 0..tasks {
        let caller = caller.clone();
        running.spawn(async move {
            let key = ObjectKey::parse(format!("objects/{number}")).unwrap();
            for _ in 0..CALLS {
                Head::head(&caller, &key).await;
            }
        });
    }
    running.join_all().await;
    let Stats { allocations, reallocations, .. } = ALLOCATED.stats() - before;
    allocations + reallocations
}

/// The fewest that were counted: through `dyn`, and through the client.
async fn fewest(tasks: usize) -> [usize; 2] {
    let (bare, client) = (Arc::new(Null::new()) as Arc<dyn StorageService>, everything());
    let mut fewest = [usize::MAX; 2];
    for _ in 0..ROUNDS {
        let counted = [allocations(&bare, tasks).await, allocations(&client, tasks).await];
        for (fewest, counted) in fewest.iter_mut().zip(counted) {
            *fewest = counted.min(*fewest);
        }
    }
    fewest
}

fn runtimes() -> [(&'static str, Runtime); 2] {
    let threads = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    [("one thread", Builder::new_current_thread().enable_time().build().unwrap()), ("two threads", threads)]
}

#[test]
fn all_layers_together_allocate_nothing() {
    for (threads, runtime) in runtimes() {
        for (tasks, earlier_timer) in [(1, true), (1, false), (16, true), (16, false)] {
            let [bare, through] = runtime.block_on(async {
                // It ends before all timeouts: who begins one need not wake the thread that waits for it.
                let timer = earlier_timer.then(|| tokio::spawn(tokio::time::sleep(Duration::from_secs(5))));
                let fewest = fewest(tasks).await;
                timer.inspect(tokio::task::JoinHandle::abort);
                fewest
            });
            let case = format!("{threads}, {tasks} tasks, an earlier timer: {earlier_timer}");
            assert!(bare >= tasks * CALLS, "the box of each call through `dyn` is counted: {bare}; {case}");
            // Of several tasks, threads may meet in one round of each in a way in which they did not in all others: a timer
            // more is kept then. What each call did would be thousands.
            let above = through.saturating_sub(bare);
            assert!(above < tasks, "{case}: {through} and {bare} for {} calls", tasks * CALLS);
        }
    }
}
