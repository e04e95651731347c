//! Reading an object: found, opened once, and read from that handle, so that a later write does not disturb it.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use external_core::storage::{ByteRange, ByteStream, ObjectBody, ObjectKey};
use external_core::{Error, Result};
use futures_util::stream;

use super::blocking;
use super::error::from_io;
use super::names::DiskPath;
use super::record::Known;
use super::tree::{Stamp, Store};
use crate::checksum::{self, Expected};

/// How much is read at once, and sent as one chunk.
const CHUNK: u64 = 256 << 10;

/// How often an object that is being replaced is looked at again, until file and record belong together.
const LOOKS: usize = 100;

impl Store {
    /// The object's open file and what is known of it.
    pub(super) fn open(&self, key: &ObjectKey) -> Result<(File, Known)> {
        let path = DiskPath::of(key);
        for _ in 0..LOOKS {
            let Some((_, file)) = self.find(&path)? else {
                return Err(absent(key));
            };
            let known = self.known(&self.open_root()?, key, &file)?;
            if !known.sidecar || known.recorded {
                return Ok((file, known));
            }
            // No record at all: a foreign file, or one that was replaced between opening it and looking for its sidecar.
            match self.find(&path)? {
                Some((_, again)) if Stamp::of(&again)? == known.stamp => return Ok((file, known)),
                _ => {}
            }
        }
        Err(Error::unavailable("the object is replaced as often as it is looked at"))
    }

    /// The object as a body, `verified` by its checksum if it is read whole. Small ones are read at once.
    pub(super) fn body(
        file: File,
        known: &Known,
        key: &ObjectKey,
        range: Option<ByteRange>,
        verified: bool,
    ) -> Result<ObjectBody> {
        let info = known.info(key);
        let whole = 0..info.size;
        let range = range.map_or(Ok(whole.clone()), |range| range.resolve(info.size))?;
        let reader = Reader { file: Arc::new(file), stamp: known.stamp, left: range.clone() };
        let mut body = if range.end - range.start <= CHUNK {
            ByteStream::from_bytes(reader.read_all()?)
        } else {
            ByteStream::new(stream::try_unfold(reader, Reader::next))
        };
        if let Some(sum) = known.checksum.filter(|_| verified && range == whole) {
            body = checksum::verify_read(body, Expected::sum(sum)?);
        }
        Ok(ObjectBody::new(info, range, body))
    }
}

pub(super) fn absent(key: &ObjectKey) -> Error {
    Error::not_found("no such object").with_context("key", key)
}

/// What is still to be read of a file.
struct Reader {
    file: Arc<File>,
    stamp: Stamp,
    left: Range<u64>,
}

impl Reader {
    async fn next(self) -> Result<Option<(Bytes, Self)>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        blocking(move || {
            let end = self.left.end.min(self.left.start + CHUNK);
            let chunk = self.read(self.left.start..end)?;
            let left = end..self.left.end;
            if left.is_empty() {
                self.unchanged()?;
            }
            Ok(Some((chunk, Self { left, ..self })))
        })
        .await
    }

    fn read_all(&self) -> Result<Bytes> {
        let bytes = self.read(self.left.clone())?;
        self.unchanged()?;
        Ok(bytes)
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, range.start).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => changed(),
            _ => from_io("read", error),
        })?;
        Ok(Bytes::from(bytes))
    }

    /// A write of ours never touches this file; another tool's may.
    fn unchanged(&self) -> Result<()> {
        if Stamp::of(&self.file)? == self.stamp { Ok(()) } else { Err(changed()) }
    }
}

fn changed() -> Error {
    Error::corrupt("the file was written to while it was read")
}
