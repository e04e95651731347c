//! Parts that may still be on their way when their upload is given up: an abort does not take those along.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use external_core::{Effect, Result, SentMark};
use external_resilience::BoxFuture;

/// Whether a part of an upload was sent of which the store has not said what became of it. Clones share it.
#[derive(Debug, Clone, Default)]
pub(in crate::client) struct Stray(Arc<AtomicBool>);

impl Stray {
    pub(super) fn is_possible(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// One attempt to send a part: noted if it was sent, and then ends without the store's word on it.
    pub(in crate::client) async fn watch<T>(
        self,
        mark: SentMark,
        attempt: BoxFuture<'_, Result<T>>,
    ) -> Result<T> {
        let mut sending = Sending { stray: self, mark, is_answered: false };
        let answer = attempt.await;
        sending.is_answered = !matches!(&answer, Err(error) if error.effect() == Effect::MaybeApplied);
        answer
    }
}

/// An attempt that may end at any await: by a timeout, or because its caller has gone.
struct Sending {
    stray: Stray,
    mark: SentMark,
    is_answered: bool,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if !self.is_answered && self.mark.is_set() {
            self.stray.0.store(true, Ordering::Release);
        }
    }
}
