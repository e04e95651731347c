//! Faults around a store.

use async_trait::async_trait;
use external_core::storage::{
    CopyStorage, DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult, HeadRequest, ListPage,
    ListRequest, MultipartStorage, ObjectInfo, PresignStorage, PutReceipt, PutRequest, StorageService,
    TagStorage, VersionStorage,
};
use external_core::{CallContext, Provider, ProviderInfo, Result};

use super::{Faults, Faulty, Switch};

/// A store behind faults. Facets are handed through as they are: the service calls none that could be repeated wrongly.
pub(crate) struct FaultyStorage(pub(super) Faults<dyn StorageService>);

impl Faulty for FaultyStorage {
    fn switch(&self) -> Switch {
        self.0.switch.clone()
    }
}

#[async_trait]
impl Provider for FaultyStorage {
    fn info(&self) -> &ProviderInfo {
        &self.0.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.0.read(self.0.inner.probe(cx)).await
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some(&*self.0.inner)
    }
}

#[async_trait]
impl StorageService for FaultyStorage {
    async fn put(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        self.0.change(self.0.inner.put(cx, request)).await
    }

    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        self.0.read(self.0.inner.get(cx, request)).await
    }

    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        self.0.read(self.0.inner.head(cx, request)).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.0.change(self.0.inner.delete(cx, request)).await
    }

    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        self.0.change(self.0.inner.delete_batch(cx, request)).await
    }

    async fn list_page(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        self.0.read(self.0.inner.list_page(cx, request)).await
    }

    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        self.0.inner.multipart()
    }

    fn presigner(&self) -> Option<&dyn PresignStorage> {
        self.0.inner.presigner()
    }

    fn copier(&self) -> Option<&dyn CopyStorage> {
        self.0.inner.copier()
    }

    fn tags(&self) -> Option<&dyn TagStorage> {
        self.0.inner.tags()
    }

    fn versions(&self) -> Option<&dyn VersionStorage> {
        self.0.inner.versions()
    }
}
