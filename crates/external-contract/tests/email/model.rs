//! A small mail provider with an outbox that is right, and can be made wrong in one way at a time. It writes plain text.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use external_core::email::{
    EmailAddress, EmailService, Mailbox, Message, MessageId, OutboxEmail, OutboxRequest, Outcome,
    RecipientOutcome, Refusal, SendReceipt, SendRequest, StoredMail, check,
};
use external_core::{
    BuildContext, CallContext, Capabilities, Effect, Error, Provider, ProviderInfo, Result, async_trait,
};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    StopsAtRefusal,
    RefusalIsError,
    WritesBcc,
    SendsTwice,
    RepeatsLost,
    LostIsNotSent,
    IgnoresKeys,
    ReplaysAnything,
    MixesMails,
    IgnoresEnvelopeSender,
    TellsAnotherId,
    KeepsRefusedContent,
    HidesOutbox,
}

#[derive(Default)]
struct State {
    sent: Vec<StoredMail>,
    keys: HashMap<String, (Message, SendReceipt)>,
    draft: String,
}

pub(crate) struct Model {
    info: ProviderInfo,
    flaw: Flaw,
    state: Mutex<State>,
}

impl Model {
    pub(crate) fn new(flaw: Flaw) -> Self {
        let mut capabilities = Capabilities::new()
            .all_native(&[
                "outcome-per-recipient",
                "envelope-sender",
                "message-id",
                "smtputf8",
                "idempotency-key",
            ])
            .limit("recipients", 10);
        if flaw != Flaw::HidesOutbox {
            capabilities = capabilities.native("outbox");
        }
        Self {
            info: ProviderInfo::new("model", "email", "model:", capabilities),
            flaw,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn write(&self, message: &Message, id: &MessageId) -> String {
        let list = |mailboxes: &[Mailbox]| {
            let written = mailboxes.iter().map(|mailbox| match mailbox.name() {
                Some(name) => format!("=?utf-8?q?{}?= <{}>", quoted(name), mailbox.address()),
                None => mailbox.address().to_string(),
            });
            written.collect::<Vec<_>>().join(", ")
        };
        let mut lines =
            vec![format!("Message-ID: <{}>", id.as_str()), format!("Subject: {}", message.subject.as_str())];
        for (name, mailboxes) in [("To", &message.to), ("Cc", &message.cc), ("Reply-To", &message.reply_to)] {
            if !mailboxes.is_empty() {
                lines.push(format!("{name}: {}", list(mailboxes)));
            }
        }
        lines.extend(message.from.iter().map(|from| format!("From: {}", list(std::slice::from_ref(from)))));
        if self.flaw == Flaw::WritesBcc {
            lines.push(format!("Bcc: {}", list(&message.bcc)));
        }
        lines.push("Content-Type: text/plain; charset=utf-8".to_owned());
        format!("{}\r\n\r\n{}", lines.join("\r\n"), message.text.as_deref().unwrap_or_default())
    }

    fn outcomes(&self, recipients: &[&EmailAddress]) -> Result<Vec<RecipientOutcome>> {
        let mut outcomes: Vec<RecipientOutcome> = Vec::new();
        for address in recipients {
            let outcome = match address.local().split('+').next() {
                Some("refuse550") => Outcome::Refused(Refusal::new("no such mailbox").with_code("550")),
                Some("defer451") => Outcome::Deferred(Refusal::new("try later").with_code("451")),
                _ => Outcome::Accepted,
            };
            let lost = self.flaw == Flaw::StopsAtRefusal
                && outcomes.iter().any(|outcome| !outcome.outcome.is_accepted());
            let outcome =
                if lost { Outcome::Refused(Refusal::new("given up").with_code("000")) } else { outcome };
            outcomes.push(RecipientOutcome::new((*address).clone(), outcome));
        }
        if self.flaw == Flaw::RefusalIsError && outcomes.iter().all(|outcome| !outcome.outcome.is_accepted())
        {
            return Err(Error::permission_denied("everybody was refused"));
        }
        Ok(outcomes)
    }
}

fn quoted(name: &str) -> String {
    name.bytes().map(|byte| format!("={byte:02X}")).collect()
}

fn named(recipients: &[&EmailAddress], local: &str) -> bool {
    recipients.iter().any(|address| address.local().split('+').next() == Some(local))
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("flaw", &self.flaw).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Model {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl EmailService for Model {
    async fn send(&self, _: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        check(&self.info, request)?;
        let message = &request.message;
        if let Some(key) = request.idempotency_key.as_deref().filter(|_| self.flaw != Flaw::IgnoresKeys)
            && let Some((first, receipt)) = self.state().keys.get(key)
        {
            if first != message && self.flaw != Flaw::ReplaysAnything {
                return Err(Error::conflict("the key stands for another mail"));
            }
            return Ok(receipt.clone().with_replayed(true));
        }
        let recipients = message.recipients();
        let outcomes = self.outcomes(&recipients)?;
        let sender = message.from.as_ref().map(|from| from.address().clone());
        let envelope = match self.flaw {
            Flaw::IgnoresEnvelopeSender => sender.clone(),
            _ => message.envelope_sender().cloned(),
        };
        let (Some(sender), Some(envelope)) = (sender, envelope) else {
            return Err(Error::invalid_argument("no sender"));
        };
        let fresh = || {
            let mut bits = [0; 16];
            BuildContext::default().random(&mut bits);
            MessageId::new(bits, &sender)
        };
        let id = message.message_id.clone().unwrap_or_else(fresh);
        let mut bytes = self.write(message, &id);
        if self.flaw == Flaw::MixesMails {
            // One draft for all: whoever comes in between overwrites it.
            self.state().draft.clone_from(&bytes);
            tokio::task::yield_now().await;
            bytes.clone_from(&self.state().draft);
        } else {
            tokio::task::yield_now().await;
        }
        let accepted: Vec<_> = outcomes
            .iter()
            .filter(|outcome| outcome.outcome.is_accepted())
            .map(|outcome| outcome.address.clone())
            .collect();
        let refused = named(&recipients, "datafail");
        let mut state = self.state();
        let mut copies =
            usize::from(!accepted.is_empty() && (!refused || self.flaw == Flaw::KeepsRefusedContent));
        if self.flaw == Flaw::SendsTwice {
            copies *= 2;
        }
        for _ in 0..copies {
            state.sent.push(StoredMail::new(envelope.clone(), accepted.clone(), bytes.clone()));
        }
        if refused {
            return Err(Error::permission_denied("content refused"));
        }
        if named(&recipients, "dropafterdata") && self.flaw != Flaw::RepeatsLost {
            let effect =
                if self.flaw == Flaw::LostIsNotSent { Effect::NotSent } else { Effect::MaybeApplied };
            return Err(Error::unavailable("the answer was lost").with_effect(effect));
        }
        let told = if self.flaw == Flaw::TellsAnotherId { fresh() } else { id };
        let receipt = SendReceipt::new(Some(told), outcomes);
        if let Some(key) = &request.idempotency_key {
            state.keys.insert(key.clone(), (message.clone(), receipt.clone()));
        }
        Ok(receipt)
    }

    fn outbox(&self) -> Option<&dyn OutboxEmail> {
        Some(self)
    }
}

#[async_trait]
impl OutboxEmail for Model {
    async fn sent(&self, _: &CallContext, request: &OutboxRequest) -> Result<Vec<StoredMail>> {
        let wanted =
            |mail: &&StoredMail| request.recipient.as_ref().is_none_or(|address| mail.to.contains(address));
        Ok(self.state().sent.iter().filter(wanted).cloned().collect())
    }
}
