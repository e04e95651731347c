//! Checksums of bytes in memory and of bytes that pass by.

use bytes::Bytes;
use external_core::storage::{ByteStream, Checksum, ChecksumKind};
use external_core::{Effect, Error, Result};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

/// The checksum of `bytes`.
///
/// # Errors
///
/// `Unsupported` for a kind that this version does not know.
pub fn of(kind: ChecksumKind, bytes: &[u8]) -> Result<Checksum> {
    let mut hasher = Hasher::new(kind)?;
    hasher.update(bytes);
    Ok(hasher.finish())
}

/// A checksum in the making.
#[derive(Debug, Clone)]
pub(crate) enum Hasher {
    Crc32c(u32),
    Sha256(Sha256),
}

impl Hasher {
    pub(crate) fn new(kind: ChecksumKind) -> Result<Self> {
        match kind {
            ChecksumKind::Crc32c => Ok(Self::Crc32c(0)),
            ChecksumKind::Sha256 => Ok(Self::Sha256(Sha256::new())),
            _ => Err(Error::unsupported("checksum")),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32c(sum) => *sum = crc32c::crc32c_append(*sum, bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        match self {
            Self::Crc32c(sum) => Checksum::Crc32c(sum),
            Self::Sha256(hash) => Checksum::Sha256(hash.finalize().into()),
        }
    }
}

/// Whether what arrived for a write is what was sent. Nothing was stored, so the effect is `NotApplied`.
pub(crate) fn verify_write(expected: Option<Checksum>, bytes: &[u8]) -> Result<()> {
    match expected {
        Some(expected) => compare(expected, of(expected.kind(), bytes)?)
            .map_err(|error| error.with_effect(Effect::NotApplied)),
        None => Ok(()),
    }
}

/// `Corrupt` unless both are the same.
pub(crate) fn compare(expected: Checksum, seen: Checksum) -> Result<()> {
    if expected == seen {
        return Ok(());
    }
    Err(Error::corrupt("the checksum does not match the bytes")
        .with_context("expected", expected)
        .with_context("seen", seen))
}

/// Passes `body` on and ends it with `Corrupt` if it does not match.
pub(crate) fn verify_read(body: ByteStream, expected: Checksum) -> Result<ByteStream> {
    let hasher = Hasher::new(expected.kind())?;
    // The checksum is complete only behind the last chunk: a `None` is chained to the stream to look at it then.
    let chunks = body.map(Some).chain(futures_util::stream::iter([None]));
    let checked = chunks.scan(Some(hasher), move |hasher, chunk| {
        let passed: Option<Result<Bytes>> = match (chunk, hasher.as_mut()) {
            (Some(Ok(bytes)), Some(hasher)) => {
                hasher.update(&bytes);
                Some(Ok(bytes))
            }
            (Some(Err(error)), _) => {
                *hasher = None;
                Some(Err(error))
            }
            _ => hasher.take().and_then(|hasher| compare(expected, hasher.finish()).err()).map(Err),
        };
        futures_util::future::ready(passed)
    });
    Ok(ByteStream::new(checked))
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;

    use super::*;

    #[test]
    fn known_values() {
        // The check value of CRC-32C (Castagnoli), and FIPS 180's "abc".
        assert_eq!(of(ChecksumKind::Crc32c, b"123456789").unwrap(), Checksum::Crc32c(0xe306_9283));
        let abc = of(ChecksumKind::Sha256, b"abc").unwrap().to_string();
        assert!(abc.starts_with("sha256:ba7816bf8f01cfea"), "{abc}");
    }

    #[tokio::test]
    async fn a_damaged_read_ends_with_corrupt() {
        let sum = of(ChecksumKind::Crc32c, b"abcdef").unwrap();
        let stream = |parts: &[&'static [u8]]| {
            let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part))).collect();
            ByteStream::new(futures_util::stream::iter(parts))
        };
        let whole = verify_read(stream(&[b"abc", b"def"]), sum).unwrap();
        assert_eq!(whole.collect(100).await.unwrap(), "abcdef");
        let damages: [&[&'static [u8]]; 3] = [&[b"abc"], &[b"abc", b"dEf"], &[]];
        for damaged in damages {
            let error = verify_read(stream(damaged), sum).unwrap().collect(100).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }
}
