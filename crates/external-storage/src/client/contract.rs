//! The client as the contract, so that it can stand wherever the trait is wanted: the same calls, without the defaults
//! that the client's own methods fill in.

use std::collections::BTreeMap;

use async_trait::async_trait;
use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, CopyRequest, CopyStorage,
    DeleteBatchRequest, DeleteRequest, DeleteVersionRequest, Deleted, GetRequest, GetResult, GetTagsRequest,
    HeadRequest, ListPage, ListRequest, ListUploadsRequest, ListVersionsRequest, MultipartStorage,
    MultipartUpload, ObjectInfo, PartReceipt, PresignRequest, PresignStorage, PresignedUrl, PutPartRequest,
    PutReceipt, PutRequest, PutTagsRequest, RestoreVersionRequest, StorageService, TagStorage, UploadPage,
    VersionPage, VersionStorage,
};
use external_core::{CallContext, Provider, ProviderInfo, Result};

use super::upload::Stray;
use super::{CLOSE_WITHIN, StorageClient};

#[async_trait]
impl Provider for StorageClient {
    fn info(&self) -> &ProviderInfo {
        &self.inner.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.inner.pipeline.probe(&*self.inner.service, cx).await
    }

    /// Closes this client, and what is behind it.
    async fn close(&self) -> Result<()> {
        let report = Self::close(self, CLOSE_WITHIN).await;
        report.error.map_or(Ok(()), Err)
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some(&*self.inner.service)
    }
}

#[async_trait]
impl StorageService for StorageClient {
    async fn put(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        self.put_call(cx, request).await
    }

    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        self.get_call(cx, request).await
    }

    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        self.head_call(cx, request).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.delete_call(cx, request).await
    }

    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        self.delete_batch_call(cx, request).await
    }

    async fn list_page(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        self.list_page_call(cx, request).await
    }

    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        self.inner.service.multipart().map(|_| self as _)
    }

    fn presigner(&self) -> Option<&dyn PresignStorage> {
        self.inner.service.presigner().map(|_| self as _)
    }

    /// Always there: what the provider cannot copy, the client reads and writes.
    fn copier(&self) -> Option<&dyn CopyStorage> {
        Some(self)
    }

    fn tags(&self) -> Option<&dyn TagStorage> {
        self.inner.service.tags().map(|_| self as _)
    }

    fn versions(&self) -> Option<&dyn VersionStorage> {
        self.inner.service.versions().map(|_| self as _)
    }
}

#[async_trait]
impl MultipartStorage for StorageClient {
    async fn begin_multipart(
        &self,
        cx: &CallContext,
        request: &BeginMultipartRequest,
    ) -> Result<MultipartUpload> {
        self.begin_call(cx, request).await?.handed_on()
    }

    async fn put_part(&self, cx: &CallContext, request: &PutPartRequest) -> Result<PartReceipt> {
        // Whoever has the upload aborts it, as often as it takes.
        self.put_part_call(cx, request, &Stray::default()).await
    }

    async fn complete_multipart(
        &self,
        cx: &CallContext,
        request: &CompleteMultipartRequest,
    ) -> Result<PutReceipt> {
        self.complete_call(cx, request).await
    }

    async fn abort_multipart(&self, cx: &CallContext, request: &AbortMultipartRequest) -> Result<()> {
        self.abort_call(cx, request).await
    }

    async fn list_uploads(&self, cx: &CallContext, request: &ListUploadsRequest) -> Result<UploadPage> {
        self.list_uploads_call(cx, request).await
    }
}

#[async_trait]
impl PresignStorage for StorageClient {
    async fn presign(&self, cx: &CallContext, request: &PresignRequest) -> Result<PresignedUrl> {
        self.presign_call(cx, request).await
    }
}

#[async_trait]
impl CopyStorage for StorageClient {
    async fn copy(&self, cx: &CallContext, request: &CopyRequest) -> Result<PutReceipt> {
        self.copy_call(cx, request).await
    }
}

#[async_trait]
impl TagStorage for StorageClient {
    async fn get_tags(&self, cx: &CallContext, request: &GetTagsRequest) -> Result<BTreeMap<String, String>> {
        self.get_tags_call(cx, request).await
    }

    async fn put_tags(&self, cx: &CallContext, request: &PutTagsRequest) -> Result<()> {
        self.put_tags_call(cx, request).await
    }
}

#[async_trait]
impl VersionStorage for StorageClient {
    async fn list_versions(&self, cx: &CallContext, request: &ListVersionsRequest) -> Result<VersionPage> {
        self.list_versions_call(cx, request).await
    }

    async fn delete_version(&self, cx: &CallContext, request: &DeleteVersionRequest) -> Result<Deleted> {
        self.delete_version_call(cx, request).await
    }

    async fn restore_version(&self, cx: &CallContext, request: &RestoreVersionRequest) -> Result<PutReceipt> {
        self.restore_version_call(cx, request).await
    }
}
