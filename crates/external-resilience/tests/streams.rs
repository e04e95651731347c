//! Streamed bodies: what shows that one is alive, and what its end says about the service. Under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::time::Duration;

use back_end::{BackEnd, READ, call, ended_by, ms, opens_after_two, pipeline};
use bytes::Bytes;
use external_core::{ByteStream, CallContext, Error, ErrorKind, Result};
use external_resilience::{BreakerState, BudgetPolicy, CallGuard, Pipeline, Policy};
use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep, timeout};

const IDLE: Duration = Duration::from_secs(30);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How a client takes a body under its guard.
type Around = fn(CallGuard, ByteStream, Duration) -> ByteStream;

const ALL: [Around; 3] = [CallGuard::around, CallGuard::around_events, CallGuard::around_stored];

/// Chunks, each after a while.
fn body(chunks: Vec<(Duration, Result<Bytes>)>) -> ByteStream {
    ByteStream::new(stream::iter(chunks).then(|(after, chunk)| async move {
        sleep(after).await;
        chunk
    }))
}

fn chunk(bytes: usize) -> Result<Bytes> {
    Ok(vec![0; bytes].into())
}

/// An answer with this body.
async fn answer(pipeline: &Pipeline, around: Around, body: ByteStream) -> ByteStream {
    let cx = CallContext::default();
    let (_, guard) = pipeline.run_streaming(READ, &cx, |_, _| Box::pin(async { Ok(()) })).await.unwrap();
    around(guard, body, IDLE)
}

/// Reads an answer whose body comes to this end.
async fn read(pipeline: &Pipeline, around: Around, end: Result<Bytes>) -> Result<Bytes> {
    let body = body(vec![(Duration::ZERO, chunk(10)), (Duration::ZERO, end)]);
    answer(pipeline, around, body).await.collect(u64::MAX).await
}

fn broken() -> Result<Bytes> {
    Err(Error::unavailable("reset"))
}

