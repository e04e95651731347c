//! What came before: in memory, or in a cache that several processes share.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use external_core::cache::{CacheKey, CacheService, DeleteRequest, GetRequest, SetRequest, Ttl};
use external_core::{BuildContext, CallContext, Effect, Error, Result};
use tokio::time::Instant;

/// Remembers which messages came.
#[async_trait]
pub trait ReplayStore: fmt::Debug + Send + Sync {
    /// Remembers this id for so long. Whether it is new: of any number of callers side by side one is told so.
    ///
    /// # Errors
    ///
    /// What keeps that from being known: the message is then not taken.
    async fn remember(&self, cx: &CallContext, id: &str, memory: Duration) -> Result<bool>;

    /// Forgets this id.
    ///
    /// # Errors
    ///
    /// What keeps it from being forgotten.
    async fn forget(&self, cx: &CallContext, id: &str) -> Result<()>;
}

/// What came to this process.
#[derive(Debug)]
pub struct MemoryReplays {
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    until: HashMap<String, Instant>,
    by_end: BTreeSet<(Instant, String)>,
}

impl MemoryReplays {
    /// Remembers so many messages at most. While it is full, new ones are refused: none is forgotten before its time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn forget(&mut self, id: &str) {
        if let Some((id, end)) = self.until.remove_entry(id) {
            self.by_end.remove(&(end, id));
        }
    }

    fn forget_ended(&mut self, now: Instant) {
        while self.by_end.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, id)) = self.by_end.pop_first() {
                self.until.remove(&id);
            }
        }
    }
}

#[async_trait]
impl ReplayStore for MemoryReplays {
    async fn remember(&self, _: &CallContext, id: &str, memory: Duration) -> Result<bool> {
        let now = Instant::now();
        let mut known = self.known();
        known.forget_ended(now);
        if known.until.contains_key(id) {
            return Ok(false);
        }
        if known.until.len() >= self.most {
            return Err(Error::quota_exhausted("no room to remember one more message of a webhook")
                .with_context("most", self.most));
        }
        let end = now + memory.min(Ttl::MAX.get());
        known.until.insert(id.to_owned(), end);
        known.by_end.insert((end, id.to_owned()));
        Ok(true)
    }

    async fn forget(&self, _: &CallContext, id: &str) -> Result<()> {
        self.known().forget(id);
        Ok(())
    }
}

/// What came to any process that shares this cache. A cache may forget before the time is up; what it forgets can come
/// again.
#[derive(Debug)]
pub struct CacheReplays {
    cache: Arc<dyn CacheService>,
    prefix: String,
    context: BuildContext,
}

impl CacheReplays {
    /// Remembers under keys that begin with `prefix`, one for each webhook.
    ///
    /// # Errors
    ///
    /// `Configuration` for a prefix that no key can begin with.
    pub fn new(
        cache: Arc<dyn CacheService>,
        prefix: impl Into<String>,
        context: &BuildContext,
    ) -> Result<Self> {
        let replays = Self { cache, prefix: prefix.into(), context: context.clone() };
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

#[async_trait]
impl ReplayStore for CacheReplays {
    async fn remember(&self, cx: &CallContext, id: &str, memory: Duration) -> Result<bool> {
        let key = self.key(id)?;
        // Ours to recognise, should the answer be lost.
        let mark = self.context.random_id();
        let ttl = Ttl::new(memory.min(Ttl::MAX.get()))?;
        let request = SetRequest::new(key.clone(), mark.clone()).with_ttl(ttl).if_absent();
        match self.cache.set(cx, &request).await {
            Ok(receipt) => Ok(receipt.stored),
            // Were it stored and nobody knew, the message would never be taken.
            Err(error) if error.effect() == Effect::MaybeApplied => {
                match self.cache.get(cx, &GetRequest::new(key)).await {
                    Ok(Some(entry)) => Ok(entry.value == mark),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn forget(&self, cx: &CallContext, id: &str) -> Result<()> {
        self.cache.delete(cx, &DeleteRequest::new(self.key(id)?)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_came_is_remembered_for_its_time_and_no_more_than_there_is_room_for() {
        let (replays, cx) = (MemoryReplays::new(2), CallContext::default());
        let remember = |id: &'static str, seconds| {
            let memory = Duration::from_secs(seconds);
            let (replays, cx) = (&replays, &cx);
            async move { replays.remember(cx, id, memory).await }
        };
        assert!(remember("a", 10).await.unwrap());
        assert!(!remember("a", 10).await.unwrap());
        assert!(remember("b", 5).await.unwrap());
        assert_eq!(remember("c", 5).await.unwrap_err().kind(), ErrorKind::QuotaExhausted);
        assert!(!remember("b", 5).await.unwrap(), "what is known is known when it is full, too");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(remember("c", u64::MAX).await.unwrap(), "b made room");
        replays.forget(&cx, "a").await.unwrap();
        replays.forget(&cx, "nobody").await.unwrap();
        assert!(remember("a", 1).await.unwrap());
        let known = replays.known();
        assert_eq!((known.until.len(), known.by_end.len()), (2, 2));
    }
}
