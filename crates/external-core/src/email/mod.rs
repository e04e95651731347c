//! The e-mail contract: what a provider that sends mail promises.
//!
//! [`EmailService`] is the base; what only some providers can do are facets reached by accessor ([`BatchEmail`],
//! [`RawEmail`], [`ScheduleEmail`], [`VendorTemplateEmail`], [`OutboxEmail`]). Users hold `EmailClient` from
//! `external-email`, which fills defaults, renders templates and calls the pipeline.
//!
//! A refused recipient is a value in the [`SendReceipt`]. An error concerns the mail as a whole, and its effect says
//! whether somebody may have got it.
//!
//! Every promise ends with the id of the clause of the contract suite that proves it, or with `(client)` if it is the
//! client's.

mod address;
mod check;
mod event;
mod header;
mod merge;
mod message;
mod punycode;
mod raw;
mod receipt;
mod request;

use async_trait::async_trait;

pub use address::{EmailAddress, Mailbox};
pub use check::{check, check_batch, check_raw, check_schedule, check_size, check_template};
pub use event::{EmailEvent, EmailEventKind};
pub use header::{ContentId, FileName, HeaderName, HeaderText, MediaType, MessageId};
pub use merge::{escape_html, replace_placeholders};
pub use message::{Attachment, InlineImage, ListUnsubscribe, Message, MetadataKey};
pub use receipt::{
    BatchReceipt, Cancelled, Outcome, RecipientOutcome, Refusal, ScheduleReceipt, SendReceipt, StoredMail,
};
pub use request::{
    BatchRecipient, BatchRequest, CancelRequest, OutboxRequest, RawMessage, RawRequest, ScheduleRequest,
    SendRequest, VendorTemplate, VendorTemplateRequest,
};

use crate::{CallContext, Capability, Provider, Result};

/// Capabilities of this domain: id and meaning. Limits that `info()` may state: `recipients` (of one mail),
/// `message-bytes` (of one mail on the wire), `batch-recipients`, `schedule-seconds` (how far ahead).
pub const CAPABILITIES: &[(&str, &str)] = &[
    ("outcome-per-recipient", "the receipt says for each recipient what the provider answered"),
    ("envelope-sender", "bounces go to an address of their own"),
    ("message-id", "the mail carries the Message-ID it was given"),
    ("smtputf8", "addresses whose local part is not ASCII"),
    ("tags", "labels for the vendor's statistics"),
    ("metadata", "pairs that come back in the vendor's events"),
    ("idempotency-key", "two requests with the same key are one mail"),
    ("batch", "one message to many, each with their own words"),
    ("raw", "finished RFC 5322 bytes"),
    ("scheduling", "sending at a later time, and taking it back"),
    ("vendor-templates", "templates that are kept at the vendor"),
    ("outbox", "mails that were sent can be read back from the provider itself"),
];

/// The names of the operations: what a policy may say for each.
pub const OPERATIONS: &[&str] =
    &["send", "send_batch", "send_raw", "schedule", "cancel", "send_template", "outbox"];

