//! What is uploaded: bytes that are made while they are read, so that no contestant has them in memory beforehand.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// The size of a part, for everyone: ours by default.
pub(crate) const PART: usize = 8 << 20;
/// How many parts at a time, for everyone: ours by default.
pub(crate) const PARTS_AT_A_TIME: usize = 4;

/// So many bytes, each block of 64 KiB another one, so that nothing is gained by comparing.
pub(crate) struct Pattern {
    left: u64,
    block: Vec<u8>,
    at: usize,
    number: u64,
}

impl Pattern {
    pub(crate) fn new(size: u64) -> Self {
        let block = (0..64 << 10).map(|n: u32| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        Self { left: size, block, at: 0, number: 0 }
    }

    /// The next part; empty at the end.
    pub(crate) async fn part(&mut self) -> io::Result<Bytes> {
        let size = PART.min(usize::try_from(self.left).unwrap_or(PART));
        let mut part = BytesMut::with_capacity(size);
        while part.len() < size {
            self.read_buf(&mut part).await?;
        }
        Ok(part.freeze())
    }
}

impl AsyncRead for Pattern {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.left > 0 && out.remaining() > 0 {
            if self.at == self.block.len() {
                self.at = 0;
                self.number += 1;
                let number = self.number.to_le_bytes();
                self.block[..8].copy_from_slice(&number);
            }
            let left = usize::try_from(self.left).unwrap_or(usize::MAX);
            let taken = out.remaining().min(left).min(self.block.len() - self.at);
            out.put_slice(&self.block[self.at..self.at + taken]);
            self.at += taken;
            self.left -= taken as u64;
        }
        Poll::Ready(Ok(()))
    }
}
