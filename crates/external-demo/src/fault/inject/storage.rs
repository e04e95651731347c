//! Faults around a store.

use async_trait::async_trait;
use external_core::storage::{
    CopyStorage, DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult, HeadRequest, ListPage,
    ListRequest, MultipartStorage, ObjectInfo, PresignStorage, PutReceipt, PutRequest, StorageService,
    TagStorage, VersionStorage,
};
use external_core::{CallContext, Result};

use super::Faults;

#[async_trait]
impl StorageService for Faults<dyn StorageService> {
    async fn put(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        self.change(self.inner.put(cx, request)).await
    }

    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        self.read(self.inner.get(cx, request)).await
    }

    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        self.read(self.inner.head(cx, request)).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.change(self.inner.delete(cx, request)).await
    }

    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        self.change(self.inner.delete_batch(cx, request)).await
    }

    async fn list_page(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        self.read(self.inner.list_page(cx, request)).await
    }

    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        self.inner.multipart()
    }

    fn presigner(&self) -> Option<&dyn PresignStorage> {
        self.inner.presigner()
    }

    fn copier(&self) -> Option<&dyn CopyStorage> {
        self.inner.copier()
    }

    fn tags(&self) -> Option<&dyn TagStorage> {
        self.inner.tags()
    }

    fn versions(&self) -> Option<&dyn VersionStorage> {
        self.inner.versions()
    }
}
