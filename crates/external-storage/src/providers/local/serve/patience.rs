//! A connection that gives up on a peer which takes nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A peer that takes less than this within one patience of waiting for it only pretends to read.
const ENOUGH: usize = 32 << 10;

/// Fails writes that wait longer than `patience` for the peer to take [`ENOUGH`]. An answer's body cannot tell by itself: it
/// is not asked for more while the connection is full.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    patience: Duration,
    /// What is left of the patience, and how much was taken meanwhile.
    left: Duration,
    taken: usize,
    /// Runs while a write waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, left: patience, taken: 0, timer: None }
    }

    fn bound(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if let Some(timer) = self.timer.take() {
                self.left = timer.deadline().saturating_duration_since(Instant::now());
            }
            self.taken += written.as_ref().map_or(0, |written| *written);
            if self.taken >= ENOUGH {
                (self.left, self.taken) = (self.patience, 0);
            }
            return Poll::Ready(written);
        }
        let deadline = Instant::now() + self.left;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.bound(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.bound(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx).map_ok(|()| 0);
        self.bound(cx, flushed).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx).map_ok(|()| 0);
        self.bound(cx, shut).map_ok(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (mine, _theirs) = tokio::io::duplex(4);
        let mut mine = Patient::new(mine, PATIENCE);
        let begun = Instant::now();
        assert_eq!(mine.write_all(b"12345").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!((PATIENCE..PATIENCE * 2).contains(&begun.elapsed()));
    }

    /// Writes through a pipe that holds 4 KiB, of which the peer takes `bytes` at a time, every so often.
    async fn taken_by(bytes: usize, every: Duration) -> io::Result<()> {
        let (mine, mut theirs) = tokio::io::duplex(4096);
        let mut mine = Patient::new(mine, PATIENCE);
        let taking = tokio::spawn(async move {
            let mut taken = vec![0; bytes];
            while theirs.read_exact(&mut taken).await.is_ok() {
                tokio::time::sleep(every).await;
            }
        });
        let written = mine.write_all(&[0; 256 << 10]).await;
        taking.abort();
        written
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_is_not() {
        taken_by(4096, Duration::from_secs(3)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_a_byte_now_and_then_is() {
        let begun = Instant::now();
        let error = taken_by(1, PATIENCE - Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < PATIENCE * 2, "{:?}", begun.elapsed());
    }
}
