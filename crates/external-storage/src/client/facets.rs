//! What only some stores can do, each through the pipeline: multipart by hand, links, tags, versions.

use std::collections::BTreeMap;

use external_core::storage::{
    AbortMultipartRequest, CompleteMultipartRequest, DeleteVersionRequest, Deleted, GetTagsRequest, IntoKey,
    ListUploadsRequest, ListVersionsRequest, MultipartUpload, ObjectVersion, PartReceipt, PendingUpload,
    PresignRequest, PresignedUrl, PutPartRequest, PutReceipt, PutTagsRequest, RestoreVersionRequest,
    UploadPage, VersionId, VersionPage, validate_tags,
};
use external_core::{CallContext, Error, Operation, Result};
use external_resilience::Call;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;

use super::StorageClient;
use super::list::all_pages;
use super::upload::Stray;

impl StorageClient {
    /// Makes a link that a plain HTTP client opens. [`get_url`](Self::get_url) is the short form.
    ///
    /// # Errors
    ///
    /// `Unsupported`, `InvalidArgument`, and those of every call.
    pub async fn presign(&self, request: &PresignRequest) -> Result<PresignedUrl> {
        self.presign_call(&CallContext::new(&request.call), request).await
    }

    /// The tags of an object.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Unsupported`, and those of every call.
    pub async fn get_tags(&self, key: impl IntoKey) -> Result<BTreeMap<String, String>> {
        let request = GetTagsRequest::new(key.into_key()?);
        self.get_tags_call(&CallContext::new(&request.call), &request).await
    }

    /// Gives an object exactly these tags.
    ///
    /// # Errors
    ///
    /// `NotFound`, `InvalidArgument`, `Unsupported`, and those of every call.
    pub async fn put_tags(&self, key: impl IntoKey, tags: BTreeMap<String, String>) -> Result<()> {
        let request = PutTagsRequest::new(key.into_key()?, tags);
        self.put_tags_call(&CallContext::new(&request.call), &request).await
    }

