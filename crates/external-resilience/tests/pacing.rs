//! Waits, and what is held meanwhile: backoff, gate, rate limit, budget and bulkhead, with several callers, under a paused
//! clock.
#![allow(clippy::unwrap_used, reason = "a test")]

mod back_end;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use back_end::{
    BackEnd, READ, call, call_with, ended_by, ms, opens_after_two, pipeline, refused_by, throttled,
};
use external_core::{CallContext, CallOptions, Error, Result, Retry};
use external_resilience::{BreakerState, BulkheadPolicy, CallObserver, Pipeline, Policy, RateLimitPolicy};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const NOW: Duration = Duration::ZERO;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ten_a_second() -> RateLimitPolicy {
    RateLimitPolicy::new(10, seconds(1))
}

/// The service is down, and says for how long.
fn down_for(hint: Duration) -> Error {
    Error::unavailable("down").with_retry(Retry::After(hint))
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_waits_keeps_nobody_from_starting() {
    for hint in [seconds(2), seconds(20)] {
        let policy = Policy::default().with_backoff(NOW, ms(1));
        let pipeline = pipeline(policy.with_rate_limit(ten_a_second().with_burst(5)));
        let back_end = BackEnd::new([(NOW, Err(down_for(hint)))]);
        let start = Instant::now();
        let (repeated, others) = tokio::join!(
            async {
                call(&pipeline, READ, &back_end).await.unwrap();
                start.elapsed()
            },
            async {
                let mut others = Vec::new();
                for _ in 0..8 {
                    call(&pipeline, READ, &back_end).await.unwrap();
                    others.push(start.elapsed());
                }
                others
            }
        );
        // What is left of the burst, then ten a second.
        assert_eq!(others, [0, 0, 0, 0, 100, 200, 300, 400].map(ms), "beside a retry in {hint:?}");
        assert_eq!((repeated, back_end.calls()), (hint, 10), "the limit was idle by then");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_take_their_places_when_their_backoff_is_over() {
    let policy = Policy::default().with_breaker(None).with_backoff(seconds(2), seconds(2));
    let pipeline = pipeline(policy.with_rate_limit(ten_a_second())).with_jitter_seed(1);
    let starts = Starts::new(10, NOW, down_for(NOW));
    let start = Instant::now();
    let calls = (0..10).map(|_| starts.clone().call(pipeline.clone()));
    assert!(calls.collect::<JoinSet<_>>().join_all().await.iter().all(Result::is_ok));
    let starts = starts.since(start);
    assert_eq!(starts.len(), 20);
    assert_spread(&starts, ms(100));
}

/// Fails the first so many attempts, and notes when each starts.
#[derive(Clone)]
struct Starts {
    error: Error,
    /// How long an attempt takes that fails.
    after: Duration,
    /// When each attempt began, and how many are to fail.
    seen: Arc<Mutex<(Vec<Instant>, usize)>>,
}

impl Starts {
    fn new(failures: usize, after: Duration, error: Error) -> Self {
        Self { error, after, seen: Arc::new(Mutex::new((Vec::new(), failures))) }
    }

    async fn call(self, pipeline: Pipeline) -> Result<()> {
        let cx = CallContext::default();
        pipeline.run(READ, &cx, |_, _| Box::pin(self.attempt())).await
    }

    async fn attempt(&self) -> Result<()> {
        let fails = {
            let (starts, failures) = &mut *self.seen.lock().unwrap();
            starts.push(Instant::now());
            starts.len() <= *failures
        };
        if !fails {
            return Ok(());
        }
        if !self.after.is_zero() {
            sleep(self.after).await;
        }
        Err(self.error.clone())
    }

    fn since(&self, start: Instant) -> Vec<Duration> {
        self.seen.lock().unwrap().0.iter().map(|at| *at - start).collect()
    }
}

/// None starts sooner after another than the interval; the clock counts in milliseconds, rounded up.
fn assert_spread(starts: &[Duration], interval: Duration) {
    for pair in starts.windows(2) {
        assert!(pair[1] - pair[0] + ms(1) >= interval, "{starts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_gate_or_a_backoff_to_be_refused_by_the_breaker() {
    let closed = pipeline(Policy::default());
    let asks = BackEnd::new([(NOW, Err(throttled(seconds(20))))]);
    let impatient = CallContext::new(&CallOptions::new().with_timeout(seconds(1)));
    call_with(&closed, READ, &asks, &impatient).await.unwrap_err();
    closed.isolate();
    let start = Instant::now();
    let error = call(&closed, READ, &BackEnd::new([])).await.unwrap_err();
    assert_eq!((ended_by(&error), start.elapsed()), ("breaker", NOW));
    // The failure that opens the circuit asks for a wait that ends before the circuit is tried again.
    let opens = pipeline(Policy::default().with_breaker(opens_after_two()));
    let back_end = BackEnd::new([(NOW, Err(Error::unavailable("down"))), (NOW, Err(down_for(seconds(4))))]);
    let start = Instant::now();
    let error = call(&opens, READ, &back_end).await.unwrap_err();
    assert_eq!((ended_by(&error), back_end.calls()), ("breaker", 2));
    assert!(start.elapsed() < ms(1_000), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_is_kept_behind_the_gate() {
    let (callers, hint) = (40, seconds(6));
    let pipeline = pipeline(Policy::default().with_max_attempts(1).with_rate_limit(ten_a_second()));
    // All others have their places when the first one is throttled.
    let starts = Starts::new(1, ms(10), throttled(hint));
    let start = Instant::now();
    let calls = (0..callers).map(|_| starts.clone().call(pipeline.clone()));
    let ended = calls.collect::<JoinSet<_>>().join_all().await;
    assert_eq!(ended.iter().filter(|ended| ended.is_err()).count(), 1, "all but the one that was throttled");
    let starts = starts.since(start);
    assert_eq!((starts.len(), starts[0]), (callers, NOW));
    assert!(starts[1] >= hint, "{starts:?}");
    assert_spread(&starts, ms(100));
    assert!(starts[callers - 1] <= hint + ms(100) * 40, "and no place is wasted: {starts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_will_find_no_place_fails_at_once() {
    let limit = RateLimitPolicy::new(1, seconds(20)).with_burst(2);
    let pipeline = pipeline(Policy::default().with_rate_limit(limit));
    let back_end = BackEnd::new([(NOW, Ok(())), (NOW, Err(down_for(seconds(2))))]);
    call(&pipeline, READ, &back_end).await.unwrap();
    let start = Instant::now();
    let error = call(&pipeline, READ, &back_end).await.unwrap_err();
    assert_eq!((ended_by(&error), start.elapsed()), ("rate_limit", NOW), "the next place is in 20 s");
    assert_eq!(pipeline.pressure().retries_left, Some(50), "it was not made");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_before_a_retry_is_not_charged() {
    // In its backoff, and when it waits for its place.
    for (attempts, hint) in [(1000, seconds(1)), (1, NOW)] {
        let policy = Policy::default().with_breaker(None).with_backoff(ms(1), ms(1));
        let pipeline = pipeline(policy.with_rate_limit(RateLimitPolicy::new(attempts, seconds(1))));
        let back_end = BackEnd::always(&down_for(hint));
        for number in 1..=60 {
            assert!(timeout(ms(500), call(&pipeline, READ, &back_end)).await.is_err());
            assert_eq!((back_end.calls(), pipeline.pressure().retries_left), (number, Some(50)));
            sleep(seconds(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_or_a_hedge_that_is_made_is_charged() {
    let policy = Policy::default().with_breaker(None).with_hedge_after(ms(50));
    for answers in [vec![(NOW, Err(Error::unavailable("down")))], vec![(ms(500), Ok(()))]] {
        let pipeline = pipeline(policy.clone());
        let back_end = BackEnd::new(answers);
        call(&pipeline, READ, &back_end).await.unwrap();
        assert_eq!((back_end.calls(), pipeline.pressure().retries_left), (2, Some(49)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_keeps_its_place_in_the_bulkhead_while_it_waits() {
    let policy = Policy::default().with_bulkhead(BulkheadPolicy::new(1));
    let gated = || BackEnd::new([(NOW, Err(throttled(seconds(3)))), (NOW, Ok(()))]);
    for back_end in [BackEnd::new([(NOW, Err(down_for(seconds(3))))]), gated()] {
        let pipeline = pipeline(policy.clone());
        let start = Instant::now();
        let (waits, ()) = tokio::join!(call(&pipeline, READ, &back_end), async {
            sleep(ms(1500)).await;
            assert_eq!(refused_by(&call(&pipeline, READ, &back_end).await.unwrap_err()), "bulkhead");
        });
        waits.unwrap();
        assert!(start.elapsed() >= seconds(3));
        call(&pipeline, READ, &back_end).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_managed_call_meets_the_inner_gate_and_limit() {
    let outer = pipeline(Policy::off());
    let inner = pipeline(Policy::off().with_retry_after_gate(true).with_rate_limit(ten_a_second()));
    let back_end = BackEnd::new([(NOW, Ok(())), (NOW, Err(throttled(seconds(3))))]);
    let through = async || {
        let cx = CallContext::default();
        outer.run(READ, &cx, |cx, _| Box::pin(call_with(&inner, READ, &back_end, cx))).await
    };
    let start = Instant::now();
    through().await.unwrap();
    through().await.unwrap_err();
    assert_eq!(start.elapsed(), ms(100), "the limit");
    through().await.unwrap();
    assert!((ms(3100)..=ms(3201)).contains(&start.elapsed()), "the gate: {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_inner_refusal_closes_no_gate_further_out() {
    let outer = pipeline(Policy::default().with_max_attempts(1));
    let inner = pipeline(Policy::off().with_rate_limit(RateLimitPolicy::new(1, seconds(60))));
    let back_end = BackEnd::new([]);
    call(&inner, READ, &back_end).await.unwrap();
    let cx = CallContext::default();
    let refused = outer.run(READ, &cx, |cx, _| Box::pin(call_with(&inner, READ, &back_end, cx))).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused_by(&refused), refused.retry()), ("rate_limit", Retry::After(seconds(60))));
    assert_eq!(outer.pressure().gate_closed_until, None, "the service asked for nothing");
}

#[tokio::test(start_paused = true)]
async fn who_waits_at_the_gate_always_comes_back_within_its_deadline() {
    for seed in 0..20 {
        let policy = Policy::default().with_backoff(seconds(5), seconds(5)).with_max_attempts(1);
        let pipeline = pipeline(policy).with_jitter_seed(seed);
        let back_end = BackEnd::new([(NOW, Err(throttled(seconds(2))))]);
        call(&pipeline, READ, &back_end).await.unwrap_err();
        // The gate opens 100 ms before the deadline, and what is added so that not all come at once is up to 5 s.
        let hurried = CallContext::new(&CallOptions::new().with_timeout(ms(2100)));
        call_with(&pipeline, READ, &back_end, &hurried).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_a_probe_always_begins_within_its_deadline() {
    for seed in 0..20 {
        let mut breaker = opens_after_two();
        breaker.half_open_calls = 1;
        let policy = Policy::default().with_breaker(breaker).with_backoff(ms(200), ms(400));
        let pipeline = pipeline(policy).with_jitter_seed(seed);
        let down = || (NOW, Err(Error::unavailable("down").with_retry(Retry::Never)));
        let back_end = BackEnd::new([down(), down(), (ms(350), Ok(()))]);
        for _ in 0..2 {
            call(&pipeline, READ, &back_end).await.unwrap_err();
        }
        sleep(breaker.open_for).await;
        // The probe is back 50 ms before the deadline, and what is added so that not all come at once is up to 200 ms.
        let hurried = CallContext::new(&CallOptions::new().with_timeout(ms(400)));
        let (probe, waited) =
            tokio::join!(call(&pipeline, READ, &back_end), call_with(&pipeline, READ, &back_end, &hurried));
        probe.unwrap();
        waited.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_seed_outlives_what_else_is_said_of_a_pipeline() {
    async fn wait(seed: u64) -> Duration {
        let policy = Policy::default().with_backoff(seconds(1), seconds(1));
        let seeded = pipeline(Policy::off()).with_jitter_seed(seed);
        let pipeline = seeded.with_policy(policy, &[]).with_observer(Arc::new(Silent));
        let start = Instant::now();
        call(&pipeline, READ, &BackEnd::new([(NOW, Err(Error::unavailable("down")))])).await.unwrap();
        start.elapsed()
    }
    assert_eq!(wait(1).await, wait(1).await);
    assert_ne!(wait(1).await, wait(2).await);
}

/// An observer that says nothing.
#[derive(Debug)]
struct Silent;

impl CallObserver for Silent {}

#[tokio::test(start_paused = true)]
async fn callers_with_the_same_hint_do_not_come_back_together() {
    let (callers, hint) = (40, seconds(2));
    let policy = Policy::default().with_breaker(None).with_backoff(ms(100), seconds(5));
    let pipeline = pipeline(policy).with_jitter_seed(1);
    let starts = Starts::new(callers, NOW, down_for(hint));
    let start = Instant::now();
    let calls = (0..callers).map(|_| starts.clone().call(pipeline.clone()));
    assert!(calls.collect::<JoinSet<_>>().join_all().await.iter().all(Result::is_ok));
    let mut repeated = starts.since(start).split_off(callers);
    assert_eq!(repeated.len(), callers);
    assert!(repeated[0] >= hint && repeated[callers - 1] <= hint + ms(101), "{repeated:?}");
    repeated.dedup();
    assert!(repeated.len() > callers / 2, "spread over the backoff of a first attempt: {repeated:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hint_within_the_deadline_is_never_spread_beyond_it() {
    for seed in 0..20 {
        let policy = Policy::default().with_backoff(ms(100), ms(100));
        let pipeline = pipeline(policy).with_jitter_seed(seed);
        let back_end = BackEnd::new([(NOW, Err(down_for(seconds(2))))]);
        let hurried = CallContext::new(&CallOptions::new().with_timeout(ms(2010)));
        call_with(&pipeline, READ, &back_end, &hurried).await.unwrap();
        assert_eq!(back_end.calls(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_hint_does_not_shorten_a_backoff() {
    let policy = Policy::default().with_breaker(None).with_retry_budget(None).with_max_attempts(6);
    let pipeline = pipeline(policy.with_backoff(ms(100), ms(1600))).with_jitter_seed(1);
    let mut longest = NOW;
    for _ in 0..20 {
        let (starts, start) = (Starts::new(5, NOW, down_for(ms(10))), Instant::now());
        starts.clone().call(pipeline.clone()).await.unwrap();
        let starts = starts.since(start);
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= ms(10)), "{starts:?}");
        longest = longest.max(starts[5] - starts[4]);
    }
    assert!(longest > ms(800), "the fifth backoff is up to 1.6 s: {longest:?}");
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_a_wait_doubles_up_to_the_cap() {
    let policy = Policy::default().with_breaker(None).with_retry_budget(None).with_max_attempts(6);
    let pipeline = pipeline(policy.with_backoff(ms(100), ms(800))).with_jitter_seed(1);
    let mut longest = [NOW; 5];
    for _ in 0..100 {
        let (starts, start) = (Starts::new(5, NOW, Error::unavailable("down")), Instant::now());
        starts.clone().call(pipeline.clone()).await.unwrap();
        for (longest, pair) in longest.iter_mut().zip(starts.since(start).windows(2)) {
            *longest = (*longest).max(pair[1] - pair[0]);
        }
    }
    for (longest, bound) in longest.into_iter().zip([100, 200, 400, 800, 800].map(ms)) {
        assert!((bound * 9 / 10..=bound + ms(1)).contains(&longest), "{longest:?} of {bound:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_probes_no_longer_than_a_backoff_and_no_oftener_than_it_may_repeat() {
    let mut breaker = opens_after_two();
    (breaker.half_open_calls, breaker.half_open_for) = (1, seconds(100));
    let policy = Policy::default().with_breaker(breaker).with_total_deadline(None);
    let pipeline = pipeline(policy.with_attempt_timeout(seconds(200)).with_backoff(NOW, seconds(2)));
    let down = || (NOW, Err(Error::unavailable("down")));
    let back_end = BackEnd::new([down(), down(), (seconds(60), Ok(()))]);
    call(&pipeline, READ, &back_end).await.unwrap_err();
    sleep(breaker.open_for).await;
    let start = Instant::now();
    let (probe, refused) = tokio::join!(call(&pipeline, READ, &back_end), async {
        let refused = call(&pipeline, READ, &back_end).await.unwrap_err();
        assert_eq!(start.elapsed(), seconds(4), "three attempts, so two waits of two seconds");
        refused
    });
    assert_eq!((refused_by(&refused), refused.attempts()), ("breaker", 0));
    probe.unwrap();
    assert_eq!(pipeline.breaker_state(), Some(BreakerState::Closed));
}
