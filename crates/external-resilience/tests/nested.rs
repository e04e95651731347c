//! Clients around clients: a call meets one retry layer however they are nested, counted at the back end.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use back_end::{
    BackEnd, READ, SEND, call, call_with, ended_by, ms, opens_after_two, pipeline, refused_by, throttled,
};
use external_core::{CallContext, Effect, Error, Operation, Result, async_trait};
use external_resilience::{BreakerState, BulkheadPolicy, Pipeline, Policy};
use tokio::time::{Instant, sleep};

/// A contract of one method.
#[async_trait]
trait Service: Send + Sync {
    async fn call(&self, cx: &CallContext, operation: Operation) -> Result<()>;
}

#[async_trait]
impl Service for BackEnd {
    async fn call(&self, cx: &CallContext, _: Operation) -> Result<()> {
        self.answer(cx).await
    }
}

/// The client of the contract, which is passed wherever the contract is wanted.
struct Client {
    pipeline: Pipeline,
    service: Arc<dyn Service>,
}

#[async_trait]
impl Service for Client {
    async fn call(&self, cx: &CallContext, operation: Operation) -> Result<()> {
        self.pipeline.run(operation, cx, |cx, _| self.service.call(cx, operation)).await
    }
}

/// Tries one after the other, where that is safe.
struct Failover(Vec<Arc<dyn Service>>);

#[async_trait]
impl Service for Failover {
    async fn call(&self, cx: &CallContext, operation: Operation) -> Result<()> {
        let mut last = Error::unexpected("no members");
        for member in &self.0 {
            match member.call(cx, operation).await {
                Err(error) if error.may_move(&operation) => last = error,
                ended => return ended,
            }
        }
        Err(last)
    }
}

fn client(service: Arc<dyn Service>) -> Arc<dyn Service> {
    let policy = Policy::default().with_backoff(ms(1), ms(1)).with_hedge_after(ms(50));
    Arc::new(Client { pipeline: pipeline(policy), service })
}

fn failover(members: [&Arc<BackEnd>; 2]) -> Arc<dyn Service> {
    let policy = Policy::default().with_backoff(ms(1), ms(1)).for_composite();
    let members = members.map(|member| client(member.clone()));
    Arc::new(Client { pipeline: pipeline(policy), service: Arc::new(Failover(members.into())) })
}

fn down(effect: Effect) -> Arc<BackEnd> {
    BackEnd::always(&Error::unavailable("down").with_effect(effect))
}

