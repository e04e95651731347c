//! {{Name}}: say in two sentences what it is, which versions are spoken, and what it cannot do.
//!
//! Write in this order, and run `cargo xtask contract-test --provider {{id}}` after each: `set`, `get`, `delete`,
//! `ttl`, `probe`, then what has a capability. `crates/external-cache/src/providers/memory/` shows each in its simplest form.

mod config;
mod error;

use std::sync::Arc;

use async_trait::async_trait;
use external_core::cache::{
    CacheEntry, CacheService, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest, Deleted, ExpireRequest,
    GetManyRequest, GetRequest, IncrementRequest, SetManyRequest, SetReceipt, SetRequest, SwapOutcome, TimeToLive,
    TtlRequest,
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

/// A cache in {{Name}}.
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
impl CacheService for {{Name}}{{Domain}} {
    async fn get(&self, _cx: &CallContext, _request: &GetRequest) -> Result<Option<CacheEntry>> {
        Err(not_written("get", "the value as it was set, or none"))
    }

    async fn set(&self, _cx: &CallContext, _request: &SetRequest) -> Result<SetReceipt> {
        Err(not_written("set", "the value with its time to live; a condition is checked by the vendor or refused"))
    }

    async fn delete(&self, _cx: &CallContext, _request: &DeleteRequest) -> Result<Deleted> {
        Err(not_written("delete", "a key that holds nothing is deleted too"))
    }

    // Each that follows is unsupported until its capability is declared: declare it when it is written.
    async fn get_many(&self, _: &CallContext, _: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        Err(Error::unsupported("batch").with_context("next", "write `get_many` before `batch` is declared"))
    }

    async fn set_many(&self, _: &CallContext, _: &SetManyRequest) -> Result<Vec<Result<()>>> {
        Err(Error::unsupported("batch").with_context("next", "write `set_many` before `batch` is declared"))
    }

    async fn delete_many(&self, _: &CallContext, _: &DeleteManyRequest) -> Result<Vec<Result<Deleted>>> {
        Err(Error::unsupported("batch").with_context("next", "write `delete_many` before `batch` is declared"))
    }

    async fn expire(&self, _: &CallContext, _: &ExpireRequest) -> Result<bool> {
        Err(Error::unsupported("expire").with_context("next", "write `expire` before `expire` is declared"))
    }

    async fn ttl(&self, _cx: &CallContext, _request: &TtlRequest) -> Result<TimeToLive> {
        Err(not_written("ttl", "how long the value is kept, that it is kept for ever, or that there is none"))
    }

    async fn increment(&self, _: &CallContext, _: &IncrementRequest) -> Result<i64> {
        Err(Error::unsupported("increment").with_context("next", "write `increment` before `increment` is declared"))
    }

    async fn compare_and_swap(&self, _: &CallContext, _: &CompareAndSwapRequest) -> Result<SwapOutcome> {
        Err(Error::unsupported("compare-and-swap").with_context("next", "write `compare_and_swap` before `compare-and-swap` is declared"))
    }
}
