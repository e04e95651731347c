//! Writing one large object in parts: requests and results of the facet `multipart`.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use super::object::opaque_text;
use super::{Checksum, ChecksumKind, ObjectAttributes, ObjectKey, PageToken, Precondition};
use crate::{CallOptions, Operation, Repeat};

opaque_text! {
    /// Names an upload that is neither completed nor aborted.
    UploadId
}

opaque_text! {
    /// Stands for the content of one part.
    PartToken
}

/// An upload that is neither completed nor aborted. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MultipartUpload {
    /// Where the object will be.
    pub key: ObjectKey,
    /// Which upload to that key.
    pub id: UploadId,
}

impl MultipartUpload {
    /// The upload `id` to `key`.
    #[must_use]
    pub fn new(key: ObjectKey, id: UploadId) -> Self {
        Self { key, id }
    }
}

/// Begins an upload.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BeginMultipartRequest {
    /// Where the object will be.
    pub key: ObjectKey,
    /// What is stored with it.
    pub attributes: ObjectAttributes,
    /// Which checksum the completion will give, for providers that must know beforehand.
    pub checksum: Option<ChecksumKind>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(BeginMultipartRequest);

impl BeginMultipartRequest {
    /// Begins an upload to `key`.
    #[must_use]
    pub fn new(key: ObjectKey) -> Self {
        Self { key, attributes: ObjectAttributes::default(), checksum: None, call: CallOptions::default() }
    }

    /// Sets what is stored with the object.
    #[must_use]
    pub fn with_attributes(mut self, attributes: ObjectAttributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// Announces a checksum of the whole object.
    #[must_use]
    pub fn with_checksum(mut self, kind: ChecksumKind) -> Self {
        self.checksum = Some(kind);
        self
    }

    /// `storage.begin_multipart`: `Idempotent`, since an upload that nobody uses has no effect on any object. One
    /// whose reply was lost ends by the provider's own rule, or is found with `list_uploads`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "begin_multipart", Repeat::Idempotent)
    }
}

/// One part.
#[derive(Clone)]
#[non_exhaustive]
pub struct PutPartRequest {
    /// The upload it belongs to.
    pub upload: MultipartUpload,
    /// Its place, from 1 to the limit `parts-max`. Parts may come in any order, and leave gaps.
    pub number: u32,
    /// Its bytes: at least the limit `part-bytes-min`, but for the last part, and at most `part-bytes-max`.
    pub body: Bytes,
    /// The checksum of `body`, verified on arrival.
    pub checksum: Option<Checksum>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(PutPartRequest);

/// Without the bytes, as of a put.
impl fmt::Debug for PutPartRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutPartRequest")
            .field("upload", &self.upload)
            .field("number", &self.number)
            .field("bytes", &self.body.len())
            .field("checksum", &self.checksum)
            .finish_non_exhaustive()
    }
}

impl PutPartRequest {
    /// Part `number` of `upload`.
    #[must_use]
    pub fn new(upload: MultipartUpload, number: u32, body: impl Into<Bytes>) -> Self {
        Self { upload, number, body: body.into(), checksum: None, call: CallOptions::default() }
    }

    /// Sets the checksum of the part.
    #[must_use]
    pub fn with_checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// `storage.put_part`: `Idempotent`, the last one of a number counts.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "put_part", Repeat::Idempotent)
    }
}

/// A part that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartReceipt {
    /// Its number.
    pub number: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Stands for its content.
    pub token: PartToken,
    /// Its checksum, as given.
    pub checksum: Option<Checksum>,
}

impl PartReceipt {
    /// Part `number` of `size` bytes.
    #[must_use]
    pub fn new(number: u32, size: u64, token: PartToken) -> Self {
        Self { number, size, token, checksum: None }
    }

    /// Sets its checksum.
    #[must_use]
    pub fn with_checksum(mut self, checksum: Option<Checksum>) -> Self {
        self.checksum = checksum;
        self
    }
}

/// Makes the object out of parts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CompleteMultipartRequest {
    /// The upload.
    pub upload: MultipartUpload,
    /// The parts in ascending order of their numbers; parts that arrived and are not named are dropped.
    pub parts: Vec<PartReceipt>,
    /// What must hold of the key. Default: nothing.
    pub precondition: Precondition,
    /// The checksum of the whole object.
    pub checksum: Option<Checksum>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(CompleteMultipartRequest);

impl CompleteMultipartRequest {
    /// Makes the object of `upload` out of `parts`.
    #[must_use]
    pub fn new(upload: MultipartUpload, parts: Vec<PartReceipt>) -> Self {
        Self { upload, parts, precondition: Precondition::None, checksum: None, call: CallOptions::default() }
    }

    /// Sets what must hold for the completion to take effect.
    #[must_use]
    pub fn with_precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// Sets the checksum of the whole object.
    #[must_use]
    pub fn with_checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// `storage.complete_multipart`: `Idempotent`; with a precondition `Once`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "complete_multipart", self.precondition.repeat())
    }
}

/// Drops an upload and its parts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AbortMultipartRequest {
    /// The upload.
    pub upload: MultipartUpload,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(AbortMultipartRequest);

impl AbortMultipartRequest {
    /// Drops `upload`.
    #[must_use]
    pub fn new(upload: MultipartUpload) -> Self {
        Self { upload, call: CallOptions::default() }
    }

    /// `storage.abort_multipart`: `Idempotent`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "abort_multipart", Repeat::Idempotent)
    }
}

/// One page of uploads that are neither completed nor aborted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListUploadsRequest {
    /// Only uploads to keys that begin with this text.
    pub prefix: String,
    /// At most so many; default and upper bound: the limit `list-page-max`. 0 is `InvalidArgument`.
    pub limit: Option<usize>,
    /// Continues behind an earlier page.
    pub token: Option<PageToken>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(ListUploadsRequest);

impl ListUploadsRequest {
    /// Lists uploads to keys that begin with `prefix`.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }

    /// Bounds the page.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Continues behind an earlier page.
    #[must_use]
    pub fn with_token(mut self, token: PageToken) -> Self {
        self.token = Some(token);
        self
    }

    /// `storage.list_uploads`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "list_uploads", Repeat::Safe)
    }
}

/// An upload in a listing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PendingUpload {
    /// The upload.
    pub upload: MultipartUpload,
    /// When it began, where the provider tells.
    pub started: Option<SystemTime>,
}

impl PendingUpload {
    /// An upload.
    #[must_use]
    pub fn new(upload: MultipartUpload) -> Self {
        Self { upload, started: None }
    }

    /// Sets when it began.
    #[must_use]
    pub fn with_started(mut self, started: SystemTime) -> Self {
        self.started = Some(started);
        self
    }
}

/// One page of uploads, in byte order of their keys.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UploadPage {
    /// The uploads.
    pub uploads: Vec<PendingUpload>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<PageToken>,
}

impl UploadPage {
    /// A page.
    #[must_use]
    pub fn new(uploads: Vec<PendingUpload>, next: Option<PageToken>) -> Self {
        Self { uploads, next }
    }
}
