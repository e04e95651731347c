//! Where an upload's bytes come from: a reader or a stream, cut into parts.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use external_core::{Error, Result};
use futures_core::Stream;
use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::budget::Held;
use super::patience::Patience;

/// What a part's buffer begins with, so that a small upload does not take the room of a large one.
const STEP: usize = 256 << 10;

/// Bytes of unknown length.
pub(in crate::client) struct Source<'a> {
    from: From<'a>,
    /// What was read and belongs to the next part.
    rest: Bytes,
    patience: Patience,
}

enum From<'a> {
    Reader(Pin<Box<dyn AsyncRead + Send + 'a>>),
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + 'a>>),
}

impl<'a> Source<'a> {
    /// A source that may stall for `idle` while others wait for memory.
    pub(super) fn reader(reader: impl AsyncRead + Send + 'a, idle: Duration) -> Self {
        Self { from: From::Reader(Box::pin(reader)), rest: Bytes::new(), patience: Patience::new(idle) }
    }

    /// As [`reader`](Self::reader).
    pub(in crate::client) fn stream(
        chunks: impl Stream<Item = Result<Bytes>> + Send + 'a,
        idle: Duration,
    ) -> Self {
        Self { from: From::Stream(Box::pin(chunks)), rest: Bytes::new(), patience: Patience::new(idle) }
    }

    /// Whether there are no more bytes. Reads ahead to know, while `held` is held.
    pub(super) async fn is_empty(&mut self, held: &Held) -> Result<bool> {
        if !self.rest.is_empty() {
            return Ok(false);
        }
        self.patience.restart();
        match &mut self.from {
            From::Reader(reader) => {
                let mut ahead = BytesMut::with_capacity(1);
                self.patience.wait(held, reader.read_buf(&mut ahead)).await?.map_err(unreadable)?;
                self.rest = ahead.freeze();
            }
            From::Stream(chunks) => {
                while self.rest.is_empty() {
                    match self.patience.wait(held, chunks.next()).await? {
                        Some(chunk) => self.rest = chunk?,
                        None => break,
                    }
                }
            }
        }
        Ok(self.rest.is_empty())
    }

    /// The next bytes, as many as `held` may hold; fewer only if there are no more. It holds them when they are there: as
    /// long as a source gives nothing, it takes nothing from others.
    pub(super) async fn part(&mut self, held: &mut Held) -> Result<Bytes> {
        let size = held.size();
        if self.is_empty(held).await? {
            return Ok(Bytes::new());
        }
        // A chunk that holds the whole part is passed on without a copy.
        if self.rest.len() >= size {
            held.cover(size).await;
            return Ok(self.rest.split_to(size));
        }
        let mut part = Vec::new();
        append(&mut part, &std::mem::take(&mut self.rest), held).await;
        self.patience.restart();
        match &mut self.from {
            From::Reader(reader) => {
                while part.len() < size {
                    if grow(&mut part, 1, held).await {
                        self.patience.restart();
                    }
                    let mut limited = (&mut *reader).take((size - part.len()) as u64);
                    let read = self.patience.wait(held, limited.read_buf(&mut part)).await?;
                    match read.map_err(unreadable)? {
                        0 => break,
                        bytes => self.patience.saw(bytes),
                    }
                }
            }
            From::Stream(chunks) => {
                while part.len() < size {
                    let Some(chunk) = self.patience.wait(held, chunks.next()).await? else { break };
                    let mut chunk = chunk?;
                    let taken = chunk.len().min(size - part.len());
                    if append(&mut part, &chunk[..taken], held).await {
                        self.patience.restart();
                    }
                    self.patience.saw(taken);
                    chunk.advance(taken);
                    self.rest = chunk;
                }
            }
        }
        held.shrink(part.capacity());
        Ok(part.into())
    }
}

async fn append(part: &mut Vec<u8>, bytes: &[u8], held: &mut Held) -> bool {
    let grown = grow(part, bytes.len(), held).await;
    part.extend_from_slice(bytes);
    grown
}

/// Makes room for `more` bytes, once `held` may hold it: twice as much as before, but never more than the part's size.
/// Answers whether there was something to make, and maybe to wait for.
async fn grow(part: &mut Vec<u8>, more: usize, held: &mut Held) -> bool {
    let needed = part.len() + more;
    if needed <= part.capacity() {
        return false;
    }
    let room = needed.max(held.size().min(part.capacity().saturating_mul(2).max(STEP)));
    held.cover(room).await;
    part.reserve_exact(room - part.len());
    true
}

