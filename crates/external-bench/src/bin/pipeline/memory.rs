//! What the layers allocate: by call, by instance, and by call that waits. A program of its own, for an allocator that
//! counts would be measured with what allocates.
#![allow(clippy::disallowed_methods, reason = "a program for the terminal")]
#![allow(clippy::cast_precision_loss, reason = "of counts")]

mod null;
mod recorder;
mod stacks;

use std::alloc::System;
use std::process::ExitCode;
use std::time::Duration;

use external_bench::{Contestant, Options};
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};
use tokio::task::JoinSet;

use crate::null::Answer;
use crate::stacks::{
    Bare, ByHand, Counted, DefaultPolicy, Everything, Nested, OpenDal, OpenDalBare, Stack, Tower,
    TowerCloned, TowerResilience, calls, key, runtime,
};

/// Of all threads.
#[global_allocator]
static ALLOCATED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Calls of each task.
const CALLS: usize = 1000;
/// Calls that wait at a time.
const WAITING: usize = 1000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut rounds = options.rounds(5);
    // Only what counts its calls tells it anything.
    recorder::install();
    for tasks in [1, 16] {
        let name = format!("allocations of a call, {}", if tasks == 1 { "1 task" } else { "16 tasks" });
        let mut contestants = contestants(Measure::Allocations(tasks));
        let counted = contestant::<Counted>(recorder::CONTESTANT, Measure::Allocations(tasks));
        contestants.push(counted.apart());
        contestants.push(contestant::<Bare>("the bare call", Measure::Allocations(tasks)));
        contestants.push(contestant::<OpenDalBare>("OpenDAL's bare call", Measure::Allocations(tasks)));
        rounds.case("pipeline", &name, "allocations", contestants);
    }
    rounds.case("pipeline", "memory of an idle instance", "bytes", contestants(Measure::Idle));
    let name = "memory of an instance after 1,000 calls at a time";
    rounds.case("pipeline", name, "bytes", contestants(Measure::Used));
    let name = "memory of a waiting call above that of a bare one";
    rounds.case("pipeline", name, "bytes", contestants(Measure::Waiting));
    options.hand_over(rounds)
}

/// What is measured of a stack.
#[derive(Clone, Copy)]
enum Measure {
    /// By call, with so many tasks.
    Allocations(usize),
    /// Bytes of an instance, without its provider's.
    Idle,
    /// The same, after many calls waited in it at a time.
    Used,
    /// Bytes of a call that waits, without a bare one's.
    Waiting,
}

fn contestants(measure: Measure) -> Vec<Contestant<'static>> {
    vec![
        contestant::<Everything>("ours, everything on", measure),
        contestant::<Tower>("tower", measure),
        contestant::<TowerCloned>("tower, boxed, cloned for each call", measure),
        contestant::<ByHand>("governor, semaphore, backon, failsafe, timeout", measure),
        against::<OpenDal, OpenDalBare>("OpenDAL's layers", measure),
        contestant::<TowerResilience>("tower-resilience", measure),
        contestant::<DefaultPolicy>("ours, default policy", measure).apart(),
        contestant::<Nested>("ours, two nested, everything on", measure).apart(),
    ]
}

fn contestant<S: Stack>(name: &str, measure: Measure) -> Contestant<'static> {
    against::<S, Bare>(name, measure)
}

fn against<S: Stack, B: Stack>(name: &str, measure: Measure) -> Contestant<'static> {
    Contestant::new(name, move || match measure {
        Measure::Allocations(tasks) => allocations::<S>(tasks),
        Measure::Idle => Bytes::of::<S>().idle - Bytes::of::<B>().idle,
        Measure::Used => Bytes::of::<S>().used - Bytes::of::<B>().used,
        Measure::Waiting => (Bytes::of::<S>().waiting - Bytes::of::<B>().waiting) / WAITING as f64,
    })
}

/// How many allocations a call makes, growing what is there included: those of twice as many calls less those of once as
/// many, for what is made anew for each task to fall out.
fn allocations<S: Stack>(tasks: usize) -> f64 {
    let count = async |stack: &S, each| {
        let before = ALLOCATED.stats();
        calls(stack, tasks, each).await;
        let Stats { allocations, reallocations, .. } = ALLOCATED.stats() - before;
        (allocations + reallocations) as f64
    };
    runtime().block_on(async {
        let stack = S::new(Answer::Soon);
        count(&stack, CALLS).await;
        let once = count(&stack, CALLS).await;
        let twice = count(&stack, 2 * CALLS).await;
        // What the runtime does once in a while is no call's.
        ((twice - once) / (tasks * CALLS) as f64 * 10.0).round() / 10.0
    })
}

/// What is allocated and not given back.
struct Bytes {
    /// By an instance that was never used.
    idle: f64,
    /// By calls that wait.
    waiting: f64,
    /// By the instance once they have ended.
    used: f64,
}

impl Bytes {
    fn of<S: Stack>() -> Self {
        runtime().block_on(async {
            // What is made once for all instances is made by the first.
            drop(S::new(Answer::Never));
            // So is the runtime's room for tasks.
            wait(&Bare::new(Answer::Never)).await;
            let before = live();
            let stack = S::new(Answer::Never);
            let idle = live() - before;
            let waiting = wait(&stack).await - before - idle;
            Self { idle, waiting, used: live() - before }
        })
    }
}

/// Bytes that are allocated while many calls wait, which then are dropped.
async fn wait<S: Stack>(stack: &S) -> f64 {
    let mut tasks = JoinSet::new();
    for number in 0..WAITING {
        let (mut stack, key) = (stack.share(), key(number));
        tasks.spawn(async move { stack.call(&key).await });
    }
    // Until the last of them waits.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let waiting = live();
    tasks.shutdown().await;
    waiting
}

fn live() -> f64 {
    let Stats { bytes_allocated, bytes_deallocated, .. } = ALLOCATED.stats();
    bytes_allocated as f64 - bytes_deallocated as f64
}
