//! Mail providers that are wrong in one way each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use external_core::email::{
    BatchEmail, BatchReceipt, BatchRequest, CancelRequest, Cancelled, EmailAddress, EmailService, FileName,
    HeaderName, HeaderText, Mailbox, Message, MessageId, OutboxEmail, OutboxRequest, Outcome, RawEmail,
    RawMessage, RawRequest, RecipientOutcome, Refusal, ScheduleEmail, ScheduleReceipt, ScheduleRequest,
    SendReceipt, SendRequest, StoredMail, VendorTemplateEmail, VendorTemplateRequest,
};
use external_core::{CallContext, Effect, Error, ErrorKind, Result, async_trait};

use super::wrapped::Wrapped;
use super::{Flaw, flaws};

flaws! {
    ReversesOutcomes: "The receipt tells the recipients backwards." ["email.send.1", "email.batch.6"];
    LosesBcc: "Blind copies are not sent." ["email.send.1"];
    SendsTwice: "A mail is sent twice." ["email.send.2"];
    StopsAtRefusal: "After a refused recipient the others are given up." ["email.send.3", "email.raw.3"];
    DeferredIsRefused: "Refused for now is told as refused for good." ["email.send.4"];
    RefusalIsError: "If nobody accepts the mail, that is an error." ["email.send.5"];
    SendsWithoutBody: "A mail without any content is sent." ["email.send.6"];
    TrimsLines: "Blanks at the ends of lines are lost." ["email.send.7"];
    RenamesFiles: "The names of attachments are reduced to ASCII." ["email.send.8"];
    ForgetsImages: "Inline images are left out." ["email.send.9"];
    FoldsSubjects: "The subject is reduced to ASCII." ["email.send.10"];
    DropsHeaders: "Custom headers are left out." ["email.send.11"];
    DropsReplyTo: "Reply-To is left out." ["email.send.12"];
    WritesBcc: "Blind copies are no secret." ["email.send.13"];
    IgnoresEnvelopeSender: "The envelope's sender is always the one of the header." ["email.send.14"];
    TellsAnotherId: "The receipt names a Message-ID that no mail has." ["email.send.15", "email.raw.5"];
    DropsDate: "The date that was given is replaced by now." ["email.send.16"];
    DropsListUnsubscribe: "List-Unsubscribe is left out." ["email.send.17"];
    DropsTags: "Tags are left out." ["email.send.18"];
    DropsMetadata: "Metadata is left out." ["email.send.19"];
    ClaimsRecipientLimit: "It declares a limit of recipients and does not keep it." ["email.send.20"];
    TakesAnySize: "What is too large is sent without its attachments." ["email.send.21"];
    FoldsLocalParts: "Local parts are reduced to ASCII." ["email.send.22"];
    LosesIdn: "Domains that are not ASCII are replaced." ["email.send.23"];
    ReplaysAnything: "A key that was used answers the first receipt again, whatever the mail."
        ["email.send.24", "email.send.25"];
    MixesMails: "All mails are written on one sheet." ["email.send.26"];
    LostIsNotSent: "A lost answer is told as if nothing had been sent." ["email.send.27"];
    RepeatsLost: "A mail whose answer was lost is sent again." ["email.send.28"];
    DeliversRefused: "A mail that was refused as a whole reaches the others all the same." ["email.send.29"];
    HidesOutbox: "A facet is there and not declared." ["email.capability.1"];
    BatchSharesValues: "Everybody gets the values of the first recipient." ["email.batch.1"];
    BatchNamesOthers: "Every mail of a batch names all its recipients." ["email.batch.2"];
    EscapesTwice: "Values are escaped whatever they are put into." ["email.batch.3"];
    FillsGaps: "A placeholder without a value is left empty." ["email.batch.4"];
    CutsLineBreaks: "A line break in a value of the subject becomes a blank." ["email.batch.5"];
    SendsEmptyBatches: "An empty batch is fine." ["email.batch.7"];
    BatchSharesId: "All receipts of a batch name the same Message-ID." ["email.batch.8"];
    SplitsBatches: "A batch above the limit is sent in several." ["email.batch.9"];
    SendsAtOnce: "A mail for later is sent now." ["email.schedule.1", "email.cancel.1"];
    RefusesPast: "A time that has passed is an error." ["email.schedule.2"];
    ClaimsScheduleLimit: "It declares how far ahead a mail may lie and does not keep it." ["email.schedule.3"];
    ForgetsTemplates: "A template for later is forgotten: the mail says what it says itself." ["email.schedule.4"];
    CancelsNothing: "Taking a mail back says that it did." ["email.cancel.1", "email.cancel.2"];
    DropsTemplateData: "A vendor's template is filled with nothing." ["email.template.1"];
    ListsTwice: "The outbox lists each mail twice." ["email.outbox.1"];
    ListsAll: "The outbox lists the mails of all recipients." ["email.outbox.2"];
    TrimsRaw: "Blanks at the ends of raw lines are lost." ["email.raw.1"];
    RawFromRecipient: "The envelope of raw bytes names another sender." ["email.raw.2"];
    RawToNobody: "Raw bytes to nobody are fine." ["email.raw.4"];
    LogsMails: "The text of each mail is written into the log." ["common.7.1"];
}

