//! Reading an object: requests for the head and the body, ranges, the outcome.

use std::ops::Range;

use super::{ByteStream, ObjectInfo, ObjectKey, VersionId, VersionToken};
use crate::{CallOptions, Error, Operation, Repeat, Result, Retry};

/// A part of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ByteRange {
    /// From an offset to the end of the object.
    From(u64),
    /// From `start` up to, not including, `end`; what lies beyond the object's end is left out.
    Within {
        /// The first byte.
        start: u64,
        /// The byte after the last.
        end: u64,
    },
    /// The last so many bytes; all of them if the object is shorter.
    Suffix(u64),
}

impl ByteRange {
    /// The bytes this range selects of an object of `size` bytes.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it selects none: it is empty, begins at or behind the end, or the object is empty.
    pub fn resolve(self, size: u64) -> Result<Range<u64>> {
        let range = match self {
            Self::From(start) => start..size,
            Self::Within { start, end } => start..end.min(size),
            Self::Suffix(length) => size.saturating_sub(length)..size,
        };
        if range.start < range.end {
            return Ok(range);
        }
        Err(Error::invalid_argument("the range selects no byte of the object")
            .with_context("range", format_args!("{self:?}"))
            .with_context("size", size))
    }
}

impl From<Range<u64>> for ByteRange {
    fn from(range: Range<u64>) -> Self {
        Self::Within { start: range.start, end: range.end }
    }
}

/// One object, or a part of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GetRequest {
    /// Which object.
    pub key: ObjectKey,
    /// Which part. Default: all of it.
    pub range: Option<ByteRange>,
    /// Read only the content this token stands for; any other is `Conflict`.
    pub if_match: Option<VersionToken>,
    /// Read only if the content is another one than this token stands for; else the outcome is `NotModified`.
    pub if_none_match: Option<VersionToken>,
    /// Read this stored version instead of the current one. Capability `versions`.
    pub version: Option<VersionId>,
    /// The caller compares the bytes with `info.checksum` or `info.foreign_checksum` itself, so that the provider need
    /// not do it a second time; it may still. Default: no.
    pub caller_verifies: bool,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(GetRequest);

impl GetRequest {
    /// Reads all of `key`.
    #[must_use]
    pub fn new(key: ObjectKey) -> Self {
        Self {
            key,
            range: None,
            if_match: None,
            if_none_match: None,
            version: None,
            caller_verifies: false,
            call: CallOptions::default(),
        }
    }

    /// Reads a part only.
    #[must_use]
    pub fn with_range(mut self, range: impl Into<ByteRange>) -> Self {
        self.range = Some(range.into());
        self
    }

    /// Reads only the content `token` stands for.
    #[must_use]
    pub fn with_if_match(mut self, token: VersionToken) -> Self {
        self.if_match = Some(token);
        self
    }

    /// Reads only if the content is another one than `token` stands for.
    #[must_use]
    pub fn with_if_none_match(mut self, token: VersionToken) -> Self {
        self.if_none_match = Some(token);
        self
    }

    /// Reads a stored version.
    #[must_use]
    pub fn with_version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }

    /// Leaves it to the caller to compare the bytes with the checksum that `info` tells.
    #[must_use]
    pub fn with_caller_verifying(mut self) -> Self {
        self.caller_verifies = true;
        self
    }

    /// Holds the body to the call's deadline as well: see
    /// [`CallOptions::with_transfer_deadline`](crate::CallOptions::with_transfer_deadline).
    #[must_use]
    pub fn with_transfer_deadline(mut self) -> Self {
        self.call = self.call.with_transfer_deadline();
        self
    }

    /// `storage.get`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "get", Repeat::Safe)
    }
}

/// The outcome of a read.
#[derive(Debug)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "an answer is moved once; a box would be paid by every read")]
pub enum GetResult {
    /// The object: what is known of it, and its bytes.
    Object(ObjectBody),
    /// The content is the one named by `if_none_match`; nothing was transferred.
    NotModified,
}

