//! Caches that are wrong in one way each.

mod changes;
mod locks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use external_core::cache::{
    CacheEntry, CacheKey, CacheService, CasToken, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest,
    Deleted, ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, InvalidationCache, LockCache,
    LockOwner, SetCondition, SetManyRequest, SetReceipt, SetRequest, SwapOutcome, TimeToLive, Ttl,
    TtlRequest,
};
use external_core::{CallContext, Error, ErrorKind, Result, async_trait};

use super::wrapped::Wrapped;
use super::{Flaw, flaws};

flaws! {
    TruncatesValues: "A value is cut at a NUL." ["cache.get.2"];
    FoldsKeys: "Keys that differ in letter case or blanks are one." ["cache.get.3", "cache.model.1"];
    ReadsProlong: "Reading a value makes it live longer." ["cache.get.4"];
    KeepsDeleted: "Deleting does nothing." ["cache.get.1", "cache.delete.1", "cache.delete_many.1"];
    AlwaysExisted: "Deleting always finds something." ["cache.delete.2"];
    TellsOnRepeat: "A repeated call answers as if it were the first." ["cache.delete.3", "cache.release.3"];
    KeepsOldTtl: "A set without TTL keeps the old one." ["cache.set.1", "cache.model.1"];
    IgnoresTtl: "A value never ends." ["cache.set.2", "cache.get.1"];
    EndsEarly: "A value ends at half its time." ["cache.set.2"];
    IgnoresConditions: "A conditional set is a set." ["cache.set.3", "cache.set.5", "cache.set.6", "cache.model.1"];
    ChecksBeforeWriting: "A condition is looked at some time before the write." ["cache.set.6"];
    RemembersExpired: "A key that once had a value is never absent again." ["cache.set.4"];
    TakesAnySize: "A value that is too large is stored, or so it says."
        ["cache.set.7", "cache.set_many.3", "cache.compare_and_swap.6"];
    SortsBatches: "A batch is answered in the order of the keys." ["cache.get_many.1", "cache.delete_many.1"];
    RefusesEmptyBatches: "No key at all is an error." ["cache.get_many.2", "cache.set_many.4", "cache.delete_many.2"];
    ClaimsBatchLimit: "It declares a limit of keys and does not keep it."
        ["cache.get_many.3", "cache.set_many.4", "cache.delete_many.2"];
    StaleBatchTokens: "The tokens of a batch stand for nothing." ["cache.get_many.4"];
    SplitsBatches: "A batch is an exchange for each of its keys."
        ["cache.get_many.5", "cache.set_many.5", "cache.delete_many.3"];
    BatchIgnoresTtl: "Values set together never end." ["cache.set_many.1"];
    FirstOfBatchStays: "Of two entries of a batch with one key the first stays." ["cache.set_many.2"];
    ExpireOnlyProlongs: "A shorter TTL is ignored." ["cache.expire.1"];
    ExpireKeepsEnd: "An end once given cannot be taken back." ["cache.expire.2"];
    ExpireCreates: "Changing the expiry of nothing makes an empty value." ["cache.expire.3"];
    MissingIsUnlimited: "What is not there does not expire." ["cache.ttl.1"];
    TtlStandsStill: "What remains of a value never shrinks." ["cache.ttl.2"];
    CountsFromOne: "A new counter starts at one." ["cache.increment.1", "cache.model.1"];
    OnlyAdds: "A negative delta is added as a positive one." ["cache.increment.2"];
    IncrementProlongs: "Every increment gives its TTL to the counter." ["cache.increment.3"];
    ParsesLoosely: "Blanks around a number are fine." ["cache.increment.4"];
    Wraps: "A counter at its end goes on from the other one." ["cache.increment.5"];
    LosesUpdates: "An increment reads, and writes later." ["cache.increment.6"];
    CountsInFloats: "Counters are floating-point numbers." ["cache.increment.7"];
    SwapKeepsTtl: "A swap never changes the expiry." ["cache.compare_and_swap.1"];
    SwapsAlways: "A swap writes whatever has happened meanwhile."
        ["cache.compare_and_swap.2", "cache.compare_and_swap.4", "cache.model.1"];
    SwapCreates: "A swap of what is gone brings it back." ["cache.compare_and_swap.3"];
    StrictIsLax: "A strict swap takes place although others wrote." ["cache.compare_and_swap.5"];
    TakesForeignTokens: "A token of another kind of provider is merely an old one." ["cache.compare_and_swap.7"];
    NeverAcquires: "Every lock is held by somebody else." ["cache.acquire.1"];
    AcquiresAnything: "Two owners hold a lock at a time." ["cache.acquire.2", "cache.acquire.5", "cache.model.1"];
    FencingStandsStill: "Every lease has the same fencing number." ["cache.acquire.3"];
    LeasesNeverEnd: "A lease lasts an hour, whatever was asked for." ["cache.acquire.4", "cache.acquire.7"];
    LocksAreValues: "A lock is kept as the value of its name." ["cache.acquire.6"];
    RenewsNothing: "Renewing says that it did." ["cache.renew.1"];
    RenewTakes: "Renewing a free lock takes it." ["cache.renew.2"];
    ReleasesNothing: "Releasing says that it did." ["cache.release.1"];
    ReleasesForAnybody: "Anybody may release a lock." ["cache.release.2"];
    HearsNothing: "It claims to tell of changes, and is silent." ["cache.subscribe.1"];
    HearsAgain: "A subscription names keys again that did not change." ["cache.subscribe.2"];
    HearsOthers: "A subscription names what is changed in other namespaces." ["cache.subscribe.3"];
    EndsSilently: "A subscription whose connection ends is over, and that is no error." ["cache.subscribe.4"];
    ListensOn: "A subscription goes on when nobody hears it any more." ["cache.subscribe.5"];
    LogsValues: "What is stored is written into the log." ["common.7.1"];
}

