//! What came to any process that shares a cache.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use external_core::cache::{CacheKey, CacheService, DeleteRequest, GetRequest, SetRequest, Ttl};
use external_core::{CallContext, Effect, Error, Result};

use super::{ReplayClaim, ReplayStore};

/// What stands there of a message that was dealt with.
const DONE: &str = "done";
/// What stands before the name of who deals with it.
const BY: &str = "by ";

/// What came to any process that shares this cache. A cache may forget before the time is up; what it forgets can come
/// again.
#[derive(Debug)]
pub struct CacheReplays {
    cache: Arc<dyn CacheService>,
    prefix: String,
}

impl CacheReplays {
    /// Remembers under keys that begin with `prefix`, one for each webhook.
    ///
    /// # Errors
    ///
    /// `Configuration` for a prefix that no key can begin with.
    pub fn new(cache: Arc<dyn CacheService>, prefix: impl Into<String>) -> Result<Self> {
        let replays = Self { cache, prefix: prefix.into() };
        // As long as any id.
        replays.key(&"0".repeat(64)).map_err(|error| {
            Error::configuration("not the beginning of a key of a cache").with_source(error)
        })?;
        Ok(replays)
    }

    fn key(&self, id: &str) -> Result<CacheKey> {
        CacheKey::parse(format!("{}{id}", self.prefix))
    }
}

fn claim_of(by: &str) -> Bytes {
    format!("{BY}{by}").into()
}

#[async_trait]
impl ReplayStore for CacheReplays {
    async fn claim(&self, cx: &CallContext, id: &str, by: &str, lease: Duration) -> Result<ReplayClaim> {
        let (key, ours) = (self.key(id)?, claim_of(by));
        let lease = Ttl::new(lease.min(Ttl::MAX.get()))?;
        let request = SetRequest::new(key.clone(), ours.clone()).with_ttl(lease).if_absent();
        let lost = match self.cache.set(cx, &request).await {
            Ok(receipt) if receipt.stored => return Ok(ReplayClaim::Ours),
            Ok(_) => None,
            Err(error) if error.effect() == Effect::MaybeApplied => Some(error),
            Err(error) => return Err(error),
        };
        // Taken, or the answer was lost: what stands there says whose it is.
        match (self.cache.get(cx, &GetRequest::new(key)).await, lost) {
            (Ok(Some(entry)), _) if entry.value == DONE => Ok(ReplayClaim::Done),
            (Ok(Some(entry)), _) if entry.value == ours => Ok(ReplayClaim::Ours),
            (Ok(Some(_)), _) => Ok(ReplayClaim::Underway),
            (_, Some(error)) => Err(error),
            // It ended in between. Who asks again finds room.
            (Ok(None), None) => Ok(ReplayClaim::Underway),
            (Err(error), None) => Err(error),
        }
    }

    async fn confirm(&self, cx: &CallContext, id: &str, memory: Duration) -> Result<()> {
        let memory = Ttl::new(memory.min(Ttl::MAX.get()))?;
        self.cache.set(cx, &SetRequest::new(self.key(id)?, DONE).with_ttl(memory)).await.map(drop)
    }

    /// Looks before it deletes: whose lease ends between the two gives up the claim of the next one. That message may then
    /// be dealt with twice; it is not lost.
    async fn release(&self, cx: &CallContext, id: &str, by: &str) -> Result<()> {
        let key = self.key(id)?;
        let held = self.cache.get(cx, &GetRequest::new(key.clone())).await?;
        match held.is_some_and(|entry| entry.value == claim_of(by)) {
            true => self.cache.delete(cx, &DeleteRequest::new(key)).await.map(drop),
            false => Ok(()),
        }
    }
}
