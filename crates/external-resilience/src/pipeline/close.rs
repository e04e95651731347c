//! Closing: refuse new calls, let the running ones end, clean up, close the provider, say what was left.

use std::sync::atomic::Ordering;
use std::time::Duration;

use external_core::{Error, Provider};
use tokio::time::Instant;

use super::Pipeline;

/// The bit of the running count that says that new calls are refused.
pub(super) const CLOSING: u64 = 1 << 63;

/// The clock cannot hold every duration; nobody waits longer than this.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What was left when the deadline of a close passed.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CloseReport {
    /// Calls that were still running.
    pub calls_left: u64,
    /// Clean-ups that were still running: their resources end by their own lease or life-cycle rule.
    pub cleanups_left: usize,
    /// What the provider said to being closed, if it was not content.
    pub error: Option<Error>,
}

impl CloseReport {
    /// Whether nothing was left and nothing went wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.calls_left == 0 && self.cleanups_left == 0 && self.error.is_none()
    }
}

impl Pipeline {
    /// Refuses new calls, waits for the running ones and for clean-ups, then closes the provider. It all takes
    /// at most `within`.
    pub async fn close(&self, provider: &dyn Provider, within: Duration) -> CloseReport {
        let end = Instant::now() + within.min(LONGEST);
        self.inner.running.fetch_or(CLOSING, Ordering::AcqRel);
        self.inner.closing.cancel();
        self.wait_until_idle(end).await;
        let cleanups_left = self.inner.cleanup.drain(end.saturating_duration_since(Instant::now())).await;
        let error = match tokio::time::timeout_at(end, provider.close()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(Error::timeout("the provider did not close in time")),
        };
        CloseReport { calls_left: self.running(), cleanups_left, error }
    }

    /// Waits until closing begins. Work that spans many calls and waits for something else in between, an upload for its
    /// source, ends then instead of holding up the close.
    pub async fn closing(&self) {
        self.inner.closing.cancelled().await;
    }

    /// How many calls are running, streaming bodies included.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.inner.running.load(Ordering::Acquire) & !CLOSING
    }

    async fn wait_until_idle(&self, end: Instant) {
        loop {
            let woken = self.inner.idle.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.running() == 0 || tokio::time::timeout_at(end, woken).await.is_err() {
                return;
            }
        }
    }
}
