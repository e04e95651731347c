//! The lock guard: keeps its lease alive, says when it lost it, gives it back when dropped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use external_core::cache::{
    AcquireRequest, CacheKey, LockAttempt, LockOwner, ReleaseOutcome, ReleaseRequest, RenewOutcome,
    RenewRequest, Ttl,
};
use external_core::{CallContext, Effect, Error, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::service::CacheRequest;
use super::{CacheClient, Core};

/// How long the clean-up of a dropped guard may take.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

/// The bounds between which a waiting caller asks again.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How a lock is taken and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockOptions {
    /// How long the lease lasts without renewal: how long others wait after this process died.
    pub lease: Duration,
    /// How long to wait for a lock that is held. Default zero.
    pub wait: Duration,
    /// Whether the guard renews the lease, each time a third of it has passed. Default yes.
    pub renew: bool,
}

impl LockOptions {
    /// A lease that is renewed while the guard lives; no waiting.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        Self { lease, wait: Duration::ZERO, renew: true }
    }

    /// How long to wait for a lock that is held.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Lets the lease run out by itself.
    #[must_use]
    pub fn without_renewal(mut self) -> Self {
        self.renew = false;
        self
    }
}

impl From<Duration> for LockOptions {
    fn from(lease: Duration) -> Self {
        Self::new(lease)
    }
}

impl<C> CacheClient<C> {
    /// Takes a lock; `None` if somebody holds it and went on holding it as long as the options say to wait.
    ///
    /// A lease alone keeps nobody apart for certain (a process may sleep through its end): where it matters, pass
    /// [`LockGuard::fencing`] to the resource and let it refuse smaller numbers.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a name or a lease that cannot be used, `Unsupported` where the provider has no locks,
    /// and as any call.
    pub async fn lock(
        &self,
        name: impl AsRef<str>,
        options: impl Into<LockOptions>,
    ) -> Result<Option<LockGuard>> {
        let options = options.into();
        let name = CacheKey::parse(name.as_ref())?;
        let lease = Ttl::new(options.lease)?;
        // A wait that the clock cannot hold is one without end.
        let give_up = Instant::now().checked_add(options.wait);
        let mut pause = ASK_AGAIN.0;
        loop {
            let remaining = match self.core.acquire(&name, lease, options.renew).await? {
                Ok(guard) => return Ok(Some(guard)),
                Err(remaining) => remaining,
            };
            let left = give_up.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            // Not before the holder's lease can end, unless it is released; with jitter, so that those who wait
            // do not ask together.
            let bound = remaining.map_or(pause, |lease| pause.min(lease)).max(ASK_AGAIN.0);
            tokio::time::sleep(self.core.some_of(bound).min(left)).await;
            pause = (pause * 2).min(ASK_AGAIN.1);
        }
    }
}

impl Core {
    /// Between half and all of a duration.
    fn some_of(&self, bound: Duration) -> Duration {
        let share = (self.random_number() >> 32) as f64 / f64::from(u32::MAX);
        bound.mul_f64(0.5 + share / 2.0)
    }

    /// One attempt: a guard, or how long the present lease lasts. It runs to its end even if the caller is
    /// dropped, so that a lock taken for nobody is given back.
    async fn acquire(
        self: &Arc<Self>,
        name: &CacheKey,
        lease: Ttl,
        renew: bool,
    ) -> Result<Result<LockGuard, Option<Duration>>> {
        let mut bits = [0; 16];
        self.context.random(&mut bits);
        let request = AcquireRequest::new(name.clone(), LockOwner::from_random(bits), lease);
        let core = self.clone();
        let attempt = async move {
            // The lease begins when the server takes the request, not when the answer comes back.
            let asked = Instant::now();
            match core.send(&request).await {
                Ok(LockAttempt::Acquired(acquired)) => {
                    let held = Held { core, name: request.name, owner: request.owner, lease };
                    Ok(Ok(LockGuard::new(held, acquired.fencing, asked + lease.get(), renew)))
                }
                Ok(LockAttempt::Held { remaining }) => Ok(Err(remaining)),
                Err(error) => {
                    if error.effect() == Effect::MaybeApplied {
                        let held =
                            Held { core: core.clone(), name: request.name, owner: request.owner, lease };
                        core.pipeline.cleanup().spawn(held.give_back());
                    }
                    Err(error)
                }
            }
        };
        let finished = self.pipeline.cleanup().complete(attempt).await;
        finished.unwrap_or_else(|| {
            Err(Error::unexpected("no runtime to take a lock in").with_effect(Effect::NotSent))
        })
    }
}

/// A lock that this process holds, or may hold.
#[derive(Clone)]
struct Held {
    core: Arc<Core>,
    name: CacheKey,
    owner: LockOwner,
    lease: Ttl,
}

