//! A storm: a thousand callers, and a back end that fails half its calls, then all, then throttles, then recovers. Seeded,
//! so that a run can be repeated; counted at the back end. Beside it the same storm with three attempts a call and nothing
//! else. Where one layer does the work of another, a storm without that one shows what the other is worth.
//!
//! `cargo test -p external-resilience --test storm -- --nocapture` shows the table.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_core::{
    CallContext, Capabilities, Effect, Error, ErrorKind, Operation, ProviderInfo, Repeat, Result, Retry,
};
use external_resilience::{BreakerState, BudgetPolicy, Pipeline, Policy};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

const CALLERS: u64 = 1000;
/// How long a caller rests between two calls, on average.
const REST: Duration = Duration::from_secs(1);
/// How long a throttled caller is asked to wait.
const HINT: Duration = Duration::from_millis(500);

const READ: Operation = Operation::new("storage", "get", Repeat::Safe);
const SEND: Operation = Operation::new("email", "send", Repeat::Once);

/// What the back end does, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    HalfFails,
    AllFails,
    Throttles,
    FairAgain,
}

const FORECAST: [(Weather, u64); 5] = [
    (Weather::Fair, 5),
    (Weather::HalfFails, 10),
    (Weather::AllFails, 25),
    (Weather::Throttles, 35),
    (Weather::FairAgain, 45),
];

fn second(number: u64, start: Instant) -> Instant {
    start + Duration::from_secs(number)
}

/// What the back end saw.
#[derive(Debug, Default)]
struct Seen {
    /// Attempts in each weather.
    attempts: [u64; FORECAST.len()],
    successes: u64,
    /// What the last attempt of a call failed with, while that may be repeated.
    failed: HashMap<u64, ErrorKind>,
    /// Attempts that repeat one which failed, and one which was throttled.
    after_faults: u64,
    after_throttles: u64,
    /// Until when the service has asked its callers to wait, and attempts that began before that all the same.
    quiet_until: Option<Instant>,
    heedless: u64,
    /// Calls that must happen once and may have: none of them may come again.
    unknown: HashSet<u64>,
    repeated_wrongly: u64,
}

struct BackEnd {
    start: Instant,
    random: Mutex<fastrand::Rng>,
    seen: Mutex<Seen>,
}

impl BackEnd {
    fn weather(&self) -> usize {
        let now = Instant::now();
        FORECAST.iter().position(|(_, until)| now < second(*until, self.start)).unwrap_or(FORECAST.len() - 1)
    }

    fn random(&self) -> f64 {
        self.random.lock().unwrap().f64()
    }

    async fn answer(&self, cx: &CallContext, operation: Operation, call: u64) -> Result<()> {
        let weather = self.weather();
        {
            let mut seen = self.seen.lock().unwrap();
            seen.attempts[weather] += 1;
            seen.repeated_wrongly += u64::from(seen.unknown.contains(&call));
            seen.heedless += u64::from(seen.quiet_until.is_some_and(|until| Instant::now() < until));
            match seen.failed.remove(&call) {
                Some(ErrorKind::RateLimited) => seen.after_throttles += 1,
                Some(_) => seen.after_faults += 1,
                None => {}
            }
        }
        cx.mark_sent();
        sleep(Duration::from_millis(5) + Duration::from_millis(20).mul_f64(self.random())).await;
        let outcome = match FORECAST[weather].0 {
            Weather::Fair | Weather::FairAgain => Ok(()),
            Weather::HalfFails if self.random() < 0.5 => Ok(()),
            Weather::HalfFails | Weather::AllFails => {
                let effect = if self.random() < 0.5 { Effect::MaybeApplied } else { Effect::NotApplied };
                Err(Error::unavailable("down").with_effect(effect))
            }
            Weather::Throttles if self.random() < 0.2 => {
                Err(Error::rate_limited("slow down").with_retry(Retry::After(HINT)))
            }
            Weather::Throttles => Ok(()),
        };
        let mut seen = self.seen.lock().unwrap();
        if let Err(error) = &outcome {
            seen.failed.insert(call, error.kind());
            if error.kind() == ErrorKind::RateLimited {
                seen.quiet_until = Some(Instant::now() + HINT);
            }
        }
        match &outcome {
            Ok(()) => seen.successes += 1,
            Err(error) if operation == SEND && error.effect() == Effect::MaybeApplied => {
                seen.unknown.insert(call);
            }
            Err(_) => {}
        }
        outcome
    }
}

