//! Work that must outlive a dropped call: aborting an upload, releasing a lock.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

/// Tracks the clean-up tasks of one client, so that closing it can wait for them.
#[derive(Debug, Clone, Default)]
pub struct Cleanup {
    tracker: TaskTracker,
}

impl Cleanup {
    /// Runs a clean-up in the background.
    ///
    /// Answers false, after one warning in the log, where there is no runtime any more: the resource then ends by
    /// its own lease or life-cycle rule.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        match Handle::try_current() {
            Ok(runtime) => {
                self.tracker.spawn_on(task, &runtime);
                true
            }
            Err(_) => {
                tracing::warn!("no runtime for a clean-up: the resource is left to its own lease");
                false
            }
        }
    }

    /// Runs a task to its end even if the caller is dropped, and hands its result over.
    ///
    /// The hand-over happens inside the tracked task: if the caller has gone, the result is dropped there, so a
    /// guard in it still gets to clean up before [`drain`](Self::drain) returns. `None` if there is no runtime, or
    /// if the task panicked.
    pub async fn complete<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (give, take) = oneshot::channel();
        let spawned = self.spawn(async move {
            // A result nobody waits for is dropped here, while this task is still counted.
            drop(give.send(task.await));
        });
        if spawned { take.await.ok() } else { None }
    }

    /// How many clean-ups are running.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until all clean-ups have ended, at most so long. Answers how many were left.
    pub async fn drain(&self, within: Duration) -> usize {
        self.tracker.close();
        match tokio::time::timeout(within, self.tracker.wait()).await {
            Ok(()) => 0,
            Err(_) => self.tracker.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Upload(Cleanup, Arc<AtomicUsize>);

    impl Drop for Upload {
        fn drop(&mut self) {
            let aborted = self.1.clone();
            self.0.spawn(async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                aborted.fetch_add(1, Ordering::SeqCst);
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_for_a_caller_that_has_gone_is_still_undone() {
        let cleanup = Cleanup::default();
        let aborted = Arc::new(AtomicUsize::new(0));
        let begin = {
            let (cleanup, aborted) = (cleanup.clone(), aborted.clone());
            async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Upload(cleanup, aborted)
            }
        };
        let gave_up = tokio::time::timeout(Duration::from_millis(10), cleanup.complete(begin)).await;
        assert!(gave_up.is_err());
        assert_eq!(cleanup.drain(Duration::from_secs(1)).await, 0);
        assert_eq!(aborted.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn drain_reports_what_is_left() {
        let cleanup = Cleanup::default();
        cleanup.spawn(std::future::pending());
        assert_eq!(cleanup.drain(Duration::from_millis(10)).await, 1);
    }
}