impl Held {
    async fn renew(&self) -> Result<RenewOutcome> {
        let request = RenewRequest::new(self.name.clone(), self.owner.clone(), self.lease);
        self.core.send(&request).await
    }

    async fn release(&self, cx: &CallContext) -> Result<ReleaseOutcome> {
        let request = ReleaseRequest::new(self.name.clone(), self.owner.clone());
        request.run(&self.core, cx).await
    }

    async fn give_back(self) {
        if let Err(error) = self.release(&CallContext::for_cleanup(RELEASE_WITHIN)).await {
            tracing::warn!(lock = %self.name, %error, "a lock could not be released: it ends with its lease");
        }
    }
}

/// A lock that is held, until this is dropped, released or lost.
///
/// Dropping it gives the lock back in the background; [`CacheClient`] waits for that when it is closed.
pub struct LockGuard {
    held: Option<Held>,
    fencing: u64,
    lost: watch::Receiver<bool>,
    keeper: JoinHandle<()>,
}

impl LockGuard {
    fn new(held: Held, fencing: u64, until: Instant, renew: bool) -> Self {
        let (tell, lost) = watch::channel(false);
        let keeper = tokio::spawn(keep(held.clone(), until, renew, tell));
        Self { held: Some(held), fencing, lost, keeper }
    }

    /// Grows with every acquisition of this lock.
    #[must_use]
    pub fn fencing(&self) -> u64 {
        self.fencing
    }

    /// Whether the lease is known to have ended: another owner may hold the lock.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Ends when the lease is lost. To be raced against the work that the lock protects.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        // The only failure is that the keeper is gone, and it says so before it goes.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    /// Gives the lock back and says whether it was still held. Where a repeated attempt cannot tell, what the guard
    /// itself knows counts: `false` only if the lease [was lost](Self::is_lost).
    ///
    /// # Errors
    ///
    /// As any call; the lock then ends with its lease.
    pub async fn release(mut self) -> Result<bool> {
        self.keeper.abort();
        let lost = self.is_lost();
        let Some(held) = self.held.take() else {
            return Ok(false);
        };
        let core = held.core.clone();
        let release = async move {
            // As a clean-up, so that it passes while the client is closing, as that of a dropped guard does.
            held.release(&CallContext::for_cleanup(RELEASE_WITHIN)).await
        };
        // It goes on if the caller is dropped here.
        match core.pipeline.cleanup().complete(release).await {
            Some(outcome) => Ok(match outcome? {
                ReleaseOutcome::Released => true,
                ReleaseOutcome::NotHeld => false,
                ReleaseOutcome::Unknown => !lost,
            }),
            None => Err(Error::unexpected("no runtime to release a lock in").with_effect(Effect::NotSent)),
        }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.keeper.abort();
        if let Some(held) = self.held.take() {
            let core = held.core.clone();
            core.pipeline.cleanup().spawn(held.give_back());
        }
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("fencing", &self.fencing)
            .field("is_lost", &self.is_lost())
            .finish_non_exhaustive()
    }
}

/// Keeps the lease as long as it can, then says that it is lost.
async fn keep(held: Held, until: Instant, renew: bool, tell: watch::Sender<bool>) {
    let end = if renew { renewed(&held, until).await } else { until };
    tokio::time::sleep_until(end).await;
    tracing::warn!(lock = %held.name, "a lock was lost");
    let _ = tell.send(true);
}

/// Renews the lease until that fails for good, and answers when it ends. A renewal that fails is tried again as
/// long as the lease lasts by this process's own clock.
async fn renewed(held: &Held, mut until: Instant) -> Instant {
    let third = held.lease.get() / 3;
    let mut next = until - held.lease.get() + third;
    loop {
        tokio::time::sleep_until(next.min(until)).await;
        let asked = Instant::now();
        if asked >= until {
            return until;
        }
        match tokio::time::timeout_at(until, held.renew()).await {
            Ok(Ok(RenewOutcome::Renewed)) => {
                until = asked + held.lease.get();
                next = asked + third;
            }
            Ok(Ok(RenewOutcome::Lost)) => return asked,
            Ok(Err(error)) => {
                tracing::debug!(lock = %held.name, %error, "a lease could not be renewed yet");
                next = Instant::now() + third / 4;
            }
            Err(_) => return until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::memory::MemoryCache;

    #[tokio::test]
    async fn a_closing_client_still_takes_a_lock_back() {
        let cache = CacheClient::over(MemoryCache::new());
        let guard = cache.lock("l", Duration::from_secs(60)).await.unwrap().unwrap();
        cache.close(Duration::from_secs(1)).await;
        assert!(guard.release().await.unwrap());
    }
}