/// Every flaw of caches, those that any provider may have among them.
#[must_use]
pub fn flaws() -> Vec<Flaw<dyn CacheService>> {
    super::with_common(Wrong::ALL, |right, wrong, common| {
        Arc::new(Broken::new(right, wrong, common).declaring(|capabilities| match wrong {
            Some(Wrong::ClaimsBatchLimit) => capabilities.limit("batch-keys", 20),
            _ => capabilities,
        }))
    })
}

/// A right cache with a flaw over it.
type Broken = Wrapped<dyn CacheService, Wrong, Seen>;

/// What the flaws remember.
#[derive(Default)]
struct Seen {
    written: BTreeSet<CacheKey>,
    owners: BTreeMap<CacheKey, LockOwner>,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Broken {
    fn key(&self, key: &CacheKey) -> Result<CacheKey> {
        if self.is(Wrong::FoldsKeys) {
            CacheKey::parse(key.as_str().trim().to_lowercase())
        } else {
            Ok(key.clone())
        }
    }

    async fn read(&self, cx: &CallContext, key: &CacheKey) -> Result<Option<Bytes>> {
        Ok(self.right.get(cx, &GetRequest::new(key.clone())).await?.map(|entry| entry.value))
    }

    async fn write(&self, cx: &CallContext, key: &CacheKey, value: impl Into<Bytes>) -> Result<()> {
        self.right.set(cx, &SetRequest::new(key.clone(), value)).await.map(drop)
    }

    async fn remaining(&self, cx: &CallContext, key: &CacheKey) -> Result<Option<Ttl>> {
        match self.right.ttl(cx, &TtlRequest::new(key.clone())).await? {
            TimeToLive::Remaining(left) => Ok(Ttl::new(left).ok()),
            _ => Ok(None),
        }
    }

    /// A counter as a cache with this flaw computes it.
    async fn count(&self, cx: &CallContext, request: &IncrementRequest) -> Result<i64> {
        let value = self.read(cx, &request.key).await?.unwrap_or_else(|| Bytes::from_static(b"0"));
        let text = String::from_utf8_lossy(&value).into_owned();
        let number: i64 = text.trim().parse().map_err(|_| Error::conflict("no number"))?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "that is the flaw")]
        let sum = match self.wrong {
            Some(Wrong::CountsInFloats) => (number as f64 + request.delta as f64) as i64,
            Some(Wrong::Wraps) => number.wrapping_add(request.delta),
            _ => number.checked_add(request.delta).ok_or_else(|| Error::conflict("beyond i64"))?,
        };
        tokio::task::yield_now().await;
        self.write(cx, &request.key, sum.to_string()).await?;
        Ok(sum)
    }
}

