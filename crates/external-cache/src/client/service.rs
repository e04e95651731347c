//! The client as the contract, and any request sent as it is: each is one pass through the pipeline.

use async_trait::async_trait;
use external_core::cache::{
    AcquireRequest, CacheEntry, CacheService, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest,
    Deleted, ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, InvalidationCache,
    InvalidationStream, LockAttempt, LockCache, ReleaseOutcome, ReleaseRequest, RenewOutcome, RenewRequest,
    SetManyRequest, SetReceipt, SetRequest, SubscribeRequest, SwapOutcome, TimeToLive, TtlRequest,
};
use external_core::{CallContext, CallOptions, Error, Provider, ProviderInfo, Result};
use external_resilience::Call;

use super::{CacheClient, Core, Json};

/// A request of the contract, with all its options: [`CacheClient::send`] takes any.
pub trait CacheRequest: Sync + sealed::Sealed {
    /// What it is answered with.
    type Answer: Send;

    #[doc(hidden)]
    fn options(&self) -> &CallOptions;

    #[doc(hidden)]
    fn run(&self, core: &Core, cx: &CallContext) -> impl Future<Output = Result<Self::Answer>> + Send;
}

mod sealed {
    pub trait Sealed {}
}

impl Core {
    pub(super) async fn send<R: CacheRequest>(&self, request: &R) -> Result<R::Answer> {
        request.run(self, &CallContext::new(request.options())).await
    }

    fn locks(&self) -> Result<&dyn LockCache> {
        self.service.locks().ok_or_else(|| Error::unsupported("locks"))
    }

    fn invalidation(&self) -> Result<&dyn InvalidationCache> {
        self.service.invalidation().ok_or_else(|| Error::unsupported("invalidation"))
    }
}

/// How many bytes a request sends: what its attempt timeout grows with.
trait Body {
    fn body(&self) -> u64 {
        0
    }
}

impl Body for SetRequest {
    fn body(&self) -> u64 {
        self.value.len() as u64
    }
}

impl Body for SetManyRequest {
    fn body(&self) -> u64 {
        self.entries.iter().map(|entry| entry.value.len() as u64).sum()
    }
}

impl Body for CompareAndSwapRequest {
    fn body(&self) -> u64 {
        self.value.len() as u64 + self.token.bytes().map_or(0, |read| read.len() as u64)
    }
}

macro_rules! no_body {
    ($($request:ty),+) => { $(impl Body for $request {})+ };
}

no_body!(
    GetRequest,
    DeleteRequest,
    GetManyRequest,
    DeleteManyRequest,
    ExpireRequest,
    TtlRequest,
    IncrementRequest,
    AcquireRequest,
    RenewRequest,
    ReleaseRequest,
    SubscribeRequest
);

/// One row a method: the request, where it is sent, and what comes back.
macro_rules! requests {
    ($($request:ty => $answer:ty, |$core:ident| $place:expr, $method:ident;)+) => {$(
        impl sealed::Sealed for $request {}

        impl CacheRequest for $request {
            type Answer = $answer;

            fn options(&self) -> &CallOptions {
                &self.call
            }

            async fn run(&self, $core: &Core, cx: &CallContext) -> Result<$answer> {
                let place = $place;
                let call = Call::new(self.operation()).with_body(self.body());
                $core.pipeline.run(call, cx, |cx, _| place.$method(cx, self)).await
            }
        }
    )+};
}

requests! {
    GetRequest => Option<CacheEntry>, |core| &core.service, get;
    SetRequest => SetReceipt, |core| &core.service, set;
    DeleteRequest => Deleted, |core| &core.service, delete;
    GetManyRequest => Vec<Option<CacheEntry>>, |core| &core.service, get_many;
    SetManyRequest => Vec<Result<()>>, |core| &core.service, set_many;
    DeleteManyRequest => Vec<Result<Deleted>>, |core| &core.service, delete_many;
    ExpireRequest => bool, |core| &core.service, expire;
    TtlRequest => TimeToLive, |core| &core.service, ttl;
    IncrementRequest => i64, |core| &core.service, increment;
    CompareAndSwapRequest => SwapOutcome, |core| &core.service, compare_and_swap;
    AcquireRequest => LockAttempt, |core| core.locks()?, acquire;
    RenewRequest => RenewOutcome, |core| core.locks()?, renew;
    ReleaseRequest => ReleaseOutcome, |core| core.locks()?, release;
    SubscribeRequest => InvalidationStream, |core| core.invalidation()?, subscribe;
}

#[async_trait]
impl<C: Send + Sync + 'static> Provider for CacheClient<C> {
    fn info(&self) -> &ProviderInfo {
        self.core.service.info()
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.core.pipeline.probe(&*self.core.service, cx).await
    }

    async fn close(&self) -> Result<()> {
        let report = self.core.pipeline.close(&*self.core.service, super::CLOSE_WITHIN).await;
        report.error.map_or(Ok(()), Err)
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some(&*self.core.service)
    }
}

#[async_trait]
impl<C: Send + Sync + 'static> CacheService for CacheClient<C> {
    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        request.run(&self.core, cx).await
    }

    async fn set(&self, cx: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        request.run(&self.core, cx).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        request.run(&self.core, cx).await
    }

    async fn get_many(&self, cx: &CallContext, request: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        request.run(&self.core, cx).await
    }

    async fn set_many(&self, cx: &CallContext, request: &SetManyRequest) -> Result<Vec<Result<()>>> {
        request.run(&self.core, cx).await
    }

    async fn delete_many(
        &self,
        cx: &CallContext,
        request: &DeleteManyRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        request.run(&self.core, cx).await
    }

    async fn expire(&self, cx: &CallContext, request: &ExpireRequest) -> Result<bool> {
        request.run(&self.core, cx).await
    }

    async fn ttl(&self, cx: &CallContext, request: &TtlRequest) -> Result<TimeToLive> {
        request.run(&self.core, cx).await
    }

    async fn increment(&self, cx: &CallContext, request: &IncrementRequest) -> Result<i64> {
        request.run(&self.core, cx).await
    }

    async fn compare_and_swap(
        &self,
        cx: &CallContext,
        request: &CompareAndSwapRequest,
    ) -> Result<SwapOutcome> {
        request.run(&self.core, cx).await
    }

    fn locks(&self) -> Option<&dyn LockCache> {
        self.core.service.locks().map(|_| self as _)
    }

    fn invalidation(&self) -> Option<&dyn InvalidationCache> {
        self.core.service.invalidation().map(|_| self as _)
    }
}

#[async_trait]
impl<C: Send + Sync + 'static> LockCache for CacheClient<C> {
    async fn acquire(&self, cx: &CallContext, request: &AcquireRequest) -> Result<LockAttempt> {
        request.run(&self.core, cx).await
    }

    async fn renew(&self, cx: &CallContext, request: &RenewRequest) -> Result<RenewOutcome> {
        request.run(&self.core, cx).await
    }

    async fn release(&self, cx: &CallContext, request: &ReleaseRequest) -> Result<ReleaseOutcome> {
        request.run(&self.core, cx).await
    }
}

#[async_trait]
impl<C: Send + Sync + 'static> InvalidationCache for CacheClient<C> {
    async fn subscribe(&self, cx: &CallContext, request: &SubscribeRequest) -> Result<InvalidationStream> {
        request.run(&self.core, cx).await
    }
}

impl From<CacheClient<Json>> for std::sync::Arc<dyn CacheService> {
    fn from(client: CacheClient<Json>) -> Self {
        std::sync::Arc::new(client)
    }
}
