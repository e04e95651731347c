//! The client as its contract: each method prepares the request and passes the pipeline once an exchange.

use async_trait::async_trait;
use external_core::email::{
    BatchEmail, BatchReceipt, BatchRequest, CancelRequest, Cancelled, EmailService, OutboxEmail,
    OutboxRequest, RawEmail, RawRequest, ScheduleEmail, ScheduleReceipt, ScheduleRequest, SendReceipt,
    SendRequest, StoredMail, VendorTemplateEmail, VendorTemplateRequest, check, check_raw, check_schedule,
};
use external_core::{CallContext, Error, Provider, ProviderInfo, Result};
use external_resilience::Call;

use super::EmailClient;
use super::prepare::without;

impl EmailClient {
    pub(super) async fn send_with(&self, cx: &CallContext, mut request: SendRequest) -> Result<SendReceipt> {
        request.message = self.identified(request.message);
        check(self.info(), &request)?;
        let left_out = self.left_out(cx, &request.message.recipients()).await?;
        if left_out.is_all() {
            return Ok(left_out.complete(SendReceipt::new(request.message.message_id, Vec::new())));
        }
        without(&mut request.message, &left_out);
        Ok(left_out.complete(self.exchange(cx, &request).await?))
    }

    /// One mail that is ready to go.
    pub(super) async fn exchange(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        let call =
            Call::new(self.operation(request.operation())).with_body(request.message.estimated_bytes());
        self.pipeline.run(call, cx, |cx, _| self.service.send(cx, request)).await
    }

    pub(super) async fn send_raw_with(&self, cx: &CallContext, request: &RawRequest) -> Result<SendReceipt> {
        let raw = self.service.raw().ok_or_else(|| Error::unsupported("raw"))?;
        check_raw(self.info(), request)?;
        let left_out = self.left_out(cx, &request.recipients()).await?;
        if left_out.is_all() {
            return Ok(left_out.complete(SendReceipt::new(request.content.message_id().cloned(), Vec::new())));
        }
        let mut request = request.clone();
        request.to.retain(|address| left_out.reason(address).is_none());
        let request = &request;
        let call =
            Call::new(self.operation(request.operation())).with_body(request.content.bytes().len() as u64);
        let receipt = self.pipeline.run(call, cx, |cx, _| raw.send_raw(cx, request)).await?;
        Ok(left_out.complete(receipt))
    }

    pub(super) async fn schedule_with(
        &self,
        cx: &CallContext,
        request: &ScheduleRequest,
    ) -> Result<ScheduleReceipt> {
        let scheduler = self.service.scheduler().ok_or_else(|| Error::unsupported("scheduling"))?;
        let mut request = request.clone();
        request.message = self.identified(request.message);
        check_schedule(self.info(), &request)?;
        let left_out = self.left_out(cx, &request.message.recipients()).await?;
        if left_out.is_all() {
            return Err(Error::permission_denied("every recipient is on the suppression list")
                .with_effect(external_core::Effect::NotSent));
        }
        without(&mut request.message, &left_out);
        let request = &request;
        let call =
            Call::new(self.operation(request.operation())).with_body(request.message.estimated_bytes());
        self.pipeline.run(call, cx, |cx, _| scheduler.schedule(cx, request)).await
    }

    pub(super) async fn cancel_with(&self, cx: &CallContext, request: &CancelRequest) -> Result<Cancelled> {
        let scheduler = self.service.scheduler().ok_or_else(|| Error::unsupported("scheduling"))?;
        self.pipeline.run(request.operation(), cx, |cx, _| scheduler.cancel(cx, request)).await
    }

    pub(super) async fn send_vendor_template_with(
        &self,
        cx: &CallContext,
        request: &VendorTemplateRequest,
    ) -> Result<SendReceipt> {
        let templates =
            self.service.vendor_templates().ok_or_else(|| Error::unsupported("vendor-templates"))?;
        let mut request = request.clone();
        request.message = self.identified(request.message);
        let left_out = self.left_out(cx, &request.message.recipients()).await?;
        if left_out.is_all() {
            return Ok(left_out.complete(SendReceipt::new(request.message.message_id, Vec::new())));
        }
        without(&mut request.message, &left_out);
        let request = &request;
        let call =
            Call::new(self.operation(request.operation())).with_body(request.message.estimated_bytes());
        let receipt = self.pipeline.run(call, cx, |cx, _| templates.send_template(cx, request)).await?;
        Ok(left_out.complete(receipt))
    }

    pub(super) async fn sent_with(
        &self,
        cx: &CallContext,
        request: &OutboxRequest,
    ) -> Result<Vec<StoredMail>> {
        let outbox = self.service.outbox().ok_or_else(|| Error::unsupported("outbox"))?;
        self.pipeline.run(request.operation(), cx, |cx, _| outbox.sent(cx, request)).await
    }
}

#[async_trait]
impl Provider for EmailClient {
    fn info(&self) -> &ProviderInfo {
        self.service.info()
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        let provider: &dyn Provider = self.service.as_ref();
        self.pipeline.probe(provider, cx).await
    }

    /// As [`EmailClient::close`], within 10 seconds.
    async fn close(&self) -> Result<()> {
        match Self::close(self, std::time::Duration::from_secs(10)).await.error {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some(self.service.as_ref())
    }
}

#[async_trait]
impl EmailService for EmailClient {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        self.send_with(cx, request.clone()).await
    }

    fn batch(&self) -> Option<&dyn BatchEmail> {
        self.supports("batch").is_supported().then_some(self as _)
    }

    fn raw(&self) -> Option<&dyn RawEmail> {
        self.service.raw().map(|_| self as _)
    }

    fn scheduler(&self) -> Option<&dyn ScheduleEmail> {
        self.service.scheduler().map(|_| self as _)
    }

    fn vendor_templates(&self) -> Option<&dyn VendorTemplateEmail> {
        self.service.vendor_templates().map(|_| self as _)
    }

    fn outbox(&self) -> Option<&dyn OutboxEmail> {
        self.service.outbox().map(|_| self as _)
    }
}

#[async_trait]
impl BatchEmail for EmailClient {
    async fn send_batch(&self, cx: &CallContext, request: &BatchRequest) -> Result<BatchReceipt> {
        self.send_batch_with(cx, request).await
    }
}

#[async_trait]
impl RawEmail for EmailClient {
    async fn send_raw(&self, cx: &CallContext, request: &RawRequest) -> Result<SendReceipt> {
        self.send_raw_with(cx, request).await
    }
}

#[async_trait]
impl ScheduleEmail for EmailClient {
    async fn schedule(&self, cx: &CallContext, request: &ScheduleRequest) -> Result<ScheduleReceipt> {
        self.schedule_with(cx, request).await
    }

    async fn cancel(&self, cx: &CallContext, request: &CancelRequest) -> Result<Cancelled> {
        self.cancel_with(cx, request).await
    }
}

#[async_trait]
impl VendorTemplateEmail for EmailClient {
    async fn send_template(&self, cx: &CallContext, request: &VendorTemplateRequest) -> Result<SendReceipt> {
        self.send_vendor_template_with(cx, request).await
    }
}

#[async_trait]
impl OutboxEmail for EmailClient {
    async fn sent(&self, cx: &CallContext, request: &OutboxRequest) -> Result<Vec<StoredMail>> {
        self.sent_with(cx, request).await
    }
}
