//! Stored versions of objects: requests and results of the facet `versions`.

use std::time::SystemTime;

use super::{ObjectKey, PageToken, VersionId};
use crate::{CallOptions, Operation, Repeat};

/// One page of stored versions.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListVersionsRequest {
    /// Only keys that begin with this text.
    pub prefix: String,
    /// At most so many; default and upper bound: the limit `list-page-max`. 0 is `InvalidArgument`.
    pub limit: Option<usize>,
    /// Continues behind an earlier page.
    pub token: Option<PageToken>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(ListVersionsRequest);

impl ListVersionsRequest {
    /// Lists the versions of keys that begin with `prefix`.
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

    /// `storage.list_versions`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "list_versions", Repeat::Safe)
    }
}

/// A stored version, or the mark a deletion left.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ObjectVersion {
    /// Of which object.
    pub key: ObjectKey,
    /// Which version.
    pub id: VersionId,
    /// Its size in bytes; 0 for a deletion.
    pub size: u64,
    /// When it was stored, where the provider tells.
    pub modified: Option<SystemTime>,
    /// Whether it is what `get` without a version answers with.
    pub latest: bool,
    /// Whether it is the mark of a deletion.
    pub deletion: bool,
}

impl ObjectVersion {
    /// A version of `size` bytes that is not the latest.
    #[must_use]
    pub fn new(key: ObjectKey, id: VersionId, size: u64) -> Self {
        Self { key, id, size, modified: None, latest: false, deletion: false }
    }

    /// Sets when it was stored.
    #[must_use]
    pub fn with_modified(mut self, modified: SystemTime) -> Self {
        self.modified = Some(modified);
        self
    }

    /// Sets whether it is the latest.
    #[must_use]
    pub fn with_latest(mut self, latest: bool) -> Self {
        self.latest = latest;
        self
    }

    /// Sets whether it marks a deletion.
    #[must_use]
    pub fn with_deletion(mut self, deletion: bool) -> Self {
        self.deletion = deletion;
        self
    }
}

/// One page of versions: in byte order of the keys, the versions of a key from the newest to the oldest.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct VersionPage {
    /// The versions.
    pub versions: Vec<ObjectVersion>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<PageToken>,
}

impl VersionPage {
    /// A page.
    #[must_use]
    pub fn new(versions: Vec<ObjectVersion>, next: Option<PageToken>) -> Self {
        Self { versions, next }
    }
}

/// Removes one stored version for good.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeleteVersionRequest {
    /// Of which object.
    pub key: ObjectKey,
    /// Which version.
    pub version: VersionId,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(DeleteVersionRequest);

impl DeleteVersionRequest {
    /// Removes `version` of `key`.
    #[must_use]
    pub fn new(key: ObjectKey, version: VersionId) -> Self {
        Self { key, version, call: CallOptions::default() }
    }

    /// `storage.delete_version`: `Idempotent`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "delete_version", Repeat::Idempotent)
    }
}

/// Makes an old version the latest again, as a new version.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RestoreVersionRequest {
    /// Of which object.
    pub key: ObjectKey,
    /// Which version.
    pub version: VersionId,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(RestoreVersionRequest);

impl RestoreVersionRequest {
    /// Makes `version` of `key` the latest.
    #[must_use]
    pub fn new(key: ObjectKey, version: VersionId) -> Self {
        Self { key, version, call: CallOptions::default() }
    }

    /// `storage.restore_version`: `Idempotent`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "restore_version", Repeat::Idempotent)
    }
}
