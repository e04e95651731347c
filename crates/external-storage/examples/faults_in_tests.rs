//! A service that files invoices, how it says what its calls may cost, and how its tests make them fail.
//!
//! Run it with `cargo run -p external-storage --example faults_in_tests`: its `main` is what would be the service's own
//! tests, on a paused clock. A service depends on `external-resilience` with the feature `faults` in its
//! `[dev-dependencies]`.
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::Arc;
use std::time::Duration;

use external_container::Container;
use external_resilience::faults::{Calls, Fault, FaultPlan};
use external_resilience::{BreakerPolicy, BreakerState, OperationPolicy};
use external_storage::{
    Domain, Effect, Error, ErrorKind, MemoryStorage, ObjectKey, Policy, Precondition, PutRequest, Result,
    Retry, StorageClient, StorageService,
};
use tokio::time::{Instant, sleep};

// ---- The service ----------------------------------------------------------------------------------------------------

/// Its file. In production the provider is another one; `resilience` is what the tests are about.
const FILE: &str = r#"
    [storage.invoices]
    provider = "memory"

    [storage.invoices.resilience]
    total_deadline = "20s"
    max_attempts = 4
    backoff_base = "50ms"
    backoff_cap = "1s"
    operations.put.attempt_timeout = "2s"
    breaker = { window = 20, minimum_calls = 10, open_for = "3s", half_open_calls = 1 }
"#;

/// The same by code, over the defaults of storage, and checked as the file is.
fn policy() -> Result<Policy> {
    let mut breaker = BreakerPolicy::default();
    (breaker.window, breaker.minimum_calls) = (20, 10);
    (breaker.open_for, breaker.half_open_calls) = (Duration::from_secs(3), 1);
    // What storage says of `put` besides stays: a larger total deadline than other calls have.
    let put = OperationPolicy::new().with_attempt_timeout(Duration::from_secs(2));
    StorageClient::policy()
        .with_total_deadline(Duration::from_secs(20))
        .with_max_attempts(4)
        .with_backoff(Duration::from_millis(50), Duration::from_secs(1))
        .with_operation("put", put)
        .with_breaker(breaker)
        .checked::<StorageClient>()
}

/// What became of an invoice.
#[derive(Debug, PartialEq, Eq)]
enum Filed {
    Now,
    Before,
}

/// Files an invoice: once, however often it is tried. An answer that was lost is no reason to give up, nor to write again:
/// whether the invoice is there can be seen.
async fn file(store: &StorageClient, number: u32, invoice: &'static [u8]) -> Result<Filed> {
    let key = ObjectKey::parse(format!("invoices/{number}.pdf"))?;
    let create = PutRequest::new(key.clone(), invoice).with_precondition(Precondition::Absent);
    match store.put_with(create).await {
        Ok(_) => Ok(Filed::Now),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Filed::Before),
        Err(error) if error.effect() == Effect::MaybeApplied => {
            if store.exists(key).await? {
                Ok(Filed::Now)
            } else {
                Err(error)
            }
        }
        Err(error) => Err(error),
    }
}

// ---- Its tests ------------------------------------------------------------------------------------------------------

