//! The bulkhead: so many calls at a time, so many more that wait for their turn, first come, first served, and none waits for
//! ever.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use external_core::{Effect, Error, Result};
use tokio::sync::{Semaphore, SemaphorePermit};
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
    /// Places that are handed on, each to whoever has waited longest, also if it is not looking: so one that does not look
    /// (a call within a stream of which nobody reads) keeps one place from the others, and not all of them.
    turns: Semaphore,
    /// How many of them have not been taken yet.
    handed: AtomicU32,
}

impl Bulkhead {
    pub(crate) fn new(policy: BulkheadPolicy) -> Self {
        Self {
            running: Permits::new(policy.max_concurrent),
            queue: Permits::new(policy.max_queue),
            max_wait: policy.max_wait,
            turns: Semaphore::new(0),
            handed: AtomicU32::new(0),
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
        let _queued = Queued(self);
        // One that came free in between was handed on to nobody.
        if self.running.try_take() {
            return Ok(true);
        }
        let patience = later(Instant::now(), self.max_wait);
        let until = end.map_or(patience, |end| end.min(patience));
        if let Ok(Ok(turn)) = timeout_at(until, self.turns.acquire()).await {
            self.took(turn);
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

    /// Gives a place back, or hands it on.
    pub(crate) fn leave(&self) {
        self.running.give_back();
        self.settle();
    }

    /// Hands free places on to those who wait and have none coming, and takes back those for whom nobody waits any more. Who
    /// begins to wait meanwhile either finds a free place, or is seen here.
    fn settle(&self) {
        loop {
            let (queued, handed) = (self.queue.taken(), self.handed.load(Ordering::SeqCst));
            if queued > handed && self.running.try_take() {
                self.handed.fetch_add(1, Ordering::SeqCst);
                self.turns.add_permits(1);
            } else if handed > queued
                && let Ok(turn) = self.turns.try_acquire()
            {
                self.took(turn);
                self.running.give_back();
            } else {
                return;
            }
        }
    }

    fn took(&self, turn: SemaphorePermit<'_>) {
        turn.forget();
        self.handed.fetch_sub(1, Ordering::SeqCst);
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
struct Queued<'a>(&'a Bulkhead);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.queue.give_back();
        // There may be a turn for it, taken or not.
        self.0.settle();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::task::Poll;

    use futures_util::FutureExt as _;

    use super::*;

    /// What it says when it is looked at once.
    async fn looked_at<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
    }

    fn bulkhead(max_concurrent: u32) -> Bulkhead {
        Bulkhead::new(BulkheadPolicy::new(max_concurrent).with_queue(10, Duration::from_secs(5)))
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_look_keeps_one_place_and_no_more() {
        let bulkhead = bulkhead(2);
        for _ in 0..2 {
            bulkhead.enter(None).await.unwrap();
        }
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(bulkhead.enter(None))).collect();
        for one in &mut waiting {
            assert!(looked_at(one.as_mut()).await.is_pending());
        }
        bulkhead.leave();
        bulkhead.leave();
        // The first is not looked at from here on.
        assert!(waiting[1].as_mut().now_or_never().unwrap().unwrap());
        assert!(waiting[2].as_mut().now_or_never().is_none(), "the first has the other place");
        bulkhead.leave();
        assert!(waiting[2].as_mut().now_or_never().unwrap().unwrap());
        bulkhead.leave();
        drop(waiting);
        assert_eq!((bulkhead.running(), bulkhead.waiting()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_of_one_that_goes_is_the_next_ones_or_nobodys() {
        let bulkhead = bulkhead(1);
        bulkhead.enter(None).await.unwrap();
        let mut first = Box::pin(bulkhead.enter(None));
        let mut second = pin!(bulkhead.enter(None));
        assert!(looked_at(first.as_mut()).await.is_pending());
        assert!(looked_at(second.as_mut()).await.is_pending());
        bulkhead.leave();
        drop(first);
        assert!(second.now_or_never().unwrap().unwrap());
        let mut last = Box::pin(bulkhead.enter(None));
        assert!(looked_at(last.as_mut()).await.is_pending());
        bulkhead.leave();
        drop(last);
        assert_eq!((bulkhead.running(), bulkhead.waiting()), (0, 0));
        assert!(!bulkhead.enter(None).await.unwrap(), "at once");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_place_is_lost_and_none_given_twice_by_threads_that_meet() {
        let bulkhead = Arc::new(bulkhead(3));
        let inside: Arc<Permits> = Arc::new(Permits::new(3));
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..8_u32 {
            let (bulkhead, inside) = (bulkhead.clone(), inside.clone());
            callers.spawn(async move {
                for round in 0..2_000_u32 {
                    let mut entering = Box::pin(bulkhead.enter(None));
                    // Some give up once they have looked, others a little later.
                    let entered = match looked_at(entering.as_mut()).await {
                        Poll::Ready(entered) => entered,
                        Poll::Pending if (round + caller) % 5 == 0 => continue,
                        Poll::Pending if (round + caller) % 7 == 0 => {
                            tokio::task::yield_now().await;
                            continue;
                        }
                        Poll::Pending => entering.await,
                    };
                    entered.unwrap();
                    assert!(inside.try_take(), "a place was given twice");
                    tokio::task::yield_now().await;
                    inside.give_back();
                    bulkhead.leave();
                }
            });
        }
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
        assert_eq!((bulkhead.running(), bulkhead.waiting()), (0, 0));
    }
}
