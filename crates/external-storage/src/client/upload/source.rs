//! Where an upload's bytes come from: a reader or a stream, cut into parts.

use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use external_core::{Error, Result};
use futures_core::Stream;
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a part's buffer begins with, so that a small upload does not take the room of a large one.
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
        let mut part = Vec::new();
        append(&mut part, &std::mem::take(&mut self.rest), size);
        match &mut self.from {
            From::Reader(reader) => {
                while part.len() < size {
                    grow(&mut part, 1, size);
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
                    append(&mut part, &chunk[..taken], size);
                    chunk.advance(taken);
                    self.rest = chunk;
                }
            }
        }
        Ok(part.into())
    }
}

fn append(part: &mut Vec<u8>, bytes: &[u8], size: usize) {
    grow(part, bytes.len(), size);
    part.extend_from_slice(bytes);
}

/// Makes room for `more` bytes: twice as much as before, but never more than the part's `size`, which the budget stands for.
fn grow(part: &mut Vec<u8>, more: usize, size: usize) {
    let needed = part.len() + more;
    if needed > part.capacity() {
        let room = needed.max(size.min(part.capacity().saturating_mul(2).max(STEP)));
        part.reserve_exact(room - part.len());
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

    #[test]
    fn a_part_takes_no_more_room_than_its_size() {
        for (size, chunk) in [(3 * STEP + 7, STEP / 3), (STEP / 2, 999), (5 * STEP, 2 * STEP + 1)] {
            let mut part = Vec::new();
            while part.len() < size {
                let bytes = vec![7; chunk.min(size - part.len())];
                append(&mut part, &bytes, size);
                assert!(part.capacity() <= size, "{} of {size}", part.capacity());
            }
        }
    }

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
