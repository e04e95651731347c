//! {{Name}}'s endpoints: one function each, one exchange each, the page of the vendor's documentation above it.
//!
//! What is sent and what is answered are structs in `wire.rs`, made from the contract's types by functions that need no
//! network. `crates/external-email/src/providers/sendgrid/` is one that is finished.

use external_core::Result;
use external_http::vendor::Vendor;

/// {{Name}}'s endpoints, for one account.
pub(super) struct Api {
    vendor: Vendor,
}

// An endpoint is `self.vendor.ask(cx, json(HttpRequest::post("/v1/…")?, body)?, StatusCode::CREATED).await?`, and `read`
// where its answer is looked into.
impl Api {
    pub(super) fn new(vendor: Vendor) -> Self {
        Self { vendor }
    }

    pub(super) fn location(&self) -> String {
        self.vendor.location()
    }

    pub(super) async fn close(&self) -> Result<()> {
        self.vendor.close().await
    }
}
