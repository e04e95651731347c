//! What the calls of a cache answer.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::CallContext;

/// A value that was found.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheEntry {
    /// The value, byte for byte as it was stored.
    pub value: Bytes,
    /// `None`: the value itself.
    token: Option<CasToken>,
}

impl CacheEntry {
    /// A value and its token.
    #[must_use]
    pub fn new(value: Bytes, token: CasToken) -> Self {
        Self { value, token: Some(token) }
    }

    /// A value that is recognised by its bytes. Few readers swap, so that the token is made for those who ask.
    #[must_use]
    pub fn of_bytes(value: Bytes) -> Self {
        Self { value, token: None }
    }

    /// What [`compare_and_swap`](super::CacheService::compare_and_swap) recognises this value by.
    #[must_use]
    pub fn token(&self) -> CasToken {
        self.token.clone().unwrap_or_else(|| CasToken::from_bytes(self.value.clone()))
    }
}

impl fmt::Debug for CacheEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheEntry").field("bytes", &self.value.len()).finish_non_exhaustive()
    }
}

/// The state of a key at the moment it was read. Opaque: only the provider that made it can read it.
///
/// It may hold the value itself, so it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct CasToken(Token);

#[derive(Clone, PartialEq, Eq)]
enum Token {
    Version(u64),
    Bytes(Bytes),
}

impl CasToken {
    /// A token of a provider that numbers its writes.
    #[must_use]
    pub const fn from_version(version: u64) -> Self {
        Self(Token::Version(version))
    }

    /// A token of a provider that compares bytes.
    #[must_use]
    pub const fn from_bytes(bytes: Bytes) -> Self {
        Self(Token::Bytes(bytes))
    }

    /// The number, if it is one: for the provider that made it.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        match self.0 {
            Token::Version(version) => Some(version),
            Token::Bytes(_) => None,
        }
    }

    /// The bytes, if it holds some: for the provider that made it.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Token::Version(_) => None,
            Token::Bytes(bytes) => Some(bytes),
        }
    }
}

impl fmt::Debug for CasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CasToken(..)")
    }
}

/// The answer to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetReceipt {
    /// Whether the value was stored. `false` only if its [`SetCondition`](super::SetCondition) did not hold.
    pub stored: bool,
}

impl SetReceipt {
    /// An answer.
    #[must_use]
    pub const fn new(stored: bool) -> Self {
        Self { stored }
    }
}

/// The answer to a delete: the value is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// Whether there was a value. `None` after a repeated attempt, since the first one may have deleted it.
    pub existed: Option<bool>,
}

impl Deleted {
    /// What an attempt saw: known on the first one, `None` on any later one.
    #[must_use]
    pub fn observed(cx: &CallContext, existed: bool) -> Self {
        Self { existed: (cx.attempt() <= 1).then_some(existed) }
    }

    /// An answer.
    #[must_use]
    pub const fn new(existed: Option<bool>) -> Self {
        Self { existed }
    }
}

/// How long a value will still live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeToLive {
    /// There is no value.
    Missing,
    /// There is a value, and it does not expire.
    Unlimited,
    /// There is a value, and this is what it has left.
    Remaining(Duration),
}

/// The answer to a compare-and-swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapOutcome {
    /// The value was still the one read, and is now the new one.
    Swapped,
    /// Somebody else wrote first; their value stays.
    Changed,
    /// There is no value any more; nothing was created.
    Missing,
}
