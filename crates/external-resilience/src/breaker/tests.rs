//! What opens a circuit, what closes it, and what probes have to say meanwhile.

use std::sync::mpsc;
use std::time::Duration;

use external_core::{Effect, Error, ErrorKind};
use tokio::time::Instant;

use super::{Breaker, BreakerState, Permit, Verdict};
use crate::BreakerPolicy;

fn breaker() -> Breaker {
    Breaker::new(BreakerPolicy {
        window: 10,
        minimum_calls: 4,
        half_open_calls: 2,
        ..BreakerPolicy::default()
    })
}

const SLOW: Duration = Duration::from_secs(5);

fn admit(breaker: &Breaker) -> Result<Permit<'_>, Error> {
    breaker.admit(Instant::now(), SLOW)
}

fn settle(mut permit: Permit<'_>, verdict: Verdict) {
    permit.settle(verdict, Instant::now());
}

fn fail(breaker: &Breaker, times: u32) {
    for _ in 0..times {
        settle(admit(breaker).unwrap(), Verdict::Failure);
    }
}

#[tokio::test(start_paused = true)]
async fn opens_at_the_rate_and_closes_after_its_probes() {
    let breaker = breaker();
    fail(&breaker, 3);
    assert_eq!(breaker.state(), BreakerState::Closed);
    fail(&breaker, 1);
    assert_eq!(breaker.state(), BreakerState::Open);
    let error = admit(&breaker).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
    tokio::time::advance(BreakerPolicy::default().open_for).await;
    let (one, two) = (admit(&breaker).unwrap(), admit(&breaker).unwrap());
    assert!(admit(&breaker).is_err());
    settle(one, Verdict::Success);
    settle(two, Verdict::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn successes_of_all_threads_weigh_against_failures() {
    let breaker = breaker();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let now = Instant::now();
                admit(&breaker).unwrap().settle(Verdict::Success, now);
            });
        }
    });
    fail(&breaker, 2);
    assert_eq!(breaker.state(), BreakerState::Closed, "2 of 5");
    fail(&breaker, 1);
    assert_eq!(breaker.state(), BreakerState::Open, "3 of 6");
}

