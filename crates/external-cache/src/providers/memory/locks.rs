//! The locks of the memory provider. They live beside the values, so that want of room never frees a lock.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use external_core::cache::{
    AcquireRequest, CacheKey, LockAttempt, LockLease, LockOwner, ReleaseRequest, RenewOutcome, RenewRequest,
};
use tokio::time::Instant;

struct Held {
    owner: LockOwner,
    until: Instant,
}

#[derive(Default)]
struct Table {
    held: HashMap<CacheKey, Held>,
    /// One counter for all locks: greater than any number given before, for each of them.
    fencing: u64,
    /// At this many entries those that ran out are removed.
    sweep_at: usize,
}

#[derive(Default)]
pub(super) struct Locks(Mutex<Table>);

impl Locks {
    pub(super) fn acquire(&self, request: &AcquireRequest) -> LockAttempt {
        let now = Instant::now();
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = table.held.get(&request.name).filter(|held| now < held.until) {
            return LockAttempt::Held { remaining: Some(held.until - now) };
        }
        if table.held.len() >= table.sweep_at {
            table.held.retain(|_, held| now < held.until);
            table.sweep_at = (table.held.len() * 2).max(1024);
        }
        table.fencing += 1;
        let held = Held { owner: request.owner.clone(), until: now + request.ttl.get() };
        table.held.insert(request.name.clone(), held);
        LockAttempt::Acquired(LockLease::new(table.fencing))
    }

    pub(super) fn renew(&self, request: &RenewRequest) -> RenewOutcome {
        let now = Instant::now();
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match table.held.get_mut(&request.name) {
            Some(held) if now < held.until && held.owner == request.owner => {
                held.until = now + request.ttl.get();
                RenewOutcome::Renewed
            }
            _ => RenewOutcome::Lost,
        }
    }

    /// Whether the owner held the lock until now.
    pub(super) fn release(&self, request: &ReleaseRequest) -> bool {
        let now = Instant::now();
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match table.held.get(&request.name) {
            Some(held) if held.owner == request.owner => {
                let live = now < held.until;
                table.held.remove(&request.name);
                live
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use external_core::cache::Ttl;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn leases_that_ran_out_do_not_pile_up() {
        let locks = Locks::default();
        let owner = LockOwner::parse("o").unwrap();
        let ttl = Ttl::new(Duration::from_millis(1)).unwrap();
        for round in 0..5000 {
            let name = CacheKey::parse(format!("lock-{round}")).unwrap();
            locks.acquire(&AcquireRequest::new(name, owner.clone(), ttl));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(locks.0.lock().unwrap().held.len() <= 1024);
    }
}
