//! Faults around a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, CopyRequest, CopyStorage,
    DeleteBatchRequest, DeleteRequest, DeleteVersionRequest, Deleted, GetRequest, GetResult, GetTagsRequest,
    HeadRequest, ListPage, ListRequest, ListUploadsRequest, ListVersionsRequest, MultipartStorage,
    MultipartUpload, ObjectInfo, PartReceipt, PresignRequest, PresignStorage, PresignedUrl, PutPartRequest,
    PutReceipt, PutRequest, PutTagsRequest, RestoreVersionRequest, StorageService, TagStorage, UploadPage,
    VersionPage, VersionStorage,
};
use external_core::{CallContext, Error, Provider, Result, async_trait};

use super::{Contract, Faults};

impl Contract for dyn StorageService {
    fn as_provider(&self) -> &dyn Provider {
        self
    }

    fn with_faults(faults: Faults<Self>) -> Arc<Self> {
        Arc::new(faults)
    }
}

#[async_trait]
impl StorageService for Faults<dyn StorageService> {
    async fn put(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        self.plan.call(cx, request.operation(), self.inner.put(cx, request)).await
    }

    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        self.plan.call(cx, request.operation(), self.inner.get(cx, request)).await
    }

    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        self.plan.call(cx, request.operation(), self.inner.head(cx, request)).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.plan.call(cx, request.operation(), self.inner.delete(cx, request)).await
    }

    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        self.plan.call(cx, request.operation(), self.inner.delete_batch(cx, request)).await
    }

    async fn list_page(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        self.plan.call(cx, request.operation(), self.inner.list_page(cx, request)).await
    }

    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        self.inner.multipart().map(|_| self as _)
    }

    fn presigner(&self) -> Option<&dyn PresignStorage> {
        self.inner.presigner().map(|_| self as _)
    }

    fn copier(&self) -> Option<&dyn CopyStorage> {
        self.inner.copier().map(|_| self as _)
    }

    fn tags(&self) -> Option<&dyn TagStorage> {
        self.inner.tags().map(|_| self as _)
    }

    fn versions(&self) -> Option<&dyn VersionStorage> {
        self.inner.versions().map(|_| self as _)
    }
}

/// The facets of the store inside. Who calls one was given it by an accessor above, so it is there.
impl Faults<dyn StorageService> {
    fn multipart_inside(&self) -> Result<&dyn MultipartStorage> {
        self.inner.multipart().ok_or_else(|| Error::unsupported("multipart"))
    }

    fn tags_inside(&self) -> Result<&dyn TagStorage> {
        self.inner.tags().ok_or_else(|| Error::unsupported("tags"))
    }

    fn versions_inside(&self) -> Result<&dyn VersionStorage> {
        self.inner.versions().ok_or_else(|| Error::unsupported("versions"))
    }
}

#[async_trait]
impl MultipartStorage for Faults<dyn StorageService> {
    async fn begin_multipart(
        &self,
        cx: &CallContext,
        request: &BeginMultipartRequest,
    ) -> Result<MultipartUpload> {
        let inside = self.multipart_inside()?.begin_multipart(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }

    async fn put_part(&self, cx: &CallContext, request: &PutPartRequest) -> Result<PartReceipt> {
        let inside = self.multipart_inside()?.put_part(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }

    async fn complete_multipart(
        &self,
        cx: &CallContext,
        request: &CompleteMultipartRequest,
    ) -> Result<PutReceipt> {
        let inside = self.multipart_inside()?.complete_multipart(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }

    async fn abort_multipart(&self, cx: &CallContext, request: &AbortMultipartRequest) -> Result<()> {
        let inside = self.multipart_inside()?.abort_multipart(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }

    async fn list_uploads(&self, cx: &CallContext, request: &ListUploadsRequest) -> Result<UploadPage> {
        let inside = self.multipart_inside()?.list_uploads(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }
}

#[async_trait]
impl PresignStorage for Faults<dyn StorageService> {
    async fn presign(&self, cx: &CallContext, request: &PresignRequest) -> Result<PresignedUrl> {
        let presigner = self.inner.presigner().ok_or_else(|| Error::unsupported("presign-get"))?;
        self.plan.call(cx, request.operation(), presigner.presign(cx, request)).await
    }
}

#[async_trait]
impl CopyStorage for Faults<dyn StorageService> {
    async fn copy(&self, cx: &CallContext, request: &CopyRequest) -> Result<PutReceipt> {
        let copier = self.inner.copier().ok_or_else(|| Error::unsupported("copy"))?;
        self.plan.call(cx, request.operation(), copier.copy(cx, request)).await
    }
}

#[async_trait]
impl TagStorage for Faults<dyn StorageService> {
    async fn get_tags(&self, cx: &CallContext, request: &GetTagsRequest) -> Result<BTreeMap<String, String>> {
        let inside = self.tags_inside()?.get_tags(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }

    async fn put_tags(&self, cx: &CallContext, request: &PutTagsRequest) -> Result<()> {
        let inside = self.tags_inside()?.put_tags(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }
}

#[async_trait]
impl VersionStorage for Faults<dyn StorageService> {
    async fn list_versions(&self, cx: &CallContext, request: &ListVersionsRequest) -> Result<VersionPage> {
        let inside = self.versions_inside()?.list_versions(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }

    async fn delete_version(&self, cx: &CallContext, request: &DeleteVersionRequest) -> Result<Deleted> {
        let inside = self.versions_inside()?.delete_version(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }

    async fn restore_version(&self, cx: &CallContext, request: &RestoreVersionRequest) -> Result<PutReceipt> {
        let inside = self.versions_inside()?.restore_version(cx, request);
        self.plan.call(cx, request.operation(), inside).await
    }
}
