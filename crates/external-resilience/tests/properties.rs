//! What holds whatever happens: backoff, budget and breaker, for random sequences, under a paused clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;

use external_core::{
    CallContext, CallOptions, Capabilities, Error, ErrorKind, Operation, ProviderInfo, Repeat, Result,
};
use external_resilience::{BreakerPolicy, BreakerState, BudgetPolicy, Pipeline, Policy};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use tokio::time::{Instant, advance, sleep, timeout};

const READ: Operation = Operation::new("cache", "get", Repeat::Safe);

fn pipeline(policy: Policy) -> Pipeline {
    let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
    Pipeline::new("default", &info, policy)
}

fn paused(test: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What happens to one call.
#[derive(Debug, Clone, Copy)]
enum Event {
    Success,
    Failure,
    /// An answer, but none that says how the service is.
    NotFound,
    /// A success that takes as long as a slow call.
    Slow,
    /// The caller gives up, soon or late.
    GivenUp {
        late: bool,
    },
    Panic,
    /// No call: time passes.
    Pause(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Success),
        4 => Just(Event::Failure),
        1 => Just(Event::NotFound),
        1 => Just(Event::Slow),
        1 => any::<bool>().prop_map(|late| Event::GivenUp { late }),
        1 => Just(Event::Panic),
        2 => (1_u64..8000).prop_map(Event::Pause),
    ]
}

fn policy() -> BreakerPolicy {
    let mut policy = BreakerPolicy::default();
    (policy.window, policy.minimum_calls, policy.half_open_calls) = (8, 4, 2);
    (policy.slow_call, policy.slow_call_rate) = (ms(1000), 0.5);
    (policy.open_for, policy.half_open_for) = (ms(5000), ms(10_000));
    policy
}

/// The breaker as its documentation has it, for one call at a time.
struct Model {
    policy: BreakerPolicy,
    window: VecDeque<(bool, bool)>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { until: Instant, succeeded: u32 },
}

impl Model {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.window.clear();
    }

    fn let_time_pass(&mut self, now: Instant) {
        match self.phase {
            Phase::Open { until } if now >= until => {
                self.enter(Phase::HalfOpen { until: now + self.policy.half_open_for, succeeded: 0 });
            }
            // One call at a time: no probe is out when the next looks.
            Phase::HalfOpen { until, .. } if now >= until => self.enter(Phase::Closed),
            _ => {}
        }
    }

    fn admits(&mut self, now: Instant) -> bool {
        self.let_time_pass(now);
        !matches!(self.phase, Phase::Open { .. })
    }

    /// `verdict`: whether the call failed; `None` if it says nothing.
    fn ended(&mut self, verdict: Option<bool>, slow: bool, now: Instant) {
        let failure = verdict == Some(true);
        match &mut self.phase {
            Phase::Closed => {
                if verdict.is_some() || slow {
                    self.window.push_back((failure, slow));
                    if self.window.len() > self.policy.window as usize {
                        self.window.pop_front();
                    }
                }
                let seen = self.window.len() as f64;
                let share = |count: usize| count as f64 / seen.max(1.0);
                let trips = seen >= f64::from(self.policy.minimum_calls)
                    && (share(self.window.iter().filter(|(failure, _)| *failure).count())
                        >= self.policy.failure_rate
                        || share(self.window.iter().filter(|(_, slow)| *slow).count())
                            >= self.policy.slow_call_rate);
                if (failure || slow) && trips {
                    self.enter(Phase::Open { until: now + self.policy.open_for });
                }
            }
            Phase::HalfOpen { .. } if failure || slow => {
                self.enter(Phase::Open { until: now + self.policy.open_for });
            }
            Phase::HalfOpen { succeeded, .. } if verdict == Some(false) => {
                *succeeded += 1;
                if *succeeded >= self.policy.half_open_calls {
                    self.enter(Phase::Closed);
                }
            }
            Phase::HalfOpen { .. } | Phase::Open { .. } => {}
        }
    }

    fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }
}

/// Of thousands of panics nobody reads one.
fn silence_panics_on_purpose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(ON_PURPOSE) {
                report(info);
            }
        }));
    });
}

const ON_PURPOSE: &str = "on purpose";

