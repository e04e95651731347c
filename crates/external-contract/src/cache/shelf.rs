//! Short forms of the contract's calls, for clauses to read well.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use external_core::Result;
use external_core::cache::{
    CacheEntry, CacheKey, CasToken, CompareAndSwapRequest, DeleteRequest, ExpireRequest, GetRequest,
    IncrementRequest, SetRequest, SwapOutcome, TimeToLive, Ttl, TtlRequest,
};
use tokio::time::Instant;

use super::S;
use crate::{Case, Finding, Verdict, ensure, ensure_eq};

/// How much later than promised something may be seen: a slow machine is no broken promise.
const PATIENCE: Duration = Duration::from_secs(2);

/// A service and the namespace in it.
#[derive(Clone, Copy)]
pub(super) struct Shelf<'a> {
    pub(super) case: &'a Case<S>,
    pub(super) service: &'a S,
}

impl<'a> Shelf<'a> {
    pub(super) fn of(case: &'a Case<S>) -> Self {
        Self { case, service: case.service() }
    }

    pub(super) fn on(case: &'a Case<S>, service: &'a S) -> Self {
        Self { case, service }
    }

    pub(super) fn key(&self, name: &str) -> Result<CacheKey> {
        CacheKey::parse(self.case.name(name))
    }

    pub(super) fn set_request(&self, name: &str, value: impl Into<Bytes>) -> Result<SetRequest> {
        Ok(SetRequest::new(self.key(name)?, value))
    }

    /// Whether it was stored.
    pub(super) async fn send(&self, request: &SetRequest) -> Result<bool> {
        Ok(self.service.set(&self.case.cx(), request).await?.stored)
    }

    pub(super) async fn set(&self, name: &str, value: impl Into<Bytes>) -> std::result::Result<(), Finding> {
        let request = self.set_request(name, value)?;
        ensure(self.send(&request).await?, "an unconditional set stores", "`stored` is false")
    }

    pub(super) async fn set_for(
        &self,
        name: &str,
        value: impl Into<Bytes>,
        ttl: Duration,
    ) -> std::result::Result<(), Finding> {
        let request = self.set_request(name, value)?.with_ttl(Ttl::new(ttl)?);
        ensure(self.send(&request).await?, "an unconditional set stores", "`stored` is false")
    }

    pub(super) async fn entry(&self, name: &str) -> Result<Option<CacheEntry>> {
        self.service.get(&self.case.cx(), &GetRequest::new(self.key(name)?)).await
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        Ok(self.entry(name).await?.map(|entry| entry.value))
    }

    pub(super) async fn token(&self, name: &str) -> std::result::Result<CasToken, Finding> {
        let entry = self.entry(name).await?;
        entry
            .map(|entry| entry.token())
            .ok_or_else(|| Finding::failed(format!("a value of `{name}`"), "none"))
    }

    pub(super) async fn holds(&self, name: &str, value: &[u8]) -> Verdict {
        let seen = self.get(name).await?;
        ensure_eq(&format!("the value of `{name}`"), &seen.as_deref(), &Some(value))
    }

    pub(super) async fn lacks(&self, name: &str) -> Verdict {
        ensure_eq(&format!("the value of `{name}`"), &self.get(name).await?.as_deref(), &None::<&[u8]>)
    }

    pub(super) async fn delete(&self, name: &str) -> Result<Option<bool>> {
        Ok(self.service.delete(&self.case.cx(), &DeleteRequest::new(self.key(name)?)).await?.existed)
    }

    pub(super) async fn increment(&self, name: &str, delta: i64) -> Result<i64> {
        self.service.increment(&self.case.cx(), &IncrementRequest::new(self.key(name)?, delta)).await
    }

    pub(super) async fn expire(&self, name: &str, ttl: Option<Duration>) -> Result<bool> {
        let ttl = ttl.map(Ttl::new).transpose()?;
        self.service.expire(&self.case.cx(), &ExpireRequest::new(self.key(name)?, ttl)).await
    }

    pub(super) async fn ttl(&self, name: &str) -> Result<TimeToLive> {
        self.service.ttl(&self.case.cx(), &TtlRequest::new(self.key(name)?)).await
    }

    pub(super) async fn swap(&self, name: &str, token: &CasToken, value: &str) -> Result<SwapOutcome> {
        let request = CompareAndSwapRequest::new(self.key(name)?, token.clone(), value.to_owned());
        self.service.compare_and_swap(&self.case.cx(), &request).await
    }

    /// How much later than asked a value may end.
    pub(super) fn granularity(&self) -> Duration {
        let limit = self.service.info().capabilities().get_limit("ttl-granularity-ms");
        Duration::from_millis(limit.unwrap_or(1))
    }

    /// A TTL that a test can wait for and that the provider does not round up.
    pub(super) fn short(&self) -> Duration {
        self.granularity().max(Duration::from_millis(400))
    }

    /// Watches a value end at its time: `began` is just before it was stored, `stored` just after.
    pub(super) async fn ends_in_time(
        &self,
        name: &str,
        ttl: Duration,
        began: Instant,
        stored: Instant,
    ) -> Verdict {
        let present = async || Ok(self.get(name).await?.is_some());
        let asked = || async { present().await };
        lifetime(name, ttl, self.granularity(), began, stored, asked).await
    }
}

/// Watches something that must be there for `ttl` and gone soon after, whatever the machine's speed.
pub(super) async fn lifetime<F>(
    name: &str,
    ttl: Duration,
    granularity: Duration,
    began: Instant,
    stored: Instant,
    present: impl Fn() -> F,
) -> Verdict
where
    F: Future<Output = std::result::Result<bool, Finding>>,
{
    loop {
        let asked = Instant::now();
        if present().await? {
            let late = asked.saturating_duration_since(stored + ttl + granularity);
            let expected = format!("`{name}` is gone {granularity:?} after its {ttl:?}");
            ensure(late < PATIENCE, expected, format!("it is still there {late:?} later"))?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        } else {
            let lived = began.elapsed();
            return ensure(
                lived >= ttl,
                format!("`{name}` lives for {ttl:?}"),
                format!("it was gone after {lived:?}"),
            );
        }
    }
}

/// Runs something `count` times side by side, on several threads.
pub(super) async fn side_by_side<T, F>(
    count: usize,
    work: impl Fn(usize) -> F,
) -> std::result::Result<Vec<T>, Finding>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let running: Vec<_> = (0..count).map(|n| tokio::spawn(work(n))).collect();
    let mut results = Vec::new();
    for task in running {
        results.push(task.await.map_err(|error| Finding::failed("no panic", error.to_string()))?);
    }
    Ok(results)
}
