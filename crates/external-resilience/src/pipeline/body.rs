//! A body on its way: its call's record closes with it, and a stall in it is a timeout.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use external_core::{ByteStream, Error, Result};
use futures_core::Stream;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::CallGuard;
use super::patience::Patience;

impl CallGuard {
    /// Passes `body` on: the call's record closes with it, and where the reader waits longer than `idle` for it to go on it
    /// ends with `Timeout`. Any chunk that is not empty shows that it is alive, however small: what the service sends, and
    /// when, is its own affair, a line a minute of a log as much as a film.
    ///
    /// Only the time counts in which somebody waits: a slow reader is not taken for a slow service. One that turns away from
    /// a wait (it lost a `select!`) is noticed by not coming back: what goes beyond a quarter of `idle` does not count.
    ///
    /// Where the caller holds the body to the [deadline of its call](external_core::CallOptions::with_transfer_deadline), it ends
    /// with `Timeout` then, whoever of the two is slow: with effect `NotApplied` if the operation is `Safe`, and `deadline` as
    /// what ended it. The breaker does not count that. Nobody looks while nobody reads: the call ends when somebody does, or
    /// when the body is dropped.
    ///
    /// A body that ends with an error says as much about the service as an attempt that does: the breaker counts the attempt
    /// as failed, if the error is one of those it counts, and what its head put into the retry budget is taken out.
    #[must_use]
    pub fn around(self, body: ByteStream, idle: Duration) -> ByteStream {
        self.passing(body, Patience::new(idle, 1))
    }

    /// As [`around`](Self::around), for a body that never ends by itself: events, say. Its end is no fault, however it comes:
    /// whoever reads asks anew, and only what becomes of that tells of the service.
    #[must_use]
    pub fn around_events(mut self, body: ByteStream, idle: Duration) -> ByteStream {
        self.is_endless = true;
        self.passing(body, Patience::new(idle, 1))
    }

    /// As [`around`](Self::around), for a body that lies ready at the service, an object of a store: it has to flow. Where
    /// less than a KiB comes within `idle` of waiting it has stalled: nothing keeps a store from sending more, and a byte now
    /// and then would keep its reader for ever.
    #[must_use]
    pub fn around_stored(self, body: ByteStream, idle: Duration) -> ByteStream {
        self.passing(body, Patience::new(idle, FLOWS))
    }

    fn passing(self, body: ByteStream, patience: Patience) -> ByteStream {
        let deadline = self.end.map(|end| Deadline { end, timer: None });
        ByteStream::new(Guarded { body, guard: Some(self), patience, deadline })
    }
}

/// So much is enough of a body that should flow; a byte now and then is not.
const FLOWS: usize = 1024;

struct Guarded {
    body: ByteStream,
    guard: Option<CallGuard>,
    patience: Patience,
    /// Most need not be over at any time.
    deadline: Option<Deadline>,
}

impl Stream for Guarded {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_next(cx) {
            // What is over has come in time, however late its reader looks; what flows on has not.
            Poll::Ready(Some(Ok(_))) if this.is_late() => Poll::Ready(this.out_of_time()),
            Poll::Ready(Some(Ok(chunk))) => {
                this.patience.arrived(chunk.len());
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.fail(error)))),
            Poll::Ready(None) => {
                if let Some(guard) = this.guard.take() {
                    guard.succeed();
                }
                Poll::Ready(None)
            }
            Poll::Pending if this.waits_too_long(cx) => Poll::Ready(this.out_of_time()),
            Poll::Pending => this.patience.wait(cx).map(|()| {
                let error = Error::timeout("the body stalled")
                    .with_context("idle_seconds", this.patience.idle().as_secs_f64());
                Some(Err(this.fail(error)))
            }),
        }
    }
}

impl Guarded {
    fn is_late(&self) -> bool {
        self.deadline.as_ref().is_some_and(Deadline::has_passed)
    }

    /// The same for a reader that waits, which is woken when it is so.
    fn waits_too_long(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline.as_mut().is_some_and(|deadline| deadline.wait(cx).is_ready())
    }

    fn out_of_time(&mut self) -> Option<Result<Bytes>> {
        self.guard.take().map(|guard| Err(guard.out_of_time()))
    }

    fn fail(&mut self, error: Error) -> Error {
        match self.guard.take() {
            Some(guard) => guard.fail(error),
            None => error,
        }
    }
}

/// When a body must be over.
struct Deadline {
    end: Instant,
    /// Made by the first wait: a body that is there needs none.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Asked of the clock: where chunk follows chunk, no timer gets a turn to fire.
    fn has_passed(&self) -> bool {
        Instant::now() >= self.end
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_passed() {
            return Poll::Ready(());
        }
        let end = self.end;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        // Outside the task's budget, which the body may have used up.
        Pin::new(&mut unconstrained(timer.as_mut())).poll(cx)
    }
}
