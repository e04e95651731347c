//! What holds whatever happens: backoff, budget and breaker, for random sequences, under a paused clock.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, Once};
use std::time::Duration;

use external_core::{
    CallContext, CallOptions, Capabilities, Error, ErrorKind, Operation, ProviderInfo, Repeat, Result, Retry,
};
use external_resilience::{BoxFuture, BreakerPolicy, BreakerState, BudgetPolicy, Pipeline, Policy};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use tokio::sync::oneshot;
use tokio::time::{Instant, advance};

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

/// What happens next. Many calls are out at a time.
#[derive(Debug, Clone, Copy)]
enum Event {
    Begin,
    /// One of those that are out ends; which one, modulo how many there are.
    End(usize, How),
    /// Time passes. A call that was out for a second is slow, however it ends.
    Pause(u64),
    /// The circuit is opened for good, and closed again, by hand.
    Isolate,
    Reset,
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    Success,
    Failure,
    /// An answer, but none that says how the service is.
    NotFound,
    GivenUp,
    Panic,
}

fn event() -> impl Strategy<Value = Event> {
    let how = prop_oneof![
        4 => Just(How::Success),
        4 => Just(How::Failure),
        1 => Just(How::NotFound),
        1 => Just(How::GivenUp),
        1 => Just(How::Panic),
    ];
    prop_oneof![
        40 => Just(Event::Begin),
        40 => (any::<usize>(), how).prop_map(|(which, how)| Event::End(which, how)),
        10 => (1_u64..600).prop_map(Event::Pause),
        5 => (1_u64..8000).prop_map(Event::Pause),
        1 => Just(Event::Isolate),
        3 => Just(Event::Reset),
    ]
}

const SLOW: Duration = ms(1000);

/// What the breaker looks at: the last 8 attempts, or those of the last 3 seconds.
fn policy(by_time: bool) -> BreakerPolicy {
    let mut policy = BreakerPolicy::default();
    (policy.window, policy.minimum_calls, policy.half_open_calls) = (8, 4, 2);
    (policy.slow_call, policy.slow_call_rate) = (Some(SLOW), 0.5);
    (policy.open_for, policy.half_open_for) = (ms(5000), ms(10_000));
    policy.window_time = by_time.then_some(ms(3000));
    policy
}

/// The breaker as its documentation has it.
struct Model {
    policy: BreakerPolicy,
    /// How long an attempt may last.
    timeout: Option<Duration>,
    /// From when on steps of its window are counted, if that is one of time.
    start: Instant,
    /// Of each attempt the step in which it ended, whether it failed, and whether it was slow.
    window: VecDeque<(u128, bool, bool)>,
    phase: Phase,
    /// Which phase it is, counted: what was let through in an earlier one has no say.
    number: u32,
}

#[derive(Debug)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    /// Of each probe that is out when it began.
    HalfOpen {
        first: Option<Instant>,
        out: Vec<Instant>,
        succeeded: u32,
        back: Option<Instant>,
    },
    Isolated,
}

impl Model {
    fn new(policy: BreakerPolicy, timeout: Option<Duration>) -> Self {
        let (start, window) = (Instant::now(), VecDeque::new());
        Self { policy, timeout, start, window, phase: Phase::Closed, number: 0 }
    }

    /// Until when a probe is waited for.
    fn end_of(&self, began: Instant) -> Instant {
        began + self.timeout.unwrap_or(self.policy.half_open_for)
    }

    /// What is in the window once an attempt has ended `now`.
    fn note(&mut self, failure: bool, slow: bool, now: Instant) {
        let step =
            self.policy.window_time.map_or(0, |time| (now - self.start).as_nanos() / (time / 10).as_nanos());
        self.window.push_back((step, failure, slow));
        if self.policy.window_time.is_some() {
            self.window.retain(|(ended, ..)| ended + 10 > step);
        } else if self.window.len() > self.policy.window as usize {
            self.window.pop_front();
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.number += 1;
        self.window.clear();
    }

    fn open(&mut self, now: Instant) {
        self.enter(Phase::Open { until: now + self.policy.open_for });
    }

    fn let_time_pass(&mut self, now: Instant) {
        loop {
            match &self.phase {
                Phase::Open { until } if now >= *until => {
                    self.enter(Phase::HalfOpen { first: None, out: Vec::new(), succeeded: 0, back: None });
                }
                Phase::HalfOpen { first: Some(first), out, succeeded, back } => {
                    let mut until = *first + self.policy.half_open_for;
                    until =
                        out.iter().map(|began| self.end_of(*began)).chain(*back).fold(until, Instant::max);
                    if now < until {
                        return;
                    }
                    if out.is_empty() && *succeeded > 0 {
                        self.enter(Phase::Closed);
                    } else {
                        self.open(until);
                    }
                }
                _ => return,
            }
        }
    }

    /// The phase in which a call is let through, if it is.
    fn admits(&mut self, now: Instant) -> Option<u32> {
        self.let_time_pass(now);
        let keeps = self.policy.half_open_for;
        let has_a_place = match &self.phase {
            Phase::HalfOpen { first, out, succeeded, .. } => {
                let taken = out.iter().filter(|began| now < **began + keeps).count() + *succeeded as usize;
                let is_waited_for = |first: Instant| {
                    out.iter().any(|began| *began < first + keeps && now < self.end_of(*began))
                };
                taken < self.policy.half_open_calls as usize
                    && first.is_none_or(|first| now < first + keeps || is_waited_for(first))
            }
            _ => false,
        };
        match &mut self.phase {
            Phase::Closed => Some(self.number),
            Phase::HalfOpen { first, out, .. } if has_a_place => {
                first.get_or_insert(now);
                out.push(now);
                Some(self.number)
            }
            Phase::HalfOpen { .. } | Phase::Open { .. } | Phase::Isolated => None,
        }
    }

    fn ended(&mut self, admitted: u32, how: How, began: Instant, now: Instant) {
        let slow = now - began >= SLOW;
        self.let_time_pass(now);
        if admitted != self.number {
            return;
        }
        let failure = how == How::Failure;
        match &mut self.phase {
            Phase::Closed => {
                if failure || slow || how == How::Success {
                    self.note(failure, slow, now);
                }
                let seen = self.window.len() as f64;
                let share = |count: usize| count as f64 / seen.max(1.0);
                let trips = seen >= f64::from(self.policy.minimum_calls)
                    && (share(self.window.iter().filter(|(_, failure, _)| *failure).count())
                        >= self.policy.failure_rate
                        || share(self.window.iter().filter(|(_, _, slow)| *slow).count())
                            >= self.policy.slow_call_rate);
                if (failure || slow) && trips {
                    self.open(now);
                }
            }
            Phase::HalfOpen { .. } if failure || slow => self.open(now),
            Phase::HalfOpen { out, succeeded, back, .. } => {
                out.remove(out.iter().position(|out| *out == began).unwrap());
                *back = Some(now);
                if how == How::Success {
                    *succeeded += 1;
                    if *succeeded >= self.policy.half_open_calls {
                        self.enter(Phase::Closed);
                    }
                }
            }
            Phase::Open { .. } | Phase::Isolated => {}
        }
    }

    fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
            Phase::Isolated => BreakerState::Isolated,
        }
    }
}

