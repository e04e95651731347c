//! {{Name}}: say in two sentences on what it stands, which versions of HTTP it speaks, and what it cannot do.
//!
//! A transport for HTTP itself; a vendor that speaks HTTP is a provider of what it offers (`cargo xtask new-provider email
//! NAME`). Write `execute`, then `probe`, and run `cargo xtask contract-test --provider {{id}}` after each.
//! `crates/external-http/src/providers/reqwest/` is one that is finished, `memory/` the simplest.

mod config;
mod error;

use std::sync::Arc;

use async_trait::async_trait;
use external_core::http::{HttpRequest, HttpResponse, HttpTransport};
use external_core::{CallContext, Capabilities, Provider, ProviderEntry, ProviderInfo, ProviderKind, Result};

pub use config::{{Name}}Config;
use error::not_written;

/// The row of the provider table.
pub(crate) const ENTRY: ProviderEntry<dyn {{Domain}}Transport> = ProviderEntry {
    id: "{{id}}",
    feature: "{{id}}",
    kind: ProviderKind::Remote,
    build: |section, context| Ok(Arc::new(section.parse::<{{Name}}Config>()?.build(context)?)),
    schema: super::schema::<{{Name}}Config>,
};

/// HTTP by {{Name}}.
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
        Err(not_written("probe", "ask for the head of the base"))
    }
}

// One exchange: no redirect, no repetition, no cookies. `cx.mark_sent()` stands just before the first byte of the head
// leaves; what comes before is `NotSent`.
#[async_trait]
impl HttpTransport for {{Name}}{{Domain}} {
    async fn execute(&self, _cx: &CallContext, _request: &HttpRequest) -> Result<HttpResponse> {
        // `send_headers` and `super::absolute` say what is sent where, `answered` makes the answer of what comes back.
        Err(not_written("execute", "make one exchange, and hand what comes back to `answered`"))
    }
}
