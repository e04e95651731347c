//! A test of a service: its call to a system of its own fails on purpose, before it is sent and after it took effect.
//!
//! features: faults
//! beside: tokio
//!
//! ```text
//! Unavailable, MaybeApplied, 2 attempt(s)
//! arrived 2, begun 1, applied 1
//! ```

use std::time::Duration;

use external_resilience::external_core::{
    CallContext, Capabilities, Effect, ErrorKind, Operation, ProviderInfo, Repeat,
};
use external_resilience::faults::{Fault, FaultPlan};
use external_resilience::{Pipeline, Policy};

#[tokio::main]
async fn main() {
    let info = ProviderInfo::new("ledger", "accounting", "ledger.internal", Capabilities::new());
    let policy = Policy::default().with_backoff(Duration::from_millis(1), Duration::from_millis(5));
    let pipeline = Pipeline::new("books", &info, policy);
    let pay = Operation::new("accounting", "pay", Repeat::Once);

    let plan = FaultPlan::new();
    plan.script(
        "pay",
        [Fault::fail(ErrorKind::Unavailable, Effect::NotSent), Fault::lost(ErrorKind::Unavailable)],
    );
    let paid = pipeline
        .run(pay, &CallContext::default(), |cx, _| Box::pin(plan.call(cx, pay, async { Ok(()) })))
        .await;
    let error = paid.expect_err("the answer was lost");
    println!("{:?}, {:?}, {} attempt(s)", error.kind(), error.effect(), error.attempts());
    let counts = plan.counts("pay");
    println!("arrived {}, begun {}, applied {}", counts.arrived, counts.begun, counts.applied);
}
