//! The requests of the base trait.

use std::fmt;

use bytes::Bytes;

use super::{CacheKey, CasToken, DOMAIN, Ttl};
use crate::{CallOptions, Operation, Repeat};

/// Reads one value.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GetRequest {
    /// Whose value.
    pub key: CacheKey,
    /// Options every call has.
    pub call: CallOptions,
}

impl GetRequest {
    /// Reads the value of `key`.
    #[must_use]
    pub fn new(key: CacheKey) -> Self {
        Self { key, call: CallOptions::new() }
    }

    /// `cache.get`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "get", Repeat::Safe)
    }
}

/// When a set takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SetCondition {
    /// Always.
    #[default]
    Always,
    /// Only if the key has no value (an expired one is none).
    IfAbsent,
    /// Only if the key has a value.
    IfPresent,
}

/// Stores one value, and replaces value and expiry of whatever was there.
#[derive(Clone)]
#[non_exhaustive]
pub struct SetRequest {
    /// Under which key.
    pub key: CacheKey,
    /// The value.
    pub value: Bytes,
    /// How long it lives; `None`: without limit. Default `None`.
    pub ttl: Option<Ttl>,
    /// When to store. Default [`SetCondition::Always`].
    pub condition: SetCondition,
    /// Options every call has.
    pub call: CallOptions,
}

impl SetRequest {
    /// Stores `value` under `key`, without expiry and without condition.
    #[must_use]
    pub fn new(key: CacheKey, value: impl Into<Bytes>) -> Self {
        Self {
            key,
            value: value.into(),
            ttl: None,
            condition: SetCondition::Always,
            call: CallOptions::new(),
        }
    }

    /// How long the value lives.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Stores only if the key has no value.
    #[must_use]
    pub fn if_absent(mut self) -> Self {
        self.condition = SetCondition::IfAbsent;
        self
    }

    /// Stores only if the key has a value.
    #[must_use]
    pub fn if_present(mut self) -> Self {
        self.condition = SetCondition::IfPresent;
        self
    }

    /// `cache.set`: `Idempotent`, but `Once` under a condition (applied, reply lost, repeated: the answer would lie).
    #[must_use]
    pub fn operation(&self) -> Operation {
        let repeat = match self.condition {
            SetCondition::Always => Repeat::Idempotent,
            SetCondition::IfAbsent | SetCondition::IfPresent => Repeat::Once,
        };
        Operation::new(DOMAIN, "set", repeat)
    }
}

impl fmt::Debug for SetRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetRequest")
            .field("key", &self.key)
            .field("bytes", &self.value.len())
            .field("ttl", &self.ttl)
            .field("condition", &self.condition)
            .finish_non_exhaustive()
    }
}

/// Deletes one value.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeleteRequest {
    /// Whose value.
    pub key: CacheKey,
    /// Options every call has.
    pub call: CallOptions,
}

impl DeleteRequest {
    /// Deletes the value of `key`.
    #[must_use]
    pub fn new(key: CacheKey) -> Self {
        Self { key, call: CallOptions::new() }
    }

    /// `cache.delete`: `Idempotent`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "delete", Repeat::Idempotent)
    }
}

/// Reads several values.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GetManyRequest {
    /// Whose values; at most the limit `batch-keys`.
    pub keys: Vec<CacheKey>,
    /// Options every call has.
    pub call: CallOptions,
}

impl GetManyRequest {
    /// Reads the values of `keys`.
    #[must_use]
    pub fn new(keys: Vec<CacheKey>) -> Self {
        Self { keys, call: CallOptions::new() }
    }

    /// `cache.get_many`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "get_many", Repeat::Safe)
    }
}

/// One value of a [`SetManyRequest`].
#[derive(Clone)]
#[non_exhaustive]
pub struct SetEntry {
    /// Under which key.
    pub key: CacheKey,
    /// The value.
    pub value: Bytes,
    /// How long it lives; `None`: without limit. Default `None`.
    pub ttl: Option<Ttl>,
}

impl SetEntry {
    /// `value` under `key`, without expiry.
    #[must_use]
    pub fn new(key: CacheKey, value: impl Into<Bytes>) -> Self {
        Self { key, value: value.into(), ttl: None }
    }

    /// How long the value lives.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

impl fmt::Debug for SetEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetEntry")
            .field("key", &self.key)
            .field("bytes", &self.value.len())
            .field("ttl", &self.ttl)
            .finish()
    }
}

/// Stores several values.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SetManyRequest {
    /// What to store; at most the limit `batch-keys`.
    pub entries: Vec<SetEntry>,
    /// Options every call has.
    pub call: CallOptions,
}

impl SetManyRequest {
    /// Stores `entries`.
    #[must_use]
    pub fn new(entries: Vec<SetEntry>) -> Self {
        Self { entries, call: CallOptions::new() }
    }

    /// `cache.set_many`: `Idempotent`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "set_many", Repeat::Idempotent)
    }
}

