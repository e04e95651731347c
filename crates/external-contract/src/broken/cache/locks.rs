//! Locks that are wrong.

use external_core::cache::{
    AcquireRequest, LockAttempt, LockCache, LockLease, ReleaseOutcome, ReleaseRequest, RenewOutcome,
    RenewRequest, Ttl,
};
use external_core::{CallContext, Error, Result, async_trait};

use super::{Broken, HOUR, Wrong};

impl Broken {
    fn right_locks(&self) -> Result<&dyn LockCache> {
        self.right.locks().ok_or_else(|| Error::unsupported("locks"))
    }
}

#[async_trait]
impl LockCache for Broken {
    async fn acquire(&self, cx: &CallContext, request: &AcquireRequest) -> Result<LockAttempt> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        match self.wrong {
            Some(Wrong::NeverAcquires) => return Ok(LockAttempt::Held { remaining: None }),
            Some(Wrong::LeasesNeverEnd) => request.ttl = Ttl::new(HOUR)?,
            Some(Wrong::LocksAreValues) => {
                self.write(cx, &request.name, request.owner.as_str().to_owned()).await?;
            }
            _ => {}
        }
        let attempt = self.right_locks()?.acquire(cx, &request).await?;
        Ok(match (attempt, self.wrong) {
            (LockAttempt::Held { .. }, Some(Wrong::AcquiresAnything)) => {
                LockAttempt::Acquired(LockLease::new(u64::MAX))
            }
            (LockAttempt::Acquired(_), Some(Wrong::FencingStandsStill)) => {
                LockAttempt::Acquired(LockLease::new(1))
            }
            (attempt, _) => {
                if matches!(attempt, LockAttempt::Acquired(_)) {
                    self.seen().owners.insert(request.name, request.owner);
                }
                attempt
            }
        })
    }

    async fn renew(&self, cx: &CallContext, request: &RenewRequest) -> Result<RenewOutcome> {
        let _inside = self.gate.enter().await?;
        if self.is(Wrong::RenewsNothing) {
            return Ok(RenewOutcome::Renewed);
        }
        let outcome = self.right_locks()?.renew(cx, request).await?;
        if outcome == RenewOutcome::Lost && self.is(Wrong::RenewTakes) {
            let RenewRequest { name, owner, ttl, .. } = request.clone();
            self.right_locks()?.acquire(cx, &AcquireRequest::new(name, owner, ttl)).await?;
            return Ok(RenewOutcome::Renewed);
        }
        Ok(outcome)
    }

    async fn release(&self, cx: &CallContext, request: &ReleaseRequest) -> Result<ReleaseOutcome> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        match self.wrong {
            Some(Wrong::ReleasesNothing) => return Ok(ReleaseOutcome::Released),
            Some(Wrong::TellsOnRepeat) => {
                return self.right_locks()?.release(&CallContext::default(), &request).await;
            }
            Some(Wrong::ReleasesForAnybody) => {
                let owner = self.seen().owners.get(&request.name).cloned();
                request.owner = owner.unwrap_or(request.owner);
            }
            _ => {}
        }
        self.right_locks()?.release(cx, &request).await
    }
}
