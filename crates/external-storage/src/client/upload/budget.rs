//! How many bytes uploads hold in memory: one allowance an instance, one for all that share a `BuildContext`.
//!
//! A part takes what it holds and is about to read, step by step, out of one half of an allowance. Where that half is
//! taken it goes on as soon as the other half has room for all of it. Who has that room waits for nobody any more, so there
//! is always a part that can be filled and sent, however many others are half full.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use external_core::BuildContext;
use futures_util::future::{Either, select};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Allowances are counted in KiB, since a semaphore's counts are smaller than the largest parts.
const UNIT: u64 = 1024;

/// Both allowances.
#[derive(Debug, Clone)]
pub(in crate::client) struct Budget {
    instance: Arc<Allowance>,
    shared: Arc<Allowance>,
}

#[derive(Debug)]
struct Allowance {
    /// For parts that grow.
    steps: Half,
    /// For parts that have room for all they may become.
    wholes: Half,
    /// How many wait for something of it.
    waiting: AtomicUsize,
}

#[derive(Debug)]
struct Half {
    units: u32,
    free: Arc<Semaphore>,
}

/// The allowance of everything built from one context; a type of its own, since contexts share things by type.
struct OfContext(Arc<Allowance>);

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Half {
    fn new(units: u32) -> Self {
        Self { units, free: Arc::new(Semaphore::new(units as usize)) }
    }
}

impl Allowance {
    fn new(bytes: u64) -> Arc<Self> {
        let units = units(bytes).clamp(1, 1 << 29);
        let steps = Half::new(units / 2);
        Arc::new(Self { wholes: Half::new(units - steps.units), steps, waiting: AtomicUsize::new(0) })
    }

    /// Waits for `units` of a half of this allowance. `None` never happens: the semaphores are never closed.
    async fn take(&self, half: &Half, units: u32) -> Option<OwnedSemaphorePermit> {
        if let Ok(free) = half.free.clone().try_acquire_many_owned(units) {
            return Some(free);
        }
        let _waiting = Waiting::at(&self.waiting);
        half.free.clone().acquire_many_owned(units).await.ok()
    }

    /// Waits for one more step of a part that holds `held`.
    async fn step(&self, held: u32, more: u32) -> Option<OwnedSemaphorePermit> {
        if held.saturating_add(more) > self.steps.units {
            // Parts of that size have room in the other half only.
            std::future::pending::<()>().await;
        }
        self.take(&self.steps, more).await
    }

    /// Waits for room for a whole part, or for all the room there is where the part is larger.
    async fn whole(&self, part: u32) -> Option<OwnedSemaphorePermit> {
        self.take(&self.wholes, part.min(self.wholes.units)).await
    }
}

/// Counts one who waits for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn at(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Budget {
    pub(in crate::client) fn new(instance_bytes: u64, context: &BuildContext) -> Self {
        let shared = context.shared(|| OfContext(Allowance::new(context.upload_budget())));
        Self { instance: Allowance::new(instance_bytes), shared: shared.0.clone() }
    }

    /// How large a part may be: half of the smaller allowance.
    pub(super) fn part_max(&self) -> u64 {
        u64::from(self.instance.wholes.units.min(self.shared.wholes.units)) * UNIT
    }

    /// What a part of at most `size` bytes holds: nothing yet.
    pub(super) fn part(&self, size: usize) -> Held {
        Held { budget: self.clone(), size, units: 0, permits: None }
    }

    /// Whether somebody waits for memory that others hold.
    fn is_wanted(&self) -> bool {
        [&self.instance, &self.shared].iter().any(|one| one.waiting.load(Ordering::Acquire) > 0)
    }

    // Both are taken in this order only: whoever waits for the shared allowance holds nothing that another of its instance
    // needs to give the shared one back.

    async fn step(&self, held: u32, more: u32) -> Option<[OwnedSemaphorePermit; 2]> {
        let instance = self.instance.step(held, more).await?;
        Some([instance, self.shared.step(held, more).await?])
    }

    async fn whole(&self, part: u32) -> Option<[OwnedSemaphorePermit; 2]> {
        let instance = self.instance.whole(part).await?;
        Some([instance, self.shared.whole(part).await?])
    }
}

/// What a part may hold while it is in memory.
#[derive(Debug)]
pub(super) struct Held {
    budget: Budget,
    size: usize,
    units: u32,
    permits: Option<[OwnedSemaphorePermit; 2]>,
}

impl Held {
    /// The most bytes the part may have.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Waits until the part may hold `bytes`.
    pub(super) async fn cover(&mut self, bytes: usize) {
        let more = units(bytes as u64).saturating_sub(self.units);
        if more == 0 {
            return;
        }
        let part = units(self.size as u64);
        let step = pin!(self.budget.step(self.units, more));
        let whole = pin!(self.budget.whole(part));
        match select(step, whole).await {
            Either::Left((permits, _)) => {
                self.units += more;
                match (&mut self.permits, permits) {
                    (Some(held), Some(permits)) => {
                        held.iter_mut().zip(permits).for_each(|(held, more)| held.merge(more));
                    }
                    (held, permits) => *held = permits,
                }
            }
            Either::Right((permits, _)) => {
                self.units = part;
                self.permits = permits;
            }
        }
    }