/// Deletes several values.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeleteManyRequest {
    /// Whose values; at most the limit `batch-keys`.
    pub keys: Vec<CacheKey>,
    /// Options every call has.
    pub call: CallOptions,
}

impl DeleteManyRequest {
    /// Deletes the values of `keys`.
    #[must_use]
    pub fn new(keys: Vec<CacheKey>) -> Self {
        Self { keys, call: CallOptions::new() }
    }

    /// `cache.delete_many`: `Idempotent`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "delete_many", Repeat::Idempotent)
    }
}

/// Changes how long a value lives, without touching the value.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExpireRequest {
    /// Whose expiry.
    pub key: CacheKey,
    /// Its new time to live, counted from now; `None`: it no longer expires.
    pub ttl: Option<Ttl>,
    /// Options every call has.
    pub call: CallOptions,
}

impl ExpireRequest {
    /// Gives `key` a new time to live, or none.
    #[must_use]
    pub fn new(key: CacheKey, ttl: Option<Ttl>) -> Self {
        Self { key, ttl, call: CallOptions::new() }
    }

    /// `cache.expire`: `Idempotent`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "expire", Repeat::Idempotent)
    }
}

/// Asks how long a value will still live.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TtlRequest {
    /// Whose expiry.
    pub key: CacheKey,
    /// Options every call has.
    pub call: CallOptions,
}

impl TtlRequest {
    /// Asks for `key`.
    #[must_use]
    pub fn new(key: CacheKey) -> Self {
        Self { key, call: CallOptions::new() }
    }

    /// `cache.ttl`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "ttl", Repeat::Safe)
    }
}

/// Adds to a counter.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IncrementRequest {
    /// Which counter.
    pub key: CacheKey,
    /// What to add; may be negative or zero.
    pub delta: i64,
    /// How long the counter lives **if this call creates it**; `None`: without limit. Default `None`.
    pub ttl: Option<Ttl>,
    /// Options every call has.
    pub call: CallOptions,
}

impl IncrementRequest {
    /// Adds `delta` to the counter `key`.
    #[must_use]
    pub fn new(key: CacheKey, delta: i64) -> Self {
        Self { key, delta, ttl: None, call: CallOptions::new() }
    }

    /// How long the counter lives if this call creates it; a counter that is there keeps its expiry.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// `cache.increment`: `Once`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "increment", Repeat::Once)
    }
}

/// Replaces a value only if it is still the one that was read.
#[derive(Clone)]
#[non_exhaustive]
pub struct CompareAndSwapRequest {
    /// Whose value.
    pub key: CacheKey,
    /// The token that came with the value that was read.
    pub token: CasToken,
    /// The new value.
    pub value: Bytes,
    /// How long it lives; `None`: without limit. Default `None`.
    pub ttl: Option<Ttl>,
    /// Whether a write of the very same bytes since the read counts as a change. Default `false`: then the
    /// provider decides. `true` needs the capability `strict-compare-and-swap`.
    pub strict: bool,
    /// Options every call has.
    pub call: CallOptions,
}

impl CompareAndSwapRequest {
    /// Replaces the value of `key` by `value`, without expiry, if it is still the one `token` came with.
    #[must_use]
    pub fn new(key: CacheKey, token: CasToken, value: impl Into<Bytes>) -> Self {
        Self { key, token, value: value.into(), ttl: None, strict: false, call: CallOptions::new() }
    }

    /// How long the new value lives.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Counts a write of the very same bytes as a change.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// `cache.compare_and_swap`: `Once`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "compare_and_swap", Repeat::Once)
    }
}

impl fmt::Debug for CompareAndSwapRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompareAndSwapRequest")
            .field("key", &self.key)
            .field("bytes", &self.value.len())
            .field("ttl", &self.ttl)
            .field("strict", &self.strict)
            .finish_non_exhaustive()
    }
}

crate::call_options!(
    GetRequest,
    SetRequest,
    DeleteRequest,
    GetManyRequest,
    SetManyRequest,
    DeleteManyRequest,
    ExpireRequest,
    TtlRequest,
    IncrementRequest,
    CompareAndSwapRequest,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_makes_a_set_unrepeatable() {
        let set = SetRequest::new(CacheKey::parse("k").unwrap(), "v");
        assert_eq!(set.operation().repeat, Repeat::Idempotent);
        assert_eq!(set.clone().if_absent().operation().repeat, Repeat::Once);
        assert_eq!(set.if_present().operation().repeat, Repeat::Once);
    }

    #[test]
    fn values_and_tokens_are_never_printed() {
        let key = CacheKey::parse("k").unwrap();
        let token = CasToken::from_bytes(Bytes::from_static(b"canary"));
        let printed = format!(
            "{:?} {:?} {:?}",
            SetRequest::new(key.clone(), "canary"),
            SetManyRequest::new(vec![SetEntry::new(key.clone(), "canary")]),
            CompareAndSwapRequest::new(key, token, "canary"),
        );
        assert!(!printed.contains("canary"), "{printed}");
    }
}
