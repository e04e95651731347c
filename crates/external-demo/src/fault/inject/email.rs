//! Faults around a mail server.

use async_trait::async_trait;
use external_core::email::{
    BatchEmail, EmailService, OutboxEmail, RawEmail, ScheduleEmail, SendReceipt, SendRequest,
    VendorTemplateEmail,
};
use external_core::{CallContext, Result};

use super::Faults;

#[async_trait]
impl EmailService for Faults<dyn EmailService> {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        self.change(self.inner.send(cx, request)).await
    }

    fn batch(&self) -> Option<&dyn BatchEmail> {
        self.inner.batch()
    }

    fn raw(&self) -> Option<&dyn RawEmail> {
        self.inner.raw()
    }

    fn scheduler(&self) -> Option<&dyn ScheduleEmail> {
        self.inner.scheduler()
    }

    fn vendor_templates(&self) -> Option<&dyn VendorTemplateEmail> {
        self.inner.vendor_templates()
    }

    fn outbox(&self) -> Option<&dyn OutboxEmail> {
        self.inner.outbox()
    }
}
