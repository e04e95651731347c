//! Faults around a mail server.

use std::sync::Arc;

use external_core::email::{
    BatchEmail, BatchReceipt, BatchRequest, CancelRequest, Cancelled, EmailService, OutboxEmail,
    OutboxRequest, RawEmail, RawRequest, ScheduleEmail, ScheduleReceipt, ScheduleRequest, SendReceipt,
    SendRequest, StoredMail, VendorTemplateEmail, VendorTemplateRequest,
};
use external_core::{CallContext, Error, Provider, Result, async_trait};

use super::{Contract, Faults};

impl Contract for dyn EmailService {
    fn as_provider(&self) -> &dyn Provider {
        self
    }

    fn with_faults(faults: Faults<Self>) -> Arc<Self> {
        Arc::new(faults)
    }
}

#[async_trait]
impl EmailService for Faults<dyn EmailService> {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        self.plan.call(cx, request.operation(), self.inner.send(cx, request)).await
    }

    fn batch(&self) -> Option<&dyn BatchEmail> {
        self.inner.batch().map(|_| self as _)
    }

    fn raw(&self) -> Option<&dyn RawEmail> {
        self.inner.raw().map(|_| self as _)
    }

    fn scheduler(&self) -> Option<&dyn ScheduleEmail> {
        self.inner.scheduler().map(|_| self as _)
    }

    fn vendor_templates(&self) -> Option<&dyn VendorTemplateEmail> {
        self.inner.vendor_templates().map(|_| self as _)
    }

    fn outbox(&self) -> Option<&dyn OutboxEmail> {
        self.inner.outbox().map(|_| self as _)
    }
}

// Who calls a facet was given it by its accessor above, so that of the service inside is there.

#[async_trait]
impl BatchEmail for Faults<dyn EmailService> {
    async fn send_batch(&self, cx: &CallContext, request: &BatchRequest) -> Result<BatchReceipt> {
        let inside = self.inner.batch().ok_or_else(|| Error::unsupported("batch"))?;
        self.plan.call(cx, request.operation(), inside.send_batch(cx, request)).await
    }
}

#[async_trait]
impl RawEmail for Faults<dyn EmailService> {
    async fn send_raw(&self, cx: &CallContext, request: &RawRequest) -> Result<SendReceipt> {
        let inside = self.inner.raw().ok_or_else(|| Error::unsupported("raw"))?;
        self.plan.call(cx, request.operation(), inside.send_raw(cx, request)).await
    }
}

#[async_trait]
impl ScheduleEmail for Faults<dyn EmailService> {
    async fn schedule(&self, cx: &CallContext, request: &ScheduleRequest) -> Result<ScheduleReceipt> {
        let inside = self.inner.scheduler().ok_or_else(|| Error::unsupported("scheduling"))?;
        self.plan.call(cx, request.operation(), inside.schedule(cx, request)).await
    }

    async fn cancel(&self, cx: &CallContext, request: &CancelRequest) -> Result<Cancelled> {
        let inside = self.inner.scheduler().ok_or_else(|| Error::unsupported("scheduling"))?;
        self.plan.call(cx, request.operation(), inside.cancel(cx, request)).await
    }
}

#[async_trait]
impl VendorTemplateEmail for Faults<dyn EmailService> {
    async fn send_template(&self, cx: &CallContext, request: &VendorTemplateRequest) -> Result<SendReceipt> {
        let inside = self.inner.vendor_templates().ok_or_else(|| Error::unsupported("vendor-templates"))?;
        self.plan.call(cx, request.operation(), inside.send_template(cx, request)).await
    }
}

#[async_trait]
impl OutboxEmail for Faults<dyn EmailService> {
    async fn sent(&self, cx: &CallContext, request: &OutboxRequest) -> Result<Vec<StoredMail>> {
        let inside = self.inner.outbox().ok_or_else(|| Error::unsupported("outbox"))?;
        self.plan.call(cx, request.operation(), inside.sent(cx, request)).await
    }
}