#[tokio::test(start_paused = true)]
async fn a_client_passed_as_its_contract_multiplies_no_attempts() {
    for depth in 1..=4 {
        let back_end = down(Effect::MaybeApplied);
        let nested = (0..depth).fold(back_end.clone() as Arc<dyn Service>, |service, _| client(service));
        let error = nested.call(&CallContext::default(), READ).await.unwrap_err();
        assert_eq!(
            (back_end.calls(), error.attempts(), error.ended_by()),
            (3, 3, Some("attempts")),
            "{depth}"
        );
        let back_end = down(Effect::MaybeApplied);
        let nested = (0..depth).fold(back_end.clone() as Arc<dyn Service>, |service, _| client(service));
        let error = nested.call(&CallContext::default(), SEND).await.unwrap_err();
        assert_eq!(
            (back_end.calls(), error.attempts(), error.ended_by()),
            (1, 1, Some("not_safe")),
            "{depth}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_through_nested_clients_is_hedged_once() {
    let back_end = BackEnd::new((0..10).map(|_| (ms(500), Ok(()))));
    let nested = client(client(client(back_end.clone())));
    nested.call(&CallContext::default(), READ).await.unwrap();
    assert_eq!(back_end.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failover_over_two_clients_asks_each_once_an_attempt() {
    let [one, two] = [down(Effect::MaybeApplied), down(Effect::MaybeApplied)];
    let error = failover([&one, &two]).call(&CallContext::default(), READ).await.unwrap_err();
    assert_eq!((one.calls(), two.calls(), error.attempts()), (3, 3, 3));

    let [one, two] = [down(Effect::MaybeApplied), BackEnd::new([])];
    failover([&one, &two]).call(&CallContext::default(), READ).await.unwrap();
    assert_eq!((one.calls(), two.calls()), (1, 1), "the second answers before anything is repeated");
}

/// As often and for so long as would open any circuit around both.
#[tokio::test(start_paused = true)]
async fn a_member_that_is_down_shuts_nobody_else_out() {
    let hangs = BackEnd::new((0..100).map(|_| (Duration::from_secs(3600), Ok(()))));
    let well = BackEnd::new([]);
    let composite = failover([&hangs, &well]);
    for _ in 0..30 {
        composite.call(&CallContext::default(), READ).await.unwrap();
    }
    assert_eq!(well.calls(), 30);
    assert_eq!(hangs.calls(), 20, "its own circuit opens");
}

#[tokio::test(start_paused = true)]
async fn a_failover_sends_nothing_twice_that_may_have_been_applied() {
    let [one, two] = [down(Effect::MaybeApplied), BackEnd::new([])];
    let error = failover([&one, &two]).call(&CallContext::default(), SEND).await.unwrap_err();
    assert_eq!((one.calls(), two.calls(), error.effect()), (1, 0, Effect::MaybeApplied));

    let [one, two] = [down(Effect::NotSent), BackEnd::new([])];
    failover([&one, &two]).call(&CallContext::default(), SEND).await.unwrap();
    assert_eq!((one.calls(), two.calls()), (1, 1));

    // The second may have applied what the first did not get.
    let [one, two] = [down(Effect::NotSent), down(Effect::MaybeApplied)];
    let error = failover([&one, &two]).call(&CallContext::default(), SEND).await.unwrap_err();
    assert_eq!((one.calls(), two.calls(), error.ended_by()), (1, 1, Some("not_safe")));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_shut_off_ends_no_retries_of_the_others() {
    let (shut, never) = (pipeline(Policy::default()), BackEnd::new([]));
    shut.isolate();
    let shut: Arc<dyn Service> = Arc::new(Client { pipeline: shut, service: never.clone() });
    for at in [0, 1] {
        let passes = BackEnd::new([down_now()]);
        let mut members = vec![client(passes.clone())];
        members.insert(at, shut.clone());
        let policy = Policy::default().with_backoff(ms(1), ms(1)).for_composite();
        let composite = Client { pipeline: pipeline(policy), service: Arc::new(Failover(members)) };
        composite.call(&CallContext::default(), READ).await.unwrap();
        assert_eq!((passes.calls(), never.calls()), (2, 0), "shut off: {at}");
    }
}

/// A refusal says that nothing was sent by the layer that refused, and what came before it may have been.
#[tokio::test(start_paused = true)]
async fn a_refusal_behind_something_that_was_sent_is_no_proof_that_nothing_was() {
    for effect in [Effect::NotSent, Effect::MaybeApplied] {
        let outer = pipeline(Policy::default().with_backoff(ms(1), ms(1)));
        let attempts = AtomicU32::new(0);
        let cx = CallContext::default();
        let ended = outer.run(SEND, &cx, |cx, _| {
            let is_first = attempts.fetch_add(1, Ordering::SeqCst) == 0;
            Box::pin(async move {
                if is_first {
                    return Err(Error::unavailable("refused").with_effect(Effect::NotSent));
                }
                cx.mark_sent();
                let open = Error::unavailable("the circuit is open").with_effect(effect);
                Err::<(), _>(open.with_context("refused_by", "breaker"))
            })
        });
        let error = ended.await.unwrap_err();
        assert_eq!(
            (error.effect(), error.attempts(), ended_by(&error)),
            (Effect::MaybeApplied, 2, "not_safe")
        );
    }
}

/// A call through two pipelines.
async fn through(outer: &Pipeline, inner: &Pipeline, back_end: &BackEnd) -> Result<()> {
    outer.run(READ, &CallContext::default(), |cx, _| Box::pin(call_with(inner, READ, back_end, cx))).await
}

fn down_now() -> (Duration, Result<()>) {
    (Duration::ZERO, Err(Error::unavailable("down")))
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_further_in_is_not_waited_for() {
    let outer = pipeline(Policy::default().with_bulkhead(BulkheadPolicy::new(1)));
    let inner = pipeline(Policy::default().with_breaker(opens_after_two()));
    inner.isolate();
    for isolated in [true, false] {
        let (start, back_end) = (Instant::now(), BackEnd::new([]));
        let error = through(&outer, &inner, &back_end).await.unwrap_err();
        assert_eq!((refused_by(&error), ended_by(&error), error.attempts()), ("breaker", "breaker", 1));
        assert_eq!((start.elapsed(), back_end.calls()), (Duration::ZERO, 0), "isolated: {isolated}");
        assert_eq!(outer.pressure().retries_left, Some(50));
        inner.reset_breaker();
        let back_end = BackEnd::new([down_now(), down_now()]);
        for _ in 0..2 {
            call(&inner, SEND, &back_end).await.unwrap_err();
        }
        assert_eq!(inner.breaker_state(), Some(BreakerState::Open));
    }
}

#[tokio::test(start_paused = true)]
async fn what_led_to_a_refusal_further_in_is_told() {
    let (outer, inner) = (Policy::default().with_backoff(ms(1), ms(1)), opens_after_two());
    let (outer, inner) = (pipeline(outer), pipeline(Policy::default().with_breaker(inner)));
    let lost = Error::unavailable("reset").with_effect(Effect::MaybeApplied);
    let back_end = BackEnd::always(&lost);
    let error = through(&outer, &inner, &back_end).await.unwrap_err();
    assert_eq!((error.effect(), refused_by(&error), ended_by(&error)), (lost.effect(), "nobody", "breaker"));
    assert_eq!((back_end.calls(), error.attempts()), (2, 3), "the third was refused");
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_further_in_is_full() {
    let (outer, inner) = (Policy::default(), Policy::default().with_bulkhead(BulkheadPolicy::new(1)));
    let (outer, inner) = (pipeline(outer), pipeline(inner));
    let back_end = BackEnd::new([(Duration::from_secs(5), Ok(()))]);
    let holds = call(&inner, READ, &back_end);
    tokio::pin!(holds);
    assert!(tokio::time::timeout(ms(1), holds.as_mut()).await.is_err());
    let error = through(&outer, &inner, &back_end).await.unwrap_err();
    assert_eq!((ended_by(&error), error.attempts(), back_end.calls()), ("bulkhead", 1, 1));
    holds.await.unwrap();
}

/// The gate is closed for longer than an attempt may take, and not for longer than the call.
#[tokio::test(start_paused = true)]
async fn what_the_service_asked_a_client_further_in_is_waited_for() {
    let (outer, inner) = (pipeline(Policy::default()), pipeline(Policy::default().with_max_attempts(1)));
    let hint = Duration::from_secs(15);
    let back_end = BackEnd::new([(Duration::ZERO, Err(throttled(hint)))]);
    call(&inner, READ, &back_end).await.unwrap_err();
    let start = Instant::now();
    through(&outer, &inner, &back_end).await.unwrap();
    assert!(start.elapsed() >= hint && start.elapsed() < hint + ms(500), "{:?}", start.elapsed());
    assert_eq!((back_end.calls(), outer.pressure().retries_left), (2, Some(50)));
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_the_probes_of_a_client_further_in() {
    let mut breaker = opens_after_two();
    breaker.half_open_calls = 1;
    let (outer, inner) = (pipeline(Policy::default()), pipeline(Policy::default().with_breaker(breaker)));
    let back_end = BackEnd::new([down_now(), down_now(), (ms(300), Ok(()))]);
    for _ in 0..2 {
        call(&inner, SEND, &back_end).await.unwrap_err();
    }
    sleep(breaker.open_for).await;
    let start = Instant::now();
    let (probe, waits) = tokio::join!(through(&outer, &inner, &back_end), through(&outer, &inner, &back_end));
    assert_eq!((probe.is_ok(), waits.map_err(|error| error.report())), (true, Ok(())));
    assert_eq!(back_end.calls(), 4);
    assert!(start.elapsed() < ms(500), "{:?}", start.elapsed());
}
