//! The values of the memory provider: quick_cache bounds the room, expiry and versions are ours.
//!
//! A read takes no lock of ours and allocates nothing. Writers of one key take turns on a stripe, which makes
//! every read-modify-write atomic; readers never wait for them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use external_core::cache::{CacheEntry, CacheKey, CasToken, TimeToLive, Ttl};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};
use tokio::time::Instant;

use super::config::{ENTRY_OVERHEAD, Sizes};

/// The most shards, and so the most writers side by side.
const MAX_SHARDS: u64 = 64;

/// One live or expired value.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) value: Bytes,
    pub(super) version: u64,
    pub(super) expires_at: Option<Instant>,
}

impl Stored {
    /// Values without expiry never look at the clock.
    #[inline]
    fn is_live(&self) -> bool {
        self.expires_at.is_none_or(|end| Instant::now() < end)
    }
}

/// The text of a key, by which a value is found without the key being made.
#[derive(PartialEq, Eq, Hash)]
struct Named<'a>(&'a str);

impl Equivalent<CacheKey> for Named<'_> {
    fn equivalent(&self, key: &CacheKey) -> bool {
        self.0 == key.as_str()
    }
}

/// What a writer decided under its stripe.
pub(super) enum Change {
    /// Nothing.
    Keep,
    /// The value is gone.
    Remove,
    /// A new value: a new version.
    Write(Bytes, Option<Instant>),
    /// The same value with another expiry: the version stays.
    Expire(Option<Instant>),
}

#[derive(Clone, Copy)]
struct Cost {
    at_least: u64,
}

impl Weighter<CacheKey, Stored> for Cost {
    fn weight(&self, key: &CacheKey, stored: &Stored) -> u64 {
        let bytes = key.as_str().len() as u64 + stored.value.len() as u64 + ENTRY_OVERHEAD;
        bytes.max(self.at_least)
    }
}

pub(super) struct Store {
    values: Cache<CacheKey, Stored, Cost>,
    stripes: Box<[Mutex<()>]>,
    versions: AtomicU64,
}

impl Store {
    pub(super) fn new(sizes: Sizes) -> Self {
        // A shard must take the largest value with room to spare, or the library would refuse it.
        let largest = sizes.max_value_bytes + CacheKey::MAX_BYTES as u64 + ENTRY_OVERHEAD;
        let wanted = (sizes.max_bytes / (largest * 2)).clamp(1, MAX_SHARDS);
        // The library rounds up to a power of two; rounding down keeps the promise above.
        let shards = 1_usize << wanted.ilog2();
        let at_least = sizes.max_entries.map_or(0, |entries| sizes.max_bytes / entries);
        let typical = sizes.max_bytes / at_least.max(1024);
        let cost = Cost { at_least };
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity(usize::try_from(typical).unwrap_or(usize::MAX))
            .weight_capacity(sizes.max_bytes)
            .build();
        let values = match options {
            Ok(options) => {
                Cache::with_options(options, cost, DefaultHashBuilder::default(), DefaultLifecycle::default())
            }
            // Cannot happen, both capacities are given; the library's own defaults keep the bound.
            Err(_) => Cache::with_weighter(1024, sizes.max_bytes, cost),
        };
        let stripes = (0..values.num_shards()).map(|_| Mutex::new(())).collect();
        Self { values, stripes, versions: AtomicU64::new(1) }
    }

    /// A live value.
    pub(super) fn get(&self, key: &CacheKey) -> Option<CacheEntry> {
        let stored = self.get_named(key.as_str())?;
        Some(CacheEntry::new(stored.value, CasToken::from_version(stored.version)))
    }

    /// A live value by the text of its key.
    #[inline]
    pub(super) fn get_named(&self, key: &str) -> Option<Stored> {
        let stored = self.values.get(&Named(key))?;
        if stored.is_live() {
            Some(stored)
        } else {
            self.values.remove_if(&Named(key), |stored| !stored.is_live());
            None
        }
    }

    /// What a live value has left. Does not count as a use of it.
    pub(super) fn ttl(&self, key: &CacheKey) -> TimeToLive {
        match self.values.peek(key) {
            Some(Stored { expires_at: None, .. }) => TimeToLive::Unlimited,
            Some(Stored { expires_at: Some(end), .. }) => {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() { TimeToLive::Missing } else { TimeToLive::Remaining(left) }
            }
            None => TimeToLive::Missing,
        }
    }

    /// Decides and applies one change, alone among the writers of this key. `then` runs before the next writer.
    pub(super) fn change<T>(
        &self,
        key: &CacheKey,
        decide: impl FnOnce(Option<Stored>) -> (Change, T),
        then: impl FnOnce(),
    ) -> T {
        let stripe = self.stripes.get(self.values.shard_index(key));
        let turn = stripe.map(|stripe| stripe.lock().unwrap_or_else(PoisonError::into_inner));
        let present = self.values.peek(key).filter(Stored::is_live);
        let (change, answer) = match present {
            Some(stored) => {
                let (version, value) = (stored.version, stored.value.clone());
                match decide(Some(stored)) {
                    (Change::Expire(expires_at), answer) => {
                        self.values.insert(key.clone(), Stored { value, version, expires_at });
                        (Change::Keep, answer)
                    }
                    decided => decided,
                }
            }
            None => decide(None),
        };
        match change {
            Change::Keep | Change::Expire(_) => {}
            Change::Remove => {
                self.values.remove(key);
                then();
            }
            Change::Write(value, expires_at) => {
                let version = self.versions.fetch_add(1, Ordering::Relaxed);
                // A slice could keep a buffer alive that is far larger than what is counted here.
                let value = Bytes::copy_from_slice(&value);
                self.values.insert(key.clone(), Stored { value, version, expires_at });
                then();
            }
        }
        drop(turn);
        answer
    }

    pub(super) fn clear(&self) {
        self.values.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.values.weight()
    }
}

/// When a TTL that starts now ends.
pub(super) fn end_of(ttl: Option<Ttl>) -> Option<Instant> {
    ttl.map(|ttl| Instant::now() + ttl.get())
}
