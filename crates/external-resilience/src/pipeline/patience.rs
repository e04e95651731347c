//! How long a reader waits for a body to go on. Nothing tells a body that its reader has turned away from a wait: so the
//! waiting is counted in pieces, and one after which nobody looks is none.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::later;

/// A wait is counted in so many pieces: a reader that waits is woken at the end of each.
const PIECES: u32 = 8;

/// What timers can tell apart.
const SHORTEST: Duration = Duration::from_millis(1);

/// Whoever is woken may be so late where a piece is shorter: threads are not always at once.
const LATE: Duration = Duration::from_millis(100);

/// The patience of one reader with one body.
pub(super) struct Patience {
    idle: Duration,
    /// So many bytes within one idle timeout of waiting show that the body is alive.
    enough: usize,
    come: usize,
    /// How much waiting is left until enough bytes must have come.
    left: Duration,
    /// When the reader looked last, if it has been waiting since.
    looked: Option<Instant>,
    /// Kept from one wait to the next: to move it on costs less than a new one.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) fn new(idle: Duration, enough: usize) -> Self {
        Self { idle, enough, come: 0, left: idle, looked: None, timer: None }
    }

    pub(super) fn idle(&self) -> Duration {
        self.idle
    }

    /// So many bytes came: the wait is over, if there was one.
    pub(super) fn arrived(&mut self, bytes: usize) {
        let looked = self.looked.take();
        self.come = self.come.saturating_add(bytes);
        if self.come >= self.enough {
            (self.come, self.left) = (0, self.idle);
        } else if let Some(looked) = looked {
            self.count(looked, Instant::now());
        }
    }

    /// The reader looks, and there is nothing: ready once it has waited for too long.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            if let Some(looked) = self.looked.replace(now) {
                self.count(looked, now);
            }
            if self.left.is_zero() {
                return Poll::Ready(());
            }
            let next = later(now, self.piece().max(SHORTEST));
            let timer = match &mut self.timer {
                Some(timer) => {
                    timer.as_mut().reset(next);
                    timer
                }
                None => self.timer.insert(Box::pin(sleep_until(next))),
            };
            // Ready at once only if the thread had to wait in between.
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// When the reader is woken, if it still waits then.
    fn piece(&self) -> Duration {
        self.left.min(self.idle / PIECES)
    }

    /// The reader looked `now`, and before: it has waited in between, unless it comes much later than it was woken.
    fn count(&mut self, looked: Instant, now: Instant) {
        let passed = now.saturating_duration_since(looked);
        if passed <= self.piece() + LATE.max(self.idle / PIECES) {
            self.left = self.left.saturating_sub(passed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const IDLE: Duration = Duration::from_secs(8);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Waits for so long, and then turns away, unless patience ends first: how long it was.
    async fn wait(patience: &mut Patience, most: Duration) -> Option<Duration> {
        let start = Instant::now();
        let waiting = poll_fn(|cx| patience.wait(cx));
        tokio::time::timeout(most, waiting).await.is_ok().then(|| start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_after_as_much_waiting_as_there_was_patience() {
        for idle in [Duration::from_nanos(1), Duration::from_millis(50), IDLE] {
            let mut patience = Patience::new(idle, 1);
            let waited = wait(&mut patience, secs(100)).await.unwrap();
            assert!(waited >= idle && waited <= idle + Duration::from_millis(1), "{idle:?}: {waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_looks_often_waits_all_the_same() {
        let mut patience = Patience::new(IDLE, 1);
        let start = Instant::now();
        while wait(&mut patience, Duration::from_millis(500)).await.is_none() {}
        assert_eq!(start.elapsed(), IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_reader_that_turned_away_does_not_count() {
        let mut patience = Patience::new(IDLE, 1);
        for _ in 0..7 {
            assert_eq!(wait(&mut patience, secs(1)).await, None);
            tokio::time::sleep(secs(60)).await;
        }
        assert_eq!(wait(&mut patience, secs(100)).await, Some(secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn enough_bytes_give_all_of_it_back_and_fewer_nothing() {
        let mut patience = Patience::new(IDLE, 10);
        patience.arrived(4);
        assert_eq!(wait(&mut patience, secs(5)).await, None);
        patience.arrived(5);
        assert_eq!(wait(&mut patience, secs(100)).await, Some(secs(3)));
        patience.arrived(1);
        assert_eq!(wait(&mut patience, secs(100)).await, Some(IDLE));
        patience.arrived(0);
        patience.arrived(9);
        assert_eq!(wait(&mut patience, secs(100)).await, Some(Duration::ZERO));
    }
}
