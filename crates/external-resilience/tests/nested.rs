//! Clients around clients: a call meets one retry layer however they are nested, counted at the back end.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::Arc;

use back_end::{BackEnd, READ, SEND, ms, pipeline};
use external_core::{CallContext, Effect, Error, Operation, Result, async_trait};
use external_resilience::{Pipeline, Policy};

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
    // A composite has record, deadline and retry; its members have the rest.
    let policy = Policy::default().with_backoff(ms(1), ms(1)).with_breaker(None).with_retry_after_gate(false);
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
