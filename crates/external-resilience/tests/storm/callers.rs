//! A thousand callers, who call again and again until the storm is over. Some are in a hurry: they give up, or have a
//! deadline.

use std::sync::Arc;
use std::time::Duration;

use external_core::{CallContext, CallOptions, Capabilities, Operation, ProviderInfo};
use external_resilience::{BreakerState, Pipeline, Policy};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::weather::{BackEnd, READ, SEND, Seen};

const CALLERS: u64 = 1000;
/// How long a caller rests between two calls, on average.
const REST: Duration = Duration::from_secs(1);
/// The deadline of one call in ten.
const DEADLINE: Duration = Duration::from_secs(1);
/// Within this another one in ten gives up.
const HURRY: Duration = Duration::from_millis(200);
/// How long an attempt may take, with the pipeline and without.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(2);

/// How a storm went.
pub(crate) struct Storm {
    pub(crate) seen: Seen,
    pub(crate) calls: u64,
    /// When the breaker first opened, and when it was closed for good, from the start on.
    pub(crate) opened: Option<Duration>,
    pub(crate) closed: Option<Duration>,
    /// What is left in the pipeline when all callers have gone: calls, and places in its bulkhead.
    pub(crate) left: (u64, u32),
}

/// What is between a caller and the back end.
#[derive(Clone)]
enum Client {
    Pipeline(Pipeline),
    /// A loop of three attempts with a timeout each, which looks at no error.
    ThreeAttempts,
}

impl Client {
    async fn call(&self, back_end: &BackEnd, cx: &CallContext, operation: Operation, number: u64) {
        match self {
            // What became of it is counted at the back end.
            Self::Pipeline(pipeline) => drop(
                pipeline.run(operation, cx, |cx, _| Box::pin(back_end.answer(cx, operation, number))).await,
            ),
            Self::ThreeAttempts => {
                for attempt in 1..=3_u32 {
                    if let Ok(Ok(())) = timeout(ATTEMPT, back_end.answer(cx, operation, number)).await {
                        return;
                    }
                    sleep(Duration::from_millis(100) * attempt).await;
                }
            }
        }
    }

    /// Calls until the storm is over: how often.
    async fn calls(self, back_end: Arc<BackEnd>, caller: u64, mut random: fastrand::Rng) -> u64 {
        let mut calls = 0;
        loop {
            sleep(REST.mul_f64(random.f64() * 2.0)).await;
            if Instant::now() >= back_end.end() {
                return calls;
            }
            let number = (caller << 32) | calls;
            let operation = if random.u8(0..5) == 0 { SEND } else { READ };
            let (hurry, patience) = (random.u8(0..10), HURRY.mul_f64(random.f64()));
            let options = CallOptions::new();
            let cx = CallContext::new(&if hurry == 0 { options.with_timeout(DEADLINE) } else { options });
            let call = self.call(&back_end, &cx, operation, number);
            match hurry {
                0 => drop(timeout(DEADLINE, call).await),
                1 => drop(timeout(patience, call).await),
                _ => call.await,
            }
            calls += 1;
        }
    }
}

/// When the breaker first opened, and when it was closed for good.
async fn watch(
    client: Client,
    start: Instant,
    end: Instant,
) -> (Option<Duration>, Option<Duration>, (u64, u32)) {
    let Client::Pipeline(pipeline) = client else {
        return Default::default();
    };
    let (mut opened, mut closed) = (None, None);
    let mut now = start;
    while now < end {
        now += Duration::from_millis(100);
        sleep_until(now).await;
        match pipeline.breaker_state() {
            Some(BreakerState::Closed) if opened.is_some() && closed.is_none() => {
                closed = Some(start.elapsed());
            }
            Some(BreakerState::Open) => (opened, closed) = (opened.or_else(|| Some(start.elapsed())), None),
            _ => {}
        }
    }
    // Until the last call is over.
    sleep(Policy::default().total_deadline.unwrap_or_default()).await;
    let pressure = pipeline.pressure();
    (opened, closed, (pressure.running, pressure.bulkhead_running + pressure.bulkhead_waiting))
}

async fn storm(seed: u64, policy: Option<Policy>) -> Storm {
    let info = ProviderInfo::new("memory", "storage", "memory:", Capabilities::new());
    let client = match policy {
        Some(policy) => Client::Pipeline(Pipeline::new("default", &info, policy).with_jitter_seed(seed)),
        None => Client::ThreeAttempts,
    };
    let start = Instant::now();
    let back_end = Arc::new(BackEnd::new(start, seed));
    let watch = tokio::spawn(watch(client.clone(), start, back_end.end()));
    let callers: JoinSet<u64> = (0..CALLERS)
        .map(|caller| {
            let random = fastrand::Rng::with_seed(seed ^ (caller << 20));
            client.clone().calls(back_end.clone(), caller, random)
        })
        .collect();
    let calls = callers.join_all().await.into_iter().sum();
    let (opened, closed, left) = watch.await.unwrap();
    let seen = Arc::into_inner(back_end).unwrap().into_seen();
    Storm { seen, calls, opened, closed, left }
}

/// A storm with the pipeline under this policy, or with three attempts a call and nothing else.
pub(crate) fn run(seed: u64, policy: Option<Policy>) -> Storm {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(storm(seed, policy))
}
