//! Load: callers that go on for a stretch of time, and loops that are timed.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

/// Until when callers go on.
#[derive(Debug, Clone, Copy)]
pub struct Until(Instant);

impl Until {
    /// Whether there is time for one more.
    #[must_use]
    pub fn goes_on(self) -> bool {
        Instant::now() < self.0
    }
}

/// How many calls a second so many callers get done. Each caller is a task of its own, told its number, that calls until
/// its time is over and answers how often it did.
pub fn per_second<F, Fut>(runtime: &Runtime, callers: usize, slice: Duration, caller: F) -> f64
where
    F: Fn(usize, Until) -> Fut,
    Fut: Future<Output = u64> + Send + 'static,
{
    runtime.block_on(async {
        let start = Instant::now();
        let until = Until(start + slice);
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..callers {
            tasks.spawn(caller(number, until));
        }
        let calls: u64 = tasks.join_all().await.into_iter().sum();
        calls as f64 / start.elapsed().as_secs_f64()
    })
}

/// Nanoseconds one run of `work` takes, for work that takes less than some microseconds.
pub fn nanoseconds<T>(slice: Duration, mut work: impl FnMut() -> T) -> f64 {
    const BATCH: u32 = 1000;
    let start = Instant::now();
    let mut runs = 0_u32;
    loop {
        for _ in 0..BATCH {
            black_box(work());
        }
        runs += BATCH;
        let elapsed = start.elapsed();
        if elapsed >= slice {
            return elapsed.as_nanos() as f64 / f64::from(runs);
        }
    }
}

/// As [`nanoseconds`], for work that is awaited, in one task.
pub async fn nanoseconds_async<T>(slice: Duration, mut work: impl AsyncFnMut() -> T) -> f64 {
    const BATCH: u32 = 1000;
    let start = Instant::now();
    let mut runs = 0_u32;
    loop {
        for _ in 0..BATCH {
            black_box(work().await);
        }
        runs += BATCH;
        let elapsed = start.elapsed();
        if elapsed >= slice {
            return elapsed.as_nanos() as f64 / f64::from(runs);
        }
    }
}
