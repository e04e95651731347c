//! The contract of caches: short-lived bytes under a key, with counters, compare-and-swap, locks and invalidation.
//!
//! A provider implements [`CacheService`]; what not every cache has is a facet ([`LockCache`],
//! [`InvalidationCache`]) reached by accessor, or an option whose grade stands in its
//! [`info`](crate::Provider::info). [`supports`] answers for both.
//!
//! # The model, alike on every provider
//!
//! - Keys are [`CacheKey`]s, values are bytes, a key holds one value. A missing value is an answer, never an error.
//! - A value lives until it is overwritten, deleted, its [`Ttl`] ends, or the cache needs the room: a cache may
//!   forget any *value* at any time. What must not be forgotten does not belong here.
//! - A write without a TTL removes the TTL that was there.
//! - Locks live beside the values: a lock and a value of the same name do not know each other.
mod invalidation;
mod key;
mod locks;
mod requests;
mod results;
mod service;
mod ttl;

pub use invalidation::{Invalidation, InvalidationCache, InvalidationStream, SubscribeRequest};
pub use key::CacheKey;
pub use locks::{
    AcquireRequest, LockAttempt, LockCache, LockLease, LockOwner, ReleaseOutcome, ReleaseRequest,
    RenewOutcome, RenewRequest,
};
pub use requests::{
    CompareAndSwapRequest, DeleteManyRequest, DeleteRequest, ExpireRequest, GetManyRequest, GetRequest,
    IncrementRequest, SetCondition, SetEntry, SetManyRequest, SetRequest, TtlRequest,
};
pub use results::{CacheEntry, CasToken, Deleted, SetReceipt, SwapOutcome, TimeToLive};
pub use service::CacheService;
pub use ttl::Ttl;

use crate::Capability;

/// The domain's name in operations, configuration and reports.
pub const DOMAIN: &str = "cache";

/// Every capability of this domain: its id and its meaning.
///
/// Limits beside them: `value-bytes` (largest value), `batch-keys` (most keys in one `get_many`, `set_many` or
/// `delete_many`), `ttl-granularity-ms` (a value ends at most this much later than asked).
pub const CAPABILITIES: &[(&str, &str)] = &[
    ("conditional-set", "set only if the key is absent, set only if it is present"),
    ("expire", "change, remove and read the time to live of a value that is there"),
    ("increment", "atomic counters"),
    ("compare-and-swap", "replace a value only if it is still the one that was read"),
    ("strict-compare-and-swap", "a token dies with every write, even if the same bytes come back"),
    ("batch", "get_many, set_many and delete_many in one exchange each"),
    ("locks", "locks with a lease, an owner and a fencing number"),
    ("invalidation", "a stream of the keys that anybody changes"),
];

/// The names of the operations: what a policy may say for each.
pub const OPERATIONS: &[&str] = &[
    "get",
    "set",
    "delete",
    "get_many",
    "set_many",
    "delete_many",
    "expire",
    "ttl",
    "increment",
    "compare_and_swap",
    "acquire",
    "renew",
    "release",
    "subscribe",
];

/// How well a service does `id`, one of [`CAPABILITIES`]: facets by their accessor, everything else by its info.
#[must_use]
pub fn supports(service: &dyn CacheService, id: &str) -> Capability {
    let facet = match id {
        "locks" => Some(service.locks().is_some()),
        "invalidation" => Some(service.invalidation().is_some()),
        _ => None,
    };
    let declared = service.info().capabilities().grade(id);
    match (facet, declared) {
        (Some(false), _) => Capability::Unsupported,
        (Some(true), Capability::Unsupported) => Capability::Native,
        (_, grade) => grade,
    }
}