/// How a storm went.
struct Storm {
    seen: Seen,
    calls: u64,
    /// When the breaker first opened, and when it was closed for good, from the start on.
    opened: Option<Duration>,
    closed: Option<Duration>,
}

impl Storm {
    /// What its retries cost, and what the budget had for them: a full bucket, and a share of each success.
    fn cost_and_budget(&self) -> (f64, f64) {
        let (seen, budget) = (&self.seen, BudgetPolicy::default());
        let cost = seen.after_faults as f64 + seen.after_throttles as f64 * budget.throttle_cost;
        (cost, f64::from(budget.burst) + seen.successes as f64 * budget.share)
    }
}

/// Callers have no pipeline, but a loop of three attempts, which looks at no error.
const THREE_ATTEMPTS: Option<Policy> = None;

async fn three_attempts(back_end: &BackEnd, cx: &CallContext, operation: Operation, number: u64) {
    for attempt in 1..=3_u32 {
        if back_end.answer(cx, operation, number).await.is_ok() {
            return;
        }
        sleep(Duration::from_millis(100) * attempt).await;
    }
}

async fn storm(seed: u64, policy: Option<Policy>) -> Storm {
    let info = ProviderInfo::new("memory", "storage", "memory:", Capabilities::new());
    let plain = policy.is_none();
    let pipeline = Pipeline::new("default", &info, policy.unwrap_or_default()).with_jitter_seed(seed);
    let start = Instant::now();
    let back_end = Arc::new(BackEnd {
        start,
        random: Mutex::new(fastrand::Rng::with_seed(seed)),
        seen: Mutex::default(),
    });
    let end = second(FORECAST[FORECAST.len() - 1].1, start);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (pipeline, back_end) = (pipeline.clone(), back_end.clone());
        callers.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed ^ (caller << 20));
            let mut calls = 0;
            loop {
                sleep(REST.mul_f64(random.f64() * 2.0)).await;
                if Instant::now() >= end {
                    return calls;
                }
                let number = (caller << 32) | calls;
                let operation = if random.u8(0..5) == 0 { SEND } else { READ };
                let cx = CallContext::default();
                // What became of it is counted at the back end.
                if plain {
                    three_attempts(&back_end, &cx, operation, number).await;
                } else {
                    let call = pipeline
                        .run(operation, &cx, |cx, _| Box::pin(back_end.answer(cx, operation, number)));
                    drop(call.await);
                }
                calls += 1;
            }
        });
    }
    let watch = tokio::spawn(async move {
        let (mut opened, mut closed) = (None, None);
        let mut now = start;
        while now < end {
            now += Duration::from_millis(100);
            sleep_until(now).await;
            match pipeline.breaker_state() {
                Some(BreakerState::Closed) if opened.is_some() && closed.is_none() => {
                    closed = Some(start.elapsed());
                }
                Some(BreakerState::Open) => {
                    opened = opened.or_else(|| Some(start.elapsed()));
                    closed = None;
                }
                _ => {}
            }
        }
        (opened, closed)
    });
    let calls = callers.join_all().await.into_iter().sum();
    let (opened, closed) = watch.await.unwrap();
    let seen = std::mem::take(&mut *back_end.seen.lock().unwrap());
    Storm { seen, calls, opened, closed }
}

