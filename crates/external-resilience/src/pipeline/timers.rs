//! Timers that are used again. An attempt nearly always ends long before its timeout, so that what a timer costs is
//! registering and removing it: two turns at a lock that the whole runtime shares. A timer that stays registered is
//! moved to its next deadline without it.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use external_core::Sharded;
use tokio::runtime::{Handle, Id};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// Timers a thread keeps for the attempts to come.
const KEPT: usize = 256;

/// Timers that no attempt uses at the moment, by thread.
#[derive(Default)]
pub(super) struct Timers(Sharded<Mutex<Vec<Timer>>>);

/// A timer, and the runtime that drives it: it is of no use on another one.
struct Timer {
    runtime: Id,
    sleep: Pin<Box<Sleep>>,
}

impl Timers {
    /// What the future is ready with, or `None` at the deadline. A future that never waits needs no timer.
    pub(super) async fn within<F: Future + Unpin>(
        &self,
        deadline: Instant,
        mut future: F,
    ) -> Option<F::Output> {
        let mut lent = Lent { timers: self, timer: None };
        std::future::poll_fn(|cx| match Pin::new(&mut future).poll(cx) {
            Poll::Ready(output) => {
                lent.give_back();
                Poll::Ready(Some(output))
            }
            Poll::Pending => lent.poll(deadline, cx).map(|()| None),
        })
        .await
    }

    fn take(&self, deadline: Instant) -> Timer {
        let runtime = Handle::current().id();
        let kept = loop {
            let kept = self.0.here().lock().unwrap_or_else(PoisonError::into_inner).pop();
            match kept {
                Some(timer) if timer.runtime != runtime => drop(timer),
                kept => break kept,
            }
        };
        match kept {
            Some(mut timer) => {
                timer.sleep.as_mut().reset(deadline);
                timer
            }
            None => Timer { runtime, sleep: Box::pin(sleep_until(deadline)) },
        }
    }

    fn put_back(&self, mut timer: Timer) {
        // It would keep the task that it was to wake, and all the room that task took, until it fires.
        if timer.poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        let mut kept = self.0.here().lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(timer);
        }
    }
}

impl Timer {
    /// Outside the task's budget: a future that uses it up must not keep its own timeout from being seen.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut unconstrained(self.sleep.as_mut())).poll(cx)
    }
}

/// Gives its timer back, however the attempt ends.
struct Lent<'a> {
    timers: &'a Timers,
    timer: Option<Timer>,
}

impl Lent<'_> {
    fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.get_or_insert_with(|| self.timers.take(deadline)).poll(cx)
    }
}

impl Lent<'_> {
    /// On the runtime that drives the timer.
    fn give_back(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.timers.put_back(timer);
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // A call may be dropped anywhere, even when its runtime is gone: then a timer cannot even be looked at.
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        if self.timer.as_ref().is_some_and(|timer| here == Some(timer.runtime)) {
            self.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn kept(timers: &Timers) -> usize {
        timers.0.iter().map(|timers| timers.lock().unwrap().len()).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_is_used_again_for_sooner_and_for_later() {
        let timers = Timers::default();
        for seconds in [5, 1, 10] {
            let (start, time) = (Instant::now(), Duration::from_secs(seconds));
            assert_eq!(timers.within(start + time, std::future::pending::<()>()).await, None);
            assert_eq!(start.elapsed(), time);
            let answer = Box::pin(async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                7
            });
            assert_eq!(timers.within(Instant::now() + time, answer).await, Some(7));
            assert_eq!(kept(&timers), 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_waits_needs_no_timer() {
        let timers = Timers::default();
        let now = Instant::now();
        assert_eq!(timers.within(now, std::future::ready(1)).await, Some(1));
        assert_eq!(kept(&timers), 0);
    }

    #[test]
    fn a_timer_stays_on_its_runtime() {
        let timers = Timers::default();
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async {
                let soon = Instant::now() + Duration::from_millis(1);
                assert_eq!(timers.within(soon, std::future::pending::<()>()).await, None);
            });
        }
        assert_eq!(kept(&timers), 0, "one that has fired is of no use");
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_timer_wakes_nobody() {
        struct Woken(std::sync::atomic::AtomicBool);
        impl std::task::Wake for Woken {
            fn wake(self: std::sync::Arc<Self>) {
                self.0.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        }
        let timers = Timers::default();
        let woken = std::sync::Arc::new(Woken(false.into()));
        let waker = Waker::from(woken.clone());
        {
            let deadline = Instant::now() + Duration::from_secs(1);
            let mut call = Box::pin(timers.within(deadline, std::future::pending::<()>()));
            assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!((kept(&timers), std::sync::Arc::strong_count(&woken)), (1, 2), "nobody but the two here");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!woken.0.load(std::sync::atomic::Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_that_never_lets_go_of_the_budget_is_timed_out() {
        let timers = Timers::default();
        let greedy = std::future::poll_fn(|cx| {
            while let Poll::Ready(progress) = tokio::task::coop::poll_proceed(cx) {
                progress.made_progress();
            }
            Poll::<()>::Pending
        });
        assert_eq!(timers.within(Instant::now(), greedy).await, None);
    }
}
