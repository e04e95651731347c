//! The bulkhead: so many calls at a time, so many more that wait for their turn, first come, first served, and none waits for
//! ever.

use std::time::Duration;

use external_core::{Effect, Error, Result};
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, timeout_at};

use crate::clock::later;
use crate::permits::Permits;
use crate::policy::BulkheadPolicy;
use crate::refusal::Refusal;

#[derive(Debug)]
pub(crate) struct Bulkhead {
    running: Permits,
    queue: Permits,
    max_wait: Duration,
    /// Held by the first of those who wait: the others queue for it, in the order in which they came.
    first: Mutex<()>,
    /// Tells the first that a place came free.
    freed: Notify,
}

impl Bulkhead {
    pub(crate) fn new(policy: BulkheadPolicy) -> Self {
        Self {
            running: Permits::new(policy.max_concurrent),
            queue: Permits::new(policy.max_queue),
            max_wait: policy.max_wait,
            first: Mutex::new(()),
            freed: Notify::new(),
        }
    }

    /// Takes a place, which [`leave`](Self::leave) gives back, and answers whether that took any time. Nobody overtakes those
    /// who wait: as long as there is one, a newcomer queues behind it, even if a place is free.
    ///
    /// # Errors
    ///
    /// `Unavailable`, nothing was sent: the queue is full, or no place came free in time. `Timeout` at the call's own
    /// deadline.
    pub(crate) async fn enter(&self, end: Option<Instant>) -> Result<bool> {
        if self.queue.taken() == 0 && self.running.try_take() {
            return Ok(false);
        }
        if !self.queue.try_take() {
            return Err(Refusal::Bulkhead.error("too many calls run, and too many wait for their turn", None));
        }
        let _queued = Queued(&self.queue);
        let patience = later(Instant::now(), self.max_wait);
        let until = end.map_or(patience, |end| end.min(patience));
        if timeout_at(until, self.wait()).await.is_ok() {
            return Ok(true);
        }
        Err(if until < patience {
            Error::timeout("the deadline passed while the call waited for its turn")
                .with_effect(Effect::NotSent)
                .with_context("refused_by", Refusal::Bulkhead)
        } else {
            Refusal::Bulkhead.error("too many calls run, and none ended in time", None)
        })
    }

    /// Waits to be the first, then for a place.
    async fn wait(&self) {
        let _first = self.first.lock().await;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Listens before it looks: a place that comes free in between is not missed.
            freed.as_mut().enable();
            if self.running.try_take() {
                return;
            }
            freed.await;
        }
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        self.running.give_back();
        if self.queue.taken() > 0 {
            self.freed.notify_one();
        }
    }

    /// How many run.
    pub(crate) fn running(&self) -> u32 {
        self.running.taken()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> u32 {
        self.queue.taken()
    }
}

/// A place in the queue, given back however the wait ends.
struct Queued<'a>(&'a Permits);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}
