//! How many bytes uploads hold in memory: one allowance an instance, one for all that share a `BuildContext`.

use std::sync::Arc;

use external_core::BuildContext;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Allowances are counted in KiB, since a semaphore's counts are smaller than the largest parts.
const UNIT: u64 = 1024;

/// Both allowances.
#[derive(Debug, Clone)]
pub(in crate::client) struct Budget {
    instance: Arc<Allowance>,
    shared: Arc<Allowance>,
}

/// What a part holds while it is in memory.
#[derive(Debug)]
pub(super) struct Held {
    instance: OwnedSemaphorePermit,
    shared: OwnedSemaphorePermit,
}

impl Held {
    /// Gives back what is beyond `bytes`: the part turned out to be smaller than it might have been.
    pub(super) fn shrink(&mut self, bytes: u64) {
        for permit in [&mut self.instance, &mut self.shared] {
            let beyond = permit.num_permits().saturating_sub(units(bytes) as usize);
            drop(permit.split(beyond));
        }
    }
}

#[derive(Debug)]
struct Allowance {
    units: u32,
    free: Arc<Semaphore>,
}

/// The allowance of everything built from one context; a type of its own, since contexts share things by type.
struct OfContext(Arc<Allowance>);

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).max(1)
}

impl Allowance {
    fn new(bytes: u64) -> Arc<Self> {
        let units = units(bytes).min(1 << 29);
        Arc::new(Self { units, free: Arc::new(Semaphore::new(units as usize)) })
    }

    /// Waits for `bytes`, or for all there is if that is less: a part larger than the allowance goes alone.
    async fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_many_owned(units(bytes).min(self.units)).await.ok()
    }
}

impl Budget {
    pub(in crate::client) fn new(instance_bytes: u64, context: &BuildContext) -> Self {
        let shared = context.shared(|| OfContext(Allowance::new(context.upload_budget())));
        Self { instance: Allowance::new(instance_bytes), shared: shared.0.clone() }
    }

    /// Waits until `bytes` may be held. `None` never happens: the semaphores are never closed.
    pub(super) async fn take(&self, bytes: u64) -> Option<Held> {
        // Always in this order: whoever waits for the shared one holds nothing that another of its instance needs to
        // give the shared one back.
        let instance = self.instance.take(bytes).await?;
        let shared = self.shared.take(bytes).await?;
        Some(Held { instance, shared })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_larger_than_the_budget_goes_alone() {
        let budget = Budget::new(4096, &BuildContext::default());
        let small = budget.take(1).await;
        let wait = Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, budget.take(1 << 40)).await.is_err());
        drop(small);
        assert!(tokio::time::timeout(wait, budget.take(1 << 40)).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_small_part_does_not_need_is_given_back() {
        let budget = Budget::new(8192, &BuildContext::default());
        let mut small = budget.take(8192).await.unwrap();
        small.shrink(1);
        let wait = Duration::from_secs(1);
        let rest = tokio::time::timeout(wait, budget.take(8192 - 1024)).await.unwrap();
        assert!(tokio::time::timeout(wait, budget.take(1)).await.is_err());
        drop((small, rest));
        assert!(tokio::time::timeout(wait, budget.take(8192)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn instances_of_one_context_share_its_budget() {
        let context = BuildContext::default().with_upload_budget(2048);
        let (one, other) = (Budget::new(1 << 20, &context), Budget::new(1 << 20, &context));
        let held = one.take(2048).await;
        assert!(tokio::time::timeout(Duration::from_secs(1), other.take(1)).await.is_err());
        drop(held);
        assert!(other.take(1).await.is_some());
    }
}