/// Makes the call; answers whether it was let through.
async fn make(pipeline: &Pipeline, event: Event) -> bool {
    let reached = AtomicBool::new(false);
    let cx = CallContext::default();
    let call = pipeline.run(READ, &cx, |_, _| {
        reached.store(true, Ordering::SeqCst);
        Box::pin(async move {
            match event {
                Event::Failure => return Err(Error::unavailable("down")),
                Event::NotFound => return Err(Error::not_found("gone")),
                Event::Slow => sleep(ms(1500)).await,
                Event::GivenUp { .. } => sleep(ms(60_000)).await,
                Event::Panic => panic!("{ON_PURPOSE}"),
                Event::Success | Event::Pause(_) => {}
            }
            Ok(())
        })
    });
    match event {
        Event::GivenUp { late } => drop(timeout(ms(if late { 2000 } else { 10 }), call).await),
        Event::Panic => drop(AssertUnwindSafe(call).catch_unwind().await),
        _ => drop(call.await),
    }
    reached.into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_breaker_follows_its_model(events in prop::collection::vec(event(), 1..120)) {
        paused(async {
            silence_panics_on_purpose();
            let pipeline = pipeline(Policy::off().with_breaker(policy()));
            let mut model = Model { policy: policy(), window: VecDeque::new(), phase: Phase::Closed };
            for (at, event) in events.iter().enumerate() {
                if let Event::Pause(millis) = event {
                    advance(ms(*millis)).await;
                    continue;
                }
                let admitted = model.admits(Instant::now());
                prop_assert_eq!(make(&pipeline, *event).await, admitted, "event {}: {:?}", at, event);
                if admitted {
                    let (verdict, slow) = match event {
                        Event::Success => (Some(false), false),
                        Event::Failure => (Some(true), false),
                        Event::Slow => (Some(false), true),
                        Event::GivenUp { late } => (None, *late),
                        Event::NotFound | Event::Panic | Event::Pause(_) => (None, false),
                    };
                    model.ended(verdict, slow, Instant::now());
                }
                model.let_time_pass(Instant::now());
                prop_assert_eq!(pipeline.breaker_state(), Some(model.state()), "after event {}: {:?}", at, event);
            }
            prop_assert_eq!(pipeline.running(), 0);
            Ok(())
        })?;
    }

    #[test]
    fn waits_stay_within_their_bounds_and_the_deadline(
        base in 1_u64..500,
        doublings in 0_u32..6,
        attempts in 1_u32..10,
        deadline in 1_u64..20_000,
    ) {
        paused(async {
            let cap = ms(base << doublings);
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
                    Box::pin(async { Err::<(), _>(Error::unavailable("down")) })
                })
                .await
                .unwrap_err();
            let starts = starts.into_inner().unwrap();
            prop_assert!(start.elapsed() <= ms(deadline) + ms(1));
            prop_assert!(starts.len() <= attempts as usize);
            prop_assert_eq!(ended.attempts() as usize, starts.len());
            for (number, pair) in starts.windows(2).enumerate() {
                let bound = cap.min(ms(base << number.min(20)));
                // The clock counts in milliseconds, rounded up.
                prop_assert!(pair[1] - pair[0] <= bound + ms(1), "wait {}: {:?}", number, pair[1] - pair[0]);
            }
            Ok(())
        })?;
    }

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
            let attempts = Mutex::new(0_u32);
            let mut successes = 0_u32;
            for batch in calls.chunks(16) {
                let made = batch.iter().map(|(succeeds, throttled)| {
                    let (pipeline, attempts) = (&pipeline, &attempts);
                    async move {
                        let cx = CallContext::default();
                        pipeline
                            .run(READ, &cx, |_, _| {
                                *attempts.lock().unwrap() += 1;
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
            let retries = *attempts.lock().unwrap() - u32::try_from(calls.len()).unwrap();
            // A throttle costs half, so the most retries are twice what the bucket held and got.
            let most = (f64::from(burst) + f64::from(successes) * budget.share) / budget.throttle_cost;
            prop_assert!(f64::from(retries) <= most + 1e-9, "{} retries of {}", retries, most);
            Ok(())
        })?;
    }
}
