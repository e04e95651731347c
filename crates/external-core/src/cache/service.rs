//! The base trait of caches.

use async_trait::async_trait;

use super::{
    CacheEntry, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest, Deleted, ExpireRequest,
    GetManyRequest, GetRequest, IncrementRequest, InvalidationCache, LockCache, SetManyRequest, SetReceipt,
    SetRequest, SwapOutcome, TimeToLive, TtlRequest,
};
use crate::{CallContext, Provider, Result};

/// A cache: short-lived bytes under a key. Every method is one exchange that can be attempted again.
///
/// The clauses named in brackets prove each promise; `external-contract` runs them against every provider.
///
/// - Whatever calls follow one another, each answers what the promises make of the calls before it: conditions, times
///   to live, counters, tokens, batches and locks in any mixture. (cache.model.1)
#[async_trait]
pub trait CacheService: Provider {
    /// Reads a value.
    ///
    /// - A key that was never set, was deleted, or has expired is `None`, not an error. (cache.get.1)
    /// - A value comes back byte for byte: empty, with any byte in it, and as large as the limit `value-bytes` or a
    ///   mebibyte, whichever is less. (cache.get.2)
    /// - Every key that parses can be used, and different keys are different values: blanks, letter case, Unicode
    ///   forms and 512 bytes included. (cache.get.3)
    /// - Reading does not make a value live longer. (cache.get.4)
    ///
    /// # Errors
    ///
    /// As any call: `Unavailable`, `Timeout`, `Unauthenticated`, `PermissionDenied`, `RateLimited`; `Conflict` if
    /// the vendor keeps something there that is no plain value; `PayloadTooLarge` for a value larger than the provider
    /// takes in.
    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>>;

    /// Stores a value.
    ///
    /// - Value and expiry of what was there are replaced: a set without TTL ends an earlier TTL. (cache.set.1)
    /// - A value with a TTL is there until its time is up, and gone at most one `ttl-granularity-ms` (and the
    ///   network's delay) later. (cache.set.2)
    /// - `IfAbsent` stores only where there is no value; otherwise `stored` is `false`, and the old value and its
    ///   expiry stay as they were. (cache.set.3)
    /// - An expired value counts as absent. (cache.set.4)
    /// - `IfPresent` stores only where there is a value; otherwise `stored` is `false` and nothing is
    ///   created. (cache.set.5)
    /// - Of any number of `IfAbsent` sets side by side exactly one stores. (cache.set.6)
    /// - A value larger than the limit `value-bytes` is `PayloadTooLarge` before anything is sent, and the old value
    ///   stays. (cache.set.7)
    ///
    /// # Errors
    ///
    /// `PayloadTooLarge`, `QuotaExhausted` (no room left), and as any call.
    async fn set(&self, cx: &CallContext, request: &SetRequest) -> Result<SetReceipt>;

    /// Deletes a value.
    ///
    /// - The value is gone, and `existed` says whether there was one. (cache.delete.1)
    /// - Deleting what is not there, or has expired, is no error: `existed` is `Some(false)`. (cache.delete.2)
    /// - On a second or later attempt `existed` is `None`, since the first one may have deleted it. (cache.delete.3)
    ///
    /// # Errors
    ///
    /// As any call.
    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted>;

