//! A small cache that is right, and can be made wrong in one way at a time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use external_core::cache::{
    AcquireRequest, CacheEntry, CacheKey, CacheService, CasToken, CompareAndSwapRequest, DeleteManyRequest,
    DeleteRequest, Deleted, ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, LockAttempt,
    LockCache, LockLease, ReleaseOutcome, ReleaseRequest, RenewOutcome, RenewRequest, SetCondition,
    SetManyRequest, SetReceipt, SetRequest, SwapOutcome, TimeToLive, Ttl, TtlRequest,
};
use external_core::{CallContext, Capabilities, Error, Provider, ProviderInfo, Result, async_trait};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    IgnoresTtl,
    EndsEarly,
    ReadsProlong,
    KeepsOldTtl,
    IgnoresConditions,
    FoldsKeys,
    CountsInFloats,
    Wraps,
    LosesUpdates,
    ParsesLoosely,
    SwapsAlways,
    SortsBatches,
    FencingRestarts,
    ReleasesForAnybody,
    ClaimsInvalidation,
    StrictThoughUndeclared,
    UnknownCapability,
    Panics,
    HangsOnClose,
    LeaksPermits,
}

const VALUE_BYTES: usize = 1 << 20;
const BATCH_KEYS: usize = 100;

#[derive(Clone)]
struct Held {
    value: Bytes,
    given: Option<Duration>,
    ends: Option<Instant>,
    version: u64,
}

#[derive(Default)]
struct State {
    values: HashMap<String, Held>,
    locks: HashMap<String, (String, Instant, u64)>,
    fencing: HashMap<String, u64>,
    version: u64,
}

impl State {
    fn live(&mut self, key: &str) -> Option<&mut Held> {
        if self.values.get(key).is_some_and(|held| held.ends.is_some_and(|ends| ends <= Instant::now())) {
            self.values.remove(key);
        }
        self.values.get_mut(key)
    }

    fn store(&mut self, flaw: Flaw, key: &str, value: Bytes, ttl: Option<Ttl>) {
        self.version += 1;
        let mut given = ttl.map(Ttl::get);
        match flaw {
            Flaw::IgnoresTtl => given = None,
            Flaw::EndsEarly => given = given.map(|ttl| ttl / 2),
            _ => {}
        }
        let mut ends = given.map(|ttl| Instant::now() + ttl);
        if flaw == Flaw::KeepsOldTtl
            && let Some(old) = self.live(key)
        {
            ends = old.ends;
        }
        let version = self.version;
        self.values.insert(key.to_owned(), Held { value, given, ends, version });
    }
}

pub(crate) struct Model {
    info: ProviderInfo,
    flaw: Flaw,
    state: Mutex<State>,
    permits: Semaphore,
}

