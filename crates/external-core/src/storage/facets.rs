//! What only some stores can do, one trait each. `None` from the accessor is how a store says it cannot.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, CopyRequest,
    DeleteVersionRequest, Deleted, GetTagsRequest, ListUploadsRequest, ListVersionsRequest, MultipartUpload,
    PartReceipt, PresignRequest, PresignedUrl, PutPartRequest, PutReceipt, PutTagsRequest,
    RestoreVersionRequest, UploadPage, VersionPage,
};
use crate::{CallContext, Result};

/// Writing one large object in parts. Limits: `part-bytes-min`, `part-bytes-max`, `parts-max`.
#[async_trait]
pub trait MultipartStorage: Send + Sync {
    /// Begins an upload.
    ///
    /// - Until it is completed no read, head or listing of objects shows anything of it. (storage.begin_multipart.1)
    /// - Two uploads to one key are independent of each other. (storage.begin_multipart.2)
    /// - Attributes that cannot be stored are `InvalidArgument`, as with put. (storage.begin_multipart.3)
    /// - Behind a client a begin whose caller goes away is waited for and its upload aborted; a bare provider leaves it to the
    ///   store's lifecycle rule. (client)
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `Unsupported`, and those of every call.
    async fn begin_multipart(
        &self,
        cx: &CallContext,
        request: &BeginMultipartRequest,
    ) -> Result<MultipartUpload>;

    /// Stores one part.
    ///
    /// - Parts may arrive side by side and in any order. (storage.put_part.1)
    /// - A part sent again under its number replaces the earlier one. (storage.put_part.2)
    /// - A part of an upload that was never begun, was completed or aborted is `NotFound`. (storage.put_part.3)
    /// - A part number of 0 or above the limit `parts-max` is `InvalidArgument`. (storage.put_part.4)
    /// - A part that does not match its checksum is `Corrupt` with effect `NotApplied`. (storage.put_part.5)
    ///
    /// # Errors
    ///
    /// `NotFound`, `InvalidArgument`, `Corrupt`, `PayloadTooLarge`, `QuotaExhausted`, and those of every call.
    async fn put_part(&self, cx: &CallContext, request: &PutPartRequest) -> Result<PartReceipt>;

    /// Makes the object: at once, whole, with the attributes given at the beginning.
    ///
    /// - The object is the named parts in order of their numbers; its attributes are those of `begin_multipart`.
    ///   (storage.complete_multipart.1)
    /// - A create-only completion over an existing key is `AlreadyExists` and changes nothing; the upload is still
    ///   there. (storage.complete_multipart.2)
    /// - A compare-and-swap completion whose token is not the current one is `Conflict` and changes nothing.
    ///   (storage.complete_multipart.3)
    /// - No parts, parts out of order, a part that never arrived or whose token is another one, and a part below
    ///   `part-bytes-min` that is not the last are `InvalidArgument`; the upload is still there.
    ///   (storage.complete_multipart.4)
    /// - A checksum of the whole that does not match is `Corrupt` with effect `NotApplied`; one that matches is
    ///   answered by head. (storage.complete_multipart.5)
    /// - Completing an upload again answers its receipt again or `NotFound`, and changes nothing.
    ///   (storage.complete_multipart.6)
    /// - Completing an upload that was aborted is `NotFound`. (storage.complete_multipart.7)
    /// - One empty part makes an empty object. (storage.complete_multipart.8)
    ///
    /// # Errors
    ///
    /// `NotFound`, `AlreadyExists`, `Conflict`, `InvalidArgument`, `Corrupt`, and those of every call.
    async fn complete_multipart(
        &self,
        cx: &CallContext,
        request: &CompleteMultipartRequest,
    ) -> Result<PutReceipt>;

    /// Drops an upload and all its parts.
    ///
    /// - Afterwards it is in no `list_uploads`, and the key holds what it held. (storage.abort_multipart.1)
    /// - Aborting an upload that is gone is `Ok`. (storage.abort_multipart.2)
    ///
    /// # Errors
    ///
    /// Those of every call.
    async fn abort_multipart(&self, cx: &CallContext, request: &AbortMultipartRequest) -> Result<()>;

    /// Lists uploads that are neither completed nor aborted.
    ///
    /// - Pages together hold each of them exactly once, in byte order of the keys. (storage.list_uploads.1)
    /// - A page holds at most `limit` entries. (storage.list_uploads.2)
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `Unsupported`, and those of every call.
    async fn list_uploads(&self, cx: &CallContext, request: &ListUploadsRequest) -> Result<UploadPage>;
}

