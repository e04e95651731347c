//! Writes that leave together: what many tasks send over one connection at a time is one packet, not one each.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that lets all tasks which are ready have their turn before it writes.
///
/// For protocols whose callers share a connection through a task that owns it (a driver with a queue). When answers to many
/// of them arrive at once, the first to go on wakes the driver, which would write that one's next request by itself: a
/// system call and a packet for each. Here the driver is put behind those who are ready, once for each write, and finds all
/// their requests in its queue. No clock is involved: where nobody else is ready, the write follows at once.
///
/// The driver must look into its queue again when it is polled again, as sinks fed by
/// [`forward`](https://docs.rs/futures-util/0.3/futures_util/stream/trait.StreamExt.html#method.forward) do.
#[derive(Debug)]
pub struct Coalesced<S> {
    inner: S,
    /// Whether those who were ready have had their turn since the last write.
    waited: bool,
}

impl<S> Coalesced<S> {
    /// Around a connection.
    pub fn new(inner: S) -> Self {
        Self { inner, waited: false }
    }
}

impl<S: AsyncWrite + Unpin> Coalesced<S> {
    fn poll_after_others(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if !self.waited {
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let written = ready!(write(Pin::new(&mut self.inner), cx));
        self.waited = false;
        Poll::Ready(written)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Coalesced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Coalesced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_after_others(cx, |inner, cx| inner.poll_write(cx, data))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_after_others(cx, |inner, cx| inner.poll_write_vectored(cx, data))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::mpsc;

    use super::*;

    /// What a driver does: takes all that is there, then writes it.
    async fn drive(
        mut requests: mpsc::UnboundedReceiver<u8>,
        mut connection: impl AsyncWrite + Unpin,
    ) -> usize {
        let (mut waiting, mut writes) = (Vec::new(), 0);
        std::future::poll_fn(|cx| {
            loop {
                match requests.poll_recv(cx) {
                    Poll::Ready(Some(request)) => waiting.push(request),
                    Poll::Ready(None) if waiting.is_empty() => return Poll::Ready(writes),
                    Poll::Pending if waiting.is_empty() => return Poll::Pending,
                    Poll::Ready(None) | Poll::Pending => {
                        let written = ready!(Pin::new(&mut connection).poll_write(cx, &waiting)).unwrap();
                        waiting.drain(..written);
                        writes += 1;
                    }
                }
            }
        })
        .await
    }

    #[tokio::test]
    async fn requests_of_tasks_that_are_ready_leave_in_one_write() {
        for (coalesced, expected) in [(false, 16), (true, 1)] {
            let (near, mut far) = tokio::io::duplex(1024);
            let (sender, receiver) = mpsc::unbounded_channel();
            let driver = if coalesced {
                tokio::spawn(drive(receiver, Coalesced::new(near)))
            } else {
                tokio::spawn(drive(receiver, near))
            };
            for number in 0..16 {
                let sender = sender.clone();
                tokio::spawn(async move {
                    sender.send(number).unwrap();
                    // The driver is ready now, and so is whoever comes after this one.
                    if !coalesced {
                        tokio::task::yield_now().await;
                    }
                });
                if !coalesced {
                    tokio::task::yield_now().await;
                }
            }
            drop(sender);
            let mut received = Vec::new();
            far.read_to_end(&mut received).await.unwrap();
            received.sort_unstable();
            assert_eq!(received, (0..16).collect::<Vec<_>>());
            assert_eq!(driver.await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn each_write_waits_for_those_who_are_ready() {
        let (near, mut far) = tokio::io::duplex(1024);
        let (sender, receiver) = mpsc::unbounded_channel();
        let driver = tokio::spawn(drive(receiver, Coalesced::new(near)));
        for round in 0..3 {
            for number in 0..8 {
                let sender = sender.clone();
                tokio::spawn(async move { sender.send(round * 8 + number).unwrap() });
            }
            let mut received = [0; 8];
            far.read_exact(&mut received).await.unwrap();
        }
        drop(sender);
        assert_eq!(driver.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn what_is_written_alone_arrives_whole_and_in_order() {
        let (near, mut far) = tokio::io::duplex(7);
        let mut near = Coalesced::new(near);
        let sent: Vec<u8> = (0..=255).collect();
        let writing = async {
            near.write_all(&sent).await.unwrap();
            near.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let (_, read) = tokio::join!(writing, far.read_to_end(&mut received));
        read.unwrap();
        assert_eq!(received, sent);
    }
}
