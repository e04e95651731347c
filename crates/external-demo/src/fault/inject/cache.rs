//! Faults around a cache.

use async_trait::async_trait;
use external_core::cache::{
    CacheEntry, CacheService, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest, Deleted,
    ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, InvalidationCache, LockCache,
    SetManyRequest, SetReceipt, SetRequest, SwapOutcome, TimeToLive, TtlRequest,
};
use external_core::{CallContext, Result};

use super::Faults;

#[async_trait]
impl CacheService for Faults<dyn CacheService> {
    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        self.read(self.inner.get(cx, request)).await
    }

    async fn set(&self, cx: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        self.change(self.inner.set(cx, request)).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.change(self.inner.delete(cx, request)).await
    }

    async fn get_many(&self, cx: &CallContext, request: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        self.read(self.inner.get_many(cx, request)).await
    }

    async fn set_many(&self, cx: &CallContext, request: &SetManyRequest) -> Result<Vec<Result<()>>> {
        self.change(self.inner.set_many(cx, request)).await
    }

    async fn delete_many(
        &self,
        cx: &CallContext,
        request: &DeleteManyRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        self.change(self.inner.delete_many(cx, request)).await
    }

    async fn expire(&self, cx: &CallContext, request: &ExpireRequest) -> Result<bool> {
        self.change(self.inner.expire(cx, request)).await
    }

    async fn ttl(&self, cx: &CallContext, request: &TtlRequest) -> Result<TimeToLive> {
        self.read(self.inner.ttl(cx, request)).await
    }

    async fn increment(&self, cx: &CallContext, request: &IncrementRequest) -> Result<i64> {
        self.change(self.inner.increment(cx, request)).await
    }

    async fn compare_and_swap(
        &self,
        cx: &CallContext,
        request: &CompareAndSwapRequest,
    ) -> Result<SwapOutcome> {
        self.change(self.inner.compare_and_swap(cx, request)).await
    }

    fn locks(&self) -> Option<&dyn LockCache> {
        self.inner.locks()
    }

    fn invalidation(&self) -> Option<&dyn InvalidationCache> {
        self.inner.invalidation()
    }
}