/// Every flaw of mail providers, those that any provider may have among them.
#[must_use]
pub fn flaws() -> Vec<Flaw<dyn EmailService>> {
    super::with_common(Wrong::ALL, |right, wrong, common| {
        Arc::new(Broken::new(right, wrong, common).declaring(|capabilities| match wrong {
            Some(Wrong::ClaimsRecipientLimit) => capabilities.limit("recipients", 10),
            Some(Wrong::ClaimsScheduleLimit) => capabilities.limit("schedule-seconds", 3600),
            Some(Wrong::HidesOutbox) => capabilities.unsupported("outbox"),
            _ => capabilities,
        }))
    })
}

/// A right provider with a flaw over it.
type Broken = Wrapped<dyn EmailService, Wrong, Seen>;

/// What the flaws remember.
#[derive(Default)]
struct Seen {
    sheet: Option<Message>,
    receipts: BTreeMap<String, SendReceipt>,
}

impl Broken {
    /// A message as this provider understands it.
    fn message(&self, mut message: Message) -> Result<Message> {
        match self.wrong {
            Some(Wrong::LogsMails) => tracing::info!(text = ?message.text, "sent"),
            Some(Wrong::LosesBcc) => message.bcc.clear(),
            Some(Wrong::SendsWithoutBody) if message.html.is_none() && message.attachments.is_empty() => {
                message.text.get_or_insert_with(|| " ".to_owned());
            }
            Some(Wrong::TrimsLines) => {
                for body in [&mut message.text, &mut message.html].into_iter().flatten() {
                    *body = body.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
                }
            }
            Some(Wrong::RenamesFiles) => {
                for file in &mut message.attachments {
                    file.name = FileName::parse(&ascii(file.name.as_str()))?;
                }
            }
            Some(Wrong::ForgetsImages) => message.inline.clear(),
            Some(Wrong::FoldsSubjects) => {
                message.subject = HeaderText::parse(&ascii(message.subject.as_str()))?;
            }
            Some(Wrong::DropsHeaders) => message.headers.clear(),
            Some(Wrong::DropsReplyTo) => message.reply_to.clear(),
            Some(Wrong::WritesBcc) => message.cc.append(&mut message.bcc),
            Some(Wrong::IgnoresEnvelopeSender) => message.envelope_from = None,
            Some(Wrong::DropsDate) => message.date = None,
            Some(Wrong::DropsListUnsubscribe) => message.list_unsubscribe = None,
            Some(Wrong::DropsTags) => message.tags.clear(),
            Some(Wrong::DropsMetadata) => message.metadata.clear(),
            Some(Wrong::FoldsLocalParts | Wrong::LosesIdn) => {
                for mailbox in &mut message.to {
                    let address = mailbox.address();
                    let replaced = match self.wrong {
                        Some(Wrong::LosesIdn) if !address.domain().is_ascii() => {
                            format!("{}@example.test", address.local())
                        }
                        Some(Wrong::LosesIdn) => continue,
                        _ => format!("{}@{}", ascii(address.local()), address.domain()),
                    };
                    *mailbox = Mailbox::new(EmailAddress::parse(&replaced)?);
                }
            }
            _ => {}
        }
        Ok(message)
    }

    /// A receipt as this provider tells it.
    fn receipt(&self, mut receipt: SendReceipt) -> Result<SendReceipt> {
        let mut refused = false;
        match self.wrong {
            Some(Wrong::ReversesOutcomes) => receipt.recipients.reverse(),
            Some(Wrong::StopsAtRefusal) => {
                for RecipientOutcome { outcome, .. } in &mut receipt.recipients {
                    if refused {
                        *outcome = Outcome::Refused(Refusal::new("given up"));
                    }
                    refused |= !outcome.is_accepted();
                }
            }
            Some(Wrong::DeferredIsRefused) => {
                for recipient in &mut receipt.recipients {
                    if let Outcome::Deferred(refusal) = &recipient.outcome {
                        recipient.outcome = Outcome::Refused(refusal.clone());
                    }
                }
            }
            Some(Wrong::RefusalIsError) if receipt.accepted().count() == 0 => {
                return Err(Error::permission_denied("nobody accepted the mail"));
            }
            Some(Wrong::TellsAnotherId) => receipt.message_id = MessageId::parse("another@example.test").ok(),
            _ => {}
        }
        Ok(receipt)
    }

