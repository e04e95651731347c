//! `ByteStream`: the bytes of an object or a body as they arrive.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use crate::{Error, Result};

/// Bytes in order, in chunks of any size. After an error it yields nothing more.
pub struct ByteStream {
    chunks: Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>,
    ended: bool,
}

impl ByteStream {
    /// Wraps a stream of chunks.
    #[must_use]
    pub fn new(chunks: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self { chunks: Box::pin(chunks), ended: false }
    }

    /// The given bytes as one chunk; none at all if empty.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self::new(OneChunk((!bytes.is_empty()).then_some(bytes)))
    }

    /// The next chunk.
    ///
    /// # Errors
    ///
    /// What broke the transfer: `Unavailable`, `Timeout`, `Corrupt`.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }

    /// All bytes in memory, at most `limit` of them.
    ///
    /// # Errors
    ///
    /// `PayloadTooLarge` beyond `limit`; else what [`Self::next_chunk`] says.
    pub async fn collect(mut self, limit: u64) -> Result<Bytes> {
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(chunk) = self.next_chunk().await? {
            if (first.len() + all.len() + chunk.len()) as u64 > limit {
                return Err(Error::payload_too_large("more bytes than the limit of this read")
                    .with_context("limit", limit));
            }
            // One chunk is the usual case for small objects: it is handed on without a copy.
            if first.is_empty() && all.is_empty() {
                first = chunk;
            } else {
                if all.is_empty() {
                    all.extend_from_slice(&std::mem::take(&mut first));
                }
                all.extend_from_slice(&chunk);
            }
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }
}

impl Stream for ByteStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = self.chunks.as_mut().poll_next(cx);
        self.ended = matches!(next, Poll::Ready(None | Some(Err(_))));
        next
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}

struct OneChunk(Option<Bytes>);

impl Stream for OneChunk {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}
