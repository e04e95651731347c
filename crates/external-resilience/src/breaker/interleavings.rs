//! Probes in every interleaving that a checker comes up with: never more at a time than allowed, and no place lost, however an
//! attempt ends.

use std::ops::DerefMut;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use shuttle::sync::Mutex as Shuttled;
use shuttle::sync::atomic::{AtomicU32, Ordering};
use shuttle::thread;
use tokio::time::Instant;

use super::lock::Lock;
use super::{Breaker, BreakerState, Inner, Verdict};
use crate::BreakerPolicy;

impl Lock for Shuttled<Inner> {
    fn around(inner: Inner) -> Self {
        Self::new(inner)
    }

    fn lock(&self) -> impl DerefMut<Target = Inner> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ALLOWED: u32 = 2;
const CALLERS: usize = 4;
const LONG: Duration = Duration::from_secs(3600);

/// A circuit that is half open for the next who looks.
fn half_open(now: Instant) -> Breaker<Shuttled<Inner>> {
    let breaker = Breaker::<Shuttled<Inner>>::new(BreakerPolicy {
        minimum_calls: 1,
        half_open_calls: ALLOWED,
        open_for: Duration::ZERO,
        half_open_for: LONG,
        ..BreakerPolicy::default()
    });
    breaker.admit(now, LONG).unwrap().settle(Verdict::Failure, now);
    assert!(!breaker.is_closed());
    breaker
}

/// Runs this for each of some callers at a time, and then answers what they leave.
fn after_all(
    caller: impl Fn(&Breaker<Shuttled<Inner>>, usize, Instant) + Send + Sync + 'static,
) -> (Arc<Breaker<Shuttled<Inner>>>, Instant) {
    let now = Instant::now();
    let (breaker, caller) = (Arc::new(half_open(now)), Arc::new(caller));
    let callers = (0..CALLERS).map(|number| {
        let (breaker, caller) = (breaker.clone(), caller.clone());
        thread::spawn(move || caller(&breaker, number, now))
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.join().unwrap();
    }
    (breaker, now)
}

/// In random interleavings, and in those that change threads seldom: each finds what the other does not.
fn check(test: fn()) {
    shuttle::check_random(test, 500);
    shuttle::check_pct(test, 500, 3);
}

#[test]
fn never_more_probes_than_allowed_and_no_place_lost_in_any_interleaving() {
    check(|| {
        let out = AtomicU32::new(0);
        let (breaker, now) = after_all(move |breaker, number, now| {
            for turn in 0..2 {
                let Ok(mut permit) = breaker.admit(now, LONG) else { continue };
                assert!(out.fetch_add(1, Ordering::SeqCst) < ALLOWED, "a probe too many");
                thread::yield_now();
                out.fetch_sub(1, Ordering::SeqCst);
                // Its answer says nothing about the service, or its caller gives up; who panics drops it too.
                if (number + turn) % 2 == 0 {
                    permit.settle(Verdict::Nothing, now);
                } else {
                    drop(permit);
                }
            }
        });
        let places = [(); ALLOWED as usize].map(|()| breaker.admit(now, LONG));
        assert!(places.iter().all(Result::is_ok), "a place was lost");
        assert!(breaker.admit(now, LONG).is_err());
    });
}

#[test]
fn so_many_probes_that_succeed_close_the_circuit_in_any_interleaving() {
    check(|| {
        let probes = Arc::new(AtomicU32::new(0));
        let made = probes.clone();
        let (breaker, _) = after_all(move |breaker, _, now| {
            let Ok(mut permit) = breaker.admit(now, LONG) else { return };
            made.fetch_add(u32::from(permit.probe.is_some()), Ordering::SeqCst);
            thread::yield_now();
            permit.settle(Verdict::Success, now);
        });
        assert_eq!(probes.load(Ordering::SeqCst), ALLOWED, "one that succeeded keeps its place");
        assert_eq!(breaker.state(), BreakerState::Closed);
    });
}