/// How an attempt ends: well, or with an error of this kind.
fn ending() -> impl Strategy<Value = Option<ErrorKind>> {
    prop_oneof![Just(None), Just(Some(ErrorKind::Unavailable)), Just(Some(ErrorKind::RateLimited))]
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

/// A call that was let through and is out.
struct Flight {
    call: BoxFuture<'static, Result<()>>,
    end: oneshot::Sender<How>,
    /// The model's word for the phase in which it began.
    phase: u32,
    began: Instant,
}

impl Flight {
    /// Begins a call; it is out if it was let through.
    fn begin(pipeline: &Pipeline, phase: u32) -> Option<Self> {
        let pipeline = pipeline.clone();
        let (end, how) = oneshot::channel();
        let how = Mutex::new(Some(how));
        let mut call: BoxFuture<'static, _> = Box::pin(async move {
            let cx = CallContext::default();
            let attempt = pipeline.run(READ, &cx, |_, _| {
                let how = how.lock().unwrap().take().unwrap();
                Box::pin(async move {
                    match how.await.unwrap() {
                        How::Failure => Err(Error::unavailable("down")),
                        How::NotFound => Err(Error::not_found("gone")),
                        How::Panic => panic!("{ON_PURPOSE}"),
                        How::Success | How::GivenUp => Ok(()),
                    }
                })
            });
            attempt.await
        });
        match (&mut call).now_or_never() {
            None => Some(Self { call, end, phase, began: Instant::now() }),
            Some(refused) => {
                assert!(refused.is_err(), "nobody has told it to end");
                None
            }
        }
    }

    fn end(mut self, how: How) {
        if how != How::GivenUp {
            self.end.send(how).unwrap();
            let ended = catch_unwind(AssertUnwindSafe(|| (&mut self.call).now_or_never()));
            assert_eq!(ended.is_err(), how == How::Panic);
            assert!(ended.is_err() || ended.is_ok_and(|ended| ended.is_some()), "it has all it waits for");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_breaker_follows_its_model(
        by_time in any::<bool>(),
        timeout in prop::option::of((1_u64..40_000).prop_map(ms)),
        events in prop::collection::vec(event(), 1..200),
    ) {
        paused(async {
            silence_panics_on_purpose();
            let mut limits = Policy::off();
            limits.attempt_timeout = timeout;
            let pipeline = pipeline(limits.with_breaker(policy(by_time)));
            let mut model = Model::new(policy(by_time), timeout);
            let mut out: Vec<Flight> = Vec::new();
            for (at, event) in events.iter().enumerate() {
                match *event {
                    // Nobody looks: what comes next must find what somebody would have seen.
                    Event::Pause(millis) => {
                        advance(ms(millis)).await;
                        continue;
                    }
                    Event::Begin => {
                        let expected = model.admits(Instant::now());
                        let begun = Flight::begin(&pipeline, expected.unwrap_or_default());
                        prop_assert_eq!(begun.is_some(), expected.is_some(), "event {}: {:?}", at, event);
                        out.extend(begun);
                    }
                    Event::Isolate => {
                        pipeline.isolate();
                        model.enter(Phase::Isolated);
                    }
                    Event::Reset => {
                        pipeline.reset_breaker();
                        model.enter(Phase::Closed);
                    }
                    Event::End(_, _) if out.is_empty() => {}
                    Event::End(which, how) => {
                        let ends = out.swap_remove(which % out.len());
                        let (phase, began) = (ends.phase, ends.began);
                        ends.end(how);
                        model.ended(phase, how, began, Instant::now());
                    }
                }
                model.let_time_pass(Instant::now());
                prop_assert_eq!(pipeline.breaker_state(), Some(model.state()), "after event {}: {:?}", at, event);
                prop_assert_eq!(pipeline.running(), out.len() as u64);
                // Lets go of the task's budget, which so many polls in a row would use up.
                tokio::task::yield_now().await;
            }
            Ok(())
        })?;
    }

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