/// The client as the service's file makes it, but for what is behind it: a store in memory, and the faults of `plan`.
fn store(plan: &FaultPlan) -> Result<StorageClient> {
    let container =
        Container::builder().domain(external_storage::registry()).from_str("service.toml", FILE)?;
    let configured: StorageClient = container.get("invoices")?;
    let memory: Arc<dyn StorageService> = Arc::new(MemoryStorage::default());
    Ok(StorageClient::from(plan.around(memory)).with_policy(Domain::pipeline(&configured).policy().clone()))
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<()> {
    file_and_code_say_the_same()?;
    what_was_not_sent_is_tried_again().await?;
    what_may_have_been_done_is_looked_up_and_not_repeated().await?;
    a_throttling_store_is_given_the_time_it_asks_for().await?;
    a_store_that_is_down_is_left_alone().await?;
    every_invoice_is_filed_once_whatever_happens().await
}

fn file_and_code_say_the_same() -> Result<()> {
    assert_eq!(Domain::pipeline(&store(&FaultPlan::new())?).policy(), &policy()?);
    let misspelt = policy()?.with_operation("putt", OperationPolicy::new().with_max_attempts(1));
    assert!(misspelt.checked::<StorageClient>().is_err(), "as it would be in the file");
    println!("the policy in the file is the one in the code");
    Ok(())
}

async fn what_was_not_sent_is_tried_again() -> Result<()> {
    let plan = FaultPlan::new();
    let store = store(&plan)?;
    // No connection comes about, then the store refuses it; the third attempt arrives.
    plan.script("put", [Fault::hang(), Fault::fail(ErrorKind::Unavailable, Effect::NotSent)]);
    assert_eq!(file(&store, 1, b"%PDF").await?, Filed::Now);
    let puts = plan.counts("put");
    assert_eq!((puts.arrived, puts.begun, puts.applied), (3, 1, 1));
    println!("not sent: {} attempts, {} of them at the store", puts.arrived, puts.begun);
    Ok(())
}

async fn what_may_have_been_done_is_looked_up_and_not_repeated() -> Result<()> {
    for fault in [Fault::lost(ErrorKind::Unavailable), Fault::drop_answer()] {
        let plan = FaultPlan::new();
        let store = store(&plan)?;
        plan.script("put", [fault]);
        assert_eq!(file(&store, 2, b"%PDF").await?, Filed::Now);
        assert_eq!((plan.counts("put").arrived, plan.counts("head").arrived), (1, 1));
        assert_eq!(file(&store, 2, b"%PDF").await?, Filed::Before);
    }
    println!("answer lost: one put, and a look whether it is there");
    Ok(())
}

async fn a_throttling_store_is_given_the_time_it_asks_for() -> Result<()> {
    let plan = FaultPlan::new();
    let store = store(&plan)?;
    let slow_down = Error::rate_limited("slow down").with_retry(Retry::After(Duration::from_secs(5)));
    plan.script(Calls::Any, [Fault::error(slow_down)]);
    let started = Instant::now();
    assert_eq!(file(&store, 3, b"%PDF").await?, Filed::Now);
    assert!(started.elapsed() >= Duration::from_secs(5));
    println!("throttled: filed after {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

async fn a_store_that_is_down_is_left_alone() -> Result<()> {
    let plan = FaultPlan::new();
    let store = store(&plan)?;
    plan.down();
    for number in 10..30 {
        let error =
            file(&store, number, b"%PDF").await.err().ok_or_else(|| Error::unexpected("it is down"))?;
        assert_eq!(error.effect(), Effect::NotSent, "so the service may queue it without a doubt");
    }
    assert_eq!(Domain::pipeline(&store).breaker_state(), Some(BreakerState::Open));
    let attempts = plan.counts("put").arrived;
    assert!(attempts < 20, "{attempts} attempts of 20 calls: the breaker refuses the rest");

    plan.up();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(file(&store, 10, b"%PDF").await?, Filed::Now);
    assert_eq!(Domain::pipeline(&store).breaker_state(), Some(BreakerState::Closed));
    println!("down: {attempts} attempts for 20 invoices; up again: filed");
    Ok(())
}

async fn every_invoice_is_filed_once_whatever_happens() -> Result<()> {
    // A seed of its own for each run; `FaultPlan::seeded` with the one that is printed repeats it.
    let plan = FaultPlan::new();
    let store = store(&plan)?.with_policy(policy()?.with_breaker(None));
    plan.chance(Calls::Any, 0.1, Fault::fail(ErrorKind::Unavailable, Effect::NotSent));
    plan.chance(Calls::Changes, 0.1, Fault::lost(ErrorKind::Unavailable));
    plan.chance(Calls::Changes, 0.05, Fault::hang_sent());
    plan.chance(Calls::Any, 0.1, Fault::slow_answer(Duration::from_millis(300)));
    let mut given_up = 0;
    for number in 0..200 {
        // What is not filed after four attempts waits for the next night.
        given_up += u64::from(file(&store, number, b"%PDF").await.is_err());
    }
    assert!(plan.counts("put").applied >= 200 - given_up, "{plan:?}");
    plan.clear();
    for number in 0..200 {
        file(&store, number, b"%PDF").await?;
    }
    assert_eq!(plan.counts("put").applied, 200, "each exactly once: {plan:?}");
    println!("by chance: {plan:?}; {given_up} left for the next night");
    Ok(())
}
