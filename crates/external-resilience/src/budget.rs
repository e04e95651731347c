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

    /// A call that counted as a success was none: its body broke off.
    pub(crate) fn take_back(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = self.filled(*left).saturating_sub(self.refill);
    }

    /// Pays for one retry after this error, if there is enough.
    pub(crate) fn pay_for(&self, error: &Error) -> Option<Payment<'_>> {
        let throttled = error.kind() == ErrorKind::RateLimited;
        self.pay(if throttled { self.throttle_cost } else { RETRY })
    }

    /// Pays for one attempt that nothing has failed for.
    pub(crate) fn pay_for_hedge(&self) -> Option<Payment<'_>> {
        self.pay(RETRY)
    }

    fn pay(&self, cost: u64) -> Option<Payment<'_>> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = self.filled(*left);
        *left = left.checked_sub(cost)?;
        Some(Payment { budget: self, cost })
    }

    /// How many retries are left.
    pub(crate) fn retries_left(&self) -> u64 {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = self.filled(*left);
        *left / RETRY
    }

    /// Whoever looks finds what successes have put in, and never more than a full bucket.
    fn filled(&self, left: u64) -> u64 {
        let successes: u64 = self.successes.iter().map(|shard| shard.swap(0, Ordering::Relaxed)).sum();
        left.saturating_add(successes.saturating_mul(self.refill)).min(self.most)
    }
}

/// What was paid for an attempt. Dropped before that begins, since it was refused or its caller gave up, it is paid back.
#[derive(Debug)]
#[must_use]
pub(crate) struct Payment<'a> {
    budget: &'a Budget,
    cost: u64,
}

impl Payment<'_> {
    /// The attempt begins.
    pub(crate) fn used(self) {
        std::mem::forget(self);
    }
}

impl Drop for Payment<'_> {
    fn drop(&mut self) {
        let Self { budget, cost } = *self;
        let mut left = budget.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_add(cost);
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
        assert_eq!((0..100).filter(|_| pays(&one, &fault)).count(), 4);
        assert_eq!((0..100).filter(|_| pays(&other, &throttle)).count(), 8);
    }

    /// Pays for a retry after this error, and makes it.
    fn pays(budget: &Budget, error: &Error) -> bool {
        budget.pay_for(error).map(Payment::used).is_some()
    }

    #[test]
    fn neither_successes_nor_what_is_paid_back_make_the_bucket_more_than_full() {
        let budget = budget(2);
        let paid = budget.pay_for(&Error::unavailable("down")).unwrap();
        assert_eq!(budget.retries_left(), 1);
        for _ in 0..10 {
            budget.refill();
        }
        assert_eq!(budget.retries_left(), 2);
        drop(paid);
        assert_eq!(budget.retries_left(), 2);
    }

    #[test]
    fn what_a_success_put_in_is_taken_out_if_it_was_none() {
        let budget = Budget::new(BudgetPolicy { burst: 2, share: 1.0, ..BudgetPolicy::default() });
        let fault = Error::unavailable("down");
        assert!(pays(&budget, &fault) && pays(&budget, &fault) && !pays(&budget, &fault));
        for _ in 0..10 {
            budget.refill();
            budget.take_back();
        }
        assert_eq!(budget.retries_left(), 0);
        budget.take_back();
        budget.refill();
        assert_eq!(budget.retries_left(), 1, "nobody pays for what others broke");
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
                } else if pays(&budget, &Error::unavailable("down")) {
                    retries += 1;
                }
                let share = f64::from(successes) * BudgetPolicy::default().share;
                prop_assert!(f64::from(retries) <= f64::from(burst) + share + 1e-9);
            }
        }
    }
}
