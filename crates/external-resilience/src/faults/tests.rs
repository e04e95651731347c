//! Every kind of fault at a service behind a pipeline, on a paused clock; and a contract from outside.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use external_core::{CallOptions, Capabilities, Effect, Error, ErrorKind, Retry};
use tokio::time::{Instant, sleep};

use super::*;
use crate::{Pipeline, Policy};

const ADD: Operation = Operation::new("counter", "add", Repeat::Once);
const READ: Operation = Operation::new("counter", "read", Repeat::Safe);
const TIMEOUT: Duration = Duration::from_secs(1);

/// A contract that only these tests know.
#[async_trait]
trait Counter: Provider {
    async fn add(&self, cx: &CallContext) -> Result<i64>;
    async fn read(&self, cx: &CallContext) -> Result<i64>;
}

impl Contract for dyn Counter {
    fn as_provider(&self) -> &dyn Provider {
        self
    }

    fn with_faults(faults: Faults<Self>) -> Arc<Self> {
        Arc::new(faults)
    }
}

#[async_trait]
impl Counter for Faults<dyn Counter> {
    async fn add(&self, cx: &CallContext) -> Result<i64> {
        self.plan().call(cx, ADD, self.service().add(cx)).await
    }

    async fn read(&self, cx: &CallContext) -> Result<i64> {
        self.plan().call(cx, READ, self.service().read(cx)).await
    }
}

/// Works for a while, and marks what it sends.
#[derive(Debug)]
struct Real {
    info: ProviderInfo,
    value: AtomicI64,
    work: Duration,
    refusal: Option<Error>,
}

#[async_trait]
impl Provider for Real {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Counter for Real {
    async fn add(&self, cx: &CallContext) -> Result<i64> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        cx.mark_sent();
        sleep(self.work).await;
        Ok(self.value.fetch_add(1, Ordering::SeqCst) + 1)
    }

    async fn read(&self, cx: &CallContext) -> Result<i64> {
        cx.mark_sent();
        sleep(self.work).await;
        Ok(self.value.load(Ordering::SeqCst))
    }
}

struct Setup {
    plan: FaultPlan,
    real: Arc<Real>,
    service: Arc<dyn Counter>,
    pipeline: Pipeline,
}

fn setup(plan: FaultPlan, work: Duration, refusal: Option<Error>) -> Setup {
    let info = ProviderInfo::new("real", "counter", "memory:", Capabilities::new());
    let policy = Policy::default().with_attempt_timeout(TIMEOUT).with_breaker(None);
    let pipeline = Pipeline::new("default", &info, policy);
    let real = Arc::new(Real { info, value: AtomicI64::new(0), work, refusal });
    let service = plan.around(real.clone() as Arc<dyn Counter>);
    Setup { plan, real, service, pipeline }
}

fn ready() -> Setup {
    setup(FaultPlan::seeded(1), Duration::ZERO, None)
}

impl Setup {
    async fn add(&self) -> Result<i64> {
        self.pipeline.run(ADD, &CallContext::default(), |cx, _| self.service.add(cx)).await
    }

    async fn read(&self) -> Result<i64> {
        self.pipeline.run(READ, &CallContext::default(), |cx, _| self.service.read(cx)).await
    }

    fn value(&self) -> i64 {
        self.real.value.load(Ordering::SeqCst)
    }

