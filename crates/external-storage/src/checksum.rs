//! Checksums of bytes in memory and of bytes that pass by.

use bytes::Bytes;
use external_core::storage::{ByteStream, Checksum, ChecksumKind, ForeignChecksum, ObjectInfo, Verifier};
use external_core::{Effect, Error, Result};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

/// From how many bytes on SHA-256 is computed on a thread that may block: without the CPU's own instructions a MiB takes
/// milliseconds. CRC-32C is about as fast as copying, and is computed where it is asked for.
const SLOW_FROM: usize = 1 << 20;

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

/// As [`of`], without holding up the runtime.
pub(crate) async fn of_body(kind: ChecksumKind, body: &Bytes) -> Result<Checksum> {
    let mut hasher = Hasher::new(kind)?;
    hasher.update_aside(body).await?;
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

    pub(crate) fn kind(&self) -> ChecksumKind {
        match self {
            Self::Crc32c(_) => ChecksumKind::Crc32c,
            Self::Sha256(_) => ChecksumKind::Sha256,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32c(sum) => *sum = crc32c::crc32c_append(*sum, bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    /// As [`update`](Self::update), without holding up the runtime.
    pub(crate) async fn update_aside(&mut self, bytes: &Bytes) -> Result<()> {
        if matches!(self, Self::Crc32c(_)) || bytes.len() <= SLOW_FROM {
            self.update(bytes);
            return Ok(());
        }
        let (mut hasher, bytes) = (self.clone(), bytes.clone());
        let hashing = tokio::task::spawn_blocking(move || {
            hasher.update(&bytes);
            hasher
        });
        *self = hashing.await.map_err(|error| {
            Error::unexpected("computing the checksum was cut short")
                .with_effect(Effect::NotApplied)
                .with_source(error)
        })?;
        Ok(())
    }

    /// As [`update_aside`](Self::update_aside), and answers the checksum of `part` alone where that comes out of the same
    /// pass over its bytes.
    pub(crate) async fn update_with_part(&mut self, part: &Bytes) -> Result<Option<Checksum>> {
        if let Self::Crc32c(sum) = self {
            let own = crc32c::crc32c(part);
            *sum = crc32c::crc32c_combine(*sum, own, part.len());
            return Ok(Some(Checksum::Crc32c(own)));
        }
        self.update_aside(part).await?;
        Ok(None)
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
    Err(differs().with_context("expected", expected).with_context("seen", seen))
}

fn differs() -> Error {
    Error::corrupt("the checksum does not match the bytes")
}

/// What the bytes of a whole read have to sum up to.
pub(crate) enum Expected {
    /// In a kind of the contract.
    Named(Hasher, Checksum),
    /// In one that the provider brings along.
    Foreign(Box<dyn Verifier>, ForeignChecksum),
}

impl Expected {
    /// What is known of the whole object; `None` if its writer left no checksum.
    pub(crate) fn of(info: &ObjectInfo) -> Result<Option<Self>> {
        Ok(match (info.checksum, &info.foreign_checksum) {
            (Some(sum), _) => Some(Self::sum(sum)?),
            (None, Some(foreign)) => Some(Self::Foreign(foreign.verifier(), foreign.clone())),
            (None, None) => None,
        })
    }

    pub(crate) fn sum(sum: Checksum) -> Result<Self> {
        Ok(Self::Named(Hasher::new(sum.kind())?, sum))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Named(hasher, _) => hasher.update(bytes),
            Self::Foreign(verifier, _) => verifier.update(bytes),
        }
    }

    /// `Corrupt` unless the bytes taken in are those expected.
    pub(crate) fn verdict(self) -> Result<()> {
        match self {
            Self::Named(hasher, sum) => compare(sum, hasher.finish()),
            Self::Foreign(verifier, sum) => match verifier.matches() {
                true => Ok(()),
                false => Err(differs().with_context("expected", sum)),
            },
        }
    }
}

/// Passes `body` on and ends it with `Corrupt` if it is not what is expected.
pub(crate) fn verify_read(body: ByteStream, expected: Expected) -> ByteStream {
    // The sum is complete only behind the last chunk: a `None` is chained to the stream to look at it then.
    let chunks = body.map(Some).chain(futures_util::stream::iter([None]));
    let checked = chunks.scan(Some(expected), |expected, chunk| {
        let passed: Option<Result<Bytes>> = match (chunk, expected.as_mut()) {
            (Some(Ok(bytes)), Some(expected)) => {
                expected.update(&bytes);
                Some(Ok(bytes))
            }
            (Some(Err(error)), _) => {
                *expected = None;
                Some(Err(error))
            }
            _ => expected.take().and_then(|expected| expected.verdict().err()).map(Err),
        };
        futures_util::future::ready(passed)
    });
    ByteStream::new(checked)
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn known_values() {
        // The check value of CRC-32C (Castagnoli), and FIPS 180's "abc".
        assert_eq!(of(ChecksumKind::Crc32c, b"123456789").unwrap(), Checksum::Crc32c(0xe306_9283));
        let abc = of(ChecksumKind::Sha256, b"abc").unwrap().to_string();
        assert!(abc.starts_with("sha256:ba7816bf8f01cfea"), "{abc}");
    }

    #[tokio::test]
    async fn a_long_body_does_not_hold_up_the_runtime() {
        let body = Bytes::from(vec![7; SLOW_FROM + 1]);
        for (kind, at_once) in [(ChecksumKind::Crc32c, true), (ChecksumKind::Sha256, false)] {
            assert_eq!(of_body(kind, &body).now_or_never().is_some(), at_once, "{kind:?}");
            assert_eq!(of_body(kind, &body).await.unwrap(), of(kind, &body).unwrap());
            assert!(of_body(kind, &body.slice(1..)).now_or_never().is_some());
        }
    }

    #[tokio::test]
    async fn parts_make_the_checksum_of_the_whole() {
        let whole: Bytes = (0..=255_u8).cycle().take(3_000_001).collect();
        for kind in [ChecksumKind::Crc32c, ChecksumKind::Sha256] {
            let mut hasher = Hasher::new(kind).unwrap();
            for part in [0..0, 0..1, 1..2_000_000, 2_000_000..2_000_000, 2_000_000..3_000_001] {
                let part = whole.slice(part);
                let own = hasher.update_with_part(&part).await.unwrap();
                assert!(own.is_none_or(|sum| sum == of(kind, &part).unwrap()));
                assert_eq!(own.is_some(), kind == ChecksumKind::Crc32c);
            }
            assert_eq!(hasher.finish(), of(kind, &whole).unwrap());
        }
    }

    #[tokio::test]
    async fn a_damaged_read_ends_with_corrupt() {
        let sum = of(ChecksumKind::Crc32c, b"abcdef").unwrap();
        let stream = |parts: &[&'static [u8]]| {
            let parts: Vec<_> = parts.iter().map(|part| Ok(Bytes::from_static(part))).collect();
            ByteStream::new(futures_util::stream::iter(parts))
        };
        let whole = verify_read(stream(&[b"abc", b"def"]), Expected::sum(sum).unwrap());
        assert_eq!(whole.collect(100).await.unwrap(), "abcdef");
        let damages: [&[&'static [u8]]; 3] = [&[b"abc"], &[b"abc", b"dEf"], &[]];
        for damaged in damages {
            let expected = Expected::sum(sum).unwrap();
            let error = verify_read(stream(damaged), expected).collect(100).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }
}
