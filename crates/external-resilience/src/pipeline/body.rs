//! A body on its way: its call's record closes with it, and a stall in it is a timeout.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use external_core::{ByteStream, Error, Result};
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::CallGuard;
use crate::clock::later;

impl CallGuard {
    /// Passes `body` on: the call's record closes with it, and where the reader waits longer than `idle` for it to go on it
    /// ends with `Timeout`.
    #[must_use]
    pub fn around(self, body: ByteStream, idle: Duration) -> ByteStream {
        self.passing(body, idle, ENOUGH)
    }

    /// As [`around`](Self::around), for a body whose bytes come when something happens: events, say. Any chunk, however small,
    /// shows that it is alive.
    #[must_use]
    pub fn around_events(self, body: ByteStream, idle: Duration) -> ByteStream {
        self.passing(body, idle, 1)
    }

    fn passing(self, body: ByteStream, idle: Duration, enough: usize) -> ByteStream {
        ByteStream::new(Guarded {
            body,
            guard: Some(self),
            idle,
            enough,
            timer: None,
            patience: idle,
            come: 0,
        })
    }
}

struct Guarded {
    body: ByteStream,
    guard: Option<CallGuard>,
    idle: Duration,
    /// So many bytes within one idle timeout of waiting show that the body is alive.
    enough: usize,
    /// Runs while the reader waits for a chunk, so that a slow reader is not taken for a slow service.
    timer: Option<Pin<Box<Sleep>>>,
    /// How much waiting is left until enough bytes must have come, and how many of them have.
    patience: Duration,
    come: usize,
}

/// What is enough of a body that should flow; a byte now and then is not.
const ENOUGH: usize = 1024;

impl Stream for Guarded {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                this.arrived(chunk.len());
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.fail(error)))),
            Poll::Ready(None) => {
                if let Some(guard) = this.guard.take() {
                    guard.succeed();
                }
                Poll::Ready(None)
            }
            Poll::Pending => {
                let deadline = later(Instant::now(), this.patience);
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                match timer.as_mut().poll(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => {
                        let error = Error::timeout("the body stalled")
                            .with_context("idle_seconds", this.idle.as_secs_f64());
                        Poll::Ready(Some(Err(this.fail(error))))
                    }
                }
            }
        }
    }
}

impl Guarded {
    fn arrived(&mut self, bytes: usize) {
        let left = self.timer.take().map(|timer| timer.deadline().saturating_duration_since(Instant::now()));
        self.come += bytes;
        if self.come >= self.enough {
            self.come = 0;
            self.patience = self.idle;
        } else if let Some(left) = left {
            self.patience = left;
        }
    }

    fn fail(&mut self, error: Error) -> Error {
        match self.guard.take() {
            Some(guard) => guard.fail(error),
            None => error,
        }
    }
}