    /// Of `add`: what arrived, was begun, was applied.
    fn counts(&self) -> (u64, u64, u64) {
        let Counts { arrived, begun, applied } = self.plan.counts("add");
        (arrived, begun, applied)
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_fault_it_is_the_service() {
    let setup = ready();
    assert_eq!(setup.add().await.unwrap(), 1);
    assert_eq!(setup.counts(), (1, 1, 1));
    let provider = setup.service.as_provider();
    assert_eq!(provider.info(), &setup.real.info);
    assert!(std::ptr::eq(provider.find::<Real>().expect("inside"), &*setup.real));
    assert_eq!(
        Faults::new(setup.service.clone(), setup.plan.clone()).with_id("faulty").info().id(),
        "faulty"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_call_never_reaches_the_service() {
    for (effect, attempts, marked) in
        [(Effect::NotSent, 2, false), (Effect::NotApplied, 2, true), (Effect::MaybeApplied, 1, true)]
    {
        let setup = ready();
        setup.plan.script("add", [Fault::fail(ErrorKind::Unavailable, effect)]);
        let cx = CallContext::default();
        let error = setup.service.add(&cx).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, effect));
        assert_eq!(error.context_value("injected_by"), Some("script"));
        assert_eq!(cx.was_sent(), marked, "{effect}");
        assert_eq!(setup.counts(), (1, 0, 0));

        // Whether the pipeline goes on follows from the effect.
        let setup = ready();
        setup.plan.script("add", [Fault::fail(ErrorKind::Unavailable, effect)]);
        assert_eq!(setup.add().await.is_ok(), attempts == 2, "{effect}");
        assert_eq!(setup.plan.counts("add").arrived, attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_tests_own_keeps_what_it_says() {
    let setup = ready();
    let hint = Duration::from_secs(2);
    setup
        .plan
        .script("read", [Fault::error(Error::rate_limited("slow down").with_retry(Retry::After(hint)))]);
    let started = Instant::now();
    assert_eq!(setup.read().await.unwrap(), 0);
    assert!(started.elapsed() >= hint);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_the_effect() {
    let setup = ready();
    setup.plan.script("add", [Fault::lost(ErrorKind::Unavailable)]);
    let error = setup.add().await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::MaybeApplied));
    assert_eq!((setup.value(), setup.counts()), (1, (1, 1, 1)));
}

#[tokio::test(start_paused = true)]
async fn behind_the_call_an_error_claims_what_it_is_told_to() {
    for (claim, value) in [(Effect::MaybeApplied, 1), (Effect::NotApplied, 3), (Effect::NotSent, 3)] {
        let setup = ready();
        let error = Error::unavailable("no").with_effect(claim).with_vendor_code("503");
        setup.plan.script("add", vec![Fault::lost_with(error); 3]);
        let error = setup.add().await.unwrap_err();
        assert_eq!((error.effect(), error.vendor_code()), (claim, Some("503")));
        assert_eq!(setup.value(), value, "a lie about the effect makes the call be repeated");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probability_that_is_none_is_the_nearest_or_certain() {
    for (probability, hits) in [(f64::NAN, true), (2.0, true), (-1.0, false), (0.0, false)] {
        let setup = ready();
        setup.plan.chance("add", probability, Fault::fail(ErrorKind::NotFound, Effect::NotApplied));
        assert_eq!(setup.add().await.is_err(), hits, "{probability}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_was_answered_is_lost() {
    for (refusal, seen) in [
        (Error::conflict("no").with_effect(Effect::NotApplied), ErrorKind::Unexpected),
        (Error::invalid_argument("no").with_effect(Effect::NotSent), ErrorKind::InvalidArgument),
    ] {
        let setup = setup(FaultPlan::new(), Duration::ZERO, Some(refusal));
        setup.plan.script("add", [Fault::lost(ErrorKind::Unexpected)]);
        assert_eq!(setup.add().await.unwrap_err().kind(), seen);
        assert_eq!(setup.counts(), (1, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_ends_by_its_timeout_and_the_mark_tells_its_effect() {
    for (fault, effect, value) in [
        (Fault::hang(), Effect::NotSent, 0),
        (Fault::hang_sent(), Effect::MaybeApplied, 0),
        (Fault::drop_answer(), Effect::MaybeApplied, 1),
    ] {
        let setup = ready();
        setup.plan.script("add", vec![fault; 3]);
        let started = Instant::now();
        let error = setup.add().await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, effect));
        assert!(started.elapsed() >= TIMEOUT);
        assert_eq!(setup.value(), value);
        // What was certainly not sent is tried again, and hangs again.
        let attempts = if effect == Effect::NotSent { 3 } else { 1 };
        assert_eq!(setup.plan.counts("add").arrived, attempts);
        assert_eq!(setup.plan.pending(), 3 - usize::try_from(attempts).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_comes_before_the_call_or_behind_it() {
    let wait = Duration::from_millis(300);
    for (fault, sent) in [(Fault::delay(wait), false), (Fault::slow_answer(wait), true)] {
        let setup = ready();
        setup.plan.script("add", [fault.clone(), fault]);
        let started = Instant::now();
        assert_eq!(setup.add().await.unwrap(), 1);
        assert_eq!(started.elapsed(), wait);

        let cx = CallContext::default();
        let cut = tokio::time::timeout(wait / 2, setup.service.add(&cx)).await;
        assert!(cut.is_err());
        assert_eq!((cx.was_sent(), setup.value()), (sent, 1 + i64::from(sent)));
    }
    let setup = ready();
    setup.plan.script("add", [Fault::fail(ErrorKind::NotFound, Effect::NotApplied).with_delay(wait)]);
    let started = Instant::now();
    setup.add().await.unwrap_err();
    assert_eq!(started.elapsed(), wait);
}

#[tokio::test(start_paused = true)]
async fn an_outage_refuses_and_loses_what_runs() {
    let setup = setup(FaultPlan::seeded(1), Duration::from_millis(500), None);
    setup.plan.script("add", [Fault::none(), Fault::lost(ErrorKind::Unavailable)]);
    let (running, ()) = tokio::join!(setup.add(), async {
        sleep(Duration::from_millis(100)).await;
        setup.plan.down();
    });
    let error = running.unwrap_err();
    assert_eq!(error.effect(), Effect::MaybeApplied);
    assert_eq!(error.context_value("injected_by"), Some("outage"));
    assert_eq!(setup.value(), 1);

    assert!(setup.plan.is_down());
    let error = setup.add().await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
    assert_eq!(setup.counts(), (4, 1, 1), "three attempts that all were refused");
    let error = setup.service.as_provider().probe(&CallContext::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    // The script waited.
    setup.plan.up();
    assert_eq!((setup.plan.is_down(), setup.plan.pending()), (false, 1));
    setup.add().await.unwrap_err();
    assert_eq!(setup.value(), 2);
    setup.plan.down_with(Fault::hang());
    let cx = CallContext::new(&CallOptions::new().with_timeout(TIMEOUT / 2));
    let hung = setup.pipeline.run(READ, &cx, |cx, _| setup.service.read(cx)).await;
    assert_eq!(hung.unwrap_err().effect(), Effect::NotSent);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_on_its_way_when_the_service_goes_down_does_not_arrive() {
    let setup = ready();
    setup.plan.script("add", [Fault::delay(Duration::from_millis(200))]);
    let cx = CallContext::default();
    let (delayed, ()) = tokio::join!(setup.service.add(&cx), async {
        sleep(Duration::from_millis(100)).await;
        setup.plan.down();
    });
    assert_eq!(delayed.unwrap_err().effect(), Effect::NotSent);
    assert_eq!((setup.counts(), cx.was_sent()), ((1, 0, 0), false));
}

#[tokio::test(start_paused = true)]
async fn a_call_on_its_way_meets_only_the_outage_that_is_there_when_it_arrives() {
    let setup = ready();
    setup
        .plan
        .script("add", [Fault::delay(Duration::from_millis(200)), Fault::delay(Duration::from_millis(200))]);
    let cx = CallContext::default();
    let outage = async |lasts| {
        sleep(Duration::from_millis(50)).await;
        setup.plan.down_with(Fault::lost(ErrorKind::Timeout));
        sleep(lasts).await;
        setup.plan.up();
    };
    let (delayed, ()) = tokio::join!(setup.service.add(&cx), outage(Duration::from_millis(50)));
    assert_eq!(delayed.unwrap(), 1, "the service is up again");
    let (delayed, ()) = tokio::join!(setup.service.add(&cx), outage(Duration::from_millis(500)));
    assert_eq!(delayed.unwrap_err().kind(), ErrorKind::Timeout, "as the outage has it");
    assert_eq!(setup.counts(), (2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_script_is_met_in_its_order() {
    let setup = ready();
    let fail = |kind| Fault::fail(kind, Effect::MaybeApplied);
    setup.plan.script("add", [fail(ErrorKind::Timeout), Fault::none(), fail(ErrorKind::Corrupt)]);
    // Continues the first, and waits for its turn where both are due.
    setup.plan.script("counter.add", [fail(ErrorKind::Unavailable)]);
    setup.plan.nth(Calls::Changes, 6, fail(ErrorKind::Unexpected));
    setup.plan.script("elsewhere.add", [fail(ErrorKind::Conflict)]);
    setup.plan.nth("read", 2, fail(ErrorKind::NotFound));
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.push(setup.service.add(&CallContext::default()).await.map_err(|error| error.kind()));
    }
    assert_eq!(
        seen,
        [
            Err(ErrorKind::Timeout),
            Ok(1),
            Err(ErrorKind::Corrupt),
            Err(ErrorKind::Unavailable),
            Ok(2),
            Err(ErrorKind::Unexpected),
            Ok(3)
        ]
    );
    assert_eq!(setup.read().await.unwrap(), 3);
    assert_eq!(setup.service.read(&CallContext::default()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(setup.plan.pending(), 1, "no call is named elsewhere.add");
    setup.plan.clear();
    assert_eq!(setup.plan.pending(), 0);
    assert_eq!(setup.plan.counts(Calls::Any).arrived, 9);
    assert_eq!(setup.plan.counts(Calls::Changes).arrived, 7);
}

/// What befalls so many calls of each operation under a plan of chances.
async fn fates(seed: u64, calls: usize, side_by_side: bool) -> Vec<Option<ErrorKind>> {
    let setup = setup(FaultPlan::seeded(seed), Duration::from_millis(1), None);
    setup.plan.chance("add", 0.2, Fault::fail(ErrorKind::RateLimited, Effect::NotApplied));
    setup.plan.chance(Calls::Any, 0.3, Fault::lost(ErrorKind::Corrupt));
    let kind = |answer: Result<i64>| answer.err().map(|error| error.kind());
    let mut seen = Vec::new();
    for _ in 0..calls {
        let cx = CallContext::default();
        if side_by_side {
            let (_, added) = tokio::join!(setup.service.read(&cx), setup.service.add(&cx));
            seen.push(kind(added));
        } else {
            seen.push(kind(setup.service.add(&cx).await));
        }
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn a_seed_repeats_its_faults_whatever_runs_beside() {
    let first = fates(7, 1_000, false).await;
    assert_eq!(first, fates(7, 1_000, false).await);
    assert_eq!(first, fates(7, 1_000, true).await);
    assert_ne!(first, fates(8, 1_000, false).await);

    let share = |kind| first.iter().filter(|seen| **seen == Some(kind)).count() as f64 / 1_000.0;
    assert!((share(ErrorKind::RateLimited) - 0.2).abs() < 0.05);
    // Of those that the first chance left.
    assert!((share(ErrorKind::Corrupt) - 0.8 * 0.3).abs() < 0.05);
}

#[tokio::test(start_paused = true)]
async fn the_seed_is_shown() {
    let setup = setup(FaultPlan::seeded(4711), Duration::ZERO, None);
    setup.plan.chance(Calls::Any, 1.0, Fault::fail(ErrorKind::NotFound, Effect::NotApplied));
    let error = setup.add().await.unwrap_err();
    assert_eq!(error.context_value("injected_by"), Some("seed 4711"));
    assert!(format!("{:?}", setup.plan).contains("seed: 4711"));
    let faults = Faults::new(setup.service.clone(), setup.plan.clone());
    assert!(format!("{faults:?}").contains("seed: 4711"));
    assert_ne!(FaultPlan::new().seed(), FaultPlan::new().seed());
}
