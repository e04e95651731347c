//! A store that knows every object and nothing else. Its `head` waits once, as for an answer from a socket.

use std::task::Poll;

use async_trait::async_trait;
use external_core::{CallContext, Capabilities, Provider, ProviderInfo};
use external_storage::{
    DeleteBatchRequest, DeleteRequest, Deleted, Error, GetRequest, GetResult, HeadRequest, ListPage,
    ListRequest, ObjectInfo, PutReceipt, PutRequest, Result, StorageService, VersionToken,
};

#[derive(Debug)]
pub(crate) struct Null {
    info: ProviderInfo,
    token: VersionToken,
}

impl Null {
    pub(crate) fn new() -> Self {
        let info = ProviderInfo::new("null", "storage", "null:", Capabilities::new());
        Self { info, token: VersionToken::new("1") }
    }
}

/// Wakes itself, and is ready when it is asked again.
async fn pending_once() {
    let mut asked = false;
    std::future::poll_fn(|cx| {
        if asked {
            return Poll::Ready(());
        }
        asked = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl Provider for Null {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl StorageService for Null {
    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        cx.mark_sent();
        pending_once().await;
        Ok(ObjectInfo::new(request.key.clone(), 0, self.token.clone()))
    }

    async fn put(&self, _: &CallContext, _: &PutRequest) -> Result<PutReceipt> {
        Err(Error::unsupported("put"))
    }

    async fn get(&self, _: &CallContext, _: &GetRequest) -> Result<GetResult> {
        Err(Error::unsupported("get"))
    }

    async fn delete(&self, _: &CallContext, _: &DeleteRequest) -> Result<Deleted> {
        Err(Error::unsupported("delete"))
    }

    async fn delete_batch(&self, _: &CallContext, _: &DeleteBatchRequest) -> Result<Vec<Result<Deleted>>> {
        Err(Error::unsupported("delete-batch"))
    }

    async fn list_page(&self, _: &CallContext, _: &ListRequest) -> Result<ListPage> {
        Err(Error::unsupported("list"))
    }
}
