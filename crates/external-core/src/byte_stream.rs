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
    chunks: Chunks,
    ended: bool,
}

enum Chunks {
    /// Bytes that are there already: most answers are, so they take no box. Empty once they were handed out.
    There(Bytes),
    Coming(Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>),
}

/// What is set aside for bytes that were announced and have not come: whoever announces them may not mean it.
const ROOM_MAX: u64 = 1 << 20;

impl ByteStream {
    /// Wraps a stream of chunks.
    #[must_use]
    pub fn new(chunks: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self { chunks: Chunks::Coming(Box::pin(chunks)), ended: false }
    }

    /// The given bytes as one chunk; none at all if empty.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self { chunks: Chunks::There(bytes), ended: false }
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
    pub async fn collect(self, limit: u64) -> Result<Bytes> {
        self.collect_announced(limit, None).await
    }

    /// As [`collect`](Self::collect), where so many bytes were announced: they get their room at once, 1 MiB at most. What
    /// was announced need not be true.
    ///
    /// # Errors
    ///
    /// As [`collect`](Self::collect).
    pub async fn collect_announced(mut self, limit: u64, announced: Option<u64>) -> Result<Bytes> {
        let room = announced.unwrap_or_default().min(limit).min(ROOM_MAX);
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
                    all.reserve(usize::try_from(room).unwrap_or_default());
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
        let next = match &mut self.chunks {
            Chunks::There(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
            }
            Chunks::Coming(chunks) => chunks.as_mut().poll_next(cx),
        };
        self.ended = matches!(next, Poll::Ready(None | Some(Err(_))));
        next
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").field("ended", &self.ended).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Each(std::vec::IntoIter<Bytes>);

    impl Stream for Each {
        type Item = Result<Bytes>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.next().map(Ok))
        }
    }

    fn each(chunks: &[&'static str]) -> ByteStream {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Bytes::from_static(chunk.as_bytes())).collect();
        ByteStream::new(Each(chunks.into_iter()))
    }

    #[tokio::test]
    async fn what_is_there_comes_once_and_what_is_empty_not_at_all() {
        let mut there = ByteStream::from_bytes(Bytes::from_static(b"ab"));
        assert_eq!(there.next_chunk().await.unwrap().unwrap(), "ab");
        assert!(there.next_chunk().await.unwrap().is_none() && there.next_chunk().await.unwrap().is_none());
        assert!(ByteStream::from_bytes(Bytes::new()).next_chunk().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn whatever_is_announced_all_that_comes_is_collected() {
        for announced in [None, Some(0), Some(3), Some(6), Some(u64::MAX)] {
            let all = each(&["ab", "", "cd", "ef"]).collect_announced(6, announced).await.unwrap();
            assert_eq!(all, "abcdef", "{announced:?}");
            assert!(each(&["ab", "cd", "ef"]).collect_announced(5, announced).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_single_chunk_is_handed_on_without_a_copy() {
        let chunk = Bytes::from(b"abc".to_vec());
        let coming = ByteStream::new(Each(vec![chunk.clone()].into_iter()));
        for stream in [ByteStream::from_bytes(chunk.clone()), coming] {
            let all = stream.collect_announced(3, Some(3)).await.unwrap();
            assert_eq!((all.as_ptr(), all.len()), (chunk.as_ptr(), 3));
        }
    }
}
