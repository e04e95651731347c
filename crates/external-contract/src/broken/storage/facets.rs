//! Parts, links, copies, tags and versions.

use std::collections::BTreeMap;
use std::time::Duration;

use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, CopyRequest, CopyStorage,
    DeleteVersionRequest, Deleted, GetTagsRequest, ListUploadsRequest, ListVersionsRequest, MAX_TAGS,
    MultipartStorage, MultipartUpload, ObjectAttributes, ObjectKey, PartReceipt, PartToken, Precondition,
    PresignMethod, PresignRequest, PresignStorage, PresignedUrl, PutPartRequest, PutReceipt, PutRequest,
    PutTagsRequest, RestoreVersionRequest, TagStorage, UploadPage, VersionPage, VersionStorage,
};
use external_core::{CallContext, Error, ErrorKind, Result, async_trait};

use super::door::through_a_door;
use super::{Broken, Wrong, no_receipt};

fn there<F: ?Sized>(facet: Option<&F>) -> Result<&F> {
    facet.ok_or_else(|| Error::unsupported("facet"))
}

/// Refuses all keys but those of plain letters.
fn plain(key: &ObjectKey) -> Result<()> {
    let plain = key.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._".contains(&byte));
    if plain { Ok(()) } else { Err(Error::invalid_argument("the key is not plain")) }
}

#[async_trait]
impl MultipartStorage for Broken {
    async fn begin_multipart(
        &self,
        cx: &CallContext,
        request: &BeginMultipartRequest,
    ) -> Result<MultipartUpload> {
        let mut request = request.clone();
        match self.wrong {
            Some(Wrong::ShowsUploads) => {
                drop(self.right.put(cx, &PutRequest::new(request.key.clone(), "")).await?);
            }
            Some(Wrong::OneUploadPerKey) => {
                if let Some(upload) = self.seen().uploads.get(&request.key) {
                    return Ok(upload.clone());
                }
            }
            Some(Wrong::BeginsWithoutOddAttributes) if request.attributes.validate().is_err() => {
                request.attributes = ObjectAttributes::new();
            }
            Some(Wrong::UploadsForgetAttributes) => request.attributes = ObjectAttributes::new(),
            _ => {}
        }
        let upload = there(self.right.multipart())?.begin_multipart(cx, &request).await?;
        self.seen().uploads.insert(request.key, upload.clone());
        Ok(upload)
    }

    async fn put_part(&self, cx: &CallContext, request: &PutPartRequest) -> Result<PartReceipt> {
        let mut request = request.clone();
        let (id, number, size) =
            (request.upload.id.as_str().to_owned(), request.number, request.body.len() as u64);
        match self.wrong {
            Some(Wrong::PartsInOrder) if number > 1 => {
                tokio::task::yield_now().await;
                if !self.seen().parts.contains_key(&(id.clone(), number - 1)) {
                    return Err(Error::invalid_argument("the part before is missing"));
                }
            }
            Some(Wrong::FirstPartStays) => {
                if let Some(first) = self.seen().parts.get(&(id.clone(), number)) {
                    return Ok(first.clone());
                }
            }
            Some(Wrong::TakesAnyNumber) if number == 0 => request.number = 1,
            Some(Wrong::IgnoresPartChecksums) => request.checksum = None,
            Some(Wrong::RefusesEmptyParts) if size == 0 => {
                return Err(Error::invalid_argument("an empty part"));
            }
            _ => {}
        }
        let receipt = there(self.right.multipart())?.put_part(cx, &request).await;
        let nothing = || PartReceipt::new(number, size, PartToken::new("nothing"));
        let receipt = self.instead(Wrong::TakesPartsOfNothing, ErrorKind::NotFound, receipt, nothing)?;
        let mut seen = self.seen();
        seen.parts.insert((id.clone(), number), receipt.clone());
        seen.bodies.entry(id).or_default().insert(number, request.body);
        Ok(receipt)
    }

    async fn complete_multipart(
        &self,
        cx: &CallContext,
        request: &CompleteMultipartRequest,
    ) -> Result<PutReceipt> {
        let mut request = request.clone();
        match self.wrong {
            Some(Wrong::IgnoresPreconditions) => request.precondition = Precondition::None,
            Some(Wrong::IgnoresWholeChecksum) => request.checksum = None,
            _ => {}
        }
        let receipt = there(self.right.multipart())?.complete_multipart(cx, &request).await;
        let again = receipt
            .as_ref()
            .is_ok_and(|_| !self.seen().aborted.insert(request.upload.id.as_str().to_owned()))
            || receipt.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if self.is(Wrong::CompletesAgain) && again {
            let parts = self.seen().bodies.get(request.upload.id.as_str()).cloned().unwrap_or_default();
            let whole: Vec<u8> = parts.values().flat_map(|part| part.to_vec()).collect();
            return self.right.put(cx, &PutRequest::new(request.upload.key.clone(), whole)).await;
        }
        self.instead(Wrong::CompletesAnything, ErrorKind::InvalidArgument, receipt, no_receipt)
    }

    async fn abort_multipart(&self, cx: &CallContext, request: &AbortMultipartRequest) -> Result<()> {
        if self.is(Wrong::AbortsNothing) {
            return Ok(());
        }
        let first = self.seen().aborted.insert(request.upload.id.as_str().to_owned());
        if self.is(Wrong::RefusesSecondAbort) && !first {
            return Err(Error::not_found("no such upload"));
        }
        there(self.right.multipart())?.abort_multipart(cx, request).await
    }

