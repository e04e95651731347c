//! Somebody writes a cache of their own, proves it with the suite, and sees that the suite would have caught it being wrong.
//!
//! beside: bytes, tokio
//!
//! ```text
//! mine: 0 clauses failed
//! FoldsKeys is caught
//! KeepsDeleted is caught
//! IgnoresTtl is caught
//! ```

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use external_contract::external_core::cache::{
    CacheEntry, CacheService, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest, Deleted,
    ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, SetManyRequest, SetReceipt, SetRequest,
    SwapOutcome, TimeToLive, TtlRequest,
};
use external_contract::external_core::{
    CallContext, Capabilities, Effect, Error, Provider, ProviderInfo, Result, async_trait,
};
use external_contract::{Harness, broken, cache, verify};
use tokio::time::Instant;

// The cache.

struct Mine {
    info: ProviderInfo,
    values: Mutex<HashMap<String, (Bytes, Option<Instant>)>>,
}

/// Without the values: what somebody stores is nobody's to print.
impl fmt::Debug for Mine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mine").finish_non_exhaustive()
    }
}

impl Mine {
    fn new() -> Self {
        let capabilities = Capabilities::new().limit("value-bytes", 1 << 20).limit("ttl-granularity-ms", 1);
        Self { info: ProviderInfo::new("mine", "cache", "mine:", capabilities), values: Mutex::default() }
    }

    /// The values that have not ended.
    fn values(&self) -> MutexGuard<'_, HashMap<String, (Bytes, Option<Instant>)>> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.retain(|_, (_, ends)| ends.is_none_or(|ends| ends > Instant::now()));
        values
    }
}

#[async_trait]
impl Provider for Mine {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }
    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl CacheService for Mine {
    async fn get(&self, _: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        let found = self.values().get(request.key.as_str()).cloned();
        Ok(found.map(|(value, _)| CacheEntry::of_bytes(value)))
    }
    async fn set(&self, _: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        if request.condition != Default::default() {
            return Err(Error::unsupported("conditional-set"));
        }
        if request.value.len() > 1 << 20 {
            return Err(Error::payload_too_large("the value").with_effect(Effect::NotSent));
        }
        let ends = request.ttl.map(|ttl| Instant::now() + ttl.get());
        self.values().insert(request.key.as_str().to_owned(), (request.value.clone(), ends));
        Ok(SetReceipt::new(true))
    }
    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        let existed = self.values().remove(request.key.as_str()).is_some();
        Ok(Deleted::observed(cx, existed))
    }
    async fn get_many(&self, _: &CallContext, _: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        Err(Error::unsupported("batch"))
    }
    async fn set_many(&self, _: &CallContext, _: &SetManyRequest) -> Result<Vec<Result<()>>> {
        Err(Error::unsupported("batch"))
    }
    async fn delete_many(&self, _: &CallContext, _: &DeleteManyRequest) -> Result<Vec<Result<Deleted>>> {
        Err(Error::unsupported("batch"))
    }
    async fn expire(&self, _: &CallContext, _: &ExpireRequest) -> Result<bool> {
        Err(Error::unsupported("expire"))
    }
    async fn ttl(&self, _: &CallContext, _: &TtlRequest) -> Result<TimeToLive> {
        Err(Error::unsupported("expire"))
    }
    async fn increment(&self, _: &CallContext, _: &IncrementRequest) -> Result<i64> {
        Err(Error::unsupported("increment"))
    }
    async fn compare_and_swap(&self, _: &CallContext, _: &CompareAndSwapRequest) -> Result<SwapOutcome> {
        Err(Error::unsupported("compare-and-swap"))
    }
}

// Its proof.

fn mine() -> Harness<dyn CacheService> {
    Harness::embedded("mine", || Ok(Arc::new(Mine::new()) as Arc<dyn CacheService>))
}

fn main() {
    let tally = verify(cache::suite(), vec![mine()]);
    println!("mine: {} clauses failed", tally.failed.len());
    for (clause, why) in &tally.failed {
        println!("{clause}: {why}");
    }
    let wanted = ["FoldsKeys", "KeepsDeleted", "IgnoresTtl"];
    for flaw in broken::cache().into_iter().filter(|flaw| wanted.contains(&flaw.name)) {
        let suite = cache::suite().only(flaw.caught_by);
        let tally = verify(suite, flaw.laid_over(&[mine()]));
        let name = flaw.name;
        println!("{name} is {}", if tally.failed.is_empty() { "not caught" } else { "caught" });
    }
}
