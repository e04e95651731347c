//! Writing an object in one exchange: request, precondition, receipt.

use std::fmt;

use bytes::Bytes;

use super::{Checksum, ObjectAttributes, ObjectKey, VersionId, VersionToken};
use crate::{CallOptions, Operation, Repeat};

/// What must hold of the key for a write to take effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precondition {
    /// Nothing: the write replaces what is there.
    #[default]
    None,
    /// The key holds no object (create-only); else the write is `AlreadyExists`.
    Absent,
    /// The key holds the content this token stands for (compare-and-swap); else, also when it holds none, the
    /// write is `Conflict`.
    Matches(VersionToken),
}

impl Precondition {
    /// A write without one may be repeated; with one, a repeat after a lost reply would meet its own effect.
    pub(super) fn repeat(&self) -> Repeat {
        match self {
            Self::None => Repeat::Idempotent,
            Self::Absent | Self::Matches(_) => Repeat::Once,
        }
    }
}

/// One object, whole.
#[derive(Clone)]
#[non_exhaustive]
pub struct PutRequest {
    /// Where to.
    pub key: ObjectKey,
    /// The bytes.
    pub body: Bytes,
    /// What is stored with them.
    pub attributes: ObjectAttributes,
    /// What must hold. Default: nothing.
    pub precondition: Precondition,
    /// The checksum of `body`, verified on write and on each whole read. Default: none.
    pub checksum: Option<Checksum>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(PutRequest);

/// Without the bytes: they are the caller's, and may be many.
impl fmt::Debug for PutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutRequest")
            .field("key", &self.key)
            .field("bytes", &self.body.len())
            .field("attributes", &self.attributes)
            .field("precondition", &self.precondition)
            .field("checksum", &self.checksum)
            .finish_non_exhaustive()
    }
}

impl PutRequest {
    /// Stores `body` at `key`.
    #[must_use]
    pub fn new(key: ObjectKey, body: impl Into<Bytes>) -> Self {
        Self {
            key,
            body: body.into(),
            attributes: ObjectAttributes::default(),
            precondition: Precondition::None,
            checksum: None,
            call: CallOptions::default(),
        }
    }

    /// Sets what is stored with the bytes.
    #[must_use]
    pub fn with_attributes(mut self, attributes: ObjectAttributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// Sets the media type, keeping the other attributes.
    #[must_use]
    pub fn with_content_type(mut self, value: impl Into<String>) -> Self {
        self.attributes = self.attributes.with_content_type(value);
        self
    }

    /// Adds one entry of user metadata.
    #[must_use]
    pub fn with_user_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes = self.attributes.with_user_metadata(name, value);
        self
    }

    /// Adds one tag.
    #[must_use]
    pub fn with_tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes = self.attributes.with_tag(name, value);
        self
    }

    /// Sets what must hold for the write to take effect.
    #[must_use]
    pub fn with_precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// Sets the checksum of the body.
    #[must_use]
    pub fn with_checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// `storage.put`: `Idempotent`; with a precondition `Once`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "put", self.precondition.repeat())
    }
}

/// What a write made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PutReceipt {
    /// Stands for the content just written: what `head` answers until the next write.
    pub token: VersionToken,
    /// The version just made, where the provider keeps versions.
    pub version: Option<VersionId>,
}

impl PutReceipt {
    /// A receipt for the content `token` stands for.
    #[must_use]
    pub fn new(token: VersionToken) -> Self {
        Self { token, version: None }
    }

    /// Sets the version made.
    #[must_use]
    pub fn with_version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{MultipartUpload, PutPartRequest, UploadId};

    #[test]
    fn debug_hides_the_bytes() {
        let key = ObjectKey::parse("a").unwrap();
        let put = PutRequest::new(key.clone(), "canary");
        let part = PutPartRequest::new(MultipartUpload::new(key, UploadId::new("u")), 1, "canary");
        for told in [format!("{put:?}"), format!("{part:?}")] {
            assert!(!told.contains("canary") && told.contains("bytes: 6"), "{told}");
        }
    }
}
