//! The sum over a download's bytes, kept beneath the record of the call that brings them: bytes that are not those that were
//! stored are a fault of that call, which its record, the breaker and the retry budget have to hear of.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use external_core::storage::{ByteStream, ObjectBody};
use external_core::{Error, Result, Retry};
use futures_core::Stream;

use crate::checksum::Expected;

/// One for a download, over all the connections that its bytes come over. Clones share it.
#[derive(Clone, Default)]
pub(in crate::client) struct Sum(Arc<Mutex<State>>);

#[derive(Default)]
enum State {
    /// Nothing was answered yet.
    #[default]
    New,
    /// What the bytes have to come to, and did so far.
    Open(Expected),
    /// There is nothing to compare with, or it was compared.
    Closed,
}

impl Sum {
    /// Lets the bytes of `object` pass by. The first that is answered says what they have to come to, if it is all of an
    /// object whose writer left a checksum; what is answered later are the rest of its bytes.
    pub(in crate::client) fn beneath(&self, object: ObjectBody) -> Result<ObjectBody> {
        let ObjectBody { info, range, body, .. } = object;
        {
            let mut state = self.state();
            if matches!(*state, State::New) {
                let is_whole = range == (0..info.size);
                let expected = if is_whole { Expected::of(&info)? } else { None };
                *state = expected.map_or(State::Closed, State::Open);
            }
        }
        let left = range.end.saturating_sub(range.start);
        let passing = Passing { body, left, sum: self.clone() };
        Ok(ObjectBody::new(info, range, ByteStream::new(passing)))
    }

    /// `Corrupt` unless the bytes are those expected. It is said once.
    pub(super) fn verdict(&self) -> Result<()> {
        let state = std::mem::replace(&mut *self.state(), State::Closed);
        match state {
            State::Open(expected) => expected.verdict(),
            State::New | State::Closed => Ok(()),
        }
    }

    fn update(&self, bytes: &[u8]) {
        if let State::Open(expected) = &mut *self.state() {
            expected.update(bytes);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body on its way into the pipeline's.
struct Passing {
    body: ByteStream,
    /// How many bytes of it are still to come.
    left: u64,
    sum: Sum,
}

impl Passing {
    fn take(&mut self, chunk: Bytes) -> Result<Bytes> {
        let Some(left) = self.left.checked_sub(chunk.len() as u64) else {
            // Who answers so once does so always.
            return Err(Error::corrupt("the body is longer than announced").with_retry(Retry::Never));
        };
        self.left = left;
        self.sum.update(&chunk);
        Ok(chunk)
    }

    fn end(&self) -> Result<()> {
        if self.left > 0 {
            return Err(Error::unavailable("the body ended before its time"));
        }
        self.sum.verdict()
    }
}

impl Stream for Passing {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        Poll::Ready(match ready!(Pin::new(&mut this.body).poll_next(cx)) {
            Some(Ok(chunk)) => Some(this.take(chunk)),
            Some(Err(error)) => Some(Err(error)),
            None => this.end().err().map(Err),
        })
    }
}
