//! A cache in this process: reference implementation, test double, and fit for production where one process is
//! enough.
//!
//! Time to live follows `tokio::time`, so a test may pause the clock. The room is bounded
//! ([`MemoryConfig::max_bytes`]): when it is full, what is used least goes first. Locks and their fencing numbers
//! live beside the values and are never forgotten.
mod config;
mod feed;
mod locks;
mod store;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use external_core::cache::{
    AcquireRequest, CacheEntry, CacheKey, CacheService, CompareAndSwapRequest, DOMAIN, DeleteManyRequest,
    DeleteRequest, Deleted, ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, InvalidationCache,
    InvalidationStream, LockAttempt, LockCache, ReleaseOutcome, ReleaseRequest, RenewOutcome, RenewRequest,
    SetCondition, SetManyRequest, SetReceipt, SetRequest, SubscribeRequest, SwapOutcome, TimeToLive,
    TtlRequest,
};
use external_core::{
    CallContext, Capabilities, Error, Provider, ProviderEntry, ProviderInfo, ProviderKind, Result,
};

pub use config::MemoryConfig;
use config::Sizes;
use feed::Feed;
use locks::Locks;
use store::{Change, Store, Stored, end_of};

/// The row of the provider table.
pub(crate) const ENTRY: ProviderEntry<dyn CacheService> = ProviderEntry {
    id: "memory",
    feature: "",
    kind: ProviderKind::Embedded,
    build: |section, context| Ok(Arc::new(section.parse::<MemoryConfig>()?.build(context)?)),
    schema: super::schema::<MemoryConfig>,
};

/// The most keys in one batch.
const BATCH_KEYS: usize = 1000;

/// A cache in this process.
pub struct MemoryCache {
    info: ProviderInfo,
    max_value_bytes: u64,
    store: Store,
    locks: Locks,
    feed: Feed,
}

impl MemoryCache {
    /// A cache with the default sizes.
    #[must_use]
    pub fn new() -> Self {
        Self::with_sizes(Sizes { max_bytes: 64 << 20, max_value_bytes: 8 << 20, max_entries: None })
    }

    fn with_sizes(sizes: Sizes) -> Self {
        let capabilities = Capabilities::new()
            .all_native(&[
                "conditional-set",
                "expire",
                "increment",
                "compare-and-swap",
                "strict-compare-and-swap",
                "batch",
                "locks",
                "invalidation",
            ])
            .limit("value-bytes", sizes.max_value_bytes)
            .limit("batch-keys", BATCH_KEYS as u64)
            .limit("ttl-granularity-ms", 1);
        Self {
            info: ProviderInfo::new("memory", DOMAIN, "memory:", capabilities),
            max_value_bytes: sizes.max_value_bytes,
            store: Store::new(sizes),
            locks: Locks::default(),
            feed: Feed::new(),
        }
    }

    /// A live value, without the trait's boxed future: no lock of ours, no allocation.
    #[must_use]
    pub fn peek(&self, key: &CacheKey) -> Option<CacheEntry> {
        self.store.get(key)
    }

    /// The value alone, by the text of its key.
    #[inline]
    pub(crate) fn peek_named(&self, key: &str) -> Option<Bytes> {
        self.store.get_named(key).map(|stored| stored.value)
    }

    /// Forgets every value; locks stay. Listeners are told that anything may have changed.
    pub fn clear(&self) {
        self.store.clear();
        self.feed.cleared();
    }

    /// How many values there are, some of them perhaps expired.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The room in use, in bytes: keys, values and 128 bytes an entry.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.store.bytes()
    }

    /// One atomic change, told to whoever listens before the next change of the same key.
    fn change<T>(&self, key: &CacheKey, decide: impl FnOnce(Option<Stored>) -> (Change, T)) -> T {
        self.store.change(key, decide, || self.feed.changed(key))
    }

    fn check_value(&self, value: &Bytes) -> Result<()> {
        super::check_value(value.len(), self.max_value_bytes)
    }

    fn write(&self, key: &CacheKey, value: &Bytes, ttl: Option<external_core::cache::Ttl>) {
        let expires_at = end_of(ttl);
        self.change(key, |_| (Change::Write(value.clone(), expires_at), ()));
    }

    fn remove(&self, key: &CacheKey) -> bool {
        self.change(key, |present| match present {
            Some(_) => (Change::Remove, true),
            None => (Change::Keep, false),
        })
    }
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("entries", &self.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for MemoryCache {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        cx.mark_sent();
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.store.clear();
        self.feed.close();
        Ok(())
    }
}

