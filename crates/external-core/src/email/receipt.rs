//! Results of the e-mail contract. A refused recipient is a value here, not an error.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use super::address::EmailAddress;
use super::header::MessageId;
use crate::{Effect, Error, Result};

/// What became of a mail: one outcome for each recipient, in the order of the request (to, cc, bcc; each address once).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendReceipt {
    /// The identity that was sent. Absent only for raw mail that has none.
    pub message_id: Option<MessageId>,
    /// The vendor's own name for what it took, if it gave one (a queue id, a message id).
    pub vendor_id: Option<String>,
    /// What became of the mail, person by person.
    pub recipients: Vec<RecipientOutcome>,
    /// Whether this is the answer to an earlier request with the same idempotency key; nothing was sent now.
    pub replayed: bool,
}

impl SendReceipt {
    /// A receipt for these recipients.
    pub fn new(message_id: Option<MessageId>, recipients: Vec<RecipientOutcome>) -> Self {
        Self { message_id, vendor_id: None, recipients, replayed: false }
    }

    /// Adds the vendor's own name for the mail.
    #[must_use]
    pub fn with_vendor_id(mut self, id: impl Into<String>) -> Self {
        self.vendor_id = Some(id.into());
        self
    }

    /// Marks it as the answer to an earlier request.
    #[must_use]
    pub fn with_replayed(mut self, replayed: bool) -> Self {
        self.replayed = replayed;
        self
    }

    /// Whom the mail was accepted for.
    pub fn accepted(&self) -> impl Iterator<Item = &EmailAddress> {
        self.recipients.iter().filter(|r| r.outcome == Outcome::Accepted).map(|r| &r.address)
    }

    /// Whom it was not accepted for, and why.
    pub fn not_accepted(&self) -> impl Iterator<Item = &RecipientOutcome> {
        self.recipients.iter().filter(|r| r.outcome != Outcome::Accepted)
    }

    /// Whether the mail was accepted for everyone.
    pub fn is_complete(&self) -> bool {
        self.not_accepted().next().is_none()
    }

    /// What became of it for one address.
    pub fn outcome(&self, address: &EmailAddress) -> Option<&Outcome> {
        self.recipients.iter().find(|r| r.address == *address).map(|r| &r.outcome)
    }

    /// The receipt if everyone got the mail, else an error, for callers to whom anything less is one.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` with the first refusal's code and the number of recipients concerned. Its effect is `NotApplied`
    /// if nobody got the mail, else `MaybeApplied`: repeating it would mail some twice.
    pub fn into_complete(self) -> Result<Self> {
        let missed = self.not_accepted().count();
        let Some(first) = self.not_accepted().next() else {
            return Ok(self);
        };
        let effect = if missed == self.recipients.len() { Effect::NotApplied } else { Effect::MaybeApplied };
        let mut error = Error::permission_denied("the mail was not accepted for every recipient")
            .with_effect(effect)
            .with_context("not_accepted", missed)
            .with_context("recipients", self.recipients.len());
        if let Some(code) = first.outcome.refusal().and_then(|refusal| refusal.code.clone()) {
            error = error.with_vendor_code(code);
        }
        Err(error)
    }
}

/// One recipient and what became of the mail for them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecipientOutcome {
    /// Who.
    pub address: EmailAddress,
    /// What.
    pub outcome: Outcome,
}

impl RecipientOutcome {
    /// This outcome for this address.
    pub fn new(address: EmailAddress, outcome: Outcome) -> Self {
        Self { address, outcome }
    }
}

/// What became of a mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The provider took responsibility for delivering it. It may still bounce later.
    Accepted,
    /// Refused for good: trying again will not help.
    Refused(Refusal),
    /// Refused for now: the same mail to the same address may be accepted later. Nothing was queued.
    Deferred(Refusal),
    /// Not sent, since the client's suppression list names the address.
    Suppressed(String),
}

impl Outcome {
    /// Whether the mail was accepted.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted)
    }

    /// The provider's words, if it refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) | Self::Deferred(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// Why a recipient was refused, in the provider's words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The provider's code, for SMTP reply code and enhanced status: `550 5.1.1`.
    pub code: Option<String>,
    /// The provider's text, one line. It may hold the address: show it to the sender, do not log it.
    pub message: String,
}

impl Refusal {
    /// A refusal with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: None, message: message.into() }
    }

    /// Adds the code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

/// What became of a batch: for each mail its receipt, in the order of the recipients, or the error that concerned it alone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchReceipt {
    /// One entry for each recipient of the request.
    pub mails: Vec<Result<SendReceipt>>,
}

impl BatchReceipt {
    /// A receipt of these mails.
    pub fn new(mails: Vec<Result<SendReceipt>>) -> Self {
        Self { mails }
    }

    /// How many mails were accepted.
    pub fn accepted(&self) -> usize {
        self.mails.iter().flatten().filter(|receipt| receipt.is_complete()).count()
    }

    /// Whether every mail was accepted.
    pub fn is_complete(&self) -> bool {
        self.accepted() == self.mails.len()
    }
}

/// A mail that waits for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleReceipt {
    /// What `cancel` takes.
    pub id: String,
    /// When it will be sent, as the provider keeps it.
    pub at: SystemTime,
    /// The identity it will carry.
    pub message_id: Option<MessageId>,
    /// The vendor's own name for the mail, if it gave one.
    pub vendor_id: Option<String>,
    /// Whether this is the answer to an earlier request with the same idempotency key.
    pub replayed: bool,
}

impl ScheduleReceipt {
    /// A mail that waits until then.
    pub fn new(id: impl Into<String>, at: SystemTime, message_id: Option<MessageId>) -> Self {
        Self { id: id.into(), at, message_id, vendor_id: None, replayed: false }
    }

    /// Adds the vendor's own name for the mail.
    #[must_use]
    pub fn with_vendor_id(mut self, id: impl Into<String>) -> Self {
        self.vendor_id = Some(id.into());
        self
    }
}

/// What became of a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cancelled {
    /// Whether a waiting mail was taken back now. `false`: it was sent already, was taken back before, or never was.
    pub existed: bool,
}

impl Cancelled {
    /// A mail was taken back, or there was none.
    pub fn new(existed: bool) -> Self {
        Self { existed }
    }
}

/// A mail as it left, with its envelope.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredMail {
    /// The envelope's sender.
    pub from: EmailAddress,
    /// The envelope's recipients that accepted it.
    pub to: Vec<EmailAddress>,
    /// The mail (RFC 5322) as the recipients get it.
    pub bytes: Bytes,
}

impl StoredMail {
    /// A mail as it left.
    pub fn new(from: EmailAddress, to: Vec<EmailAddress>, bytes: impl Into<Bytes>) -> Self {
        Self { from, to, bytes: bytes.into() }
    }
}

impl fmt::Debug for StoredMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMail")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}
