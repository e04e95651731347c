//! Who is measured: the same layers around the same provider, as near to ours as each ecosystem comes.
//!
//! Limits are wide enough never to bind, timeouts are the same, and nothing fails: what is measured is what a call that
//! succeeds pays for being protected.

mod by_hand;
mod opendal;
mod ours;
mod tower;
mod tower_resilience;

use std::sync::Arc;
use std::time::{Duration, Instant};

use external_core::CallContext;
use external_core::storage::{HeadRequest, ObjectKey, StorageService};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

pub(crate) use by_hand::ByHand;
pub(crate) use opendal::{OpenDal, OpenDalBare};
pub(crate) use ours::{Counted, DefaultPolicy, Everything, Nested};
pub(crate) use tower::{Tower, TowerCloned};
pub(crate) use tower_resilience::TowerResilience;

use crate::null::{Answer, Null};

/// So many calls at a time, or attempts a millisecond: more than there ever are.
const MANY: u32 = 1_000_000;
/// The timeout of an attempt.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many attempts a call has.
const ATTEMPTS: u32 = 3;
/// The first wait between attempts, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Layers around a provider, as one task uses them.
pub(crate) trait Stack: Send + Sized + 'static {
    /// Around a provider that answers so.
    fn new(answer: Answer) -> Self;

    /// What another task uses: the same limits, budget and breaker.
    fn share(&self) -> Self;

    /// One call.
    fn call(&mut self, key: &ObjectKey) -> impl Future<Output = ()> + Send;
}

/// No layers: the call through `dyn` that all others but OpenDAL's have beneath them.
pub(crate) struct Bare(Arc<dyn StorageService>);

impl Stack for Bare {
    fn new(answer: Answer) -> Self {
        Self(Arc::new(Null::new(answer)))
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        let request = HeadRequest::new(key.clone());
        let answer = self.0.head(&CallContext::default(), &request).await;
        std::hint::black_box(answer.expect("answered"));
    }
}

/// A runtime as a service has it, but of two threads on any machine.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Each of so many tasks makes so many calls. How long it took from the first call to the last answer.
pub(crate) async fn calls<S: Stack>(stack: &S, tasks: usize, each: usize) -> Duration {
    let mut running = JoinSet::new();
    for number in 0..tasks {
        let mut stack = stack.share();
        running.spawn(async move {
            let key = key(number);
            let start = Instant::now();
            for _ in 0..each {
                stack.call(&key).await;
            }
            (start, Instant::now())
        });
    }
    let times = running.join_all().await;
    let start = times.iter().map(|(start, _)| *start).min();
    let end = times.iter().map(|(_, end)| *end).max();
    end.zip(start).map_or(Duration::ZERO, |(end, start)| end - start)
}

/// A task's own: a text that all tasks count the owners of would be measured too.
pub(crate) fn key(number: usize) -> ObjectKey {
    ObjectKey::parse(format!("objects/{number}")).expect("a key")
}
