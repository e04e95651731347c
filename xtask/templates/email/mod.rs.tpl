//! {{Name}}: say in two sentences what it is, which versions are spoken, and what it cannot do.
//!
//! Write `send`, then `probe`, and run `cargo xtask contract-test --provider {{id}}` after each; then the facets.
//! `crates/external-email/src/providers/memory/` shows each in its simplest form.

mod config;
mod error;

use std::sync::Arc;

use async_trait::async_trait;
use external_core::email::{EmailService, SendReceipt, SendRequest, check};
use external_core::{CallContext, Capabilities, Provider, ProviderEntry, ProviderInfo, ProviderKind, Result};

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

/// Sends mail through {{Name}}.
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
impl EmailService for {{Name}}{{Domain}} {
    async fn send(&self, _cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        // What no provider takes, and what this one does not declare, is refused before anything is sent.
        check(&self.info, request)?;
        Err(not_written("send", "hand the mail over, and answer what the vendor said of each recipient"))
    }
}
