//! Closing: refuse new calls, let the running ones end, clean up, close the provider, say what was left.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use external_core::{Error, Provider, Shard, Sharded};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Pipeline;
use crate::clock::later;

/// What a close keeps for clean-ups and its provider, if it has twice as much.
const LEAST_KEPT: Duration = Duration::from_secs(1);

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

/// How many calls are running, and whether new ones are refused.
#[derive(Debug, Default)]
pub(super) struct Running {
    calls: Sharded<AtomicU64>,
    closing: AtomicBool,
    idle: Notify,
    closed: CancellationToken,
}

impl Running {
    /// Counts a call. It looks at [`is_closing`](Self::is_closing) afterwards: either it sees that, or whoever closes sees
    /// it counted (both orders are `SeqCst`).
    pub(super) fn enter(&self) -> Shard {
        let shard = self.calls.shard();
        self.calls.at(shard).fetch_add(1, Ordering::SeqCst);
        shard
    }

    /// The call is over; it is taken off where it was put on, so that no shard says less than there are.
    pub(super) fn leave(&self, shard: Shard) {
        self.calls.at(shard).fetch_sub(1, Ordering::SeqCst);
        if self.is_closing() {
            self.idle.notify_waiters();
        }
    }

    #[inline]
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.closed.cancel();
    }

    pub(super) fn count(&self) -> u64 {
        self.calls.iter().map(|shard| shard.load(Ordering::SeqCst)).sum()
    }

    async fn wait_until_idle(&self, end: Instant) {
        loop {
            let woken = self.idle.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.count() == 0 || tokio::time::timeout_at(end, woken).await.is_err() {
                return;
            }
        }
    }
}

impl Pipeline {
    /// Refuses new calls, waits for the running ones and for clean-ups, then closes the provider. It all takes
    /// at most `within`.
    ///
    /// Neither a call that hangs nor a clean-up takes the time of what comes after it: a tenth of `within`, a second at least
    /// and half of it at most, is kept for clean-ups and the provider's own close, and half of that for the latter.
    pub async fn close(&self, provider: &dyn Provider, within: Duration) -> CloseReport {
        let now = Instant::now();
        let end = later(now, within);
        let within = end.saturating_duration_since(now);
        let kept = (within / 10).max(LEAST_KEPT).min(within / 2);
        self.inner.running.close();
        self.inner.running.wait_until_idle(end - kept).await;
        let for_cleanups = (end - kept / 2).saturating_duration_since(Instant::now());
        let cleanups_left = self.inner.cleanup.drain(for_cleanups).await;
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
        self.inner.running.closed.cancelled().await;
    }

    /// How many calls are running, streaming bodies included.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.inner.running.count()
    }
}
