//! The provider `memory`: keeps mails in this process. The reference for what the contract means, and the test double:
//! [`MemoryEmail::sent`] tells what a service mailed.

mod config;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use external_core::email::{
    BatchEmail, BatchReceipt, BatchRequest, CancelRequest, Cancelled, EmailAddress, EmailService, Message,
    OutboxEmail, OutboxRequest, RawEmail, RawRequest, ScheduleEmail, ScheduleReceipt, ScheduleRequest,
    SendReceipt, SendRequest, StoredMail, check, check_batch, check_raw, check_schedule, check_size,
};
use external_core::{
    BuildContext, CallContext, Capabilities, Effect, Error, Provider, ProviderEntry, ProviderInfo,
    ProviderKind, Result,
};

pub use config::MemoryConfig;
use state::{Answer, Key, State, Waiting};

use crate::mime::render;
use crate::rehearsal::{Rehearsal, lost_reply};

/// The row of this provider.
pub(crate) const ENTRY: ProviderEntry<dyn EmailService> = ProviderEntry {
    id: "memory",
    feature: "",
    kind: ProviderKind::Embedded,
    build: |section, context| section.parse::<MemoryConfig>()?.build_service(context),
    schema: super::schema::<MemoryConfig>,
};

/// How far ahead a mail may be scheduled: a year.
const SCHEDULE_SECONDS: u64 = 365 * 24 * 3600;

/// A mail that this provider took.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SentMail {
    /// The message it was made from; `None` for raw mail.
    pub message: Option<Message>,
    /// The envelope's sender.
    pub from: EmailAddress,
    /// Whom it was accepted for.
    pub to: Vec<EmailAddress>,
    /// The mail as bytes.
    pub bytes: Bytes,
    /// When it was taken.
    pub at: SystemTime,
}

/// Keeps mails in this process. Every capability is native but vendor templates.
pub struct MemoryEmail {
    info: ProviderInfo,
    context: BuildContext,
    rehearsal: Rehearsal,
    state: Mutex<State>,
}

impl Default for MemoryEmail {
    fn default() -> Self {
        Self::assemble(MemoryConfig::default(), &BuildContext::default())
    }
}

impl MemoryEmail {
    /// With the default configuration in the real world.
    pub fn new() -> Self {
        Self::default()
    }

    fn assemble(config: MemoryConfig, context: &BuildContext) -> Self {
        let capabilities = Capabilities::new()
            .all_native(&[
                "outcome-per-recipient",
                "envelope-sender",
                "message-id",
                "smtputf8",
                "tags",
                "metadata",
            ])
            .all_native(&["idempotency-key", "batch", "raw", "scheduling", "outbox"])
            .unsupported("vendor-templates")
            .limit("recipients", config.max_recipients)
            .limit("message-bytes", config.max_message_bytes)
            .limit("batch-recipients", config.max_batch_recipients)
            .limit("schedule-seconds", SCHEDULE_SECONDS);
        Self {
            info: ProviderInfo::new("memory", "email", "memory:", capabilities),
            context: context.clone(),
            rehearsal: config.rehearse,
            state: Mutex::new(State::new(config.keep)),
        }
    }

    /// The mails that were taken, oldest first. Scheduled ones appear when their time has come.
    pub fn sent(&self) -> Vec<SentMail> {
        self.state().sent().cloned().collect()
    }

    /// The mails that were taken for this address, oldest first.
    pub fn sent_to(&self, address: &EmailAddress) -> Vec<SentMail> {
        self.state().sent().filter(|mail| mail.to.contains(address)).cloned().collect()
    }

    /// Forgets all mails, waiting ones and idempotency keys.
    pub fn clear(&self) {
        self.state().clear();
    }

    /// The state as of now: what has come due is sent.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.deliver_due(self.context.now());
        state
    }

    fn prepare(&self, message: &Message) -> Result<SentMail> {
        let rendered = render(message, &self.context)?;
        check_size(&self.info, rendered.bytes.len() as u64)?;
        let from = message
            .envelope_sender()
            .cloned()
            .ok_or_else(|| Error::invalid_argument("the mail has no sender"))?;
        let mut message = message.clone();
        message.message_id = Some(rendered.message_id);
        Ok(SentMail {
            message: Some(message),
            from,
            to: Vec::new(),
            bytes: rendered.bytes,
            at: self.context.now(),
        })
    }

    /// Hands a mail over: judged by the script, kept, answered; or answered from what the key was answered before.
    fn take(
        &self,
        cx: &CallContext,
        mut mail: SentMail,
        recipients: &[&EmailAddress],
        key: Option<Key>,
    ) -> Result<SendReceipt> {
        let mut state = self.state();
        if let Some(Answer::Sent(receipt)) = state.answered(key.as_ref(), self.context.now())? {
            return Ok(receipt.with_replayed(true));
        }
        let verdict = self.rehearsal.judge(recipients)?;
        let message_id = match &mail.message {
            Some(message) => message.message_id.clone(),
            None => state::raw_message_id(&mail.bytes),
        };
        let receipt = SendReceipt::new(message_id, verdict.outcomes).with_vendor_id(state.next_id());
        cx.mark_sent();
        if !verdict.accepted.is_empty() {
            mail.to = verdict.accepted;
            state.keep(mail);
        }
        state.remember(key, Answer::Sent(receipt.clone()), self.context.now());
        if verdict.lose_reply { Err(lost_reply()) } else { Ok(receipt) }
    }
}

