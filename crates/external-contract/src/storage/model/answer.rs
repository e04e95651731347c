//! What a call answers, as the provider and the reference are compared.

use std::collections::BTreeMap;

use bytes::Bytes;
use external_core::storage::{
    Checksum, ContentHeaders, MultipartUpload, ObjectInfo, PartToken, VersionId, VersionToken,
};

use crate::programs::Refusal;

/// What a call answered, as far as the contract says what that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// There was nothing to call: a program may speak of uploads and versions that it has not made.
    Nothing,
    Refused(Refusal),
    NotModified,
    About(About),
    Object {
        about: About,
        range: std::ops::Range<u64>,
        bytes: Bytes,
    },
    Bytes(Bytes),
    Listing {
        objects: Vec<(String, u64)>,
        prefixes: Vec<String>,
    },
    Stored {
        token: VersionToken,
        version: Option<VersionId>,
    },
    Existed(Option<bool>),
    ExistedEach(Vec<Option<bool>>),
    Tags(BTreeMap<String, String>),
    Begun(MultipartUpload),
    Part {
        size: u64,
        token: PartToken,
    },
    /// Key, id, size, whether it is the latest; without the marks of deletions, of which stores keep more or fewer.
    Versions(Vec<(String, VersionId, u64, bool)>),
    Done,
}

/// What head tells, times aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub(super) size: u64,
    pub(super) token: VersionToken,
    pub(super) headers: ContentHeaders,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) checksum: Option<Checksum>,
}

impl From<ObjectInfo> for About {
    fn from(info: ObjectInfo) -> Self {
        let ObjectInfo { size, token, headers, metadata, checksum, .. } = info;
        Self { size, token, headers, metadata, checksum }
    }
}
