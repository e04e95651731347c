//! Faults around a mail server.

use async_trait::async_trait;
use external_core::email::{
    BatchEmail, EmailService, OutboxEmail, RawEmail, ScheduleEmail, SendReceipt, SendRequest,
    VendorTemplateEmail,
};
use external_core::{CallContext, Provider, ProviderInfo, Result};

use super::{Faults, Faulty, Switch};

/// A mail server behind faults. Facets are handed through as they are.
pub(crate) struct FaultyEmail(pub(super) Faults<dyn EmailService>);

impl Faulty for FaultyEmail {
    fn switch(&self) -> Switch {
        self.0.switch.clone()
    }
}

#[async_trait]
impl Provider for FaultyEmail {
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
impl EmailService for FaultyEmail {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        self.0.change(self.0.inner.send(cx, request)).await
    }

    fn batch(&self) -> Option<&dyn BatchEmail> {
        self.0.inner.batch()
    }

    fn raw(&self) -> Option<&dyn RawEmail> {
        self.0.inner.raw()
    }

    fn scheduler(&self) -> Option<&dyn ScheduleEmail> {
        self.0.inner.scheduler()
    }

    fn vendor_templates(&self) -> Option<&dyn VendorTemplateEmail> {
        self.0.inner.vendor_templates()
    }

    fn outbox(&self) -> Option<&dyn OutboxEmail> {
        self.0.inner.outbox()
    }
}
