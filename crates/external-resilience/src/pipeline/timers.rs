//! Timers that are used again. An attempt nearly always ends long before its timeout, so that what a timer costs is
//! registering and removing it: two turns at a lock that the whole runtime shares. A timer that stays registered is
//! moved to its next deadline without it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

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
    sleeper: Arc<Sleeper>,
    /// Wakes the sleeper: the only one that the runtime knows.
    waker: Waker,
}

/// Whom a timer wakes. To forget it the timer need not be polled, which would panic where the runtime has shut down: a call
/// may have its answer then.
#[derive(Default)]
struct Sleeper(Mutex<Option<Waker>>);

impl Sleeper {
    fn replace(&self, waker: Option<Waker>) -> Option<Waker> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), waker)
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        if let Some(waker) = self.replace(None) {
            waker.wake();
        }
    }
}

impl Timers {
    /// What the future is ready with, or `None` at the deadline. A future that never waits needs no timer.
    pub(super) async fn within<F: Future + Unpin>(
        &self,
        deadline: Instant,
        mut future: F,
    ) -> Option<F::Output> {
        // A call that is dropped takes its timer with it: it may be its runtime that shuts down.
        let mut timer: Option<Timer> = None;
        std::future::poll_fn(|cx| match Pin::new(&mut future).poll(cx) {
            Poll::Ready(output) => {
                if let Some(timer) = timer.take() {
                    self.put_back(timer);
                }
                Poll::Ready(Some(output))
            }
            Poll::Pending => timer.get_or_insert_with(|| self.take(deadline)).poll(cx).map(|()| None),
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
            None => Timer::new(runtime, deadline),
        }
    }

    fn put_back(&self, timer: Timer) {
        // It would keep the task that it was to wake, and all the room that task took, until it fires.
        drop(timer.sleeper.replace(None));
        if timer.sleep.is_elapsed() {
            return;
        }
        let mut kept = self.0.here().lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(timer);
        }
    }
}

impl Timer {
    fn new(runtime: Id, deadline: Instant) -> Self {
        let sleeper = Arc::new(Sleeper::default());
        let waker = Waker::from(sleeper.clone());
        Self { runtime, sleep: Box::pin(sleep_until(deadline)), sleeper, waker }
    }

    /// Outside the task's budget: a future that uses it up must not keep its own timeout from being seen.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        // Before the look at the timer: one that fires in between is seen.
        drop(self.sleeper.replace(Some(cx.waker().clone())));
        let mut cx = Context::from_waker(&self.waker);
        Pin::new(&mut unconstrained(self.sleep.as_mut())).poll(&mut cx)
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
    async fn neither_a_kept_timer_nor_a_dropped_call_wakes_anybody() {
        struct Woken(std::sync::atomic::AtomicBool);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        }
        for answers in [true, false] {
            let timers = Timers::default();
            let woken = Arc::new(Woken(false.into()));
            let waker = Waker::from(woken.clone());
            let mut polls = 0;
            {
                let deadline = Instant::now() + Duration::from_secs(1);
                let answer = std::future::poll_fn(|_| {
                    polls += 1;
                    if answers && polls == 2 { Poll::Ready(()) } else { Poll::Pending }
                });
                let mut call = Box::pin(timers.within(deadline, answer));
                let mut cx = Context::from_waker(&waker);
                assert!(call.as_mut().poll(&mut cx).is_pending());
                assert_eq!(call.as_mut().poll(&mut cx).is_ready(), answers);
            }
            let known = (kept(&timers), Arc::strong_count(&woken));
            assert_eq!(known, (usize::from(answers), 2), "nobody but the two here");
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(!woken.0.load(std::sync::atomic::Ordering::SeqCst));
        }
    }

    #[test]
    fn a_runtime_that_shuts_down_under_a_call_ends_it_with_one_panic() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let (handle, (runs, running)) = (runtime.handle().clone(), std::sync::mpsc::channel());
        let call = std::thread::spawn(move || {
            let timers = Timers::default();
            let hangs = std::future::poll_fn(|_| {
                runs.send(()).unwrap_or_default();
                Poll::<()>::Pending
            });
            let deadline = Instant::now() + Duration::from_secs(3600);
            handle.block_on(timers.within(deadline, hangs))
        });
        running.recv().unwrap();
        runtime.shutdown_background();
        // A second one, while the first unwinds, would end the process.
        assert!(call.join().is_err(), "timers panic when their runtime shuts down");
    }

    #[test]
    fn an_answer_in_hand_outlives_the_runtime() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let (handle, (waits, waiting)) = (runtime.handle().clone(), std::sync::mpsc::channel());
        let (answer, answers) = std::sync::mpsc::channel();
        let call = std::thread::spawn(move || {
            let (timers, mut polls) = (Timers::default(), 0);
            let answered = std::future::poll_fn(|cx| {
                polls += 1;
                if polls == 1 {
                    // The timer is there when it comes back.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                waits.send(()).unwrap();
                Poll::Ready(answers.recv().unwrap())
            });
            let deadline = Instant::now() + Duration::from_secs(3600);
            handle.block_on(timers.within(deadline, answered))
        });
        waiting.recv().unwrap();
        drop(runtime);
        answer.send(7).unwrap();
        assert_eq!(call.join().unwrap(), Some(7));
    }

    #[test]
    fn a_call_may_be_dropped_when_its_runtime_is_gone() {
        let timers = Timers::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let deadline = Instant::now() + Duration::from_secs(3600);
        let mut call = Box::pin(timers.within(deadline, std::future::pending::<()>()));
        runtime.block_on(std::future::poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        }));
        let handle = runtime.handle().clone();
        drop(runtime);
        let _entered = handle.enter();
        drop(call);
        assert_eq!(kept(&timers), 0);
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
