//! Old versions of objects, in a bucket with versioning.

use std::cmp::Reverse;

use async_trait::async_trait;
use external_core::storage::{
    DeleteVersionRequest, Deleted, ListVersionsRequest, ObjectVersion, PutReceipt, RestoreVersionRequest,
    VersionId, VersionPage, VersionStorage,
};
use external_core::{CallContext, Error, ErrorKind, Result};

use super::objects::of_version;
use super::{S3Storage, wire};

#[async_trait]
impl VersionStorage for S3Storage {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>
    async fn list_versions(&self, cx: &CallContext, request: &ListVersionsRequest) -> Result<VersionPage> {
        if request.limit == Some(0) {
            return Err(Error::invalid_argument("a page holds at least one entry").with_context("limit", 0));
        }
        let (key_marker, id_marker) = wire::go_on(request.token.as_ref())?;
        let listed = self.ask(cx, |client, mark| {
            client
                .list_object_versions()
                .bucket(&self.bucket)
                .prefix(&request.prefix)
                .set_key_marker(key_marker)
                .set_version_id_marker(id_marker)
                .max_keys(self.page_size(request.limit))
                .set_encoding_type(self.encoding())
                .customize()
                .interceptor(mark)
                .send()
        });
        let answer = listed.await?;
        let encoded = self.encoded_listings && answer.encoding_type.is_some();
        let next = answer.next_key_marker().and_then(|key| wire::decoded(key, encoded));
        let next = wire::marker_token(next, answer.next_version_id_marker());
        let next = wire::next_page(answer.name.is_some(), answer.is_truncated, next)?;
        let mut versions = Vec::with_capacity(answer.versions().len() + answer.delete_markers().len());
        for stored in answer.versions() {
            let Some(key) = wire::key(stored.key(), encoded) else { continue };
            let id = stored.version_id().ok_or_else(|| wire::lacking("VersionId"))?;
            let mut version = ObjectVersion::new(key, VersionId::new(id), wire::size(stored.size)?)
                .with_latest(stored.is_latest() == Some(true));
            version.modified = wire::time(stored.last_modified);
            versions.push(version);
        }
        for marker in answer.delete_markers() {
            let Some(key) = wire::key(marker.key(), encoded) else { continue };
            let id = marker.version_id().ok_or_else(|| wire::lacking("VersionId"))?;
            let mut version = ObjectVersion::new(key, VersionId::new(id), 0)
                .with_deletion(true)
                .with_latest(marker.is_latest() == Some(true));
            version.modified = wire::time(marker.last_modified);
            versions.push(version);
        }
        // The SDK hands the two kinds over apart; what the store told in one order is put in order again. Versions of
        // the same moment stay in the order of their kind.
        versions.sort_by(|one, other| {
            let place = |version: &ObjectVersion| (Reverse(version.latest), Reverse(version.modified));
            one.key.cmp(&other.key).then_with(|| place(one).cmp(&place(other)))
        });
        Ok(VersionPage::new(versions, next))
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>, `versionId`
    async fn delete_version(&self, cx: &CallContext, request: &DeleteVersionRequest) -> Result<Deleted> {
        let deleted = self.ask(cx, |client, mark| {
            client
                .delete_object()
                .bucket(&self.bucket)
                .key(request.key.as_str())
                .version_id(request.version.as_str())
                .customize()
                .interceptor(mark)
                .send()
        });
        match deleted.await.map_err(|error| of_version(true, error)) {
            Err(error) if error.kind() == ErrorKind::NotFound && error.vendor_code().is_some() => {
                Ok(Deleted::new(None))
            }
            deleted => deleted.map(|_| Deleted::new(None)),
        }
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RestoringPreviousVersions.html>: a copy of the version
    /// onto its own key.
    async fn restore_version(&self, cx: &CallContext, request: &RestoreVersionRequest) -> Result<PutReceipt> {
        let restored = self.ask(cx, |client, mark| {
            client
                .copy_object()
                .bucket(&self.bucket)
                .key(request.key.as_str())
                .copy_source(wire::copy_source(&self.bucket, &request.key, Some(&request.version)))
                .customize()
                .interceptor(mark)
                .send()
        });
        let answer = restored.await.map_err(|error| of_version(true, self.of_source(error)))?;
        let tag = answer.copy_object_result.and_then(|result| result.e_tag);
        self.receipt(tag, answer.version_id)
    }
}