/// Links that a plain HTTP client opens without credentials. Limit: `presign-seconds-max`.
#[async_trait]
pub trait PresignStorage: Send + Sync {
    /// Makes a link.
    ///
    /// - A `Get` link answers the object's bytes with its content type; an object that is not there is HTTP 404.
    ///   (storage.presign.1)
    /// - A `Put` link stores the request body at the key. (storage.presign.2)
    /// - A `Put` link with a content type refuses an upload that states another one, and stores it with that type.
    ///   (storage.presign.3)
    /// - A link opened with another method, for another key, or with any part of its query changed is refused.
    ///   (storage.presign.4)
    /// - A link stops working once it has expired. (storage.presign.5)
    /// - A lifetime below one second or above `presign-seconds-max` is `InvalidArgument`. (storage.presign.6)
    /// - Every key that parses has a link that works. (storage.presign.7)
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `Unsupported`, `Configuration`, and those of every call.
    async fn presign(&self, cx: &CallContext, request: &PresignRequest) -> Result<PresignedUrl>;
}

/// Copies inside the store. Limit: `copy-bytes-max`.
#[async_trait]
pub trait CopyStorage: Send + Sync {
    /// Copies an object.
    ///
    /// - The copy has the source's bytes, headers, metadata, checksum and tags; the source is untouched, and later
    ///   writes of either leave the other alone. (storage.copy.1)
    /// - With `replace_attributes` the copy has those, and only those. (storage.copy.2)
    /// - A source that is not there is `NotFound`, and the destination keeps what it has. (storage.copy.3)
    /// - `if_match` with another token than the source's is `Conflict`, and nothing is copied. (storage.copy.4)
    /// - A create-only copy onto an existing key is `AlreadyExists`, and nothing is copied. (storage.copy.5)
    /// - A compare-and-swap copy whose token is not the destination's is `Conflict`, and nothing is copied.
    ///   (storage.copy.6)
    /// - A copy onto itself that changes nothing is `InvalidArgument`; with `replace_attributes` it changes them.
    ///   (storage.copy.7)
    /// - Source and destination may be any keys that parse. (storage.copy.8)
    /// - A source above `copy-bytes-max` is `PayloadTooLarge`, and nothing is copied; behind a client its bytes pass through
    ///   that. (client)
    ///
    /// # Errors
    ///
    /// `NotFound`, `AlreadyExists`, `Conflict`, `InvalidArgument`, `PayloadTooLarge`, `Unsupported`, and those of every
    /// call.
    async fn copy(&self, cx: &CallContext, request: &CopyRequest) -> Result<PutReceipt>;
}

/// Tags of objects: at most ten names with a value each.
#[async_trait]
pub trait TagStorage: Send + Sync {
    /// Reads the tags of an object.
    ///
    /// - Tags given to put, copy and multipart are read back. (storage.get_tags.1)
    /// - An object without tags has an empty map; one that is not there is `NotFound`. (storage.get_tags.2)
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of every call.
    async fn get_tags(&self, cx: &CallContext, request: &GetTagsRequest) -> Result<BTreeMap<String, String>>;

    /// Replaces the tags of an object.
    ///
    /// - Afterwards the object has exactly these tags; its bytes, headers, metadata and token are what they were.
    ///   (storage.put_tags.1)
    /// - On an object that is not there it is `NotFound`. (storage.put_tags.2)
    /// - More than ten tags, an empty name and a value of more than 256 characters are `InvalidArgument`.
    ///   (storage.put_tags.3)
    ///
    /// # Errors
    ///
    /// `NotFound`, `InvalidArgument`, and those of every call.
    async fn put_tags(&self, cx: &CallContext, request: &PutTagsRequest) -> Result<()>;
}

/// Old versions of objects. Where this facet is there, put, copy and multipart receipts name the version they made.
#[async_trait]
pub trait VersionStorage: Send + Sync {
    /// Lists stored versions, marks of deletions included.
    ///
    /// - Pages together hold each version of each key with the prefix exactly once: keys in byte order, the versions
    ///   of a key from the newest to the oldest. (storage.list_versions.1)
    /// - A version named to get or head answers that content, also after the object was overwritten or deleted; one
    ///   that is not there is `NotFound`. (storage.list_versions.2)
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, and those of every call.
    async fn list_versions(&self, cx: &CallContext, request: &ListVersionsRequest) -> Result<VersionPage>;

    /// Removes one stored version for good.
    ///
    /// - Afterwards reading it is `NotFound`, and the others are what they were; if it was the latest, the one before
    ///   is. (storage.delete_version.1)
    /// - Removing a version that is not there is `Ok`. (storage.delete_version.2)
    ///
    /// # Errors
    ///
    /// Those of every call.
    async fn delete_version(&self, cx: &CallContext, request: &DeleteVersionRequest) -> Result<Deleted>;

    /// Makes an old version the latest again, as a new version.
    ///
    /// - Afterwards get without a version answers its bytes and attributes; the old version is still there.
    ///   (storage.restore_version.1)
    /// - Restoring a version that is not there, or a deletion, is `NotFound`. (storage.restore_version.2)
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of every call.
    async fn restore_version(&self, cx: &CallContext, request: &RestoreVersionRequest) -> Result<PutReceipt>;
}
