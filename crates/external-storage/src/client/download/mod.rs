//! Downloads: a body that survives broken connections, pinned to one version, and ranges fetched side by side.

mod resume;
mod sum;

use std::ops::Range;

use bytes::Bytes;
use external_core::storage::{
    ByteRange, ByteStream, GetRequest, HeadRequest, IntoKey, ObjectBody, ObjectKey, VersionId, VersionToken,
};
use external_core::{CallContext, CallOptions, Error, Operation, Repeat, Result};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use self::resume::Asked;
use super::StorageClient;
use crate::checksum::{self, Expected};

pub(super) use sum::Sum;

const GET: Operation = Operation::new("storage", "get", Repeat::Safe);

/// An object to download, with all options.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DownloadRequest {
    /// Which object.
    pub key: ObjectKey,
    /// Which part. Default: all of it.
    pub range: Option<ByteRange>,
    /// Download only the content this token stands for; any other is `Conflict`.
    pub if_match: Option<VersionToken>,
    /// Download this stored version.
    pub version: Option<VersionId>,
    /// Timeout of each exchange up to its head, or of all of them with their bodies (`with_transfer_deadline`), and log metadata.
    pub call: CallOptions,
}

external_core::call_options!(DownloadRequest);

impl DownloadRequest {
    /// Downloads all of `key`.
    #[must_use]
    pub fn new(key: ObjectKey) -> Self {
        Self { key, range: None, if_match: None, version: None, call: CallOptions::default() }
    }

    /// Downloads a part only.
    #[must_use]
    pub fn with_range(mut self, range: impl Into<ByteRange>) -> Self {
        self.range = Some(range.into());
        self
    }

    /// Downloads only the content `token` stands for.
    #[must_use]
    pub fn with_if_match(mut self, token: VersionToken) -> Self {
        self.if_match = Some(token);
        self
    }

    /// Downloads a stored version.
    #[must_use]
    pub fn with_version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }

    /// Holds all of the download to one deadline: see
    /// [`CallOptions::with_transfer_deadline`](crate::CallOptions::with_transfer_deadline).
    #[must_use]
    pub fn with_transfer_deadline(mut self) -> Self {
        self.call = self.call.with_transfer_deadline();
        self
    }

    fn get(&self) -> GetRequest {
        // A sum that ends here would know nothing of the bytes before a break: the client keeps one over all of them.
        let mut request =
            GetRequest::new(self.key.clone()).with_call_options(self.call.clone()).with_caller_verifying();
        request.range = self.range;
        request.if_match.clone_from(&self.if_match);
        request.version.clone_from(&self.version);
        request
    }
}

impl StorageClient {
    /// The bytes of an object, in memory; at most `download_bytes_max` of the settings.
    ///
    /// - An object larger than `download_bytes_max` is `PayloadTooLarge`, and its body is not read.
    ///   (storage.download.1)
    ///
    /// # Errors
    ///
    /// `NotFound`, `PayloadTooLarge`, `Corrupt`, and those of every call.
    pub async fn download(&self, key: impl IntoKey) -> Result<Bytes> {
        let object = self.download_stream(&DownloadRequest::new(key.into_key()?)).await?;
        let limit = self.inner.settings.download_bytes_max;
        if object.info.size > limit {
            let error = Error::payload_too_large("the object is larger than the settings let a download be")
                .with_context("bytes", object.info.size)
                .with_context("limit", limit);
            return self.locate(GET, Err(error));
        }
        whole(object.body, object.info.size).await
    }

    /// An object as a body that goes on where a connection broke.
    ///
    /// - A body that breaks off is continued at the byte where it broke, and arrives whole. (storage.download.2)
    /// - All of it comes from one version: if the object changes in between, the body ends with `Conflict`, never with
    ///   a mixture. (storage.download.3)
    /// - Where the provider keeps versions it goes on with the one it began with instead. (storage.download.12)
    /// - A body that breaks again and again without progress ends with the error, after `resumes` tries.
    ///   (storage.download.4)
    /// - A whole body that does not match the stored checksum ends with `Corrupt`, also when it was resumed.
    ///   (storage.download.5)
    /// - A body that ends before its time, without an error, is continued like one that breaks off; one that is longer
    ///   than announced ends with `Corrupt`. (storage.download.7)
    /// - A resumption that fails in passing is tried again, as one more try without progress. (storage.download.8)
    ///
    /// With a [transfer deadline](crate::CallOptions::with_transfer_deadline) all of it has to be over by then, resumptions
    /// included: what flows ends with `Timeout`, and a body that breaks so late that the wait would not end in time with what
    /// broke it. Bytes that do not match the checksum, are too many or too few, are a failure of the call that brought them, in
    /// its record and to the breaker.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Conflict`, `InvalidArgument`, `Unsupported`, and those of every call.
    pub async fn download_stream(&self, request: &DownloadRequest) -> Result<ObjectBody> {
        self.begin_download(request, self.end_of(request)).await
    }

    async fn begin_download(&self, request: &DownloadRequest, end: Option<Instant>) -> Result<ObjectBody> {
        let mut asked = Asked::new(self.clone(), request.get(), end);
        let object = asked.get().await?;
        Ok(asked.resuming(object))
    }

