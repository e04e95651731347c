//! The provider `sendgrid`: Twilio SendGrid, by its v3 Web API.
//!
//! - One attempt is one mail, and one request: `POST /v3/mail/send`. Sending later asks for a batch id before, which is what
//!   a cancellation names.
//! - SendGrid takes a mail for all its recipients or for none; who bounced shows in its events later. So each outcome of a
//!   receipt is `Accepted`, and that means queued.
//! - Those events are told by its webhook: [`SendgridEvents`].
//! - It honours no idempotency key. A lost answer is `MaybeApplied`, and such a mail is never sent again; its Message-ID,
//!   which SendGrid keeps, is what a reader can deduplicate by.
//! - A batch is one request: a personalization for each recipient, their words as substitutions.
//! - What its documentation limits is refused before anything is sent.
//!
//! In sandbox mode SendGrid checks mails and delivers none: receipts say `Accepted` all the same.

mod api;
mod batch;
mod config;
mod error;
mod limits;
#[cfg(feature = "simulator")]
pub mod simulator;
mod webhook;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use external_core::email::{
    BatchEmail, BatchReceipt, BatchRequest, CancelRequest, Cancelled, EmailService, Message, MessageId,
    Outcome, RecipientOutcome, ScheduleEmail, ScheduleReceipt, ScheduleRequest, SendReceipt, SendRequest,
    VendorTemplateEmail, VendorTemplateRequest, check, check_batch, check_schedule, check_template,
};
use external_core::{
    BuildContext, CallContext, Capabilities, Error, Provider, ProviderEntry, ProviderInfo, ProviderKind,
    Result,
};

use api::Api;
pub use config::{SendgridConfig, UnsubscribeGroup};
pub use webhook::SendgridEvents;
use wire::{MailSendRequest, Settings};

use crate::mime::new_message_id;

/// The row of this provider.
pub(crate) const ENTRY: ProviderEntry<dyn EmailService> = ProviderEntry {
    id: "sendgrid",
    feature: "sendgrid",
    kind: ProviderKind::Remote,
    build: |section, context| Ok(Arc::new(section.parse::<SendgridConfig>()?.build(context)?)),
    schema: super::schema::<SendgridConfig>,
};

/// Hands mail to SendGrid.
pub struct SendgridEmail {
    info: ProviderInfo,
    context: BuildContext,
    api: Api,
    settings: Settings,
}

impl SendgridEmail {
    fn assemble(api: Api, settings: Settings, context: &BuildContext) -> Self {
        let capabilities = Capabilities::new()
            .all_native(&["message-id", "tags", "metadata", "batch", "scheduling", "vendor-templates"])
            .unsupported("outcome-per-recipient")
            .unsupported("envelope-sender")
            .unsupported("smtputf8")
            .unsupported("idempotency-key")
            .unsupported("raw")
            .unsupported("outbox")
            .limit("recipients", limits::RECIPIENTS)
            .limit("message-bytes", limits::MESSAGE_BYTES)
            .limit("batch-recipients", limits::RECIPIENTS)
            .limit("schedule-seconds", limits::SCHEDULE_SECONDS);
        let info = ProviderInfo::new("sendgrid", "email", api.location(), capabilities);
        Self { info, context: context.clone(), api, settings }
    }

    /// The message's identity, or a new one.
    fn identity(&self, message: &Message) -> Result<MessageId> {
        let from = message.from.as_ref().ok_or_else(|| Error::invalid_argument("the mail has no sender"))?;
        Ok(message.message_id.clone().unwrap_or_else(|| new_message_id(from.address(), &self.context)))
    }

    async fn hand_over(
        &self,
        cx: &CallContext,
        message: &Message,
        id: MessageId,
        body: &MailSendRequest<'_>,
    ) -> Result<SendReceipt> {
        limits::check(body)?;
        let vendor_id = self.api.send_mail(cx, body).await?;
        Ok(receipt(message, id, vendor_id))
    }
}

/// Taken for everybody.
fn receipt(message: &Message, id: MessageId, vendor_id: Option<String>) -> SendReceipt {
    let outcomes = message.recipients().into_iter().cloned();
    let outcomes = outcomes.map(|address| RecipientOutcome::new(address, Outcome::Accepted)).collect();
    let receipt = SendReceipt::new(Some(id), outcomes);
    match vendor_id {
        Some(vendor_id) => receipt.with_vendor_id(vendor_id),
        None => receipt,
    }
}

