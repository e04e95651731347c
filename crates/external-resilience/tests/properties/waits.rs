//! Waits between attempts stay within their bounds and the deadline.

use std::sync::Mutex;

use external_core::{CallContext, CallOptions, Error, Retry};
use external_resilience::Policy;
use proptest::prelude::*;
use tokio::time::Instant;

use super::back_end::{READ, ms, pipeline};
use super::paused;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn waits_stay_within_their_bounds_and_the_deadline(
        base in 1_u64..500,
        doublings in 0_u32..6,
        attempts in 1_u32..10,
        deadline in 1_u64..20_000,
        hint in prop::option::of(0_u64..2000),
    ) {
        paused(async {
            let cap = ms(base << doublings);
            let down = || match hint {
                None => Error::unavailable("down"),
                Some(hint) => Error::unavailable("down").with_retry(Retry::After(ms(hint))),
            };
            let hint = ms(hint.unwrap_or_default());
            let policy = Policy::default()
                .with_breaker(None)
                .with_retry_budget(None)
                .with_max_attempts(attempts)
                .with_backoff(ms(base), cap);
            let pipeline = pipeline(policy);
            let starts = Mutex::new(Vec::new());
            let start = Instant::now();
            let cx = CallContext::new(&CallOptions::new().with_timeout(ms(deadline)));
            let ended = pipeline
                .run(READ, &cx, |_, _| {
                    starts.lock().unwrap().push(Instant::now());
                    Box::pin(async { Err::<(), _>(down()) })
                })
                .await
                .unwrap_err();
            let starts = starts.into_inner().unwrap();
            prop_assert!(start.elapsed() <= ms(deadline) + ms(1));
            prop_assert!(starts.len() <= attempts as usize);
            prop_assert_eq!(ended.attempts() as usize, starts.len());
            for (number, pair) in starts.windows(2).enumerate() {
                // What is added to a hint is the backoff of a first attempt.
                let bound = cap.min(ms(base << number.min(20))).max(hint + cap.min(ms(base)));
                let wait = pair[1] - pair[0];
                // The clock counts in milliseconds, rounded up.
                prop_assert!(hint <= wait && wait <= bound + ms(1), "wait {}: {:?}", number, wait);
            }
            // It gave up for a reason: the next attempt might have been too late.
            if ended.ended_by() == Some("deadline") {
                let last = *starts.last().unwrap_or(&start) - start;
                let longest = cap.min(ms(base << starts.len().saturating_sub(1).min(20))).max(hint);
                prop_assert!(last + longest + ms(1) >= ms(deadline), "{:?} of {} ms", last, deadline);
            }
            Ok(())
        })?;
    }
}