/// Sends mail.
///
/// What a mail is, on every provider:
///
/// - Line breaks, control characters and NUL are refused wherever a header would carry them: when the value is built.
///   (email.value.1)
/// - Addresses keep the limits of RFC 5321 (local part 64 octets, domain 255, whole 254) and may hold any script; what is
///   longer or malformed is refused when parsed. (email.value.2)
/// - A custom header cannot set what the message's own fields or the transport set. (email.value.3)
/// - Raw bytes with a lone CR or LF, a NUL, a line above 998 octets, a `Bcc` header or no header at all are refused when
///   parsed. (email.value.4)
/// - A one-click unsubscribe link that is not `https` is refused when built. (email.value.5)
///
/// What the instance says of itself:
///
/// - Each facet's accessor answers if and only if its capability is declared native. (email.capability.1)
#[async_trait]
pub trait EmailService: Provider {
    /// Sends one mail.
    ///
    /// - The mail reaches every accepted recipient in `to`, `cc` and `bcc`, and the receipt holds one outcome for each
    ///   address, in that order. (email.send.1)
    /// - An address named twice gets one copy and one outcome. (email.send.2)
    /// - A refused address is the outcome `Refused` with the provider's code and words, and never loses the others, who
    ///   are accepted and get the mail. (email.send.3)
    /// - An address that is refused for now is the outcome `Deferred`. (email.send.4)
    /// - If every address is refused, that is still a receipt, and nobody gets the mail. (email.send.5)
    /// - Without a recipient, a sender, or any of text, HTML and attachment: `InvalidArgument`, `NotSent`.
    ///   (email.send.6)
    /// - Text and HTML arrive unchanged but for CRLF line ends and one at the very end, in any script, as alternatives with the text first; long
    ///   lines and lines that start with a dot included. (email.send.7)
    /// - Attachments arrive byte for byte with their name, in any script, and media type. (email.send.8)
    /// - Inline images arrive byte for byte, related to the HTML, under their content id. (email.send.9)
    /// - Subject and display names arrive unchanged in any script. (email.send.10)
    /// - Custom headers arrive unchanged, in any script. (email.send.11)
    /// - Reply-To arrives. (email.send.12)
    /// - `bcc` recipients get the mail, and the bytes that anyone gets name them nowhere. (email.send.13)
    /// - The envelope's sender is `envelope_from` where given, else the address of `from`; the header stays as it is.
    ///   (email.send.14)
    /// - The mail carries the Message-ID it was given, and the receipt repeats it; given none, the provider makes one and
    ///   the receipt tells it. (email.send.15)
    /// - The mail carries the date it was given. (email.send.16)
    /// - `list_unsubscribe` arrives as `List-Unsubscribe`, and one-click adds `List-Unsubscribe-Post`. (email.send.17)
    /// - Tags travel with the mail. (email.send.18)
    /// - Metadata travels with the mail. (email.send.19)
    /// - More recipients than the limit `recipients`: `InvalidArgument`, `NotSent`. (email.send.20)
    /// - More bytes than the limit `message-bytes`: `PayloadTooLarge`, `NotSent`. (email.send.21)
    /// - A local part that is not ASCII is delivered to as it is. (email.send.22)
    /// - A domain that is not ASCII is delivered to, as it is or in its ASCII form. (email.send.23)
    /// - Two requests with the same key are one mail; the second receipt repeats the first and says `replayed`. Where keys
    ///   are not native a key changes nothing: it is a wish about repetition, not a part of the mail. (email.send.24)
    /// - The same key with another mail (other recipients, subject or bodies) is `Conflict`, and nothing is sent.
    ///   (email.send.25)
    /// - Mails sent side by side do not mix: each recipient gets the one meant for them. (email.send.26)
    /// - An answer lost after the mail may have been taken is an error with effect `MaybeApplied`. (email.send.27)
    /// - A client never repeats such a mail: it arrives once, whether there is a key or not, unless keys are native.
    ///   (email.send.28)
    /// - A mail refused as a whole after its recipients were accepted is an error with effect `NotApplied`, and nobody
    ///   gets it. (email.send.29)
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, `Unsupported` and `PayloadTooLarge` before anything is sent; `PermissionDenied` when the sender
    /// or the content is refused; `Unauthenticated`, `RateLimited`, `QuotaExhausted`, `Unavailable`, `Timeout`.
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt>;

    /// One message to many people.
    fn batch(&self) -> Option<&dyn BatchEmail> {
        None
    }

    /// Finished bytes.
    fn raw(&self) -> Option<&dyn RawEmail> {
        None
    }

    /// Sending later.
    fn scheduler(&self) -> Option<&dyn ScheduleEmail> {
        None
    }

    /// Templates kept at the vendor.
    fn vendor_templates(&self) -> Option<&dyn VendorTemplateEmail> {
        None
    }

    /// Reading back what was sent.
    fn outbox(&self) -> Option<&dyn OutboxEmail> {
        None
    }
}

/// Facet `batch`: one message to many people, each with their own words, in one exchange.
///
/// Where it is emulated the client sends the mails one by one, each through the pipeline, with the same promises.
#[async_trait]
pub trait BatchEmail: Send + Sync {
    /// Sends a mail to each recipient.
    ///
    /// - Each recipient gets one mail of their own, with their values in the places of `{{ name }}` in subject, text and
    ///   HTML. (email.batch.1)
    /// - No recipient's mail names another recipient. (email.batch.2)
    /// - Values are escaped in HTML, and verbatim in subject and text; a value is never read as a placeholder.
    ///   (email.batch.3)
    /// - A placeholder without a value is `InvalidArgument` that names variable and recipient, and nothing is sent.
    ///   (email.batch.4)
    /// - A line break in a value of the subject is `InvalidArgument`, and nothing is sent. (email.batch.5)
    /// - A refused recipient is an outcome of their own mail and never loses the others; receipts come in the order of the
    ///   recipients. (email.batch.6)
    /// - An empty batch, and one whose shared message has recipients, is `InvalidArgument`, `NotSent`. (email.batch.7)
    /// - Each mail has a Message-ID of its own, told in its receipt. (email.batch.8)
    /// - More recipients than the limit `batch-recipients`: `InvalidArgument`, `NotSent`. The client splits before that.
    ///   (email.batch.9)
    ///
    /// # Errors
    ///
    /// As [`EmailService::send`], for the batch as a whole.
    async fn send_batch(&self, cx: &CallContext, request: &BatchRequest) -> Result<BatchReceipt>;
}