#[tokio::test(start_paused = true)]
async fn a_line_now_and_then_keeps_a_body_alive_that_is_no_stored_one() {
    for (around, lives) in ALL.into_iter().zip([true, true, false]) {
        let lines = body((0..100).map(|_| (secs(29), chunk(1))).collect());
        let start = Instant::now();
        let read = answer(&pipeline(Policy::default()), around, lines).await.collect(u64::MAX).await;
        assert_eq!(read.as_ref().map(Bytes::len).ok(), lives.then_some(100));
        if let Err(error) = read {
            assert_eq!((error.kind(), ended_by(&error)), (ErrorKind::Timeout, "body"));
            assert_eq!(start.elapsed(), IDLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_without_a_byte_keep_nothing_alive() {
    for around in ALL {
        let nothing = body((0..100).map(|_| (secs(29), chunk(0))).collect());
        let start = Instant::now();
        let read = answer(&pipeline(Policy::default()), around, nothing).await.collect(u64::MAX).await;
        assert_eq!((read.unwrap_err().kind(), start.elapsed()), (ErrorKind::Timeout, IDLE));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_lost_a_race_and_stayed_away_finds_its_body_alive() {
    for around in ALL {
        let late = body(vec![(secs(1), chunk(2000)), (secs(3600), chunk(2000))]);
        let mut body = answer(&pipeline(Policy::default()), around, late).await;
        body.next_chunk().await.unwrap().unwrap();
        assert!(timeout(secs(1), body.next_chunk()).await.is_err(), "the reader has better things to do");
        sleep(secs(3590)).await;
        assert_eq!(body.next_chunk().await.unwrap().unwrap().len(), 2000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_no_slow_service() {
    let mut body = answer(
        &pipeline(Policy::default()),
        CallGuard::around_stored,
        body((0..10).map(|_| (ms(1), chunk(10))).collect()),
    )
    .await;
    for _ in 0..10 {
        assert_eq!(body.next_chunk().await.unwrap().unwrap().len(), 10);
        sleep(secs(3600)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_that_break_off_open_the_circuit_and_count_once() {
    let mut breaker = opens_after_two();
    (breaker.window, breaker.minimum_calls, breaker.failure_rate) = (4, 4, 1.0);
    for around in [CallGuard::around as Around, CallGuard::around_stored] {
        let pipeline = pipeline(Policy::default().with_breaker(breaker));
        for number in 0..4 {
            assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed), "{number}");
            read(&pipeline, around, broken()).await.unwrap_err();
        }
        assert_eq!(pipeline.breaker_state(), Some(BreakerState::Open));
    }
}

#[tokio::test(start_paused = true)]
async fn stalled_and_corrupt_bodies_count_and_those_that_say_nothing_do_not() {
    for (error, state) in [
        (Error::timeout("stalled"), BreakerState::Open),
        (Error::corrupt("the checksum"), BreakerState::Open),
        (Error::unexpected("what is this"), BreakerState::Open),
        (Error::conflict("replaced"), BreakerState::Closed),
        (Error::payload_too_large("for us"), BreakerState::Closed),
    ] {
        let pipeline = pipeline(Policy::default().with_breaker(opens_after_two()));
        for _ in 0..2 {
            read(&pipeline, CallGuard::around, Err(error.clone())).await.unwrap_err();
        }
        assert_eq!(pipeline.breaker_state(), Some(state), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_well_is_one_success() {
    let mut breaker = opens_after_two();
    (breaker.window, breaker.minimum_calls) = (100, 5);
    let pipeline = pipeline(Policy::default().with_breaker(breaker).with_max_attempts(1));
    for _ in 0..2 {
        read(&pipeline, CallGuard::around, chunk(1)).await.unwrap();
    }
    // Neither does one that nobody reads to its end.
    drop(answer(&pipeline, CallGuard::around, body(vec![])).await);
    let back_end = BackEnd::always(&Error::unavailable("down"));
    call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed), "four calls");
    call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed), "two of five failed");
    call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Open), "three of six failed");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_body_of_events_is_no_fault() {
    let pipeline = pipeline(Policy::default().with_breaker(opens_after_two()));
    for _ in 0..10 {
        read(&pipeline, CallGuard::around_events, broken()).await.unwrap_err();
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_body_speaks_for_the_phase_in_which_it_was_asked_for() {
    let breaker = opens_after_two();
    let pipeline = pipeline(Policy::default().with_breaker(breaker).with_max_attempts(1));
    let early = [
        answer(&pipeline, CallGuard::around, body(vec![(Duration::ZERO, broken())])).await,
        answer(&pipeline, CallGuard::around, body(vec![(Duration::ZERO, broken())])).await,
    ];
    let back_end = BackEnd::always(&Error::unavailable("down"));
    for _ in 0..2 {
        call(&pipeline, READ, &back_end).await.unwrap_err();
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Open));
    sleep(breaker.open_for).await;
    // A probe whose body breaks off was no success: the circuit opens again.
    read(&pipeline, CallGuard::around, broken()).await.unwrap_err();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Open));
    sleep(breaker.open_for).await;
    for _ in 0..3 {
        read(&pipeline, CallGuard::around, chunk(1)).await.unwrap();
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
    for early in early {
        early.collect(u64::MAX).await.unwrap_err();
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed), "it was another time");
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_call_waited_for_a_probe_speaks_for_the_phase_of_its_attempt() {
    let mut breaker = opens_after_two();
    breaker.half_open_calls = 1;
    let pipeline = pipeline(Policy::default().with_breaker(breaker));
    let back_end = BackEnd::always(&Error::unavailable("down"));
    call(&pipeline, READ, &back_end).await.unwrap_err();
    sleep(breaker.open_for).await;
    let probe = BackEnd::new([(ms(300), Ok(()))]);
    let (probing, one, two) = tokio::join!(
        call(&pipeline, READ, &probe),
        answer(&pipeline, CallGuard::around, body(vec![(Duration::ZERO, broken())])),
        answer(&pipeline, CallGuard::around, body(vec![(Duration::ZERO, broken())])),
    );
    probing.unwrap();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
    for body in [one, two] {
        body.collect(u64::MAX).await.unwrap_err();
    }
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Open));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_pays_for_no_retry() {
    let mut budget = BudgetPolicy::default();
    (budget.burst, budget.share) = (1, 1.0);
    for (end, retries) in [(chunk(1), 1), (broken(), 0)] {
        let pipeline = pipeline(Policy::default().with_retry_budget(budget).with_breaker(None));
        let back_end = BackEnd::new((0..2).map(|_| (Duration::ZERO, Err(Error::unavailable("down")))));
        call(&pipeline, READ, &back_end).await.unwrap_err();
        assert_eq!(pipeline.pressure().retries_left, Some(0));
        drop(read(&pipeline, CallGuard::around, end).await);
        assert_eq!(pipeline.pressure().retries_left, Some(retries));
    }
}
