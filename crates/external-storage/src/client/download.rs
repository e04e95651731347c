//! Downloads: a body that survives broken connections, pinned to one version, and ranges fetched side by side.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use external_core::storage::{
    ByteRange, ByteStream, GetRequest, HeadRequest, IntoKey, ObjectBody, ObjectInfo, ObjectKey, VersionId,
    VersionToken,
};
use external_core::{CallOptions, Error, ErrorKind, Operation, Repeat, Result};
use futures_util::{StreamExt, stream};

use super::{StorageClient, pause};
use crate::checksum::{self, Expected};

/// The first wait before a body is resumed; each further one without progress doubles it.
const RESUME_WAIT: Duration = Duration::from_millis(100);

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
    /// Timeout of each exchange up to its head, and log metadata.
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
    /// # Errors
    ///
    /// `NotFound`, `Conflict`, `InvalidArgument`, `Unsupported`, and those of every call.
    pub async fn download_stream(&self, request: &DownloadRequest) -> Result<ObjectBody> {
        let object = self.get_with(&request.get()).await?.into_object()?;
        self.resuming(request.get(), object)
    }

    /// `object` as a body that goes on as `request` where it breaks.
    fn resuming(&self, request: GetRequest, object: ObjectBody) -> Result<ObjectBody> {
        let whole = object.range == (0..object.info.size);
        let expected = self.locate(GET, Expected::of(&object.info))?.filter(|_| whole);
        let resuming = Resuming {
            client: self.clone(),
            request,
            version: object.info.version.clone(),
            token: object.info.token.clone(),
            left: object.range.clone(),
            body: object.body,
            expected,
            failures: 0,
        };
        let body = stream::unfold(Some(resuming), |state| async move {
            let mut state = state?;
            match state.next().await {
                Ok(chunk) => chunk.map(|chunk| (Ok(chunk), Some(state))),
                Err(error) => Some((state.client.about(&state.request.key, Err(error)), None)),
            }
        });
        Ok(ObjectBody::new(object.info, object.range, ByteStream::new(body)))
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
        let settings = &self.inner.settings;
        let mut head = HeadRequest::new(request.key.clone()).with_call_options(request.call.clone());
        head.version.clone_from(&request.version);
        let info = self.head_with(&head).await?;
        let range = match request.range {
            Some(range) => self.locate(GET, range.resolve(info.size))?,
            None => 0..info.size,
        };
        let other = request.if_match.as_ref().is_some_and(|token| *token != info.token);
        if other || range.end - range.start <= settings.download_part_bytes || !self.can("range") {
            return self.download_stream(request).await;
        }
        let (token, version) = (info.token.clone(), info.version.clone());
        let (client, request) = (self.clone(), request.clone());
        let parts = cut(range.clone(), settings.download_part_bytes).map(move |part| {
            let mut request = request.clone().with_range(part.clone());
            if client.can("if-match") {
                request.if_match = Some(token.clone());
            }
            fetch(client.clone(), request, version.clone(), token.clone(), part)
        });
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

async fn fetch(
    client: StorageClient,
    request: DownloadRequest,
    version: Option<VersionId>,
    token: VersionToken,
    part: Range<u64>,
) -> Result<Bytes> {
    let mut request = request.get();
    let object = pinned(&client, &mut request, version.as_ref()).await?;
    let object = client.resuming(request, object)?;
    if object.info.token != token {
        return client.locate(GET, Err(changed(&object.info)));
    }
    whole(object.body, part.end - part.start).await
}

fn changed(info: &ObjectInfo) -> Error {
    Error::conflict("the object was replaced while it was downloaded").with_context("key", &info.key)
}

/// A body that is asked for again where it broke.
struct Resuming {
    client: StorageClient,
    request: GetRequest,
    version: Option<VersionId>,
    token: VersionToken,
    left: Range<u64>,
    body: ByteStream,
    /// The sum over all bytes, of all the connections they come over.
    expected: Option<Expected>,
    /// Breaks since the last byte.
    failures: u32,
}

impl Resuming {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let broken = match self.body.next_chunk().await {
                // An empty chunk is no progress.
                Ok(Some(chunk)) if chunk.is_empty() => continue,
                Ok(Some(chunk)) => return self.take(chunk).map(Some),
                Ok(None) if self.left.is_empty() => return self.finish(),
                Ok(None) => Error::unavailable("the body ended before its time"),
                // Behind the last byte only what is about the whole counts, not what becomes of the connection.
                Err(error) if self.left.is_empty() && error.kind() == ErrorKind::Corrupt => {
                    return Err(error);
                }
                Err(_) if self.left.is_empty() => return self.finish(),
                Err(error) => error,
            };
            self.resume(broken).await?;
        }
    }

    fn take(&mut self, chunk: Bytes) -> Result<Bytes> {
        self.failures = 0;
        self.left.start += chunk.len() as u64;
        if self.left.start > self.left.end {
            return self.client.locate(GET, Err(Error::corrupt("the body is longer than announced")));
        }
        if let Some(expected) = &mut self.expected {
            expected.update(&chunk);
        }
        Ok(chunk)
    }

    fn finish(&mut self) -> Result<Option<Bytes>> {
        let verdict = self.expected.take().map_or(Ok(()), Expected::verdict);
        self.client.locate(GET, verdict).map(|()| None)
    }

    /// Asks for the rest, as often as the settings let it. A resumption that fails in passing is one without progress:
    /// the store may be starting again.
    ///
    /// Each is a call of its own under the whole pipeline. None is paid from the retry budget: to ask for the rest is less
    /// for the store than to ask for all of it again, which is what the caller of a broken download does.
    async fn resume(&mut self, mut broken: Error) -> Result<()> {
        loop {
            let Some(wait) = self.wait(&broken) else {
                return self.client.locate(GET, Err(broken.with_context("resumed", self.failures)));
            };
            tokio::time::sleep(wait).await;
            self.failures += 1;
            match self.ask_for_the_rest().await {
                Err(error) => broken = error,
                Ok(body) => {
                    self.body = body;
                    return Ok(());
                }
            }
        }
    }

    /// How long to wait before the next resumption; `None` if there is none: also where the store asks for more time than a
    /// body may stall.
    fn wait(&self, broken: &Error) -> Option<Duration> {
        use ErrorKind::{Corrupt, RateLimited, Timeout, Unavailable};
        let settings = &self.client.inner.settings;
        let passing = matches!(broken.kind(), Unavailable | Timeout | RateLimited | Corrupt);
        let own = RESUME_WAIT.saturating_mul(1 << self.failures.min(6));
        pause(broken, own)
            .filter(|_| passing && self.failures < settings.resumes && self.client.can("range"))
            .filter(|wait| *wait <= own.max(settings.idle_timeout))
    }

    async fn ask_for_the_rest(&mut self) -> Result<ByteStream> {
        self.request.range = Some(ByteRange::from(self.left.clone()));
        if self.client.can("if-match") {
            self.request.if_match = Some(self.token.clone());
        }
        let object = pinned(&self.client, &mut self.request, self.version.as_ref()).await?;
        if object.info.token != self.token {
            return self.client.locate(GET, Err(changed(&object.info)));
        }
        Ok(object.body)
    }
}

/// The content that `request` names, from the versions that were stored if it is not the current one any more. The version
/// is not named at once, since reading one may need a permission of its own.
async fn pinned(
    client: &StorageClient,
    request: &mut GetRequest,
    version: Option<&VersionId>,
) -> Result<ObjectBody> {
    let current = client.get_with(request).await;
    let changed = |error: &Error| matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound);
    if let (Err(error), None, Some(version)) = (&current, &request.version, version)
        && changed(error)
        && client.can("versions")
    {
        let stored = request.clone().with_version(version.clone());
        // Where that cannot be had either, what became of the object is the better answer.
        if let Ok(object) = client.get_with(&stored).await {
            *request = stored;
            return object.into_object();
        }
    }
    current?.into_object()
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
