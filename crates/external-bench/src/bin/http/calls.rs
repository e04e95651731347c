//! Callers that go on for a stretch of time, whatever kind of call they make.

use std::time::Duration;

use external_bench::{Contestant, per_second};
use tokio::runtime::Runtime;

/// The number of the thing that every call is about, and every answer tells.
pub(crate) const ID: u64 = 4711;

/// A call that somebody makes in one way; a clone for each caller.
pub(crate) trait Call: Clone + Send + 'static {
    /// Makes it once: the number in the answer.
    fn made(&self) -> impl Future<Output = u64> + Send;
}

/// How fast a number of callers are that make this call.
pub(crate) fn load<'a>(
    name: &str,
    runtime: &'a Runtime,
    callers: usize,
    slice: Duration,
    call: impl Call,
) -> Contestant<'a> {
    Contestant::new(name, move || {
        per_second(runtime, callers, slice, |_, until| {
            let call = call.clone();
            async move {
                let mut calls = 0;
                while until.goes_on() {
                    assert_eq!(call.made().await, ID);
                    calls += 1;
                }
                calls
            }
        })
    })
}