impl std::fmt::Debug for MemoryEmail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryEmail").field("mails", &self.state().sent().count()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for MemoryEmail {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _cx: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl EmailService for MemoryEmail {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        check(&self.info, request)?;
        let mail = self.prepare(&request.message)?;
        let key = request.idempotency_key.as_deref().map(|key| Key::of_message(key, &request.message));
        self.take(cx, mail, &request.message.recipients(), key)
    }

    fn batch(&self) -> Option<&dyn BatchEmail> {
        Some(self)
    }

    fn raw(&self) -> Option<&dyn RawEmail> {
        Some(self)
    }

    fn scheduler(&self) -> Option<&dyn ScheduleEmail> {
        Some(self)
    }

    fn outbox(&self) -> Option<&dyn OutboxEmail> {
        Some(self)
    }
}

#[async_trait]
impl BatchEmail for MemoryEmail {
    async fn send_batch(&self, cx: &CallContext, request: &BatchRequest) -> Result<BatchReceipt> {
        let requests = check_batch(&self.info, request)?;
        // All are prepared before the first is taken: what cannot be sent is refused with nothing sent.
        let prepared = requests.iter().map(|r| self.prepare(&r.message)).collect::<Result<Vec<_>>>()?;
        let taken = prepared.into_iter().zip(&requests).map(|(mail, request)| {
            let key = request.idempotency_key.as_deref().map(|key| Key::of_message(key, &request.message));
            self.take(cx, mail, &request.message.recipients(), key)
        });
        Ok(BatchReceipt::new(taken.collect()))
    }
}

#[async_trait]
impl RawEmail for MemoryEmail {
    async fn send_raw(&self, cx: &CallContext, request: &RawRequest) -> Result<SendReceipt> {
        check_raw(&self.info, request)?;
        let mail = SentMail {
            message: None,
            from: request.from.clone(),
            to: Vec::new(),
            bytes: request.content.bytes().clone(),
            at: self.context.now(),
        };
        let key = request.idempotency_key.as_deref().map(|key| Key::of_raw(key, request));
        self.take(cx, mail, &request.recipients(), key)
    }
}

#[async_trait]
impl ScheduleEmail for MemoryEmail {
    async fn schedule(&self, cx: &CallContext, request: &ScheduleRequest) -> Result<ScheduleReceipt> {
        check_schedule(&self.info, request)?;
        let now = self.context.now();
        let ahead = request.at.duration_since(now).unwrap_or_default();
        if ahead.as_secs() > SCHEDULE_SECONDS {
            return Err(Error::invalid_argument("the mail is scheduled too far ahead")
                .with_context("seconds", ahead.as_secs())
                .with_context("limit", SCHEDULE_SECONDS));
        }
        let mut mail = self.prepare(&request.message)?;
        let key = request.idempotency_key.as_deref().map(|key| Key::of_message(key, &request.message));
        let mut state = self.state();
        if let Some(Answer::Scheduled(mut receipt)) = state.answered(key.as_ref(), now)? {
            receipt.replayed = true;
            return Ok(receipt);
        }
        let verdict = self.rehearsal.judge(&request.message.recipients())?;
        let message_id = mail.message.as_ref().and_then(|message| message.message_id.clone());
        let receipt = ScheduleReceipt::new(state.next_id(), request.at, message_id);
        cx.mark_sent();
        if !verdict.accepted.is_empty() {
            mail.to = verdict.accepted;
            state.wait(receipt.id.clone(), Waiting { at: request.at, mail });
            state.deliver_due(now);
        }
        state.remember(key, Answer::Scheduled(receipt.clone()), now);
        if verdict.lose_reply { Err(lost_reply().with_effect(Effect::MaybeApplied)) } else { Ok(receipt) }
    }

    async fn cancel(&self, cx: &CallContext, request: &CancelRequest) -> Result<Cancelled> {
        cx.mark_sent();
        Ok(Cancelled::new(self.state().cancel(&request.id)))
    }
}

#[async_trait]
impl OutboxEmail for MemoryEmail {
    async fn sent(&self, _cx: &CallContext, request: &OutboxRequest) -> Result<Vec<StoredMail>> {
        let wanted =
            |mail: &&SentMail| request.recipient.as_ref().is_none_or(|address| mail.to.contains(address));
        let state = self.state();
        let mails = state.sent().filter(wanted);
        Ok(mails
            .map(|mail| StoredMail::new(mail.from.clone(), mail.to.clone(), mail.bytes.clone()))
            .collect())
    }
}

#[cfg(test)]
mod tests;
