//! A provider that counts its calls and fails on demand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use external_cache::CacheService;
use external_core::cache::{
    AcquireRequest, CacheEntry, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest, Deleted,
    ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, InvalidationCache, InvalidationStream,
    LockAttempt, LockCache, ReleaseOutcome, ReleaseRequest, RenewOutcome, RenewRequest, SetManyRequest,
    SetReceipt, SetRequest, SubscribeRequest, SwapOutcome, TimeToLive, TtlRequest,
};
use external_core::{CallContext, Effect, Error, Provider, ProviderInfo, Result};
use tokio::sync::Notify;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Before anything was sent.
    Refused,
    /// After it took effect: the answer is lost.
    ReplyLost,
    /// It cannot be done, now or ever.
    Denied,
}

#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Arc<dyn CacheService>,
    calls: Mutex<HashMap<&'static str, usize>>,
    faults: Mutex<HashMap<&'static str, (Fault, usize)>>,
    gates: Mutex<HashMap<&'static str, Arc<Gate>>>,
    /// Whether subscriptions end as soon as they stand.
    hangs_up: AtomicBool,
}

/// Holds back the answer of one call.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// The call took effect, and its answer waits.
    pub(crate) held: Notify,
    pub(crate) go_on: Notify,
}

impl Faulty {
    pub(crate) fn over(inner: Arc<dyn CacheService>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            calls: Mutex::default(),
            faults: Mutex::default(),
            gates: Mutex::default(),
            hangs_up: AtomicBool::new(false),
        })
    }

    /// The next `times` calls of this name fail.
    pub(crate) fn fail(&self, name: &'static str, fault: Fault, times: usize) {
        self.faults.lock().unwrap().insert(name, (fault, times));
    }

    /// Holds back the answer of the next call of this name.
    pub(crate) fn hold(&self, name: &'static str) -> Arc<Gate> {
        self.gates.lock().unwrap().entry(name).or_default().clone()
    }

    /// From now on subscriptions end as soon as they stand, or do not.
    pub(crate) fn hang_up(&self, hangs_up: bool) {
        self.hangs_up.store(hangs_up, Ordering::SeqCst);
    }

    /// How often this was called since the last look.
    pub(crate) fn calls(&self, name: &'static str) -> usize {
        self.calls.lock().unwrap().remove(name).unwrap_or(0)
    }

    /// How often anything was called since the last look.
    pub(crate) fn all_calls(&self) -> usize {
        self.calls.lock().unwrap().drain().map(|(_, calls)| calls).sum()
    }

    async fn call<T>(&self, name: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        *self.calls.lock().unwrap().entry(name).or_default() += 1;
        let fault = match self.faults.lock().unwrap().get_mut(name) {
            Some((fault, times)) if *times > 0 => {
                *times -= 1;
                Some(*fault)
            }
            _ => None,
        };
        match fault {
            None => {
                let answer = call.await;
                let gate = self.gates.lock().unwrap().remove(name);
                if let Some(gate) = gate {
                    gate.held.notify_one();
                    gate.go_on.notified().await;
                }
                answer
            }
            Some(Fault::Refused) => Err(Error::unavailable("refused on demand").with_effect(Effect::NotSent)),
            Some(Fault::Denied) => Err(Error::permission_denied("denied on demand")),
            Some(Fault::ReplyLost) => {
                call.await?;
                Err(Error::unavailable("the answer was lost on demand"))
            }
        }
    }

    fn locker(&self) -> &dyn LockCache {
        self.inner.locks().unwrap()
    }
}

#[async_trait]
impl Provider for Faulty {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.call("probe", self.inner.probe(cx)).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some(&*self.inner)
    }
}

macro_rules! delegate {
    ($place:ident: $($name:ident($request:ty) -> $answer:ty;)+) => {$(
        fn $name<'life0, 'life1, 'life2, 'async_trait>(
            &'life0 self,
            cx: &'life1 CallContext,
            request: &'life2 $request,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<$answer>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            'life2: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(self.call(stringify!($name), self.$place().$name(cx, request)))
        }
    )+};
}

impl Faulty {
    fn cache(&self) -> &dyn CacheService {
        &*self.inner
    }
}

impl CacheService for Faulty {
    delegate! { cache:
        get(GetRequest) -> Option<CacheEntry>;
        set(SetRequest) -> SetReceipt;
        delete(DeleteRequest) -> Deleted;
        get_many(GetManyRequest) -> Vec<Option<CacheEntry>>;
        set_many(SetManyRequest) -> Vec<Result<()>>;
        delete_many(DeleteManyRequest) -> Vec<Result<Deleted>>;
        expire(ExpireRequest) -> bool;
        ttl(TtlRequest) -> TimeToLive;
        increment(IncrementRequest) -> i64;
        compare_and_swap(CompareAndSwapRequest) -> SwapOutcome;
    }

    fn locks(&self) -> Option<&dyn LockCache> {
        self.inner.locks().map(|_| self as _)
    }

    fn invalidation(&self) -> Option<&dyn InvalidationCache> {
        self.inner.invalidation().map(|_| self as _)
    }
}

impl LockCache for Faulty {
    delegate! { locker:
        acquire(AcquireRequest) -> LockAttempt;
        renew(RenewRequest) -> RenewOutcome;
        release(ReleaseRequest) -> ReleaseOutcome;
    }
}

#[async_trait]
impl InvalidationCache for Faulty {
    async fn subscribe(&self, cx: &CallContext, request: &SubscribeRequest) -> Result<InvalidationStream> {
        let feed = self.inner.invalidation().unwrap();
        let stream = self.call("subscribe", feed.subscribe(cx, request)).await?;
        match self.hangs_up.load(Ordering::SeqCst) {
            true => Ok(Box::pin(futures_util::stream::empty())),
            false => Ok(stream),
        }
    }
}
