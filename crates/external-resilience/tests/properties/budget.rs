//! The budget never lets retries exceed their share, whoever makes them and whatever they cost.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use external_core::{CallContext, Error, ErrorKind};
use external_resilience::{BudgetPolicy, Policy};
use proptest::prelude::*;

use super::back_end::{READ, pipeline};
use super::paused;

/// How an attempt ends: well, or with an error of this kind.
fn ending() -> impl Strategy<Value = Option<ErrorKind>> {
    prop_oneof![Just(None), Just(Some(ErrorKind::Unavailable)), Just(Some(ErrorKind::RateLimited))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn callers_at_a_time_never_retry_beyond_the_budget(
        burst in 0_u32..20,
        calls in prop::collection::vec((any::<bool>(), any::<bool>()), 1..300),
    ) {
        paused(async {
            let mut budget = BudgetPolicy::default();
            budget.burst = burst;
            let policy = Policy::default().with_breaker(None).with_retry_budget(budget);
            let pipeline = pipeline(policy);
            // Retries after faults, and after throttles.
            let retries = [AtomicU32::new(0), AtomicU32::new(0)];
            let mut successes = 0_u32;
            for batch in calls.chunks(16) {
                let made = batch.iter().map(|(succeeds, throttled)| {
                    let (pipeline, retries) = (&pipeline, &retries[usize::from(*throttled)]);
                    async move {
                        let cx = CallContext::default();
                        pipeline
                            .run(READ, &cx, |cx, _| {
                                retries.fetch_add(u32::from(cx.attempt() > 1), Ordering::SeqCst);
                                Box::pin(async move {
                                    let kind = if *throttled { ErrorKind::RateLimited } else { ErrorKind::Unavailable };
                                    if *succeeds { Ok(()) } else { Err(Error::new(kind, "no")) }
                                })
                            })
                            .await
                            .is_ok()
                    }
                });
                let ended = futures_util::future::join_all(made).await;
                successes += u32::try_from(ended.iter().filter(|ok| **ok).count()).unwrap();
            }
            let [faults, throttles] = retries.map(|retries| f64::from(retries.into_inner()));
            let (cost, most) =
                (faults + throttles * budget.throttle_cost, f64::from(burst) + f64::from(successes) * budget.share);
            prop_assert!(cost <= most + 1e-9, "{} + {} retries of {}", faults, throttles, most);
            Ok(())
        })?;
    }

    /// Neither a retry too many nor one too few, for faults and throttles of any cost.
    #[test]
    fn the_budget_pays_to_the_last_thousandth(
        burst in 0_u32..6,
        share in 0_u64..=1000,
        throttle_cost in 0_u64..=1000,
        calls in prop::collection::vec([ending(), ending()], 1..200),
    ) {
        paused(async {
            let mut budget = BudgetPolicy::default();
            (budget.burst, budget.share, budget.throttle_cost) =
                (burst, share as f64 / 1000.0, throttle_cost as f64 / 1000.0);
            let policy = Policy::default().with_breaker(None).with_retry_budget(budget).with_max_attempts(2);
            let pipeline = pipeline(policy);
            let most = u64::from(burst) * 1000;
            let mut left = most;
            for (number, endings) in calls.iter().enumerate() {
                let attempts = AtomicUsize::new(0);
                let cx = CallContext::default();
                let ended = pipeline
                    .run(READ, &cx, |_, _| {
                        let ending = endings[attempts.fetch_add(1, Ordering::SeqCst)];
                        Box::pin(async move {
                            match ending {
                                None => Ok(()),
                                Some(kind) => Err(Error::new(kind, "no")),
                            }
                        })
                    })
                    .await;
                let cost = match endings[0] {
                    None => None,
                    Some(ErrorKind::RateLimited) => Some(throttle_cost),
                    Some(_) => Some(1000),
                };
                let paid = cost.filter(|cost| *cost <= left);
                left -= paid.unwrap_or_default();
                prop_assert_eq!(attempts.into_inner(), 1 + usize::from(paid.is_some()), "call {}", number);
                match ended {
                    Ok(()) => left = most.min(left + share),
                    Err(error) => {
                        let reason = if paid.is_some() { "attempts" } else { "budget" };
                        prop_assert_eq!(error.ended_by(), Some(reason), "call {}", number);
                    }
                }
                prop_assert_eq!(pipeline.pressure().retries_left, Some(left / 1000));
            }
            Ok(())
        })?;
    }
}