    /// After a call that went wrong.
    async fn mend(&self, cx: &CallContext, request: &SendRequest, error: Error) -> Result<SendReceipt> {
        match self.wrong {
            Some(Wrong::TakesAnySize) if error.kind() == ErrorKind::PayloadTooLarge => {
                let mut message = request.message.clone().with_text("too large");
                message.attachments.clear();
                self.right.send(cx, &SendRequest::new(message)).await
            }
            Some(Wrong::LostIsNotSent) if error.effect() == Effect::MaybeApplied => {
                Err(error.with_effect(Effect::NotSent))
            }
            Some(Wrong::RepeatsLost) if error.effect() == Effect::MaybeApplied => {
                self.right.send(cx, request).await
            }
            Some(Wrong::DeliversRefused) if error.effect() == Effect::NotApplied => {
                let mut message = request.message.clone();
                message.to.truncate(1);
                let _ = self.right.send(cx, &SendRequest::new(message)).await;
                Err(error)
            }
            _ => Err(error),
        }
    }
}

fn ascii(text: &str) -> String {
    text.chars().map(|letter| if letter.is_ascii() { letter } else { 'x' }).collect()
}

#[async_trait]
impl EmailService for Broken {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        request.message = self.message(request.message)?;
        if self.is(Wrong::MixesMails) {
            self.seen().sheet = Some(request.message.clone());
            tokio::task::yield_now().await;
            let sheet = self.seen().sheet.clone();
            request.message.text = sheet.and_then(|sheet| sheet.text);
        }
        let replay = request.idempotency_key.clone().filter(|_| self.is(Wrong::ReplaysAnything));
        if let Some(first) = replay.as_ref().and_then(|key| self.seen().receipts.get(key).cloned()) {
            return Ok(first.with_replayed(true));
        }
        if self.is(Wrong::SendsTwice) {
            self.right.send(cx, &request).await?;
        }
        let receipt = match self.right.send(cx, &request).await {
            Ok(receipt) => self.receipt(receipt)?,
            Err(error) => self.mend(cx, &request, error).await?,
        };
        if let Some(key) = replay {
            self.seen().receipts.insert(key, receipt.clone());
        }
        Ok(receipt)
    }

    fn batch(&self) -> Option<&dyn BatchEmail> {
        self.right.batch().map(|_| self as &dyn BatchEmail)
    }

    fn raw(&self) -> Option<&dyn RawEmail> {
        self.right.raw().map(|_| self as &dyn RawEmail)
    }

    fn scheduler(&self) -> Option<&dyn ScheduleEmail> {
        self.right.scheduler().map(|_| self as &dyn ScheduleEmail)
    }

    fn vendor_templates(&self) -> Option<&dyn VendorTemplateEmail> {
        self.right.vendor_templates().map(|_| self as &dyn VendorTemplateEmail)
    }

    fn outbox(&self) -> Option<&dyn OutboxEmail> {
        self.right.outbox().map(|_| self as &dyn OutboxEmail)
    }
}

#[async_trait]
impl BatchEmail for Broken {
    async fn send_batch(&self, cx: &CallContext, request: &BatchRequest) -> Result<BatchReceipt> {
        let right = self.right.batch().ok_or_else(|| Error::unsupported("batch"))?;
        let mut request = request.clone();
        let first = request.recipients.first().map(|recipient| recipient.values.clone()).unwrap_or_default();
        for recipient in &mut request.recipients {
            match self.wrong {
                Some(Wrong::BatchSharesValues) => recipient.values.clone_from(&first),
                Some(Wrong::EscapesTwice) => {
                    recipient.values.values_mut().for_each(|value| *value = value.replace('<', "&lt;"));
                }
                Some(Wrong::CutsLineBreaks) => {
                    recipient.values.values_mut().for_each(|value| *value = value.replace(['\r', '\n'], " "));
                }
                Some(Wrong::FillsGaps) => {
                    for name in placeholders(&request.message) {
                        recipient.values.entry(name).or_default();
                    }
                }
                _ => {}
            }
        }
        if self.is(Wrong::BatchNamesOthers) {
            let all: Vec<_> =
                request.recipients.iter().map(|recipient| recipient.to.address().to_string()).collect();
            let name = HeaderName::parse("X-Recipients")?;
            request.message = request.message.with_header(name, HeaderText::parse(&all.join(", "))?);
        }
        if self.is(Wrong::SendsEmptyBatches) && request.recipients.is_empty() {
            return Ok(BatchReceipt::new(Vec::new()));
        }
        let limit = self
            .info
            .capabilities()
            .get_limit("batch-recipients")
            .and_then(|limit| usize::try_from(limit).ok());
        if let Some(limit) =
            limit.filter(|limit| self.is(Wrong::SplitsBatches) && request.recipients.len() > *limit)
        {
            let mut mails = Vec::new();
            for some in request.recipients.chunks(limit) {
                let part = BatchRequest::new(request.message.clone(), some.to_vec());
                mails.extend(right.send_batch(cx, &part).await?.mails);
            }
            return Ok(BatchReceipt::new(mails));
        }
        let mut receipt = right.send_batch(cx, &request).await?;
        match self.wrong {
            Some(Wrong::ReversesOutcomes) => receipt.mails.reverse(),
            Some(Wrong::BatchSharesId) => {
                let id = receipt.mails.iter().flatten().find_map(|mail| mail.message_id.clone());
                receipt.mails.iter_mut().flatten().for_each(|mail| mail.message_id.clone_from(&id));
            }
            _ => {}
        }
        Ok(receipt)
    }
}