#[tokio::test(start_paused = true)]
async fn successes_push_failures_out_of_the_window() {
    let breaker = breaker();
    fail(&breaker, 3);
    for _ in 0..10 {
        settle(admit(&breaker).unwrap(), Verdict::Success);
    }
    fail(&breaker, 4);
    assert_eq!(breaker.state(), BreakerState::Closed, "4 of the last 10");
    fail(&breaker, 1);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_probe_gives_its_place_back() {
    let breaker = breaker();
    fail(&breaker, 4);
    tokio::time::advance(BreakerPolicy::default().open_for).await;
    drop((admit(&breaker).unwrap(), admit(&breaker).unwrap()));
    assert!(admit(&breaker).is_ok() && admit(&breaker).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failing_probe_opens_again_and_late_answers_do_not_count() {
    let breaker = breaker();
    let late = admit(&breaker).unwrap();
    fail(&breaker, 4);
    tokio::time::advance(BreakerPolicy::default().open_for).await;
    settle(admit(&breaker).unwrap(), Verdict::Failure);
    assert_eq!(breaker.state(), BreakerState::Open);
    settle(late, Verdict::Success);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn late_answers_decide_nothing_while_probes_are_out() {
    let breaker = breaker();
    let (good, bad) = (admit(&breaker).unwrap(), admit(&breaker).unwrap());
    fail(&breaker, 4);
    tokio::time::advance(BreakerPolicy::default().open_for).await;
    let probe = admit(&breaker).unwrap();
    settle(good, Verdict::Success);
    settle(bad, Verdict::Failure);
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    // Nor do they take or free the place of a probe.
    let other = admit(&breaker).unwrap();
    assert!(admit(&breaker).is_err());
    settle(probe, Verdict::Success);
    settle(other, Verdict::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

/// A breaker that has just become half open.
async fn half_open() -> Breaker {
    let breaker = breaker();
    fail(&breaker, 4);
    tokio::time::advance(BreakerPolicy::default().open_for).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    breaker
}

#[tokio::test(start_paused = true)]
async fn time_alone_decides_nothing_before_a_probe_was_made() {
    let (breaker, limit) = (half_open().await, BreakerPolicy::default().half_open_for);
    for wait in [limit, limit / 2, limit * 10] {
        tokio::time::advance(wait).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }
    let probe = admit(&breaker).unwrap();
    tokio::time::advance(limit - Duration::from_millis(1)).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "the limit counts from the first probe on");
    drop(probe);
}

#[tokio::test(start_paused = true)]
async fn without_a_success_in_time_it_opens_again() {
    let policy = BreakerPolicy::default();
    for hangs in [true, false] {
        let breaker = half_open().await;
        let mut probe = Some(admit(&breaker).unwrap());
        if !hangs {
            // `NotFound` is no verdict.
            settle(probe.take().unwrap(), Verdict::Nothing);
        }
        tokio::time::advance(policy.half_open_for - Duration::from_millis(1)).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(breaker.state(), BreakerState::Open, "hangs: {hangs}");
        // Who looks later finds the same, and what hung has no say any more.
        tokio::time::advance(policy.open_for).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        drop(probe);
        assert!(admit(&breaker).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn the_verdict_waits_for_what_may_take_longer() {
    let (second, long) = (Duration::from_secs(1), Duration::from_secs(180));
    // Opened again after 30 s, it is half open for the second time at the end.
    for (allowed, state) in [(long, BreakerState::Closed), (second, BreakerState::HalfOpen)] {
        let breaker = half_open().await;
        let mut probe = breaker.admit(Instant::now(), long / 2).unwrap();
        probe.allow(Duration::ZERO, Some(Instant::now() + allowed));
        tokio::time::advance(Duration::from_secs(40)).await;
        settle(probe, Verdict::Success);
        tokio::time::advance(long - Duration::from_secs(40)).await;
        assert_eq!(breaker.state(), state, "may last {allowed:?}");
    }
    // One after the other, none of them a verdict: the limit still counts from the first on, and none is out then.
    let (breaker, limit) = (half_open().await, BreakerPolicy::default().half_open_for);
    for _ in 0..4 {
        let mut probe = breaker.admit(Instant::now(), long / 2).unwrap();
        probe.allow(Duration::ZERO, Some(Instant::now() + long));
        settle(probe, Verdict::Nothing);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        tokio::time::advance(limit / 4).await;
    }
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn the_verdict_waits_for_the_end_of_each_probe_that_is_out() {
    let secs = Duration::from_secs;
    for (takes, state) in [(9, BreakerState::Closed), (10, BreakerState::Open)] {
        let breaker = half_open().await;
        settle(admit(&breaker).unwrap(), Verdict::Nothing);
        tokio::time::advance(secs(28)).await;
        let mut probe = breaker.admit(Instant::now(), secs(20)).unwrap();
        probe.allow(Duration::ZERO, Some(Instant::now() + secs(10)));
        tokio::time::advance(secs(2)).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen, "it has 8 s left");
        assert!(admit(&breaker).is_ok(), "while it is waited for");
        tokio::time::advance(secs(takes - 2)).await;
        settle(probe, Verdict::Success);
        assert_eq!(breaker.state(), state, "nothing else is out");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_takes_long_shuts_nobody_out() {
    let (limit, hour) = (BreakerPolicy::default().half_open_for, Duration::from_secs(3600));
    let breaker = half_open().await;
    let mut upload = breaker.admit(Instant::now(), hour).unwrap();
    upload.allow(Duration::ZERO, Some(Instant::now() + hour));
    settle(admit(&breaker).unwrap(), Verdict::Success);
    assert!(admit(&breaker).is_err(), "all places are taken");
    tokio::time::advance(limit).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "the upload is within its time");
    settle(admit(&breaker).unwrap(), Verdict::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
    // Nor do those that go in its place put the verdict off for ever.
    let breaker = half_open().await;
    let mut upload = breaker.admit(Instant::now(), hour).unwrap();
    upload.allow(Duration::ZERO, Some(Instant::now() + limit * 3));
    for _ in 0..4 {
        tokio::time::advance(limit / 2).await;
        settle(admit(&breaker).unwrap(), Verdict::Nothing);
    }
    let mut instead = breaker.admit(Instant::now(), hour).unwrap();
    instead.allow(Duration::ZERO, Some(Instant::now() + limit * 2));
    tokio::time::advance(limit).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen, "what went instead is within its time");
    assert!(admit(&breaker).is_err(), "the upload is not, and nobody follows");
    tokio::time::advance(limit).await;
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_the_limit_is_no_verdict() {
    let (breaker, limit) = (half_open().await, BreakerPolicy::default().half_open_for);
    let late = breaker.admit(Instant::now(), limit * 10).unwrap();
    tokio::time::advance(limit).await;
    settle(late, Verdict::Success);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn nobody_pays_for_a_limit_that_passed_unseen() {
    let breaker = half_open().await;
    settle(admit(&breaker).unwrap(), Verdict::Nothing);
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!(admit(&breaker).is_ok(), "it opened again, and that is long ago");
}

#[tokio::test(start_paused = true)]
async fn what_succeeded_decides_when_fewer_call_than_there_are_probes() {
    let breaker = half_open().await;
    settle(admit(&breaker).unwrap(), Verdict::Success);
    tokio::time::advance(BreakerPolicy::default().half_open_for).await;
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_on_hanging_calls_open_it() {
    let breaker = breaker();
    let hanging: Vec<_> = (0..4).map(|_| admit(&breaker).unwrap()).collect();
    tokio::time::advance(SLOW).await;
    drop(hanging);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_waits_only_while_all_probes_are_out() {
    let (breaker, start) = (half_open().await, Instant::now());
    let end = start + Duration::from_secs(3);
    let (one, two) = (admit(&breaker).unwrap(), admit(&breaker).unwrap());
    assert!(admit(&breaker).is_err());
    // One gives its place back before the call that was refused has come to wait.
    drop(one);
    assert!(breaker.probed(end).await);
    assert_eq!(start.elapsed(), Duration::ZERO, "a place is free");
    let one = admit(&breaker).unwrap();
    assert!(breaker.probed(end).await);
    assert_eq!(start.elapsed(), Duration::from_secs(3), "nothing was decided in time");
    // The circuit closes, or opens, before it has come to wait.
    settle(one, Verdict::Success);
    settle(two, Verdict::Success);
    let end = end + Duration::from_secs(3);
    assert!(breaker.probed(end).await, "the circuit is closed");
    fail(&breaker, 4);
    assert!(!breaker.probed(end).await, "the circuit is open");
    breaker.isolate();
    assert!(!breaker.probed(end).await);
    assert_eq!(start.elapsed(), Duration::from_secs(3), "neither waits");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_probes_goes_on_when_a_place_is_given_back() {
    let secs = Duration::from_secs;
    // A probe that succeeded keeps its place.
    for (verdict, waits) in [(Verdict::Nothing, secs(1)), (Verdict::Success, secs(3))] {
        let (breaker, start) = (half_open().await, Instant::now());
        let (one, two) = (admit(&breaker).unwrap(), admit(&breaker).unwrap());
        let (may_ask, ()) = tokio::join!(breaker.probed(start + secs(3)), async {
            tokio::time::sleep(secs(1)).await;
            settle(one, verdict);
        });
        assert!(may_ask);
        assert_eq!(start.elapsed(), waits, "{verdict:?}");
        drop(two);
    }
}

#[tokio::test(start_paused = true)]
async fn isolation_lasts_until_the_reset() {
    let breaker = breaker();
    breaker.isolate();
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert!(admit(&breaker).is_err());
    breaker.reset();
    assert!(admit(&breaker).is_ok());
}

#[tokio::test(start_paused = true)]
async fn while_calls_succeed_nothing_is_locked() {
    let (breaker, now) = (breaker(), Instant::now());
    let (over, is_over) = mpsc::channel();
    std::thread::scope(|scope| {
        let locked = breaker.inner.lock().unwrap();
        scope.spawn(|| {
            assert!(breaker.is_closed() && breaker.check(now, now).is_ok());
            breaker.admit(now, SLOW).unwrap().settle(Verdict::Success, now);
            drop(breaker.admit(now, SLOW).unwrap());
            over.send(()).unwrap();
        });
        // One that waits for the lock goes on when this test has failed.
        let ended = is_over.recv_timeout(Duration::from_secs(10));
        drop(locked);
        ended.unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn it_is_closed_only_while_it_is_neither_open_nor_half_open_nor_isolated() {
    let breaker = breaker();
    assert!(breaker.is_closed());
    fail(&breaker, 4);
    assert!(!breaker.is_closed());
    tokio::time::advance(BreakerPolicy::default().open_for).await;
    assert_eq!((breaker.state(), breaker.is_closed()), (BreakerState::HalfOpen, false));
    breaker.isolate();
    assert!(!breaker.is_closed());
    breaker.reset();
    assert!(breaker.is_closed());
}

#[tokio::test(start_paused = true)]
async fn who_has_to_wait_anyway_is_refused_only_for_what_is_known() {
    let (breaker, moment) = (breaker(), Duration::from_millis(1));
    fail(&breaker, 4);
    let now = Instant::now();
    let half_open = now + BreakerPolicy::default().open_for;
    assert!(breaker.check(half_open - moment, now).is_err());
    assert!(breaker.check(half_open, now).is_ok(), "it is half open by then");
    tokio::time::advance(BreakerPolicy::default().open_for).await;
    let now = Instant::now();
    let _one = admit(&breaker).unwrap();
    assert!(breaker.check(now, now).is_ok(), "a probe's place is free");
    let _two = admit(&breaker).unwrap();
    assert!(breaker.check(now, now).is_err());
    assert!(breaker.check(now + moment, now).is_ok(), "nobody knows what the probes will say");
    breaker.isolate();
    assert!(breaker.check(now + moment, now).is_err());
    breaker.reset();
    assert!(breaker.check(now, now).is_ok());
}
