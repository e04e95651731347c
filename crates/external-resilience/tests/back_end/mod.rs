//! A back end that answers by a script and counts, and calls to it through a pipeline.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_core::{
    CallContext, Capabilities, Error, Operation, Provider, ProviderInfo, Repeat, Result, Retry, async_trait,
};
use external_resilience::{BreakerPolicy, Pipeline, Policy, RateLimitPolicy};
use tokio::time::sleep;

pub(crate) const READ: Operation = Operation::new("cache", "get", Repeat::Safe);
pub(crate) const SEND: Operation = Operation::new("email", "send", Repeat::Once);

pub(crate) fn info() -> ProviderInfo {
    ProviderInfo::new("memory", "cache", "memory:", Capabilities::new())
}

pub(crate) fn pipeline(policy: Policy) -> Pipeline {
    Pipeline::new("default", &info(), policy)
}

/// A provider that has nothing to do.
#[derive(Debug)]
pub(crate) struct Nothing(pub(crate) ProviderInfo);

#[async_trait]
impl Provider for Nothing {
    fn info(&self) -> &ProviderInfo {
        &self.0
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn opens_after_two() -> BreakerPolicy {
    let mut breaker = BreakerPolicy::default();
    (breaker.window, breaker.minimum_calls) = (4, 2);
    breaker
}

/// One place each hundred seconds, so many at once.
pub(crate) const fn seldom(burst: u32) -> RateLimitPolicy {
    RateLimitPolicy::new(1, Duration::from_secs(100)).with_burst(burst)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A back end that answers by a script, after a while, and counts.
#[derive(Default)]
pub(crate) struct BackEnd {
    calls: AtomicU32,
    pub(crate) at_a_time: AtomicU32,
    pub(crate) most_at_a_time: AtomicU32,
    answers: Mutex<VecDeque<(Duration, Result<()>)>>,
}

impl BackEnd {
    pub(crate) fn new(answers: impl IntoIterator<Item = (Duration, Result<()>)>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() })
    }

    pub(crate) fn always(error: &Error) -> Arc<Self> {
        Self::new((0..1000).map(|_| (Duration::ZERO, Err(error.clone()))))
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) async fn answer(&self, cx: &CallContext) -> Result<()> {
        struct Leaves<'a>(&'a AtomicU32);
        impl Drop for Leaves<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.calls.fetch_add(1, Ordering::SeqCst);
        cx.mark_sent();
        let now = self.at_a_time.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_a_time.fetch_max(now, Ordering::SeqCst);
        let _leaves = Leaves(&self.at_a_time);
        let (after, answer) = self.answers.lock().unwrap().pop_front().unwrap_or((Duration::ZERO, Ok(())));
        if !after.is_zero() {
            sleep(after).await;
        }
        answer
    }
}

pub(crate) async fn call(pipeline: &Pipeline, operation: Operation, back_end: &BackEnd) -> Result<()> {
    call_with(pipeline, operation, back_end, &CallContext::default()).await
}

pub(crate) async fn call_with(
    pipeline: &Pipeline,
    operation: Operation,
    back_end: &BackEnd,
    cx: &CallContext,
) -> Result<()> {
    pipeline.run(operation, cx, |cx, _| Box::pin(back_end.answer(cx))).await
}

pub(crate) fn refused_by(error: &Error) -> &str {
    error.context_value("refused_by").unwrap_or("nobody")
}

pub(crate) fn ended_by(error: &Error) -> &str {
    error.ended_by().unwrap_or("nothing")
}

pub(crate) fn throttled(hint: Duration) -> Error {
    Error::rate_limited("slow down").with_retry(Retry::After(hint))
}
