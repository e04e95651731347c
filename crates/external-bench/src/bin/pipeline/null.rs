//! The provider beneath all stacks: its `head` waits once, as an answer from a socket would make it, and costs next to
//! nothing.

use std::future::{pending, poll_fn};
use std::task::Poll;

use async_trait::async_trait;
use external_core::storage::{
    DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult, HeadRequest, ListPage, ListRequest,
    ObjectInfo, PutReceipt, PutRequest, StorageService, VersionToken,
};
use external_core::{CallContext, Capabilities, Error, Provider, ProviderInfo, Result, Sharded};

/// When an answer comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// After one wait, which ends at once.
    Soon,
    /// Never.
    #[allow(dead_code, reason = "of one of the two programs")]
    Never,
}

impl Answer {
    pub(crate) async fn wait(self) {
        match self {
            Self::Soon => pending_once().await,
            Self::Never => pending().await,
        }
    }
}

/// Wakes itself, and is ready when it is asked again.
async fn pending_once() {
    let mut asked = false;
    poll_fn(|cx| {
        if asked {
            return Poll::Ready(());
        }
        asked = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Knows every object, and nothing else.
#[derive(Debug)]
pub(crate) struct Null {
    info: ProviderInfo,
    answer: Answer,
    /// One for each thread: a text that all threads count the owners of would be measured too.
    token: Sharded<VersionToken>,
}

impl Null {
    pub(crate) fn new(answer: Answer) -> Self {
        Self {
            info: ProviderInfo::new("null", "storage", "null:", Capabilities::new()),
            answer,
            token: Sharded::new(|| VersionToken::new("1")),
        }
    }
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
        self.answer.wait().await;
        Ok(ObjectInfo::new(request.key.clone(), 0, self.token.here().clone()))
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
