//! What a client saw of its typed values.

use std::sync::atomic::{AtomicU64, Ordering};

use external_core::Sharded;

/// Counts of one instance since it was made, and what it is about now; clones of a client share them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Reads that found a fresh value.
    pub hits: u64,
    /// Reads that found nothing usable, those of `undecodable` included.
    pub misses: u64,
    /// Values that another codec, schema or program wrote, or that were damaged.
    pub undecodable: u64,
    /// Loader calls.
    pub loads: u64,
    /// Loader calls that failed, ran out of time or panicked.
    pub failed_loads: u64,
    /// Stale values that were served.
    pub stale: u64,
    /// Calls to the cache that failed while `get_or_load` went on without it.
    pub cache_failures: u64,
    /// Loads under way now, each with all its callers: those that nobody waits for are over.
    pub loading: u64,
}

/// The counts, by thread: every read adds to one.
#[derive(Debug, Default)]
pub(super) struct Counters(Sharded<Counts>);

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    pub(super) undecodable: Counter,
    pub(super) loads: Counter,
    pub(super) failed_loads: Counter,
    pub(super) stale: Counter,
    pub(super) cache_failures: Counter,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counters {
    /// Where this thread counts.
    #[inline]
    pub(super) fn here(&self) -> &Counts {
        self.0.here()
    }

    pub(super) fn read(&self, loading: u64) -> CacheStats {
        let sum = |count: fn(&Counts) -> &Counter| {
            self.0.iter().map(|counts| count(counts).0.load(Ordering::Relaxed)).sum()
        };
        CacheStats {
            hits: sum(|counts| &counts.hits),
            misses: sum(|counts| &counts.misses),
            undecodable: sum(|counts| &counts.undecodable),
            loads: sum(|counts| &counts.loads),
            failed_loads: sum(|counts| &counts.failed_loads),
            stale: sum(|counts| &counts.stale),
            cache_failures: sum(|counts| &counts.cache_failures),
            loading,
        }
    }
}
