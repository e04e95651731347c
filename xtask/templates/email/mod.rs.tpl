//! The provider `{{id}}`: say in two sentences what {{Name}} is, and what it cannot do.
//!
//! Write `send`, then `probe`, each with its endpoint in `api.rs` and in `simulator.rs`, and run
//! `cargo xtask contract-test --provider {{id}}` after each; then the facets. `crates/external-email/src/providers/sendgrid/`
//! is one that is finished.

mod api;
mod config;
mod error;
#[cfg(feature = "simulator")]
pub mod simulator;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use external_core::email::{EmailService, SendReceipt, SendRequest, check};
use external_core::{CallContext, Capabilities, Provider, ProviderEntry, ProviderInfo, ProviderKind, Result};

use api::Api;
pub use config::{{Name}}Config;
use error::not_written;

/// The row of this provider.
pub(crate) const ENTRY: ProviderEntry<dyn {{Domain}}Service> = ProviderEntry {
    id: "{{id}}",
    feature: "{{id}}",
    kind: ProviderKind::Remote,
    build: |section, context| Ok(Arc::new(section.parse::<{{Name}}Config>()?.build(context)?)),
    schema: super::schema::<{{Name}}Config>,
};

/// Hands mail to {{Name}}.
pub struct {{Name}}{{Domain}} {
    info: ProviderInfo,
    api: Api,
}

impl {{Name}}{{Domain}} {
    fn over(api: Api) -> Self {
        // Declare what is proven and nothing else: what is not in here is refused before anything is sent.
        let capabilities = Capabilities::new();
        Self { info: ProviderInfo::new("{{id}}", "{{domain}}", api.location(), capabilities), api }
    }
}

impl fmt::Debug for {{Name}}{{Domain}} {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("{{Name}}{{Domain}}").field("location", &self.info.location()).finish_non_exhaustive()
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

    async fn close(&self) -> Result<()> {
        self.api.close().await
    }
}

// Each method is one exchange: no loop, no wait, no retry. The transport marks the moment from which a mail may be sent.
#[async_trait]
impl EmailService for {{Name}}{{Domain}} {
    async fn send(&self, _cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        // What no provider takes, and what this one does not declare, is refused before anything is sent.
        check(&self.info, request)?;
        Err(not_written("send", "hand the mail over, and answer what the vendor said of each recipient"))
    }
}
