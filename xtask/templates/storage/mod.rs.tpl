//! {{Name}}: say in two sentences what it is, which versions are spoken, and what it cannot do.
//!
//! Write in this order, and run `cargo xtask contract-test --provider {{id}}` after each: `put`, `get`, `head`,
//! `delete`, `list_page`, `probe`, then the facets. `crates/external-storage/src/providers/memory/` shows each in its simplest form.

mod config;
mod error;

use std::sync::Arc;

use async_trait::async_trait;
use external_core::storage::{
    DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult, HeadRequest, ListPage, ListRequest,
    ObjectInfo, PutReceipt, PutRequest, StorageService,
};
use external_core::{
    CallContext, Capabilities, Error, Provider, ProviderEntry, ProviderInfo, ProviderKind, Result,
};

pub use config::{{Name}}Config;
use error::not_written;

/// The row of the provider table.
pub(crate) const ENTRY: ProviderEntry<dyn {{Domain}}Service> = ProviderEntry {
    id: "{{id}}",
    feature: "{{id}}",
    kind: ProviderKind::Remote,
    build: |section, context| Ok(Arc::new(section.parse::<{{Name}}Config>()?.build(context)?)),
    schema: || schemars::schema_for!({{Name}}Config).to_value().to_string(),
};

/// Objects in {{Name}}.
#[derive(Debug)]
pub struct {{Name}}{{Domain}} {
    info: ProviderInfo,
}

impl {{Name}}{{Domain}} {
    fn new(config: {{Name}}Config) -> Self {
        // Declare what is proven and nothing else: what is not in here is refused before anything is sent.
        let capabilities = Capabilities::new();
        Self { info: ProviderInfo::new("{{id}}", "{{domain}}", config.url, capabilities) }
    }
}

#[async_trait]
impl Provider for {{Name}}{{Domain}} {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _cx: &CallContext) -> Result<()> {
        Err(not_written("probe", "ask something harmless that needs the credentials"))
    }
}

// Each method is one exchange: no loop, no wait, no retry. `cx.mark_sent()` stands just before the first byte that can
// take effect leaves, and the page of the vendor's documentation above the call.
#[async_trait]
impl StorageService for {{Name}}{{Domain}} {
    async fn put(&self, _cx: &CallContext, _request: &PutRequest) -> Result<PutReceipt> {
        Err(not_written("put", "store the body with its attributes; a precondition is checked by the vendor or refused"))
    }

    async fn get(&self, _cx: &CallContext, _request: &GetRequest) -> Result<GetResult> {
        Err(not_written("get", "answer the head, then the body as a stream"))
    }

    async fn head(&self, _cx: &CallContext, _request: &HeadRequest) -> Result<ObjectInfo> {
        Err(not_written("head", "answer what is stored beside the bytes; no object is NotFound"))
    }

    async fn delete(&self, _cx: &CallContext, _request: &DeleteRequest) -> Result<Deleted> {
        Err(not_written("delete", "a key that holds nothing is deleted too"))
    }

    // Unsupported until the capability `delete-batch` is declared; the client then deletes one by one.
    async fn delete_batch(&self, _: &CallContext, _: &DeleteBatchRequest) -> Result<Vec<Result<Deleted>>> {
        Err(Error::unsupported("delete-batch").with_context("next", "write `delete_batch` before `delete-batch` is declared"))
    }

    async fn list_page(&self, _cx: &CallContext, _request: &ListRequest) -> Result<ListPage> {
        Err(not_written("list_page", "one page in byte order of the keys, and where the next one begins"))
    }
}