#[async_trait]
impl CacheService for Broken {
    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        request.key = self.key(&request.key)?;
        if self.is(Wrong::ReadsProlong) && self.remaining(cx, &request.key).await?.is_some() {
            let longer = Some(Ttl::new(HOUR)?);
            self.right.expire(cx, &ExpireRequest::new(request.key.clone(), longer)).await?;
        }
        let mut found = self.right.get(cx, &request).await?;
        if let Some(entry) = found.as_mut().filter(|_| self.is(Wrong::TruncatesValues)) {
            let end = entry.value.iter().position(|byte| *byte == 0).unwrap_or(entry.value.len());
            entry.value.truncate(end);
        }
        Ok(found)
    }

    async fn set(&self, cx: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        request.key = self.key(&request.key)?;
        let conditional = request.condition != SetCondition::Always;
        match self.wrong {
            Some(Wrong::IgnoresTtl) => request.ttl = None,
            Some(Wrong::EndsEarly) => request.ttl = request.ttl.and_then(|ttl| Ttl::new(ttl.get() / 2).ok()),
            Some(Wrong::KeepsOldTtl) if request.ttl.is_none() => {
                request.ttl = self.remaining(cx, &request.key).await?;
            }
            Some(Wrong::LogsValues) => tracing::info!(value = ?request.value, "stored"),
            Some(Wrong::HearsOthers) => changes::tell(&request.key),
            Some(Wrong::IgnoresConditions) => request.condition = SetCondition::Always,
            Some(Wrong::ChecksBeforeWriting) if conditional => {
                let present = self.read(cx, &request.key).await?.is_some();
                tokio::task::yield_now().await;
                if present != (request.condition == SetCondition::IfPresent) {
                    return Ok(SetReceipt::new(false));
                }
                request.condition = SetCondition::Always;
            }
            Some(Wrong::RemembersExpired)
                if request.condition == SetCondition::IfAbsent
                    && self.seen().written.contains(&request.key) =>
            {
                return Ok(SetReceipt::new(false));
            }
            _ => {}
        }
        self.seen().written.insert(request.key.clone());
        match self.right.set(cx, &request).await {
            Err(error) if self.is(Wrong::TakesAnySize) && error.kind() == ErrorKind::PayloadTooLarge => {
                Ok(SetReceipt::new(true))
            }
            answer => answer,
        }
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        request.key = self.key(&request.key)?;
        match self.wrong {
            Some(Wrong::KeepsDeleted) => return Ok(Deleted::new(Some(true))),
            Some(Wrong::TellsOnRepeat) => return self.right.delete(&CallContext::default(), &request).await,
            _ => self.seen().written.remove(&request.key),
        };
        let deleted = self.right.delete(cx, &request).await?;
        Ok(if self.is(Wrong::AlwaysExisted) { Deleted::new(Some(true)) } else { deleted })
    }

    async fn get_many(&self, cx: &CallContext, request: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        self.bears(request.keys.len())?;
        if self.is(Wrong::SortsBatches) {
            request.keys.sort();
        }
        if self.is(Wrong::SplitsBatches) {
            let mut entries = Vec::new();
            for key in request.keys {
                entries.extend(self.right.get_many(cx, &GetManyRequest::new(vec![key])).await?);
            }
            return Ok(entries);
        }
        let mut entries = self.right.get_many(cx, &request).await?;
        for entry in entries.iter_mut().flatten().filter(|_| self.is(Wrong::StaleBatchTokens)) {
            *entry = CacheEntry::new(entry.value.clone(), CasToken::from_version(u64::MAX));
        }
        Ok(entries)
    }

    async fn set_many(&self, cx: &CallContext, request: &SetManyRequest) -> Result<Vec<Result<()>>> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        self.bears(request.entries.len())?;
        match self.wrong {
            Some(Wrong::BatchIgnoresTtl) => request.entries.iter_mut().for_each(|entry| entry.ttl = None),
            Some(Wrong::FirstOfBatchStays) => request.entries.reverse(),
            Some(Wrong::SplitsBatches) => {
                let mut results = Vec::new();
                for entry in request.entries {
                    results.extend(self.right.set_many(cx, &SetManyRequest::new(vec![entry])).await?);
                }
                return Ok(results);
            }
            _ => {}
        }
        let mut results = self.right.set_many(cx, &request).await?;
        if self.is(Wrong::TakesAnySize) {
            results.iter_mut().for_each(|result| *result = Ok(()));
        }
        Ok(results)
    }

    async fn delete_many(
        &self,
        cx: &CallContext,
        request: &DeleteManyRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        self.bears(request.keys.len())?;
        match self.wrong {
            Some(Wrong::KeepsDeleted) => {
                return Ok(request.keys.iter().map(|_| Ok(Deleted::new(Some(true)))).collect());
            }
            Some(Wrong::SortsBatches) => request.keys.sort(),
            Some(Wrong::SplitsBatches) => {
                let mut results = Vec::new();
                for key in request.keys {
                    results.extend(self.right.delete_many(cx, &DeleteManyRequest::new(vec![key])).await?);
                }
                return Ok(results);
            }
            _ => {}
        }
        self.right.delete_many(cx, &request).await
    }

    async fn expire(&self, cx: &CallContext, request: &ExpireRequest) -> Result<bool> {
        let _inside = self.gate.enter().await?;
        match self.wrong {
            Some(Wrong::ExpireKeepsEnd) if request.ttl.is_none() => Ok(true),
            Some(Wrong::ExpireOnlyProlongs) => {
                let left = self.remaining(cx, &request.key).await?;
                let shorter = request.ttl.zip(left).is_some_and(|(asked, left)| asked < left);
                if shorter { Ok(true) } else { self.right.expire(cx, request).await }
            }
            Some(Wrong::ExpireCreates) => {
                if !self.right.expire(cx, request).await? {
                    self.write(cx, &request.key, "").await?;
                }
                Ok(true)
            }
            _ => self.right.expire(cx, request).await,
        }
    }

    async fn ttl(&self, cx: &CallContext, request: &TtlRequest) -> Result<TimeToLive> {
        let _inside = self.gate.enter().await?;
        Ok(match (self.right.ttl(cx, request).await?, self.wrong) {
            (TimeToLive::Missing, Some(Wrong::MissingIsUnlimited)) => TimeToLive::Unlimited,
            (TimeToLive::Remaining(left), Some(Wrong::TtlStandsStill)) => {
                TimeToLive::Remaining(Duration::from_secs(left.as_secs().div_ceil(60) * 60))
            }
            (left, _) => left,
        })
    }

    async fn increment(&self, cx: &CallContext, request: &IncrementRequest) -> Result<i64> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        match self.wrong {
            Some(Wrong::CountsInFloats | Wrong::Wraps | Wrong::LosesUpdates | Wrong::ParsesLoosely) => {
                return self.count(cx, &request).await;
            }
            Some(Wrong::CountsFromOne) if self.read(cx, &request.key).await?.is_none() => {
                self.write(cx, &request.key, "1").await?;
            }
            Some(Wrong::OnlyAdds) => request.delta = request.delta.saturating_abs(),
            _ => {}
        }
        let sum = self.right.increment(cx, &request).await?;
        if self.is(Wrong::IncrementProlongs) && request.ttl.is_some() {
            self.right.expire(cx, &ExpireRequest::new(request.key, request.ttl)).await?;
        }
        Ok(sum)
    }

    async fn compare_and_swap(
        &self,
        cx: &CallContext,
        request: &CompareAndSwapRequest,
    ) -> Result<SwapOutcome> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        if self.is(Wrong::SwapKeepsTtl) {
            request.ttl = self.remaining(cx, &request.key).await?;
        }
        let outcome = self.right.compare_and_swap(cx, &request).await;
        let writes = match (&outcome, self.wrong) {
            (Err(error), Some(Wrong::TakesAnySize)) if error.kind() == ErrorKind::PayloadTooLarge => {
                return Ok(SwapOutcome::Changed);
            }
            (Err(error), Some(Wrong::TakesForeignTokens)) if error.kind() == ErrorKind::InvalidArgument => {
                return Ok(SwapOutcome::Changed);
            }
            (Ok(SwapOutcome::Changed), Some(Wrong::SwapsAlways)) => true,
            (Ok(SwapOutcome::Changed), Some(Wrong::StrictIsLax)) => request.strict,
            (Ok(SwapOutcome::Missing), Some(Wrong::SwapCreates)) => true,
            _ => false,
        };
        if writes {
            self.write(cx, &request.key, request.value).await?;
            return Ok(SwapOutcome::Swapped);
        }
        outcome
    }

    fn locks(&self) -> Option<&dyn LockCache> {
        self.right.locks().map(|_| self as &dyn LockCache)
    }

    fn invalidation(&self) -> Option<&dyn InvalidationCache> {
        self.right.invalidation().map(|_| self as &dyn InvalidationCache)
    }
}

impl Broken {
    fn bears(&self, count: usize) -> Result<()> {
        let refuses = self.is(Wrong::RefusesEmptyBatches) && count == 0;
        if refuses { Err(Error::invalid_argument("no keys")) } else { Ok(()) }
    }
}
