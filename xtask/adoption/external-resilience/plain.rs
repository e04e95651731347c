//! Calls to a system that no crate here knows, through the pipeline: repeated where that is safe, and only there.
//!
//! beside: tokio
//!
//! ```text
//! read at attempt 3
//! paid once: Unavailable, MaybeApplied, 1 attempt(s)
//! ```

use std::time::Duration;

use external_resilience::external_core::{
    CallContext, Capabilities, Error, Operation, ProviderInfo, Repeat, Result,
};
use external_resilience::{Pipeline, Policy};

#[tokio::main]
async fn main() -> Result<()> {
    let info = ProviderInfo::new("ledger", "accounting", "ledger.internal", Capabilities::new());
    let policy = Policy::default().with_backoff(Duration::from_millis(1), Duration::from_millis(5));
    let pipeline = Pipeline::new("books", &info, policy);

    let read = Operation::new("accounting", "read", Repeat::Safe);
    let attempt = pipeline
        .run(read, &CallContext::default(), |cx, _| {
            let attempt = cx.attempt();
            Box::pin(
                async move { if attempt < 3 { Err(Error::unavailable("not yet")) } else { Ok(attempt) } },
            )
        })
        .await?;
    println!("read at attempt {attempt}");

    let pay = Operation::new("accounting", "pay", Repeat::Once);
    let lost = pipeline
        .run(pay, &CallContext::default(), |cx, _| {
            cx.mark_sent();
            Box::pin(async { Err::<(), _>(Error::unavailable("the answer was lost")) })
        })
        .await;
    let error = lost.expect_err("nobody answered");
    println!("paid once: {:?}, {:?}, {} attempt(s)", error.kind(), error.effect(), error.attempts());
    Ok(())
}
