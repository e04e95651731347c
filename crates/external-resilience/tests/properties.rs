//! What holds whatever happens: backoff, budget and breaker, for random sequences, under a paused clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod back_end;
#[path = "properties/breaker.rs"]
mod breaker;
#[path = "properties/budget.rs"]
mod budget;
#[path = "properties/model.rs"]
mod model;
#[path = "properties/waits.rs"]
mod waits;

use proptest::prelude::TestCaseError;

fn paused(test: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}