    /// When a download that begins now must be over, in however many calls; `None` unless its caller said so.
    fn end_of(&self, request: &DownloadRequest) -> Option<Instant> {
        self.pipeline().transfer_deadline(GET.name, &CallContext::new(&request.call))
    }

    /// An object as a body whose ranges are fetched side by side: `download_concurrency` ranges of
    /// `download_part_bytes`, which are in memory together. One more exchange than
    /// [`download_stream`](Self::download_stream); of use for large objects where one connection is slow.
    ///
    /// - The bytes arrive in order and whole, whatever the order of the exchanges. (storage.download.6)
    /// - An object that changes in between ends the body with `Conflict` unless the provider keeps versions, and whole
    ///   bytes that do not match the stored checksum end it with `Corrupt`. (storage.download.9)
    /// - At most `download_concurrency` ranges are under way at a time. (storage.download.10)
    /// - Dropped at any moment, a download gives back what it held. (storage.download.11)
    ///
    /// # Errors
    ///
    /// As [`download_stream`](Self::download_stream).
    pub async fn download_ranged(&self, request: &DownloadRequest) -> Result<ObjectBody> {
        let (settings, end) = (&self.inner.settings, self.end_of(request));
        let mut head = HeadRequest::new(request.key.clone()).with_call_options(request.call.clone());
        head.version.clone_from(&request.version);
        let cx = CallContext::new(&head.call).with_deadline(end);
        let info = self.head_call(&cx, &head).await?;
        let range = match request.range {
            Some(range) => self.locate(GET, range.resolve(info.size))?,
            None => 0..info.size,
        };
        let other = request.if_match.as_ref().is_some_and(|token| *token != info.token);
        if other || range.end - range.start <= settings.download_part_bytes || !self.can("range") {
            return self.begin_download(request, end).await;
        }
        let (token, version) = (info.token.clone(), info.version.clone());
        let (client, request) = (self.clone(), request.clone());
        let parts = cut(range.clone(), settings.download_part_bytes).map(move |part| {
            let mut request = request.clone().with_range(part.clone());
            if client.can("if-match") {
                request.if_match = Some(token.clone());
            }
            let asked = Asked::new(client.clone(), request.get(), end).of_version(version.clone());
            fetch(asked, token.clone(), part)
        });
        // What they come to together is known when their calls are over: none of them is told that it brought other bytes.
        let mut body = ByteStream::new(stream::iter(parts).buffered(settings.download_concurrency));
        let whole = range == (0..info.size);
        if let Some(expected) = self.locate(GET, Expected::of(&info))?.filter(|_| whole) {
            let client = self.clone();
            let checked = checksum::verify_read(body, expected);
            body = ByteStream::new(checked.map(move |chunk| client.locate(GET, chunk)));
        }
        Ok(ObjectBody::new(info, range, body))
    }
}

/// `range` in parts of `size`, the last one shorter.
fn cut(range: Range<u64>, size: u64) -> impl Iterator<Item = Range<u64>> + Send {
    let mut next = range.start;
    std::iter::from_fn(move || {
        let part = next..range.end.min(next.saturating_add(size));
        next = part.end;
        (part.start < part.end).then_some(part)
    })
}

async fn fetch(mut asked: Asked, token: VersionToken, part: Range<u64>) -> Result<Bytes> {
    let object = asked.get_same(&token).await?;
    whole(asked.resuming(object).body, part.end - part.start).await
}

/// All of a body of `length` bytes, without taking more room than that.
async fn whole(mut body: ByteStream, length: u64) -> Result<Bytes> {
    let first = body.next_chunk().await?.unwrap_or_default();
    // One chunk is the usual case for small objects: it is handed on without a copy.
    if first.len() as u64 == length {
        return match body.next_chunk().await? {
            None => Ok(first),
            Some(_) => Err(Error::corrupt("the body is longer than announced")),
        };
    }
    let length = usize::try_from(length)
        .map_err(|_| Error::payload_too_large("the object does not fit into memory"))?;
    let mut all = Vec::with_capacity(length);
    let mut next = Some(first);
    while let Some(chunk) = next {
        if all.len() + chunk.len() > length {
            return Err(Error::corrupt("the body is longer than announced"));
        }
        all.extend_from_slice(&chunk);
        next = body.next_chunk().await?;
    }
    if all.len() < length {
        return Err(Error::corrupt("the body is shorter than announced"));
    }
    Ok(all.into())
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn a_body_of_another_length_is_no_whole() {
        let body = |chunks: &[&'static str]| {
            let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from(*chunk))).collect();
            ByteStream::new(stream::iter(chunks))
        };
        assert_eq!(whole(body(&["abcdef"]), 6).await.unwrap(), "abcdef");
        assert_eq!(whole(body(&["abc", "def"]), 6).await.unwrap(), "abcdef");
        for chunks in [&["abcde"][..], &["abc", "de"], &[], &["abcdef", "g"], &["abc", "defg"]] {
            assert_eq!(whole(body(chunks), 6).await.unwrap_err().kind(), ErrorKind::Corrupt, "{chunks:?}");
        }
    }

    #[test]
    fn cuts_without_gap_or_overlap() {
        assert_eq!(cut(3..10, 3).collect::<Vec<_>>(), [3..6, 6..9, 9..10]);
        assert_eq!(cut(0..6, 3).collect::<Vec<_>>(), [0..3, 3..6]);
        assert_eq!(cut(5..5, 3).count(), 0);
    }
}