    /// Gives back what is beyond `bytes`: the part turned out to be smaller than it might have been.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let keep = units(bytes as u64);
        self.units = self.units.min(keep);
        for permit in self.permits.iter_mut().flatten() {
            let beyond = permit.num_permits().saturating_sub(keep as usize);
            drop(permit.split(beyond));
        }
    }

    /// Whether somebody waits for memory while this part holds some.
    pub(super) fn is_wanted(&self) -> bool {
        self.units > 0 && self.budget.is_wanted()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::{MemoryStorage, StorageClient};

    const KIB: usize = 1024;

    fn budget(bytes: usize) -> Budget {
        Budget::new(bytes as u64, &BuildContext::default().with_upload_budget(1 << 40))
    }

    /// A part of `size` that holds `bytes`, if it may at once.
    fn part(budget: &Budget, size: usize, bytes: usize) -> Option<Held> {
        let mut held = budget.part(size);
        held.cover(bytes).now_or_never().map(|()| held)
    }

    #[test]
    fn a_part_takes_what_it_holds() {
        let budget = budget(64 * KIB);
        // Room for four whole parts, and for many that have only begun.
        let begun: Vec<_> = (0..32).map(|_| part(&budget, 16 * KIB, KIB).unwrap()).collect();
        let wholes: Vec<_> = (0..2).map(|_| part(&budget, 16 * KIB, KIB).unwrap()).collect();
        assert!(part(&budget, 16 * KIB, 1).is_none());
        assert!(!begun[0].is_wanted());
        drop(wholes);
        assert!(part(&budget, 16 * KIB, 16 * KIB).is_some());
    }

    /// Each has begun, and none has room to go on: were there no room for whole parts, all would wait for ever.
    #[tokio::test(start_paused = true)]
    async fn parts_that_all_need_more_get_it_one_after_the_other() {
        let budget = budget(64 * KIB);
        let fill = |mut held: Held| async move {
            for bytes in 1..=16 {
                held.cover(bytes * KIB).await;
                tokio::task::yield_now().await;
            }
        };
        let begun: Vec<_> = (0..32).map(|_| fill(part(&budget, 16 * KIB, KIB).unwrap())).collect();
        let all = futures_util::future::join_all(begun);
        assert!(tokio::time::timeout(Duration::from_secs(1), all).await.is_ok());
    }

    /// An instance's room for a whole part and the shared one are taken in one order, whoever takes them.
    #[tokio::test(start_paused = true)]
    async fn instances_that_all_need_more_get_it_one_after_the_other() {
        let context = BuildContext::default().with_upload_budget(32 * KIB as u64);
        let budgets: Vec<_> = (0..4).map(|_| Budget::new(24 * KIB as u64, &context)).collect();
        let fill = |budget: Budget| async move {
            let mut held = budget.part(8 * KIB);
            for bytes in 1..=8 {
                held.cover(bytes * KIB).await;
                tokio::task::yield_now().await;
            }
        };
        let parts = budgets.iter().flat_map(|budget| (0..8).map(|_| fill(budget.clone())));
        let all = futures_util::future::join_all(parts);
        assert!(tokio::time::timeout(Duration::from_secs(1), all).await.is_ok());
    }

    #[test]
    fn no_part_is_larger_than_half_of_either_allowance() {
        assert_eq!(budget(64 * KIB).part_max(), 32 * KIB as u64);
        let context = BuildContext::default().with_upload_budget(16 * KIB as u64);
        assert_eq!(Budget::new(64 * KIB as u64, &context).part_max(), 8 * KIB as u64);
        // A store whose smallest part is larger gets it alone.
        let budget = budget(4 * KIB);
        let alone = part(&budget, 100 * KIB, 100 * KIB).unwrap();
        assert!(part(&budget, 100 * KIB, 100 * KIB).is_none());
        drop(alone);
        assert!(part(&budget, 100 * KIB, 100 * KIB).is_some());
    }

    #[test]
    fn what_a_small_part_does_not_need_is_given_back() {
        let budget = budget(8 * KIB);
        let mut small = part(&budget, 4 * KIB, 4 * KIB).unwrap();
        let other = part(&budget, 4 * KIB, 4 * KIB).unwrap();
        assert!(part(&budget, 4 * KIB, 1).is_none());
        small.shrink(1);
        assert!(part(&budget, 4 * KIB, 3 * KIB).is_some());
        drop((small, other));
        assert!(part(&budget, 4 * KIB, 4 * KIB).is_some());
    }

    #[test]
    fn who_waits_is_seen_by_who_holds() {
        let budget = budget(2 * KIB);
        let held = [part(&budget, KIB, KIB).unwrap(), part(&budget, KIB, KIB).unwrap()];
        let mut other = budget.part(KIB);
        let mut waiting = Box::pin(other.cover(KIB));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(held.iter().all(Held::is_wanted) && !budget.part(KIB).is_wanted());
        drop(waiting);
        assert!(!held[0].is_wanted());
    }

    #[test]
    fn clients_that_were_given_no_context_share_one_budget() {
        let client = || StorageClient::over(MemoryStorage::default());
        let shared = |client: &StorageClient| client.inner.budget.shared.clone();
        assert!(Arc::ptr_eq(&shared(&client()), &shared(&client())));
        let other = client().with_context(&BuildContext::default());
        assert!(!Arc::ptr_eq(&shared(&client()), &shared(&other)));
    }

    #[test]
    fn instances_of_one_context_share_its_budget() {
        let context = BuildContext::default().with_upload_budget(2 * KIB as u64);
        let (one, other) = (Budget::new(1 << 20, &context), Budget::new(1 << 20, &context));
        let held = [part(&one, KIB, KIB).unwrap(), part(&one, KIB, KIB).unwrap()];
        assert!(part(&other, KIB, 1).is_none());
        drop(held);
        assert!(part(&other, KIB, 1).is_some());
    }
}