impl GetResult {
    /// The object, where the request had no `if_none_match`.
    ///
    /// # Errors
    ///
    /// `Unexpected` if the outcome is `NotModified`.
    pub fn into_object(self) -> Result<ObjectBody> {
        match self {
            Self::Object(object) => Ok(object),
            Self::NotModified => {
                Err(Error::unexpected("the object was not modified, so no body was transferred"))
            }
        }
    }
}

/// An object being read.
#[derive(Debug)]
#[non_exhaustive]
pub struct ObjectBody {
    /// What is known of the whole object.
    pub info: ObjectInfo,
    /// Which of its bytes the body holds; `0..size` for a whole read.
    pub range: Range<u64>,
    /// The bytes. It ends with an error if they do not arrive whole and undamaged.
    pub body: ByteStream,
}

impl ObjectBody {
    /// The bytes `range` of the object described by `info`.
    #[must_use]
    pub fn new(info: ObjectInfo, range: Range<u64>, body: ByteStream) -> Self {
        Self { info, range, body }
    }

    /// Whether these are the bytes that were `asked` for, or all of them where no range was: a server may ignore a range,
    /// or answer a part of it (RFC 9110, sections 14.2 and 15.3.7).
    ///
    /// # Errors
    ///
    /// `Corrupt`, not to be tried again: who answers so once does so always.
    pub fn verify_range(&self, asked: Option<ByteRange>) -> Result<()> {
        let size = self.info.size;
        let expected = asked.map_or(Some(0..size), |range| range.resolve(size).ok());
        if expected.as_ref() == Some(&self.range) {
            return Ok(());
        }
        Err(Error::corrupt("another range was answered than was asked for")
            .with_retry(Retry::Never)
            .with_context("asked", format_args!("{asked:?}"))
            .with_context("answered", format_args!("{:?}", self.range))
            .with_context("size", size))
    }
}

/// What is known of one object.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HeadRequest {
    /// Which object.
    pub key: ObjectKey,
    /// This stored version instead of the current one. Capability `versions`.
    pub version: Option<VersionId>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(HeadRequest);

impl HeadRequest {
    /// Asks for `key`.
    #[must_use]
    pub fn new(key: ObjectKey) -> Self {
        Self { key, version: None, call: CallOptions::default() }
    }

    /// Asks for a stored version.
    #[must_use]
    pub fn with_version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }

    /// `storage.head`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "head", Repeat::Safe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bytes_asked_for_are_an_answer() {
        let answered = |range: Range<u64>| {
            let key = ObjectKey::parse("k").expect("a key");
            let info = ObjectInfo::new(key, 10, VersionToken::new("t"));
            ObjectBody::new(info, range, ByteStream::from_bytes(bytes::Bytes::new()))
        };
        for (asked, range) in [
            (None, 0..10),
            (Some(ByteRange::from(2..5)), 2..5),
            (Some(ByteRange::from(2..50)), 2..10),
            (Some(ByteRange::Suffix(50)), 0..10),
        ] {
            assert!(answered(range).verify_range(asked).is_ok(), "{asked:?}");
        }
        for (asked, range) in [
            (None, 0..9),
            (Some(ByteRange::from(2..5)), 0..10),
            (Some(ByteRange::from(2..5)), 2..4),
            (Some(ByteRange::from(5..5)), 0..10),
        ] {
            let error = answered(range).verify_range(asked).expect_err("another range");
            assert_eq!((error.kind(), error.retry()), (crate::ErrorKind::Corrupt, Retry::Never), "{asked:?}");
        }
    }

    #[test]
    fn ranges_are_clipped_and_never_empty() {
        assert_eq!(ByteRange::From(2).resolve(5).expect("inside"), 2..5);
        assert_eq!(ByteRange::from(1..100).resolve(5).expect("clipped"), 1..5);
        assert_eq!(ByteRange::Suffix(9).resolve(5).expect("all"), 0..5);
        for range in [ByteRange::From(5), ByteRange::from(2..2), ByteRange::from(7..9), ByteRange::Suffix(0)]
        {
            assert!(range.resolve(5).is_err(), "{range:?}");
        }
        let reversed = ByteRange::Within { start: 3, end: 1 };
        assert!(reversed.resolve(5).is_err());
        assert!(ByteRange::Suffix(1).resolve(0).is_err());
    }
}