/// Facet `raw`: finished RFC 5322 bytes.
#[async_trait]
pub trait RawEmail: Send + Sync {
    /// Sends the bytes to the envelope's recipients.
    ///
    /// - The bytes arrive unchanged, lines that start with a dot included; a server may put its own header lines before
    ///   them. (email.raw.1)
    /// - The envelope decides who gets it, not the headers. (email.raw.2)
    /// - A refused address is an outcome and never loses the others. (email.raw.3)
    /// - Without a recipient: `InvalidArgument`, `NotSent`. (email.raw.4)
    /// - The receipt repeats the Message-ID that stands in the bytes. (email.raw.5)
    ///
    /// # Errors
    ///
    /// As [`EmailService::send`].
    async fn send_raw(&self, cx: &CallContext, request: &RawRequest) -> Result<SendReceipt>;
}

/// Facet `scheduling`: sending at a later time, and taking it back.
#[async_trait]
pub trait ScheduleEmail: Send + Sync {
    /// Hands over a mail to be sent at its time.
    ///
    /// - Nothing is sent before that time, and the mail is there once it has come. (email.schedule.1)
    /// - A time that has passed means at once. (email.schedule.2)
    /// - A time further ahead than the limit `schedule-seconds` is `InvalidArgument`, `NotSent`. (email.schedule.3)
    /// - A template that is kept at the vendor waits and is taken back as any mail is; where `vendor-templates` are not
    ///   supported it is `Unsupported`, `NotSent`. (email.schedule.4)
    ///
    /// # Errors
    ///
    /// As [`EmailService::send`].
    async fn schedule(&self, cx: &CallContext, request: &ScheduleRequest) -> Result<ScheduleReceipt>;

    /// Takes a scheduled mail back.
    ///
    /// - A mail that still waits is never sent, and `existed` is true. (email.cancel.1)
    /// - For a mail that was sent, was taken back before, or never was, `existed` is false. (email.cancel.2)
    ///
    /// # Errors
    ///
    /// `Unavailable`, `Timeout`, `Unauthenticated`.
    async fn cancel(&self, cx: &CallContext, request: &CancelRequest) -> Result<Cancelled>;
}

/// Facet `vendor-templates`: templates that are kept at the vendor.
#[async_trait]
pub trait VendorTemplateEmail: Send + Sync {
    /// Sends a mail whose subject and bodies the vendor makes from a template.
    ///
    /// - The template's name and the data reach the vendor unchanged, with one outcome for each recipient.
    ///   (email.template.1)
    ///
    /// # Errors
    ///
    /// As [`EmailService::send`]; `NotFound` for an unknown template.
    async fn send_template(&self, cx: &CallContext, request: &VendorTemplateRequest) -> Result<SendReceipt>;
}

/// Facet `outbox`: providers that keep what they sent, so that tests and people can look at it.
#[async_trait]
pub trait OutboxEmail: Send + Sync {
    /// The mails that were sent, oldest first.
    ///
    /// - A mail is listed once, with its envelope's sender, the recipients that accepted it, and its bytes as they got
    ///   them. (email.outbox.1)
    /// - With a recipient given, only mails whose envelope names that address. (email.outbox.2)
    ///
    /// # Errors
    ///
    /// `Unavailable`; `Corrupt` if what was kept cannot be read.
    async fn sent(&self, cx: &CallContext, request: &OutboxRequest) -> Result<Vec<StoredMail>>;
}

/// What a service can do: facets by their accessor, everything else by `info()`. A facet without an accessor that is
/// declared emulated is the client's work.
pub fn supports(service: &dyn EmailService, id: &str) -> Capability {
    let declared = service.info().capabilities().grade(id);
    let present = match id {
        "batch" => service.batch().is_some(),
        "raw" => service.raw().is_some(),
        "scheduling" => service.scheduler().is_some(),
        "vendor-templates" => service.vendor_templates().is_some(),
        "outbox" => service.outbox().is_some(),
        _ => return declared,
    };
    match (present, declared) {
        (true, Capability::Emulated(caveat)) | (false, Capability::Emulated(caveat)) => {
            Capability::Emulated(caveat)
        }
        (true, _) => Capability::Native,
        (false, _) => Capability::Unsupported,
    }
}
