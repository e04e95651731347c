//! The retry budget: retries stay a bounded share of what succeeds, however many callers fail at a time.
//!
//! Without it, three attempts a call make three times the load of a service that is down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use external_core::{Error, ErrorKind, Sharded};

use crate::policy::BudgetPolicy;

/// A retry after a fault costs so much; shares of it are counted in thousandths.
const RETRY: u64 = 1000;

#[derive(Debug)]
pub(crate) struct Budget {
    most: u64,
    refill: u64,
    throttle_cost: u64,
    left: Mutex<u64>,
    /// Successes that have not been added yet, by thread: every call that succeeds adds to them.
    successes: Sharded<AtomicU64>,
}

impl Budget {
    pub(crate) fn new(policy: BudgetPolicy) -> Self {
        let most = u64::from(policy.burst) * RETRY;
        Self {
            most,
            refill: thousandths(policy.share),
            throttle_cost: thousandths(policy.throttle_cost),
            left: Mutex::new(most),
            successes: Sharded::default(),
        }
    }

    /// A call succeeded.
    pub(crate) fn refill(&self) {
        self.successes.here().fetch_add(1, Ordering::Relaxed);
    }

    /// Pays for one retry after this error, if there is enough.
    pub(crate) fn pay_for(&self, error: &Error) -> bool {
        self.pay(self.cost_after(error))
    }

    /// Takes back what was paid for a retry after this error: no attempt was made.
    pub(crate) fn give_back(&self, error: &Error) {
        self.add(self.cost_after(error));
    }

    fn cost_after(&self, error: &Error) -> u64 {
        if error.kind() == ErrorKind::RateLimited { self.throttle_cost } else { RETRY }
    }

    /// Pays for one attempt that nothing has failed for.
    pub(crate) fn pay_for_hedge(&self) -> bool {
        self.pay(RETRY)
    }

    /// Takes back what was paid for a hedge: it was not made.
    pub(crate) fn give_back_hedge(&self) {
        self.add(RETRY);
    }

    fn pay(&self, cost: u64) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = self.filled(*left);
        match left.checked_sub(cost) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        }
    }

    fn add(&self, paid: u64) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_add(paid).min(self.most);
    }

    /// How many retries are left.
    pub(crate) fn retries_left(&self) -> u64 {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = self.filled(*left);
        *left / RETRY
    }

    fn filled(&self, left: u64) -> u64 {
        let successes: u64 = self.successes.iter().map(|shard| shard.swap(0, Ordering::Relaxed)).sum();
        left.saturating_add(successes.saturating_mul(self.refill)).min(self.most)
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 1,000, as the policy checks"
)]
fn thousandths(share: f64) -> u64 {
    (share * RETRY as f64).round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(burst: u32) -> Budget {
        Budget::new(BudgetPolicy { burst, ..BudgetPolicy::default() })
    }

    #[test]
    fn a_throttle_costs_less_than_a_fault() {
        let (fault, throttle) = (Error::unavailable("down"), Error::rate_limited("slow down"));
        let (one, other) = (budget(4), budget(4));
        assert_eq!((0..100).filter(|_| one.pay_for(&fault)).count(), 4);
        assert_eq!((0..100).filter(|_| other.pay_for(&throttle)).count(), 8);
    }

    proptest! {
        #[test]
        fn retries_never_exceed_the_burst_and_their_share(burst in 0_u32..50, calls in prop::collection::vec(any::<bool>(), 0..2000)) {
            let budget = budget(burst);
            let (mut successes, mut retries) = (0_u32, 0_u32);
            for succeeds in calls {
                if succeeds {
                    budget.refill();
                    successes += 1;
                } else if budget.pay_for(&Error::unavailable("down")) {
                    retries += 1;
                }
                let share = f64::from(successes) * BudgetPolicy::default().share;
                prop_assert!(f64::from(retries) <= f64::from(burst) + share + 1e-9);
            }
        }
    }
}
