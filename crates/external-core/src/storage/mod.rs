//! Object storage: the contract [`StorageService`], its facets, and what they take and answer.

mod capability;
mod copy;
mod delete;
mod facets;
mod foreign;
mod get;
mod key;
mod list;
mod multipart;
mod object;
mod presign;
mod put;
mod service;
mod tags;
mod versions;

pub use crate::ByteStream;
pub use capability::{CAPABILITIES, LIMITS, OPERATIONS, supports};
pub use copy::CopyRequest;
pub use delete::{DeleteBatchRequest, DeleteRequest, Deleted};
pub use facets::{CopyStorage, MultipartStorage, PresignStorage, TagStorage, VersionStorage};
pub use foreign::{ForeignChecksum, Verifier};
pub use get::{ByteRange, GetRequest, GetResult, HeadRequest, ObjectBody};
pub use key::{IntoKey, MAX_KEY_BYTES, ObjectKey};
pub use list::{ListEntry, ListPage, ListRequest, PageToken};
pub use multipart::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, ListUploadsRequest,
    MultipartUpload, PartReceipt, PartToken, PendingUpload, PutPartRequest, UploadId, UploadPage,
};
pub use object::{
    Checksum, ChecksumKind, ContentHeaders, MAX_METADATA_BYTES, MAX_TAG_NAME_CHARS, MAX_TAG_VALUE_CHARS,
    MAX_TAGS, ObjectAttributes, ObjectInfo, VersionId, VersionToken, validate_tags,
};
pub use presign::{DEFAULT_LINK_LIFETIME, PresignMethod, PresignRequest, PresignedUrl};
pub use put::{Precondition, PutReceipt, PutRequest};
pub use service::StorageService;
pub use tags::{GetTagsRequest, PutTagsRequest};
pub use versions::{
    DeleteVersionRequest, ListVersionsRequest, ObjectVersion, RestoreVersionRequest, VersionPage,
};