impl Model {
    pub(crate) fn new(flaw: Flaw) -> Self {
        let mut capabilities = Capabilities::new()
            .all_native(&["conditional-set", "expire", "increment", "compare-and-swap", "batch", "locks"])
            .unsupported("invalidation")
            .limit("value-bytes", VALUE_BYTES as u64)
            .limit("batch-keys", BATCH_KEYS as u64)
            .limit("ttl-granularity-ms", 1);
        capabilities = match flaw {
            Flaw::UnknownCapability => capabilities.native("time-travel"),
            Flaw::StrictThoughUndeclared => capabilities.unsupported("strict-compare-and-swap"),
            _ => capabilities.native("strict-compare-and-swap"),
        };
        Self {
            info: ProviderInfo::new("model", "cache", "model:", capabilities),
            flaw,
            state: Mutex::default(),
            permits: Semaphore::new(200),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn key(&self, key: &CacheKey) -> String {
        match self.flaw {
            Flaw::FoldsKeys => key.as_str().trim().to_lowercase(),
            _ => key.as_str().to_owned(),
        }
    }

    /// What every call passes: two awaits, and a permit that must come back.
    async fn enter(&self) {
        assert!(self.flaw != Flaw::Panics, "the model panics");
        if self.flaw == Flaw::LeaksPermits {
            self.permits.acquire().await.unwrap().forget();
            tokio::task::yield_now().await;
            self.permits.add_permits(1);
        } else {
            let _permit = self.permits.acquire().await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    fn fits(value: &Bytes) -> Result<()> {
        if value.len() > VALUE_BYTES {
            Err(Error::payload_too_large("value").with_effect(external_core::Effect::NotSent))
        } else {
            Ok(())
        }
    }

    fn bounded(count: usize) -> Result<()> {
        if count > BATCH_KEYS { Err(Error::invalid_argument("too many keys")) } else { Ok(()) }
    }

    fn read(&self, state: &mut State, key: &CacheKey) -> Option<CacheEntry> {
        let prolongs = self.flaw == Flaw::ReadsProlong;
        let held = state.live(&self.key(key))?;
        if prolongs {
            held.ends = held.given.map(|ttl| Instant::now() + ttl);
        }
        Some(CacheEntry::new(held.value.clone(), CasToken::from_version(held.version)))
    }

    fn parse(&self, value: &[u8]) -> Result<i64> {
        let text = std::str::from_utf8(value).unwrap_or_default();
        let number: i64 = match self.flaw {
            Flaw::ParsesLoosely => text.trim().parse().ok(),
            _ => text.parse().ok().filter(|number: &i64| number.to_string() == text),
        }
        .ok_or_else(|| Error::conflict("not a number"))?;
        Ok(number)
    }

    fn add(&self, number: i64, delta: i64) -> Result<i64> {
        match self.flaw {
            Flaw::Wraps => Ok(number.wrapping_add(delta)),
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "that is the flaw"
            )]
            Flaw::CountsInFloats => Ok((number as f64 + delta as f64) as i64),
            _ => number.checked_add(delta).ok_or_else(|| Error::conflict("beyond i64")),
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("flaw", &self.flaw).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Model {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        if self.flaw == Flaw::HangsOnClose {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[async_trait]
impl CacheService for Model {
    async fn get(&self, _: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        self.enter().await;
        Ok(self.read(&mut self.state(), &request.key))
    }

    async fn set(&self, _: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        Self::fits(&request.value)?;
        self.enter().await;
        let mut state = self.state();
        let key = self.key(&request.key);
        let present = state.live(&key).is_some();
        let holds = match request.condition {
            _ if self.flaw == Flaw::IgnoresConditions => true,
            SetCondition::Always => true,
            SetCondition::IfAbsent => !present,
            SetCondition::IfPresent => present,
        };
        if holds {
            state.store(self.flaw, &key, request.value.clone(), request.ttl);
        }
        Ok(SetReceipt::new(holds))
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.enter().await;
        let mut state = self.state();
        let key = self.key(&request.key);
        let existed = state.live(&key).is_some();
        state.values.remove(&key);
        Ok(Deleted::observed(cx, existed))
    }

    async fn get_many(&self, _: &CallContext, request: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        Self::bounded(request.keys.len())?;
        let mut keys = request.keys.clone();
        if self.flaw == Flaw::SortsBatches {
            keys.sort();
        }
        let mut state = self.state();
        Ok(keys.iter().map(|key| self.read(&mut state, key)).collect())
    }

    async fn set_many(&self, _: &CallContext, request: &SetManyRequest) -> Result<Vec<Result<()>>> {
        Self::bounded(request.entries.len())?;
        let mut state = self.state();
        let store = |entry: &external_core::cache::SetEntry| {
            Self::fits(&entry.value)?;
            state.store(self.flaw, &self.key(&entry.key), entry.value.clone(), entry.ttl);
            Ok(())
        };
        Ok(request.entries.iter().map(store).collect())
    }

    async fn delete_many(
        &self,
        cx: &CallContext,
        request: &DeleteManyRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        Self::bounded(request.keys.len())?;
        let mut results = Vec::new();
        for key in &request.keys {
            results.push(self.delete(cx, &DeleteRequest::new(key.clone())).await);
        }
        Ok(results)
    }

    async fn expire(&self, _: &CallContext, request: &ExpireRequest) -> Result<bool> {
        let mut state = self.state();
        let Some(held) = state.live(&self.key(&request.key)) else {
            return Ok(false);
        };
        held.given = request.ttl.map(Ttl::get);
        held.ends = held.given.map(|ttl| Instant::now() + ttl);
        Ok(true)
    }

    async fn ttl(&self, _: &CallContext, request: &TtlRequest) -> Result<TimeToLive> {
        let mut state = self.state();
        Ok(match state.live(&self.key(&request.key)) {
            None => TimeToLive::Missing,
            Some(Held { ends: None, .. }) => TimeToLive::Unlimited,
            Some(Held { ends: Some(ends), .. }) => TimeToLive::Remaining(*ends - Instant::now()),
        })
    }

    async fn increment(&self, _: &CallContext, request: &IncrementRequest) -> Result<i64> {
        self.enter().await;
        let key = self.key(&request.key);
        let before = self.state().live(&key).cloned();
        let number = match &before {
            Some(held) => self.add(self.parse(&held.value)?, request.delta)?,
            None => request.delta,
        };
        if self.flaw == Flaw::LosesUpdates {
            tokio::task::yield_now().await;
        }
        let mut state = self.state();
        if self.flaw != Flaw::LosesUpdates {
            // Looked at again under one lock: nobody came in between.
            let now = state.live(&key).cloned();
            let number = match &now {
                Some(held) => self.add(self.parse(&held.value)?, request.delta)?,
                None => request.delta,
            };
            return Ok(write(&mut state, &key, number, now, request.ttl));
        }
        Ok(write(&mut state, &key, number, before, request.ttl))
    }

    async fn compare_and_swap(
        &self,
        _: &CallContext,
        request: &CompareAndSwapRequest,
    ) -> Result<SwapOutcome> {
        if request.strict
            && self.info.capabilities().grade("strict-compare-and-swap") != external_core::Capability::Native
            && self.flaw != Flaw::StrictThoughUndeclared
        {
            return Err(Error::unsupported("strict-compare-and-swap"));
        }
        Self::fits(&request.value)?;
        let foreign = || Error::invalid_argument("a foreign token");
        let version = match request.token.version() {
            Some(version) => version,
            None if self.flaw == Flaw::StrictThoughUndeclared => 0,
            None => return Err(foreign()),
        };
        self.enter().await;
        let mut state = self.state();
        let key = self.key(&request.key);
        let Some(held) = state.live(&key) else {
            return Ok(SwapOutcome::Missing);
        };
        if held.version != version && self.flaw != Flaw::SwapsAlways {
            return Ok(SwapOutcome::Changed);
        }
        state.store(self.flaw, &key, request.value.clone(), request.ttl);
        Ok(SwapOutcome::Swapped)
    }

    fn locks(&self) -> Option<&dyn LockCache> {
        Some(self)
    }

    fn invalidation(&self) -> Option<&dyn external_core::cache::InvalidationCache> {
        (self.flaw == Flaw::ClaimsInvalidation).then_some(self as _)
    }
}

fn write(state: &mut State, key: &str, number: i64, before: Option<Held>, ttl: Option<Ttl>) -> i64 {
    state.version += 1;
    let version = state.version;
    let (given, ends) = match before {
        Some(held) => (held.given, held.ends),
        None => (ttl.map(Ttl::get), ttl.map(|ttl| Instant::now() + ttl.get())),
    };
    state.values.insert(key.to_owned(), Held { value: number.to_string().into(), given, ends, version });
    number
}

/// A facet that hears nothing.
#[async_trait]
impl external_core::cache::InvalidationCache for Model {
    async fn subscribe(
        &self,
        _: &CallContext,
        _: &external_core::cache::SubscribeRequest,
    ) -> Result<external_core::cache::InvalidationStream> {
        Ok(Box::pin(futures_util::stream::pending()))
    }
}

#[async_trait]
impl LockCache for Model {
    async fn acquire(&self, _: &CallContext, request: &AcquireRequest) -> Result<LockAttempt> {
        self.enter().await;
        let mut state = self.state();
        let (name, now) = (request.name.as_str().to_owned(), Instant::now());
        if let Some((_, ends, _)) = state.locks.get(&name).filter(|(_, ends, _)| *ends > now) {
            return Ok(LockAttempt::Held { remaining: Some(*ends - now) });
        }
        let ended = state.locks.remove(&name).is_some();
        let number = state.fencing.entry(name.clone()).or_default();
        *number = if self.flaw == Flaw::FencingRestarts && ended { 1 } else { *number + 1 };
        let fencing = *number;
        state.locks.insert(name, (request.owner.as_str().to_owned(), now + request.ttl.get(), fencing));
        Ok(LockAttempt::Acquired(LockLease::new(fencing)))
    }

    async fn renew(&self, _: &CallContext, request: &RenewRequest) -> Result<RenewOutcome> {
        let mut state = self.state();
        let now = Instant::now();
        match state.locks.get_mut(request.name.as_str()) {
            Some((owner, ends, _)) if *ends > now && owner == request.owner.as_str() => {
                *ends = now + request.ttl.get();
                Ok(RenewOutcome::Renewed)
            }
            _ => Ok(RenewOutcome::Lost),
        }
    }

    async fn release(&self, cx: &CallContext, request: &ReleaseRequest) -> Result<ReleaseOutcome> {
        let mut state = self.state();
        let now = Instant::now();
        match state.locks.get(request.name.as_str()) {
            Some((owner, ends, _))
                if *ends > now
                    && (owner == request.owner.as_str() || self.flaw == Flaw::ReleasesForAnybody) =>
            {
                state.locks.remove(request.name.as_str());
                Ok(ReleaseOutcome::observed(cx, true))
            }
            _ => Ok(ReleaseOutcome::observed(cx, false)),
        }
    }
}
