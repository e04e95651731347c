//! Where an upload's bytes come from: a reader or a stream, cut into parts.

use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use external_core::{Error, Result};
use futures_core::Stream;
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most that is read from a reader at once, and that a part's buffer grows by before its bytes are there.
const STEP: usize = 256 << 10;

/// Bytes of unknown length.
pub(in crate::client) struct Source<'a> {
    from: From<'a>,
    /// What was read and belongs to the next part.
    rest: Bytes,
}

enum From<'a> {
    Reader(Pin<Box<dyn AsyncRead + Send + 'a>>),
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + 'a>>),
}

impl<'a> Source<'a> {
    pub(super) fn reader(reader: impl AsyncRead + Send + 'a) -> Self {
        Self { from: From::Reader(Box::pin(reader)), rest: Bytes::new() }
    }

    pub(in crate::client) fn stream(chunks: impl Stream<Item = Result<Bytes>> + Send + 'a) -> Self {
        Self { from: From::Stream(Box::pin(chunks)), rest: Bytes::new() }
    }

    /// Whether there are no more bytes. Reads ahead to know.
    pub(super) async fn is_empty(&mut self) -> Result<bool> {
        match &mut self.from {
            From::Reader(reader) => {
                if self.rest.is_empty() {
                    let mut ahead = BytesMut::with_capacity(1);
                    reader.read_buf(&mut ahead).await.map_err(unreadable)?;
                    self.rest = ahead.freeze();
                }
            }
            From::Stream(chunks) => {
                while self.rest.is_empty() {
                    match chunks.next().await {
                        Some(chunk) => self.rest = chunk?,
                        None => break,
                    }
                }
            }
        }
        Ok(self.rest.is_empty())
    }

    /// The next `size` bytes; fewer only if there are no more.
    pub(super) async fn part(&mut self, size: usize) -> Result<Bytes> {
        // A chunk that holds the whole part is passed on without a copy.
        if self.rest.len() >= size {
            return Ok(self.rest.split_to(size));
        }
        let mut part = BytesMut::from(&*std::mem::take(&mut self.rest));
        match &mut self.from {
            From::Reader(reader) => {
                while part.len() < size {
                    part.reserve(STEP.min(size - part.len()));
                    let mut limited = (&mut *reader).take((size - part.len()) as u64);
                    if limited.read_buf(&mut part).await.map_err(unreadable)? == 0 {
                        break;
                    }
                }
            }
            From::Stream(chunks) => {
                while part.len() < size {
                    let Some(chunk) = chunks.next().await else { break };
                    let mut chunk = chunk?;
                    let taken = chunk.len().min(size - part.len());
                    if part.is_empty() && taken == size {
                        self.rest = chunk.split_off(size);
                        return Ok(chunk);
                    }
                    part.extend_from_slice(&chunk[..taken]);
                    chunk.advance(taken);
                    self.rest = chunk;
                }
            }
        }
        Ok(part.freeze())
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::unexpected("the source of the upload cannot be read")
        .with_effect(external_core::Effect::NotApplied)
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cuts_both_alike() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for size in [1, 7, 33, 100, 999, 1000, 1001] {
            let chunks = bytes.chunks(33).map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
            let stream = futures_util::stream::iter(chunks.collect::<Vec<_>>());
            for mut source in [Source::reader(&bytes[..]), Source::stream(stream)] {
                let mut seen = Vec::new();
                while !source.is_empty().await.unwrap() {
                    let part = source.part(size).await.unwrap();
                    assert!(part.len() == size || seen.len() + part.len() == bytes.len());
                    seen.extend_from_slice(&part);
                }
                assert_eq!(seen, bytes);
            }
        }
    }
}
