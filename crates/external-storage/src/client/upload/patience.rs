//! How long a source may give nothing while others wait for the memory that its part holds.

use std::pin::pin;
use std::time::Duration;

use external_core::{Effect, Error, Result, Retry};
use tokio::time::{Instant, timeout_at};

use super::budget::Held;

/// What a source gives within the idle timeout if it goes on at all: as for a body that is read.
const PROGRESS: usize = 1024;

/// Measures what comes from a source. Silence alone is no fault: there are sources that think for minutes, and nobody
/// minds as long as there is memory for everybody.
#[derive(Debug)]
pub(super) struct Patience {
    idle: Duration,
    until: Instant,
    seen: usize,
}

impl Patience {
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, until: Instant::now() + idle, seen: 0 }
    }

    /// Begins to measure anew: what passed until now was not the source's time.
    pub(super) fn restart(&mut self) {
        self.until = Instant::now() + self.idle;
        self.seen = 0;
    }

    /// So many bytes came.
    pub(super) fn saw(&mut self, bytes: usize) {
        self.seen += bytes;
        if self.seen >= PROGRESS {
            self.restart();
        }
    }

    /// What the source gives next.
    ///
    /// # Errors
    ///
    /// `Timeout` once it went on for too long with next to nothing, and others wait for what the part holds.
    pub(super) async fn wait<T>(&mut self, held: &Held, next: impl Future<Output = T>) -> Result<T> {
        let mut next = pin!(next);
        loop {
            match timeout_at(self.until, next.as_mut()).await {
                Ok(given) => return Ok(given),
                Err(_) if held.is_wanted() => {
                    return Err(Error::timeout(
                        "the source of the upload stalls, and others wait for the memory that it holds",
                    )
                    .with_effect(Effect::NotApplied)
                    .with_retry(Retry::Never));
                }
                Err(_) => self.restart(),
            }
        }
    }
}
