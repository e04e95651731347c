//! When a request leaves, known to the byte: the library does not say, but it asks the body.
//!
//! hyper asks [`is_end_stream`](http_body::Body::is_end_stream) of a request's body once it has a connection, just before
//! it writes the head. The answer to that question is where the sent mark is set. The connection is another task, so a
//! caller that goes away and a connection that begins to write may meet: one atomic value decides who was first, and
//! where the caller was, the body fails. In HTTP/1.1 nothing of the request is flushed then; in HTTP/2 its head may be,
//! and is reset without an end, so that no server has the request and `NotSent` stays true.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use external_core::http::HttpBody;
use external_core::{ByteStream, CallContext, Error, Result};
use futures_core::Stream;
use http_body::{Frame, SizeHint};

const WAITING: u8 = 0;
const SENT: u8 = 1;
const GONE: u8 = 2;

/// Whether a request has begun to leave, and what went wrong with its body.
#[derive(Debug, Default)]
struct State {
    stage: AtomicU8,
    failed: Mutex<Option<Error>>,
}

/// The caller's side: dropped, it passes the mark to the call's context.
pub(super) struct Sending<'a> {
    state: Arc<State>,
    cx: &'a CallContext,
}

impl<'a> Sending<'a> {
    pub(super) fn new(cx: &'a CallContext) -> Self {
        Self { state: Arc::default(), cx }
    }

    /// The body of the request.
    pub(super) async fn body(&self, body: &HttpBody) -> Result<OutgoingBody> {
        let (content, length) = match body.as_bytes() {
            Some(bytes) => (Content::Bytes(bytes), body.length()),
            None => (Content::Stream(Mutex::new(body.open().await?)), body.length()),
        };
        Ok(OutgoingBody { state: self.state.clone(), content, left: length })
    }

    /// Whether the request has begun to leave. If it has not, it never will.
    pub(super) fn was_sent(&self) -> bool {
        let before = self.state.stage.compare_exchange(WAITING, GONE, Ordering::AcqRel, Ordering::Acquire);
        before == Err(SENT)
    }

    /// What the body's source said when it failed.
    pub(super) fn body_error(&self) -> Option<Error> {
        self.state.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if self.was_sent() {
            self.cx.mark_sent();
        }
    }
}

/// The body as the library sends it.
pub(super) struct OutgoingBody {
    state: Arc<State>,
    content: Content,
    /// How many bytes are to come, if that is known.
    left: Option<u64>,
}

enum Content {
    Bytes(Bytes),
    /// In a lock that nobody ever waits for: the library wants bodies that can be shared.
    Stream(Mutex<ByteStream>),
}

impl OutgoingBody {
    /// Marks the request as sent, unless its caller has gone.
    fn begin(&self) -> bool {
        let before = self.state.stage.compare_exchange(WAITING, SENT, Ordering::AcqRel, Ordering::Acquire);
        before != Err(GONE)
    }

    fn counted(&mut self, chunk: Bytes) -> Result<Bytes> {
        if let Some(left) = &mut self.left {
            *left = left
                .checked_sub(chunk.len() as u64)
                .ok_or_else(|| Error::invalid_argument("the body is longer than its source said"))?;
        }
        Ok(chunk)
    }
}

impl http_body::Body for OutgoingBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if !this.begin() {
            return Poll::Ready(Some(Err(Error::closed("the caller has gone"))));
        }
        let next = match &mut this.content {
            Content::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Bytes(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Content::Stream(stream) => {
                Pin::new(stream.get_mut().unwrap_or_else(PoisonError::into_inner)).poll_next(task)
            }
        };
        let next = match next {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(chunk)) => Some(chunk.and_then(|chunk| this.counted(chunk))),
            Poll::Ready(None) => match this.left {
                None | Some(0) => None,
                Some(_) => Some(Err(Error::invalid_argument("the body is shorter than its source said"))),
            },
        };
        Poll::Ready(next.map(|chunk| {
            chunk.map(Frame::data).inspect_err(|error| {
                let mut failed = this.state.failed.lock().unwrap_or_else(PoisonError::into_inner);
                *failed = Some(error.clone());
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.begin() && self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body;

    use super::*;

    async fn body(sending: &Sending<'_>) -> OutgoingBody {
        sending.body(&HttpBody::empty()).await.unwrap()
    }

    #[tokio::test]
    async fn the_mark_is_set_when_the_head_is_written_and_not_before() {
        let cx = CallContext::default();
        let sending = Sending::new(&cx);
        let body = body(&sending).await;
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.is_end_stream());
        drop(sending);
        assert!(cx.was_sent());
    }

    #[tokio::test]
    async fn where_the_caller_went_first_the_body_fails() {
        let cx = CallContext::default();
        let sending = Sending::new(&cx);
        let mut body = body(&sending).await;
        drop(sending);
        assert!(!cx.was_sent() && !body.is_end_stream());
        let mut task = Context::from_waker(std::task::Waker::noop());
        assert!(matches!(Pin::new(&mut body).poll_frame(&mut task), Poll::Ready(Some(Err(_)))));
    }
}
