//! The facet of locks: a lease with an owner and a fencing number.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::{CacheKey, DOMAIN, Ttl};
use crate::{CallContext, CallOptions, Error, Operation, Repeat, Result};

/// Locks with a lease.
///
/// A lease ends by itself, and a process may sleep through its end, so a lock alone never keeps two owners apart:
/// whoever guards a resource compares **fencing numbers** and refuses a smaller one than it has seen.
#[async_trait]
pub trait LockCache: Send + Sync {
    /// Takes a lock if it is free; does not wait.
    ///
    /// - A lock that nobody holds is `Acquired`. (cache.acquire.1)
    /// - While it is held it is `Held`, for the holder as well (a lock is not reentrant), and the holder's lease is
    ///   untouched; where `remaining` is given it is not more than the holder's TTL plus one
    ///   `ttl-granularity-ms`. (cache.acquire.2)
    /// - Each `Acquired` of one lock has a fencing number greater than all before it: after a release, and after
    ///   a lease that ran out. (cache.acquire.3)
    /// - A lease that ran out leaves the lock free. (cache.acquire.4)
    /// - Of any number of attempts side by side exactly one is `Acquired`. (cache.acquire.5)
    /// - Locks live beside the values: a value under the lock's name neither blocks, shows, nor loses
    ///   it. (cache.acquire.6)
    /// - An acquire that was dropped holds its lock no longer than its lease. (cache.acquire.7)
    ///
    /// # Errors
    ///
    /// As any call. After an error whose effect is `MaybeApplied`, [`release`](Self::release) with the same owner
    /// undoes what may have happened.
    async fn acquire(&self, cx: &CallContext, request: &AcquireRequest) -> Result<LockAttempt>;

    /// Prolongs a lease, counted from now.
    ///
    /// - The holder's lease then lasts the given TTL, be it shorter or longer than before. (cache.renew.1)
    /// - If another owner holds the lock, or nobody does, it is `Lost`, and nothing changes. (cache.renew.2)
    ///
    /// # Errors
    ///
    /// As any call.
    async fn renew(&self, cx: &CallContext, request: &RenewRequest) -> Result<RenewOutcome>;

    /// Gives a lock back.
    ///
    /// - The holder's lock is free at once. (cache.release.1)
    /// - If another owner holds the lock, or nobody does, it is `NotHeld`, and nothing changes. (cache.release.2)
    /// - On a second or later attempt that is `Unknown`, since the first one may have released the lock.
    ///   (cache.release.3)
    ///
    /// # Errors
    ///
    /// As any call.
    async fn release(&self, cx: &CallContext, request: &ReleaseRequest) -> Result<ReleaseOutcome>;
}

/// Who holds a lock: 1 to 64 ASCII letters, digits, `-` or `_`, unique to one acquisition.
///
/// Clients draw 128 random bits. It proves ownership to `renew` and `release`, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LockOwner(Box<str>);

impl LockOwner {
    /// Parses an owner.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it is empty, longer than 64 bytes, or holds another character.
    pub fn parse(owner: impl AsRef<str>) -> Result<Self> {
        let owner = owner.as_ref();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if owner.is_empty() || owner.len() > 64 || !owner.bytes().all(allowed) {
            return Err(Error::invalid_argument("a lock owner is 1 to 64 ASCII letters, digits, '-' or '_'"));
        }
        Ok(Self(owner.into()))
    }

    /// The owner of 128 random bits, in hexadecimal.
    #[must_use]
    pub fn from_random(bits: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bits)).into())
    }

    /// The owner as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockOwner(..)")
    }
}

/// Takes a lock.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AcquireRequest {
    /// The lock's name.
    pub name: CacheKey,
    /// Who takes it.
    pub owner: LockOwner,
    /// How long the lease lasts unless it is renewed.
    pub ttl: Ttl,
    /// Options every call has.
    pub call: CallOptions,
}

impl AcquireRequest {
    /// Takes the lock `name` for `owner`, for `ttl`.
    #[must_use]
    pub fn new(name: CacheKey, owner: LockOwner, ttl: Ttl) -> Self {
        Self { name, owner, ttl, call: CallOptions::new() }
    }

    /// `cache.acquire`: `Once`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "acquire", Repeat::Once)
    }
}

/// Prolongs a lease.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RenewRequest {
    /// The lock's name.
    pub name: CacheKey,
    /// Who holds it.
    pub owner: LockOwner,
    /// How long the lease lasts from now on.
    pub ttl: Ttl,
    /// Options every call has.
    pub call: CallOptions,
}

impl RenewRequest {
    /// Prolongs the lease of `owner` on `name` to `ttl` from now.
    #[must_use]
    pub fn new(name: CacheKey, owner: LockOwner, ttl: Ttl) -> Self {
        Self { name, owner, ttl, call: CallOptions::new() }
    }

    /// `cache.renew`: `Idempotent`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "renew", Repeat::Idempotent)
    }
}

/// Gives a lock back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReleaseRequest {
    /// The lock's name.
    pub name: CacheKey,
    /// Who holds it.
    pub owner: LockOwner,
    /// Options every call has.
    pub call: CallOptions,
}

impl ReleaseRequest {
    /// Gives back the lock `name` that `owner` holds.
    #[must_use]
    pub fn new(name: CacheKey, owner: LockOwner) -> Self {
        Self { name, owner, call: CallOptions::new() }
    }

    /// `cache.release`: `Idempotent`. A repeat that finds the lock not held answers `Unknown`, since the first attempt
    /// may have released it.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "release", Repeat::Idempotent)
    }
}

crate::call_options!(AcquireRequest, RenewRequest, ReleaseRequest);

/// The answer to an [`AcquireRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockAttempt {
    /// The lock is the caller's.
    Acquired(LockLease),
    /// Somebody holds it.
    Held {
        /// How long their lease lasts unless they renew it; `None` where the provider does not tell.
        remaining: Option<Duration>,
    },
}

/// A lock that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockLease {
    /// Grows with every acquisition of the same lock. It may jump.
    pub fencing: u64,
}

impl LockLease {
    /// A lease with its fencing number.
    #[must_use]
    pub const fn new(fencing: u64) -> Self {
        Self { fencing }
    }
}

/// The answer to a [`RenewRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewOutcome {
    /// The lease lasts the new TTL.
    Renewed,
    /// The owner does not hold the lock any more.
    Lost,
}

/// The answer to a [`ReleaseRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// The lock is free.
    Released,
    /// The owner did not hold it.
    NotHeld,
    /// The owner does not hold it any more. Whether it did is not known after a repeated attempt, since the first one
    /// may have released it.
    Unknown,
}

impl ReleaseOutcome {
    /// What an attempt saw. The owner is unique, so what it released was held; that it released nothing says
    /// something on the first attempt only.
    #[must_use]
    pub fn observed(cx: &CallContext, released: bool) -> Self {
        match (released, cx.attempt()) {
            (true, _) => Self::Released,
            (false, ..=1) => Self::NotHeld,
            (false, _) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_short_and_plain_and_never_printed() {
        assert!(LockOwner::parse("").is_err());
        assert!(LockOwner::parse("a b").is_err());
        assert!(LockOwner::parse("x".repeat(65)).is_err());
        let owner = LockOwner::from_random([7; 16]);
        assert_eq!(LockOwner::parse(owner.as_str()).unwrap(), owner);
        assert!(!format!("{owner:?}").contains("0707"));
    }
}