fn run(seed: u64, policy: Option<Policy>) -> Storm {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(storm(seed, policy))
}

fn table(seed: u64, ours: &Storm, plain: &Storm) -> String {
    let mut text = format!("storm, seed {seed}: attempts at the back end\n");
    for (at, (weather, _)) in FORECAST.iter().enumerate() {
        let (ours, plain) = (ours.seen.attempts[at], plain.seen.attempts[at]);
        let weather = format!("{weather:?}");
        let _ = writeln!(
            text,
            "  {weather:<10} with the pipeline {ours:>7}, with three attempts {plain:>7}: {:.2} of it",
            ours as f64 / plain as f64
        );
    }
    let _ = writeln!(
        text,
        "  calls {} and {}; repeated although they may have happened: {} and {}; begun although the service had asked to \
         wait: {} and {}; opened after {:?}, closed after {:?}",
        ours.calls,
        plain.calls,
        ours.seen.repeated_wrongly,
        plain.seen.repeated_wrongly,
        ours.seen.heedless,
        plain.seen.heedless,
        ours.opened,
        ours.closed,
    );
    text
}

#[test]
fn a_storm_is_weathered() {
    for seed in [1, 2] {
        let (ours, plain) = (run(seed, Some(Policy::default())), run(seed, THREE_ATTEMPTS));
        println!("{}", table(seed, &ours, &plain));

        assert_eq!(ours.seen.repeated_wrongly, 0);
        assert!(plain.seen.repeated_wrongly > 0, "who looks at no error repeats what may have happened");
        assert_eq!(ours.seen.heedless, 0, "what the service asks of one, all heed");
        assert!(plain.seen.heedless > 0);
        let (cost, budget) = ours.cost_and_budget();
        assert!(cost <= budget, "retries for {cost} of {budget}");
        let down = FORECAST.iter().position(|(weather, _)| *weather == Weather::AllFails).unwrap();
        assert!(
            ours.seen.attempts[down] * 100 < plain.seen.attempts[down],
            "a service that is down is left alone: {} and {}",
            ours.seen.attempts[down],
            plain.seen.attempts[down]
        );
        // It fails half its calls from second 5 on, and all from second 10 to 25; a circuit is open for 5 seconds.
        let opened = ours.opened.unwrap();
        assert!((5..=11).contains(&opened.as_secs()), "opened after {opened:?}");
        let closed = ours.closed.unwrap();
        assert!((25..=32).contains(&closed.as_secs()), "closed after {closed:?}");
        let fair = FORECAST.len() - 1;
        let share = ours.seen.attempts[fair] as f64 / plain.seen.attempts[fair] as f64;
        assert!((0.9..=1.1).contains(&share), "all calls pass again: {share}");
    }
}

/// With a breaker few calls get as far as to fail. Without one, what they retry is what the budget pays for, and all of it.
#[test]
fn without_a_breaker_the_budget_bounds_the_storm() {
    let policy = Policy::default().with_breaker(None);
    let storm = run(3, Some(policy.clone()));
    let (cost, budget) = storm.cost_and_budget();
    assert!(cost <= budget, "retries for {cost} of {budget}");
    let down = FORECAST.iter().position(|(weather, _)| *weather == Weather::AllFails).unwrap();
    let unpaid = run(3, Some(policy.with_retry_budget(None)));
    let (cost, budget) = unpaid.cost_and_budget();
    assert!(cost > budget * 2.0, "without a budget there is nothing to prove: {cost} of {budget}");
    assert!(
        storm.seen.attempts[down] * 2 < unpaid.seen.attempts[down],
        "nothing succeeds, so nothing pays for retries"
    );
}

#[test]
fn a_storm_can_be_repeated() {
    let (one, two) = (run(7, Some(Policy::default())), run(7, Some(Policy::default())));
    assert_eq!((one.seen.attempts, one.calls, one.opened), (two.seen.attempts, two.calls, two.opened));
}