    /// Every unfinished upload to keys that begin with `prefix`.
    pub fn list_uploads(&self, prefix: impl Into<String>) -> BoxStream<'static, Result<PendingUpload>> {
        let (client, prefix) = (self.clone(), prefix.into());
        let pages = all_pages(move |token| {
            let (client, mut request) = (client.clone(), ListUploadsRequest::new(prefix.clone()));
            request.token = token;
            async move {
                let page = client.list_uploads_call(&CallContext::new(&request.call), &request).await?;
                Ok((page.uploads, page.next))
            }
        });
        pages.boxed()
    }

    /// Drops an unfinished upload, found with [`list_uploads`](Self::list_uploads).
    ///
    /// # Errors
    ///
    /// `Unsupported`, and those of every call.
    pub async fn abort_upload(&self, upload: MultipartUpload) -> Result<()> {
        let request = AbortMultipartRequest::new(upload);
        self.abort_call(&CallContext::new(&request.call), &request).await
    }

    /// Every stored version of keys that begin with `prefix`, marks of deletions included.
    pub fn list_versions(&self, prefix: impl Into<String>) -> BoxStream<'static, Result<ObjectVersion>> {
        let (client, prefix) = (self.clone(), prefix.into());
        let pages = all_pages(move |token| {
            let (client, mut request) = (client.clone(), ListVersionsRequest::new(prefix.clone()));
            request.token = token;
            async move {
                let page = client.list_versions_call(&CallContext::new(&request.call), &request).await?;
                Ok((page.versions, page.next))
            }
        });
        pages.boxed()
    }

    /// Removes one stored version for good.
    ///
    /// # Errors
    ///
    /// `Unsupported`, and those of every call.
    pub async fn delete_version(&self, key: impl IntoKey, version: VersionId) -> Result<Deleted> {
        let request = DeleteVersionRequest::new(key.into_key()?, version);
        self.delete_version_call(&CallContext::new(&request.call), &request).await
    }

    /// Makes an old version the latest again.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Unsupported`, and those of every call.
    pub async fn restore_version(&self, key: impl IntoKey, version: VersionId) -> Result<PutReceipt> {
        let request = RestoreVersionRequest::new(key.into_key()?, version);
        self.restore_version_call(&CallContext::new(&request.call), &request).await
    }

    pub(super) async fn presign_call(
        &self,
        cx: &CallContext,
        request: &PresignRequest,
    ) -> Result<PresignedUrl> {
        let operation = request.operation();
        self.locate(operation, self.check_presign(request))?;
        let facet = self.facet(operation, self.service().presigner(), "presign-get")?;
        let result = self.pipeline().run(operation, cx, |cx, _| facet.presign(cx, request)).await;
        self.about(&request.key, result)
    }

    pub(super) async fn get_tags_call(
        &self,
        cx: &CallContext,
        request: &GetTagsRequest,
    ) -> Result<BTreeMap<String, String>> {
        let facet = self.facet(request.operation(), self.service().tags(), "tags")?;
        let result = self.pipeline().run(request.operation(), cx, |cx, _| facet.get_tags(cx, request)).await;
        self.about(&request.key, result)
    }

    pub(super) async fn put_tags_call(&self, cx: &CallContext, request: &PutTagsRequest) -> Result<()> {
        let facet = self.facet(request.operation(), self.service().tags(), "tags")?;
        self.locate(request.operation(), validate_tags(&request.tags))?;
        let result = self.pipeline().run(request.operation(), cx, |cx, _| facet.put_tags(cx, request)).await;
        self.about(&request.key, result)
    }

    pub(super) async fn list_versions_call(
        &self,
        cx: &CallContext,
        request: &ListVersionsRequest,
    ) -> Result<VersionPage> {
        let facet = self.facet(request.operation(), self.service().versions(), "versions")?;
        self.check_limit(request.operation(), request.limit)?;
        self.pipeline().run(request.operation(), cx, |cx, _| facet.list_versions(cx, request)).await
    }

    pub(super) async fn delete_version_call(
        &self,
        cx: &CallContext,
        request: &DeleteVersionRequest,
    ) -> Result<Deleted> {
        let facet = self.facet(request.operation(), self.service().versions(), "versions")?;
        let result =
            self.pipeline().run(request.operation(), cx, |cx, _| facet.delete_version(cx, request)).await;
        self.about(&request.key, result)
    }

    pub(super) async fn restore_version_call(
        &self,
        cx: &CallContext,
        request: &RestoreVersionRequest,
    ) -> Result<PutReceipt> {
        let facet = self.facet(request.operation(), self.service().versions(), "versions")?;
        let result =
            self.pipeline().run(request.operation(), cx, |cx, _| facet.restore_version(cx, request)).await;
        self.about(&request.key, result)
    }

    pub(super) async fn put_part_call(
        &self,
        cx: &CallContext,
        request: &PutPartRequest,
        stray: &Stray,
    ) -> Result<PartReceipt> {
        let operation = request.operation();
        let facet = self.facet(operation, self.service().multipart(), "multipart")?;
        self.locate(operation, self.check_size(request.body.len() as u64, "part-bytes-max"))?;
        let call = Call::new(operation).with_body(request.body.len() as u64);
        let put = self.pipeline().run(call, cx, |cx, _| {
            Box::pin(stray.clone().watch(cx.sent_mark(), facet.put_part(cx, request)))
        });
        let result = put.await;
        self.about(&request.upload.key, result)
    }

    pub(super) async fn complete_call(
        &self,
        cx: &CallContext,
        request: &CompleteMultipartRequest,
    ) -> Result<PutReceipt> {
        let operation = request.operation();
        let facet = self.facet(operation, self.service().multipart(), "multipart")?;
        self.locate(operation, self.check_complete(request))?;
        let result = self.pipeline().run(operation, cx, |cx, _| facet.complete_multipart(cx, request)).await;
        self.about(&request.upload.key, result)
    }

    pub(super) async fn abort_call(&self, cx: &CallContext, request: &AbortMultipartRequest) -> Result<()> {
        let facet = self.facet(request.operation(), self.service().multipart(), "multipart")?;
        let result =
            self.pipeline().run(request.operation(), cx, |cx, _| facet.abort_multipart(cx, request)).await;
        self.about(&request.upload.key, result)
    }

    pub(super) async fn list_uploads_call(
        &self,
        cx: &CallContext,
        request: &ListUploadsRequest,
    ) -> Result<UploadPage> {
        let operation = request.operation();
        let facet = self.facet(operation, self.service().multipart(), "list-uploads")?;
        if !self.can("list-uploads") {
            return self.locate(operation, Err(Error::unsupported("list-uploads")));
        }
        self.check_limit(operation, request.limit)?;
        self.pipeline().run(operation, cx, |cx, _| facet.list_uploads(cx, request)).await
    }

    fn check_limit(&self, operation: Operation, limit: Option<usize>) -> Result<()> {
        if limit == Some(0) {
            return self.locate(operation, Err(Error::invalid_argument("a page holds at least one entry")));
        }
        Ok(())
    }
}
