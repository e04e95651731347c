//! What a stack adds to a call: the time of calls through it less that of bare calls, both in turns of a few
//! milliseconds on one runtime.

use std::time::{Duration, Instant};

use external_bench::median;

use crate::null::Answer;
use crate::stacks::{Stack, calls, runtime};

/// Under what circumstances calls are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) tasks: usize,
    /// Whether the runtime has a timer that ends before all timeouts. Without one, a timeout that begins has to wake the
    /// thread that waits for the next timer, so that it waits for less long.
    pub(crate) earlier_timer: bool,
}

/// After the turn, before the timeouts.
const EARLIER: Duration = Duration::from_secs(5);
/// What one of two that take turns does before the other's turn comes.
const CALLS: usize = 4000;

impl Setting {
    pub(crate) const ALL: [Self; 4] = [
        Self { tasks: 1, earlier_timer: true },
        Self { tasks: 1, earlier_timer: false },
        Self { tasks: 16, earlier_timer: true },
        Self { tasks: 16, earlier_timer: false },
    ];

    pub(crate) fn name(self) -> String {
        let tasks = if self.tasks == 1 { "1 task".to_owned() } else { format!("{} tasks", self.tasks) };
        let timer = if self.earlier_timer { "an earlier timer alive" } else { "no other timer" };
        format!("added to a bare call, {tasks}, {timer}")
    }

    /// Nanoseconds that a call takes longer through `S` than through `B`, which are made for this turn. So is the runtime:
    /// a timer that someone has left behind would be the next one's earlier timer.
    pub(crate) fn added<S: Stack, B: Stack>(self, slice: Duration) -> f64 {
        let runtime = runtime();
        let added = runtime.block_on(async {
            if self.earlier_timer {
                tokio::spawn(tokio::time::sleep(EARLIER));
            }
            let (stack, bare) = (S::new(Answer::Soon), B::new(Answer::Soon));
            let each = CALLS / self.tasks;
            // To warm up.
            calls(&bare, self.tasks, each).await;
            calls(&stack, self.tasks, each).await;
            let (start, mut differences) = (Instant::now(), Vec::new());
            while start.elapsed() < slice || differences.len() < 2 {
                // Whoever is second is not always the same.
                let (with, without) = if differences.len() % 2 == 0 {
                    let with = calls(&stack, self.tasks, each).await;
                    (with, calls(&bare, self.tasks, each).await)
                } else {
                    let without = calls(&bare, self.tasks, each).await;
                    (calls(&stack, self.tasks, each).await, without)
                };
                let made = (each * self.tasks) as f64;
                differences.push((with.as_nanos() as f64 - without.as_nanos() as f64) / made);
            }
            median(differences)
        });
        runtime.shutdown_background();
        added
    }
}