impl fmt::Debug for SendgridEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendgridEmail").field("location", &self.info.location()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for SendgridEmail {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    /// Asks what the key may do.
    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.api.scopes(cx).await
    }

    async fn close(&self) -> Result<()> {
        self.api.close().await
    }
}

#[async_trait]
impl EmailService for SendgridEmail {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        check(&self.info, request)?;
        let id = self.identity(&request.message)?;
        let body = MailSendRequest::of(&request.message, &id, &self.settings)?;
        self.hand_over(cx, &request.message, id, &body).await
    }

    fn batch(&self) -> Option<&dyn BatchEmail> {
        Some(self)
    }

    fn scheduler(&self) -> Option<&dyn ScheduleEmail> {
        Some(self)
    }

    fn vendor_templates(&self) -> Option<&dyn VendorTemplateEmail> {
        Some(self)
    }
}

#[async_trait]
impl BatchEmail for SendgridEmail {
    async fn send_batch(&self, cx: &CallContext, request: &BatchRequest) -> Result<BatchReceipt> {
        let mails = check_batch(&self.info, request)?;
        let ids = mails.iter().map(|mail| self.identity(&mail.message)).collect::<Result<Vec<_>>>()?;
        let body = batch::request(request, &mails, &ids, &self.context.random_id(), &self.settings)?;
        limits::check(&body)?;
        let vendor_id = self.api.send_mail(cx, &body).await?;
        let taken = mails.iter().zip(ids).map(|(mail, id)| Ok(receipt(&mail.message, id, vendor_id.clone())));
        Ok(BatchReceipt::new(taken.collect()))
    }
}

#[async_trait]
impl ScheduleEmail for SendgridEmail {
    async fn schedule(&self, cx: &CallContext, request: &ScheduleRequest) -> Result<ScheduleReceipt> {
        check_schedule(&self.info, request)?;
        let now = self.context.now();
        limits::check_schedule(request.at, now)?;
        let id = self.identity(&request.message)?;
        let mut body = match &request.template {
            None => MailSendRequest::of(&request.message, &id, &self.settings)?,
            Some(template) => MailSendRequest::of_template(&request.message, &id, template, &self.settings)?,
        };
        limits::check(&body)?;
        // What is not to wait is told no time, and nothing can take it back.
        let leaves = (request.at > now).then(|| whole_seconds(request.at));
        let slot =
            Slot { batch: self.api.create_batch(cx).await?, at: leaves.unwrap_or_else(|| seconds(now)) };
        body.send_at = leaves;
        body.batch_id = Some(&slot.batch);
        let vendor_id = self.api.send_mail(cx, &body).await?;
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(slot.at);
        let mut receipt = ScheduleReceipt::new(slot.to_string(), at, Some(id));
        receipt.vendor_id = vendor_id;
        Ok(receipt)
    }

    /// SendGrid heeds cancellations until ten minutes before the mail's time.
    async fn cancel(&self, cx: &CallContext, request: &CancelRequest) -> Result<Cancelled> {
        let batch = match Slot::parse(&request.id) {
            // A batch whose mail has left can be cancelled still, and SendGrid does not tell the difference.
            Some(slot) if slot.at <= seconds(self.context.now()) => return Ok(Cancelled::new(false)),
            Some(slot) => slot.batch,
            None => request.id.clone(),
        };
        Ok(Cancelled::new(self.api.cancel_batch(cx, &batch).await?))
    }
}

#[async_trait]
impl VendorTemplateEmail for SendgridEmail {
    async fn send_template(&self, cx: &CallContext, request: &VendorTemplateRequest) -> Result<SendReceipt> {
        check_template(&self.info, request)?;
        let id = self.identity(&request.message)?;
        let body = MailSendRequest::of_template(&request.message, &id, &request.template, &self.settings)?;
        self.hand_over(cx, &request.message, id, &body).await
    }
}

/// What a schedule's id says: the batch, and the second in which its mail leaves.
struct Slot {
    batch: String,
    at: u64,
}

impl Slot {
    fn parse(id: &str) -> Option<Self> {
        let (batch, at) = id.rsplit_once('@')?;
        Some(Self { batch: batch.to_owned(), at: at.parse().ok()? })
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.batch, self.at)
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The first whole second that is not before `at`.
fn whole_seconds(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_secs() + u64::from(since.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