#[async_trait]
impl CacheService for MemoryCache {
    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        cx.mark_sent();
        Ok(self.store.get(&request.key))
    }

    async fn set(&self, cx: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        self.check_value(&request.value)?;
        cx.mark_sent();
        let stored = self.change(&request.key, |present| {
            let holds = match request.condition {
                SetCondition::Always => true,
                SetCondition::IfAbsent => present.is_none(),
                SetCondition::IfPresent => present.is_some(),
            };
            match holds {
                true => (Change::Write(request.value.clone(), end_of(request.ttl)), true),
                false => (Change::Keep, false),
            }
        });
        Ok(SetReceipt::new(stored))
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        cx.mark_sent();
        Ok(Deleted::observed(cx, self.remove(&request.key)))
    }

    async fn get_many(&self, cx: &CallContext, request: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        super::check_batch(request.keys.len(), BATCH_KEYS)?;
        cx.mark_sent();
        Ok(request.keys.iter().map(|key| self.store.get(key)).collect())
    }

    async fn set_many(&self, cx: &CallContext, request: &SetManyRequest) -> Result<Vec<Result<()>>> {
        super::check_batch(request.entries.len(), BATCH_KEYS)?;
        cx.mark_sent();
        let store = |entry: &external_core::cache::SetEntry| {
            self.check_value(&entry.value)?;
            self.write(&entry.key, &entry.value, entry.ttl);
            Ok(())
        };
        Ok(request.entries.iter().map(store).collect())
    }

    async fn delete_many(
        &self,
        cx: &CallContext,
        request: &DeleteManyRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        super::check_batch(request.keys.len(), BATCH_KEYS)?;
        cx.mark_sent();
        Ok(request.keys.iter().map(|key| Ok(Deleted::observed(cx, self.remove(key)))).collect())
    }

    async fn expire(&self, cx: &CallContext, request: &ExpireRequest) -> Result<bool> {
        cx.mark_sent();
        Ok(self.change(&request.key, |present| match present {
            Some(_) => (Change::Expire(end_of(request.ttl)), true),
            None => (Change::Keep, false),
        }))
    }

    async fn ttl(&self, cx: &CallContext, request: &TtlRequest) -> Result<TimeToLive> {
        cx.mark_sent();
        Ok(self.store.ttl(&request.key))
    }

    async fn increment(&self, cx: &CallContext, request: &IncrementRequest) -> Result<i64> {
        cx.mark_sent();
        self.change(&request.key, |present| {
            let (before, expires_at) = match &present {
                None => (Some(0), end_of(request.ttl)),
                Some(stored) => (decimal(&stored.value), stored.expires_at),
            };
            let after = match before {
                None => Err(Error::conflict("the value is no counter: not a decimal integer of 64 bits")),
                Some(before) => before
                    .checked_add(request.delta)
                    .ok_or_else(|| Error::conflict("the counter would leave the range of 64 bits")),
            };
            match after {
                Ok(after) => (Change::Write(Bytes::from(after.to_string()), expires_at), Ok(after)),
                Err(error) => (Change::Keep, Err(error)),
            }
        })
    }

    async fn compare_and_swap(
        &self,
        cx: &CallContext,
        request: &CompareAndSwapRequest,
    ) -> Result<SwapOutcome> {
        self.check_value(&request.value)?;
        let Some(version) = request.token.version() else {
            return Err(super::foreign_token());
        };
        cx.mark_sent();
        Ok(self.change(&request.key, |present| match present {
            None => (Change::Keep, SwapOutcome::Missing),
            Some(stored) if stored.version == version => {
                (Change::Write(request.value.clone(), end_of(request.ttl)), SwapOutcome::Swapped)
            }
            Some(_) => (Change::Keep, SwapOutcome::Changed),
        }))
    }

    fn locks(&self) -> Option<&dyn LockCache> {
        Some(self)
    }

    fn invalidation(&self) -> Option<&dyn InvalidationCache> {
        Some(self)
    }
}

