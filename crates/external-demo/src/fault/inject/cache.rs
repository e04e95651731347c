//! Faults around a cache.

use async_trait::async_trait;
use external_core::cache::{
    CacheEntry, CacheService, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest, Deleted,
    ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, InvalidationCache, LockCache,
    SetManyRequest, SetReceipt, SetRequest, SwapOutcome, TimeToLive, TtlRequest,
};
use external_core::{CallContext, Provider, ProviderInfo, Result};

use super::{Faults, Faulty, Switch};

/// A cache behind faults. Facets are handed through as they are.
pub(crate) struct FaultyCache(pub(super) Faults<dyn CacheService>);

impl Faulty for FaultyCache {
    fn switch(&self) -> Switch {
        self.0.switch.clone()
    }
}

#[async_trait]
impl Provider for FaultyCache {
    fn info(&self) -> &ProviderInfo {
        &self.0.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.0.read(self.0.inner.probe(cx)).await
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some(&*self.0.inner)
    }
}

#[async_trait]
impl CacheService for FaultyCache {
    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        self.0.read(self.0.inner.get(cx, request)).await
    }

    async fn set(&self, cx: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        self.0.change(self.0.inner.set(cx, request)).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.0.change(self.0.inner.delete(cx, request)).await
    }

    async fn get_many(&self, cx: &CallContext, request: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        self.0.read(self.0.inner.get_many(cx, request)).await
    }

    async fn set_many(&self, cx: &CallContext, request: &SetManyRequest) -> Result<Vec<Result<()>>> {
        self.0.change(self.0.inner.set_many(cx, request)).await
    }

    async fn delete_many(
        &self,
        cx: &CallContext,
        request: &DeleteManyRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        self.0.change(self.0.inner.delete_many(cx, request)).await
    }

    async fn expire(&self, cx: &CallContext, request: &ExpireRequest) -> Result<bool> {
        self.0.change(self.0.inner.expire(cx, request)).await
    }

    async fn ttl(&self, cx: &CallContext, request: &TtlRequest) -> Result<TimeToLive> {
        self.0.read(self.0.inner.ttl(cx, request)).await
    }

    async fn increment(&self, cx: &CallContext, request: &IncrementRequest) -> Result<i64> {
        self.0.change(self.0.inner.increment(cx, request)).await
    }

    async fn compare_and_swap(
        &self,
        cx: &CallContext,
        request: &CompareAndSwapRequest,
    ) -> Result<SwapOutcome> {
        self.0.change(self.0.inner.compare_and_swap(cx, request)).await
    }

    fn locks(&self) -> Option<&dyn LockCache> {
        self.0.inner.locks()
    }

    fn invalidation(&self) -> Option<&dyn InvalidationCache> {
        self.0.inner.invalidation()
    }
}