    /// Reads several values in one exchange.
    ///
    /// - One answer a key, in the order asked; `None` where there is no value; a key asked twice is answered
    ///   twice. (cache.get_many.1)
    /// - No key is an empty answer, and nothing is sent. (cache.get_many.2)
    /// - More keys than the limit `batch-keys` are `InvalidArgument` before anything is sent. (cache.get_many.3)
    /// - Its tokens are as good as those of `get`. (cache.get_many.4)
    /// - It is one exchange, however many keys. (cache.get_many.5)
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for too many keys, `PayloadTooLarge` for values that together are larger than the provider takes
    /// in, and as any call.
    async fn get_many(&self, cx: &CallContext, request: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>>;

    /// Stores several values in one exchange. Not atomic: some may be stored and others not.
    ///
    /// - One result an entry, in their order; each value gets its own TTL, or none. (cache.set_many.1)
    /// - Of two entries of the same key the later one stays. (cache.set_many.2)
    /// - A value that is too large fails alone, with `PayloadTooLarge`; the others are stored. (cache.set_many.3)
    /// - No entry is an empty answer and nothing is sent; more than the limit `batch-keys` are `InvalidArgument`
    ///   before anything is sent. (cache.set_many.4)
    /// - It is one exchange, however many entries. (cache.set_many.5)
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for too many entries, and as any call; what concerns one entry is in its own result.
    async fn set_many(&self, cx: &CallContext, request: &SetManyRequest) -> Result<Vec<Result<()>>>;

    /// Deletes several values in one exchange. Not atomic.
    ///
    /// - One result a key, in the order asked, each saying whether there was a value. (cache.delete_many.1)
    /// - No key is an empty answer and nothing is sent; more than the limit `batch-keys` are `InvalidArgument`
    ///   before anything is sent. (cache.delete_many.2)
    /// - It is one exchange, however many keys. (cache.delete_many.3)
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for too many keys, and as any call; what concerns one key is in its own result.
    async fn delete_many(
        &self,
        cx: &CallContext,
        request: &DeleteManyRequest,
    ) -> Result<Vec<Result<Deleted>>>;

    /// Changes how long a value lives. Answers whether there was one.
    ///
    /// - The new TTL replaces the old one, be it shorter or longer, and the value stays the same. (cache.expire.1)
    /// - Without a TTL the value no longer expires. (cache.expire.2)
    /// - Where there is no value the answer is `false` and nothing is created. (cache.expire.3)
    ///
    /// # Errors
    ///
    /// As any call.
    async fn expire(&self, cx: &CallContext, request: &ExpireRequest) -> Result<bool>;

    /// Says how long a value will still live.
    ///
    /// - No value, a value that does not expire, and one that does are three different answers. (cache.ttl.1)
    /// - What remains is more than zero, at most the TTL that was given plus one `ttl-granularity-ms`, and
    ///   shrinks. (cache.ttl.2)
    ///
    /// # Errors
    ///
    /// As any call.
    async fn ttl(&self, cx: &CallContext, request: &TtlRequest) -> Result<TimeToLive>;

    /// Adds to a counter and answers its new value. A counter is a value of decimal digits.
    ///
    /// - A counter that is not there, or has expired, starts at zero: the answer is `delta`. (cache.increment.1)
    /// - Otherwise `delta` is added, negative ones too; `get` reads the result as decimal ASCII, and a value that
    ///   `set` stored as decimal ASCII counts on. (cache.increment.2)
    /// - A TTL is given to a counter that this call creates; one that is there keeps its expiry. (cache.increment.3)
    /// - A value that is not the canonical decimal of an `i64` (blanks, sign `+`, leading zeros, fractions) is
    ///   `Conflict`, `NotApplied`, and stays. (cache.increment.4)
    /// - A result beyond `i64` is `Conflict`, `NotApplied`, and the counter stays; it never wraps. (cache.increment.5)
    /// - Side by side, every increment counts, and no two get the same answer. (cache.increment.6)
    /// - It is exact over the whole of `i64`. (cache.increment.7)
    ///
    /// # Errors
    ///
    /// `Conflict` as said, and as any call.
    async fn increment(&self, cx: &CallContext, request: &IncrementRequest) -> Result<i64>;

    /// Replaces a value only if it is still the one that was read.
    ///
    /// - With the token of the present value it is `Swapped`: the new value and its TTL (or none) replace the
    ///   old ones. (cache.compare_and_swap.1)
    /// - Once other bytes were written (by `set`, `increment`, a swap) it is `Changed`, and value and expiry stay as
    ///   they are. (cache.compare_and_swap.2)
    /// - Where there is no value any more it is `Missing`, and nothing is created. (cache.compare_and_swap.3)
    /// - Of any number of swaps to different values with the same token, side by side, exactly one is
    ///   `Swapped`. (cache.compare_and_swap.4)
    /// - `strict` counts a write of the very same bytes, and a delete followed by one, as a change; where the
    ///   provider cannot, it is `Unsupported` before anything is sent. Without it, whether such a write kills
    ///   the token is the provider's. (cache.compare_and_swap.5)
    /// - A value larger than the limit `value-bytes` is `PayloadTooLarge` before anything is
    ///   sent. (cache.compare_and_swap.6)
    /// - A token that another kind of provider made is `InvalidArgument` before anything is
    ///   sent. (cache.compare_and_swap.7)
    ///
    /// # Errors
    ///
    /// `Unsupported`, `PayloadTooLarge`, `InvalidArgument` as said, and as any call.
    async fn compare_and_swap(
        &self,
        cx: &CallContext,
        request: &CompareAndSwapRequest,
    ) -> Result<SwapOutcome>;

    /// Locks, if the provider has them.
    fn locks(&self) -> Option<&dyn LockCache> {
        None
    }

    /// Invalidation, if the provider has it.
    fn invalidation(&self) -> Option<&dyn InvalidationCache> {
        None
    }
}
