//! Faults around a cache.

use std::sync::Arc;

use external_core::cache::{
    AcquireRequest, CacheEntry, CacheService, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest,
    Deleted, ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, InvalidationCache,
    InvalidationStream, LockAttempt, LockCache, ReleaseOutcome, ReleaseRequest, RenewOutcome, RenewRequest,
    SetManyRequest, SetReceipt, SetRequest, SubscribeRequest, SwapOutcome, TimeToLive, TtlRequest,
};
use external_core::{CallContext, Error, Provider, Result, async_trait};

use super::{Contract, Faults};

impl Contract for dyn CacheService {
    fn as_provider(&self) -> &dyn Provider {
        self
    }

    fn with_faults(faults: Faults<Self>) -> Arc<Self> {
        Arc::new(faults)
    }
}

#[async_trait]
impl CacheService for Faults<dyn CacheService> {
    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        self.plan.call(cx, request.operation(), self.inner.get(cx, request)).await
    }

    async fn set(&self, cx: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        self.plan.call(cx, request.operation(), self.inner.set(cx, request)).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.plan.call(cx, request.operation(), self.inner.delete(cx, request)).await
    }

    async fn get_many(&self, cx: &CallContext, request: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        self.plan.call(cx, request.operation(), self.inner.get_many(cx, request)).await
    }

    async fn set_many(&self, cx: &CallContext, request: &SetManyRequest) -> Result<Vec<Result<()>>> {
        self.plan.call(cx, request.operation(), self.inner.set_many(cx, request)).await
    }

    async fn delete_many(
        &self,
        cx: &CallContext,
        request: &DeleteManyRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        self.plan.call(cx, request.operation(), self.inner.delete_many(cx, request)).await
    }

    async fn expire(&self, cx: &CallContext, request: &ExpireRequest) -> Result<bool> {
        self.plan.call(cx, request.operation(), self.inner.expire(cx, request)).await
    }

    async fn ttl(&self, cx: &CallContext, request: &TtlRequest) -> Result<TimeToLive> {
        self.plan.call(cx, request.operation(), self.inner.ttl(cx, request)).await
    }

    async fn increment(&self, cx: &CallContext, request: &IncrementRequest) -> Result<i64> {
        self.plan.call(cx, request.operation(), self.inner.increment(cx, request)).await
    }

    async fn compare_and_swap(
        &self,
        cx: &CallContext,
        request: &CompareAndSwapRequest,
    ) -> Result<SwapOutcome> {
        self.plan.call(cx, request.operation(), self.inner.compare_and_swap(cx, request)).await
    }

    fn locks(&self) -> Option<&dyn LockCache> {
        self.inner.locks().map(|_| self as _)
    }

    fn invalidation(&self) -> Option<&dyn InvalidationCache> {
        self.inner.invalidation().map(|_| self as _)
    }
}

impl Faults<dyn CacheService> {
    /// Who calls the facet was given it by its accessor above, so it is there.
    fn locks_inside(&self) -> Result<&dyn LockCache> {
        self.inner.locks().ok_or_else(|| Error::unsupported("locks"))
    }
}

#[async_trait]
impl LockCache for Faults<dyn CacheService> {
    async fn acquire(&self, cx: &CallContext, request: &AcquireRequest) -> Result<LockAttempt> {
        let inside = self.locks_inside()?.acquire(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }

    async fn renew(&self, cx: &CallContext, request: &RenewRequest) -> Result<RenewOutcome> {
        let inside = self.locks_inside()?.renew(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }

    async fn release(&self, cx: &CallContext, request: &ReleaseRequest) -> Result<ReleaseOutcome> {
        let inside = self.locks_inside()?.release(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }
}

#[async_trait]
impl InvalidationCache for Faults<dyn CacheService> {
    /// Meets faults when it begins; what the stream yields is the service's.
    async fn subscribe(&self, cx: &CallContext, request: &SubscribeRequest) -> Result<InvalidationStream> {
        let inside = self.inner.invalidation().ok_or_else(|| Error::unsupported("invalidation"))?;
        self.plan.call(cx, request.operation(), inside.subscribe(cx, request)).await
    }
}
