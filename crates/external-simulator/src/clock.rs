//! The time of a simulated world, which a test moves.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

/// A wall clock that can be put ahead. Clones are the same clock.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use external_simulator::Clock;
///
/// let clock = Clock::standing(SystemTime::UNIX_EPOCH);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct Clock {
    base: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    ahead: Arc<watch::Sender<Duration>>,
}

impl Clock {
    /// Goes by another one.
    #[must_use]
    pub fn by(base: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { base: Arc::new(base), ahead: Arc::new(watch::Sender::new(Duration::ZERO)) }
    }

    /// Stands still but for what it is put ahead.
    #[must_use]
    pub fn standing(at: SystemTime) -> Self {
        Self::by(move || at)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        (self.base)() + *self.ahead.borrow()
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// Puts it ahead. Who waits for a time that is reached by that waits no longer.
    pub fn advance(&self, by: Duration) {
        self.ahead.send_modify(|ahead| *ahead += by);
    }

    /// Waits until it shows this time, whether it goes or is put there.
    pub async fn reached(&self, at: SystemTime) {
        let mut moved = self.ahead.subscribe();
        while let Ok(left) = at.duration_since(self.now()) {
            if left.is_zero() {
                return;
            }
            tokio::select! {
                // The sender is this clock's own.
                _ = moved.changed() => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }
}

/// The real time.
impl Default for Clock {
    #[allow(
        clippy::disallowed_methods,
        reason = "a simulator is started by tests and by hand, where no BuildContext is"
    )]
    fn default() -> Self {
        Self::by(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_time_is_reached_when_the_clock_is_put_there() {
        let clock = Clock::standing(SystemTime::UNIX_EPOCH);
        let at = clock.now() + Duration::from_secs(60);
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.reached(at).await }
        });
        clock.advance(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(Duration::from_secs(1));
        waiting.await.unwrap();
        clock.reached(at).await;
        assert_eq!(clock.seconds(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_is_reached_when_the_clock_goes_there() {
        let began = tokio::time::Instant::now();
        let clock = Clock::by(move || SystemTime::UNIX_EPOCH + began.elapsed());
        clock.reached(SystemTime::UNIX_EPOCH + Duration::from_secs(60)).await;
        assert_eq!(began.elapsed().as_secs(), 60);
    }
}
