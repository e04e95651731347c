//! How slow and unsteady a line is.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;

/// How slow and unsteady a line is, in both directions. The default adds nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pace {
    /// How long what was read waits before it goes on. It holds up what comes behind it.
    pub latency: Duration,
    /// At most so much is added to the latency, as the seed has it.
    pub jitter: Duration,
    /// At most so many bytes a second; `None`: as many as can be.
    pub bytes_per_second: Option<u32>,
    /// What was read goes on in pieces of at most so many bytes, each of a size that the seed has; `None`: at once.
    pub piece: Option<usize>,
}

impl Pace {
    /// A line that adds nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the latency.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Replaces the jitter.
    #[must_use]
    pub fn with_jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Replaces the bandwidth, at least one byte a second.
    #[must_use]
    pub fn with_bytes_per_second(mut self, rate: u32) -> Self {
        self.bytes_per_second = Some(rate.max(1));
        self
    }

    /// Replaces the size of pieces, at least one byte.
    #[must_use]
    pub fn with_piece(mut self, bytes: usize) -> Self {
        self.piece = Some(bytes.max(1));
        self
    }

    /// Passes `bytes` on at this pace.
    pub(super) async fn write(
        self,
        to: &mut (impl AsyncWrite + Unpin),
        bytes: &[u8],
        random: &mut fastrand::Rng,
    ) -> io::Result<()> {
        if self == Self::default() {
            return to.write_all(bytes).await;
        }
        sleep(self.latency + self.jitter.mul_f64(random.f64())).await;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(self.next_piece(rest.len(), random));
            to.write_all(piece).await?;
            if let Some(rate) = self.bytes_per_second {
                sleep(Duration::from_secs_f64(piece.len() as f64 / f64::from(rate))).await;
            } else {
                // The next piece shall not travel in the same packet.
                tokio::task::yield_now().await;
            }
            rest = after;
        }
        Ok(())
    }

    fn next_piece(self, left: usize, random: &mut fastrand::Rng) -> usize {
        // A slow line moves a byte at a time where it would not move a second's worth.
        let most = match (self.piece, self.bytes_per_second) {
            (Some(bytes), _) => bytes,
            (None, Some(rate)) => usize::try_from(rate / 10).unwrap_or(usize::MAX).max(1),
            (None, None) => left,
        };
        let most = most.min(left);
        if self.piece.is_some() { random.usize(1..=most) } else { most }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_line_takes_its_time_and_loses_nothing() {
        let pace = Pace::new().with_latency(Duration::from_secs(1)).with_bytes_per_second(10);
        let (began, mut out) = (Instant::now(), Vec::new());
        pace.write(&mut out, &[7; 30], &mut fastrand::Rng::with_seed(1)).await.unwrap();
        assert_eq!(out, [7; 30]);
        assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_seed_decides_what_is_unsteady() {
        let took = async |seed| {
            let pace = Pace::new().with_jitter(Duration::from_secs(100)).with_piece(3);
            let (began, mut out) = (Instant::now(), Vec::new());
            pace.write(&mut out, &[7; 30], &mut fastrand::Rng::with_seed(seed)).await.unwrap();
            assert_eq!(out, [7; 30]);
            began.elapsed()
        };
        assert_eq!(took(1).await, took(1).await);
        assert_ne!(took(1).await, took(2).await);
    }
}