fn unreadable(error: std::io::Error) -> Error {
    Error::unexpected("the source of the upload cannot be read")
        .with_effect(external_core::Effect::NotApplied)
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use external_core::BuildContext;
    use futures_util::FutureExt;
    use tokio::io::ReadBuf;

    use super::*;
    use crate::client::upload::Budget;

    const IDLE: Duration = Duration::from_secs(30);

    fn budget(bytes: usize) -> Budget {
        Budget::new(bytes as u64, &BuildContext::default().with_upload_budget(1 << 40))
    }

    #[tokio::test]
    async fn a_part_takes_no_more_room_than_its_size() {
        for (size, chunk) in [(3 * STEP + 7, STEP / 3), (STEP / 2, 999), (5 * STEP, 2 * STEP + 1)] {
            let mut held = budget(1 << 30).part(size);
            let mut part = Vec::new();
            while part.len() < size {
                let bytes = vec![7; chunk.min(size - part.len())];
                append(&mut part, &bytes, &mut held).await;
                assert!(part.capacity() <= size, "{} of {size}", part.capacity());
            }
        }
    }

    /// Eight clients that send a byte and wait hold eight small buffers, not eight parts.
    #[tokio::test(start_paused = true)]
    async fn a_source_that_stalls_holds_what_it_gave() {
        let (size, budget) = (8 << 20, budget(64 << 20));
        let mut stalled = Vec::new();
        for _ in 0..100 {
            let (source, budget) = (and_then_nothing(b"x"), budget.clone());
            let mut reading = Box::pin(async move {
                let mut held = budget.part(size);
                Source::reader(source, IDLE).part(&mut held).await.map(|part| part.len())
            });
            assert!((&mut reading).now_or_never().is_none());
            stalled.push(reading);
        }
        let mut held = budget.part(size);
        let read = Source::reader(&vec![7; size][..], IDLE).part(&mut held).await.unwrap();
        assert_eq!(read.len(), size);
    }

    /// It is left alone for as long as there is memory for everybody, and then for the idle timeout at most twice.
    #[tokio::test(start_paused = true)]
    async fn a_source_that_stalls_ends_where_others_wait_for_what_it_holds() {
        let budget = budget(2 * STEP);
        let mut stalled = Vec::new();
        for _ in 0..2 {
            let (source, budget) = (and_then_nothing(&[7; STEP - 1]), budget.clone());
            stalled.push(Box::pin(async move {
                let mut held = budget.part(STEP);
                Source::reader(source, IDLE).part(&mut held).await.map(|part| part.len())
            }));
        }
        let mut stalled = futures_util::future::join_all(stalled);
        assert!(tokio::time::timeout(10 * IDLE, &mut stalled).await.is_err(), "nobody minds");
        let other = async {
            let mut held = budget.part(STEP);
            Source::reader(&[7; STEP][..], IDLE).part(&mut held).await.map(|part| part.len())
        };
        let both = futures_util::future::join(stalled, other);
        let (stalled, other) = tokio::time::timeout(2 * IDLE, both).await.unwrap();
        assert_eq!(other.unwrap(), STEP);
        for error in stalled.into_iter().map(Result::unwrap_err) {
            assert_eq!(error.kind(), external_core::ErrorKind::Timeout, "{error}");
        }
    }

    /// A reader that gives `bytes`, and then nothing for ever.
    fn and_then_nothing(bytes: &'static [u8]) -> impl AsyncRead + Send {
        struct Silent;
        impl AsyncRead for Silent {
            fn poll_read(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                _: &mut ReadBuf<'_>,
            ) -> Poll<std::io::Result<()>> {
                Poll::Pending
            }
        }
        AsyncReadExt::chain(bytes, Silent)
    }

    #[tokio::test]
    async fn cuts_both_alike() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for size in [1, 7, 33, 100, 999, 1000, 1001] {
            let chunks = bytes.chunks(33).map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
            let stream = futures_util::stream::iter(chunks.collect::<Vec<_>>());
            for mut source in [Source::reader(&bytes[..], IDLE), Source::stream(stream, IDLE)] {
                let mut seen = Vec::new();
                loop {
                    let mut held = budget(1 << 20).part(size);
                    let part = source.part(&mut held).await.unwrap();
                    if part.is_empty() {
                        break;
                    }
                    assert!(part.len() == size || seen.len() + part.len() == bytes.len());
                    seen.extend_from_slice(&part);
                }
                assert_eq!(seen, bytes);
            }
        }
    }
}