#[async_trait]
impl LockCache for MemoryCache {
    async fn acquire(&self, cx: &CallContext, request: &AcquireRequest) -> Result<LockAttempt> {
        cx.mark_sent();
        Ok(self.locks.acquire(request))
    }

    async fn renew(&self, cx: &CallContext, request: &RenewRequest) -> Result<RenewOutcome> {
        cx.mark_sent();
        Ok(self.locks.renew(request))
    }

    async fn release(&self, cx: &CallContext, request: &ReleaseRequest) -> Result<ReleaseOutcome> {
        cx.mark_sent();
        Ok(ReleaseOutcome::observed(cx, self.locks.release(request)))
    }
}

#[async_trait]
impl InvalidationCache for MemoryCache {
    async fn subscribe(&self, cx: &CallContext, _: &SubscribeRequest) -> Result<InvalidationStream> {
        cx.mark_sent();
        Ok(self.feed.listen())
    }
}

/// The canonical decimal form of an `i64`, and nothing else: what Redis takes as an integer.
fn decimal(value: &[u8]) -> Option<i64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let canonical = match digits {
        [b'0'] => value.len() == 1,
        [b'1'..=b'9', ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use external_core::cache::Ttl;

    use super::*;

    #[test]
    fn counters_are_canonical_decimals() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"-9223372036854775808"), Some(i64::MIN));
        for text in ["", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "9223372036854775808", "1e3"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn follows_a_paused_clock() {
        let cache = MemoryCache::new();
        let cx = CallContext::default();
        let key = CacheKey::parse("k").unwrap();
        let ttl = Ttl::new(Duration::from_secs(3600)).unwrap();
        cache.set(&cx, &SetRequest::new(key.clone(), "v").with_ttl(ttl)).await.unwrap();
        tokio::time::advance(Duration::from_millis(3_599_999)).await;
        assert!(cache.peek(&key).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(cache.peek(&key).is_none());
        assert!(cache.is_empty(), "an expired value that was asked for is gone");
    }

    #[tokio::test]
    async fn stays_within_its_room_and_keeps_locks() {
        let config = MemoryConfig::new().with_max_bytes(64 << 10).with_max_entries(100);
        let cache = config.build(&external_core::BuildContext::default()).unwrap();
        let cx = CallContext::default();
        let ttl = Ttl::new(Duration::from_secs(60)).unwrap();
        let owner = external_core::cache::LockOwner::parse("o").unwrap();
        let lock = CacheKey::parse("lock").unwrap();
        let acquire = AcquireRequest::new(lock, owner, ttl);
        assert!(matches!(cache.acquire(&cx, &acquire).await.unwrap(), LockAttempt::Acquired(_)));
        for n in 0..10_000 {
            let key = CacheKey::parse(format!("key-{n}")).unwrap();
            cache.set(&cx, &SetRequest::new(key, vec![7_u8; 1000])).await.unwrap();
        }
        assert!(cache.used_bytes() <= 64 << 10, "{}", cache.used_bytes());
        assert!(cache.len() <= 100 && cache.len() > 20, "{}", cache.len());
        assert!(matches!(cache.acquire(&cx, &acquire).await.unwrap(), LockAttempt::Held { .. }));
    }

    #[tokio::test]
    async fn keeps_the_largest_value_it_promises() {
        for max_bytes in [16 << 10, 1 << 20, 10_000_000, 64 << 20] {
            let config = MemoryConfig::new().with_max_bytes(max_bytes);
            let cache = config.build(&external_core::BuildContext::default()).unwrap();
            let largest = cache.info().capabilities().get_limit("value-bytes").unwrap();
            let cx = CallContext::default();
            let key = CacheKey::parse("k").unwrap();
            let value = vec![1_u8; usize::try_from(largest).unwrap()];
            cache.set(&cx, &SetRequest::new(key.clone(), value)).await.unwrap();
            assert!(cache.peek(&key).is_some(), "{max_bytes}");
        }
    }
}