    async fn list_uploads(&self, cx: &CallContext, request: &ListUploadsRequest) -> Result<UploadPage> {
        let mut request = request.clone();
        if self.is(Wrong::UploadsWithoutLimit) {
            request.limit = None;
        }
        let mut page = there(self.right.multipart())?.list_uploads(cx, &request).await?;
        if self.is(Wrong::UploadsBackwards) {
            page.uploads.reverse();
        }
        Ok(page)
    }
}

#[async_trait]
impl PresignStorage for Broken {
    async fn presign(&self, cx: &CallContext, request: &PresignRequest) -> Result<PresignedUrl> {
        let mut request = request.clone();
        match self.wrong {
            Some(Wrong::LinksLiveLess) => request.expires_in = Duration::from_secs(60),
            Some(Wrong::LinksOnlyRead) if request.method == PresignMethod::Put => {
                request = PresignRequest::get(request.key);
            }
            Some(Wrong::LinksIgnoreType) => request.content_type = None,
            Some(Wrong::LinksLiveLonger) => request.expires_in += Duration::from_secs(3600),
            Some(Wrong::LinksTakeAnyLifetime) => {
                request.expires_in = request.expires_in.max(Duration::from_secs(1));
            }
            Some(Wrong::CopiesPlainKeys) => plain(&request.key)?,
            _ => {}
        }
        let link = there(self.right.presigner())?.presign(cx, &request).await?;
        match (self.wrong, link.method) {
            (Some(Wrong::LinksAreNotLookedAt), PresignMethod::Get) => through_a_door(link).await,
            _ => Ok(link),
        }
    }
}

#[async_trait]
impl CopyStorage for Broken {
    async fn copy(&self, cx: &CallContext, request: &CopyRequest) -> Result<PutReceipt> {
        let mut request = request.clone();
        match self.wrong {
            Some(Wrong::IgnoresPreconditions) => request.precondition = Precondition::None,
            Some(Wrong::CopiesBytesOnly) => request.replace_attributes = Some(ObjectAttributes::new()),
            Some(Wrong::CopyKeepsAttributes) => request.replace_attributes = None,
            Some(Wrong::CopyIgnoresIfMatch) => request.if_match = None,
            Some(Wrong::CopiesOntoItself) if request.validate().is_err() => return Ok(no_receipt()),
            Some(Wrong::CopiesPlainKeys) => {
                plain(&request.from)?;
                plain(&request.to)?;
            }
            _ => {}
        }
        match there(self.right.copier())?.copy(cx, &request).await {
            Err(error) if self.is(Wrong::CopiesNothing) && error.kind() == ErrorKind::NotFound => {
                self.right.put(cx, &PutRequest::new(request.to, "")).await
            }
            copied => copied,
        }
    }
}

#[async_trait]
impl TagStorage for Broken {
    async fn get_tags(&self, cx: &CallContext, request: &GetTagsRequest) -> Result<BTreeMap<String, String>> {
        let tags = there(self.right.tags())?.get_tags(cx, request).await;
        self.instead(Wrong::TagsNothing, ErrorKind::NotFound, tags, BTreeMap::new)
    }

    async fn put_tags(&self, cx: &CallContext, request: &PutTagsRequest) -> Result<()> {
        let right = there(self.right.tags())?;
        let mut request = request.clone();
        match self.wrong {
            Some(Wrong::MergesTags) => {
                let old = right.get_tags(cx, &GetTagsRequest::new(request.key.clone())).await?;
                request.tags.extend(old);
            }
            Some(Wrong::TakesAnyTags) => request.tags = request.tags.into_iter().take(MAX_TAGS).collect(),
            _ => {}
        }
        self.instead(Wrong::TagsNothing, ErrorKind::NotFound, right.put_tags(cx, &request).await, || ())
    }
}

#[async_trait]
impl VersionStorage for Broken {
    async fn list_versions(&self, cx: &CallContext, request: &ListVersionsRequest) -> Result<VersionPage> {
        let mut page = there(self.right.versions())?.list_versions(cx, request).await?;
        if self.is(Wrong::VersionsBackwards) {
            page.versions.reverse();
        }
        Ok(page)
    }

    async fn delete_version(&self, cx: &CallContext, request: &DeleteVersionRequest) -> Result<Deleted> {
        let first = self.seen().removed.insert(request.version.clone());
        match self.wrong {
            Some(Wrong::KeepsVersions) => Ok(Deleted::new(None)),
            Some(Wrong::RefusesSecondRemoval) if !first => Err(Error::not_found("no such version")),
            _ => there(self.right.versions())?.delete_version(cx, request).await,
        }
    }

    async fn restore_version(&self, cx: &CallContext, request: &RestoreVersionRequest) -> Result<PutReceipt> {
        let right = there(self.right.versions())?;
        let restored = right.restore_version(cx, request).await;
        if self.is(Wrong::RestoreMoves) && restored.is_ok() {
            let old = DeleteVersionRequest::new(request.key.clone(), request.version.clone());
            right.delete_version(cx, &old).await?;
        }
        self.instead(Wrong::RestoresAnything, ErrorKind::NotFound, restored, no_receipt)
    }
}