/// The names in `{{ name }}`.
fn placeholders(message: &Message) -> Vec<String> {
    let texts = [Some(message.subject.as_str()), message.text.as_deref(), message.html.as_deref()];
    let parts = texts.into_iter().flatten().flat_map(|text| text.split("{{").skip(1));
    parts.filter_map(|rest| Some(rest.split_once("}}")?.0.trim().to_owned())).collect()
}

#[async_trait]
impl RawEmail for Broken {
    async fn send_raw(&self, cx: &CallContext, request: &RawRequest) -> Result<SendReceipt> {
        let right = self.right.raw().ok_or_else(|| Error::unsupported("raw"))?;
        let mut request = request.clone();
        match self.wrong {
            Some(Wrong::TrimsRaw) => {
                let lines = request.content.bytes().split(|byte| *byte == b'\n');
                let lines: Vec<_> = lines.map(<[u8]>::trim_ascii_end).collect();
                request.content = RawMessage::parse(lines.join(&b"\r\n"[..]))?;
            }
            Some(Wrong::RawFromRecipient) => {
                request.from = request.to.first().cloned().unwrap_or(request.from);
            }
            Some(Wrong::RawToNobody) if request.to.is_empty() => {
                return Ok(SendReceipt::new(None, Vec::new()));
            }
            _ => {}
        }
        self.receipt(right.send_raw(cx, &request).await?)
    }
}

#[async_trait]
impl ScheduleEmail for Broken {
    async fn schedule(&self, cx: &CallContext, request: &ScheduleRequest) -> Result<ScheduleReceipt> {
        let right = self.right.scheduler().ok_or_else(|| Error::unsupported("scheduling"))?;
        let mut request = request.clone();
        let now = external_core::BuildContext::default().now();
        match self.wrong {
            Some(Wrong::SendsAtOnce) => request.at = SystemTime::UNIX_EPOCH,
            Some(Wrong::ForgetsTemplates) if request.template.take().is_some() => {
                request.message.text = Some("x".to_owned());
            }
            Some(Wrong::RefusesPast) if request.at <= now => {
                return Err(Error::invalid_argument("that time has passed"));
            }
            _ => {}
        }
        right.schedule(cx, &request).await
    }

    async fn cancel(&self, cx: &CallContext, request: &CancelRequest) -> Result<Cancelled> {
        let right = self.right.scheduler().ok_or_else(|| Error::unsupported("scheduling"))?;
        if self.is(Wrong::CancelsNothing) {
            Ok(Cancelled::new(true))
        } else {
            right.cancel(cx, request).await
        }
    }
}

#[async_trait]
impl VendorTemplateEmail for Broken {
    async fn send_template(&self, cx: &CallContext, request: &VendorTemplateRequest) -> Result<SendReceipt> {
        let right = self.right.vendor_templates().ok_or_else(|| Error::unsupported("vendor-templates"))?;
        let mut request = request.clone();
        if self.is(Wrong::DropsTemplateData) {
            request.template.data = "{}".to_owned();
        }
        self.receipt(right.send_template(cx, &request).await?)
    }
}

#[async_trait]
impl OutboxEmail for Broken {
    async fn sent(&self, cx: &CallContext, request: &OutboxRequest) -> Result<Vec<StoredMail>> {
        let right = self.right.outbox().ok_or_else(|| Error::unsupported("outbox"))?;
        let request = if self.is(Wrong::ListsAll) { OutboxRequest::new() } else { request.clone() };
        let mails = right.sent(cx, &request).await?;
        Ok(if self.is(Wrong::ListsTwice) {
            mails.iter().flat_map(|mail| [mail.clone(), mail.clone()]).collect()
        } else {
            mails
        })
    }
}
