//! Requests of the e-mail contract. All are passed by reference, so that an attempt can replay them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use super::address::{EmailAddress, Mailbox};
use super::header::MessageId;
use super::message::Message;
use super::raw;
use crate::{CallOptions, Operation, Repeat, Result, call_options};

/// The repeat class of everything that mails: a key makes it `Keyed`, else it is `Once`.
fn mailing(name: &'static str, key: Option<&str>) -> Operation {
    let repeat = if key.is_some() { Repeat::Keyed } else { Repeat::Once };
    Operation::new("email", name, repeat)
}

/// Sends one message to its recipients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SendRequest {
    /// The mail.
    pub message: Message,
    /// Two requests with the same key are one mail, where the capability `idempotency-key` is native.
    pub idempotency_key: Option<String>,
    /// Timeout and metadata of this call.
    pub call: CallOptions,
}

impl SendRequest {
    /// Sends this message.
    pub fn new(message: Message) -> Self {
        Self { message, idempotency_key: None, call: CallOptions::default() }
    }

    /// Sets the key that makes a repetition the same mail.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// `send`: `Keyed` with a key, else `Once`.
    pub fn operation(&self) -> Operation {
        mailing("send", self.idempotency_key.as_deref())
    }
}

call_options!(SendRequest);

impl From<Message> for SendRequest {
    fn from(message: Message) -> Self {
        Self::new(message)
    }
}

/// Sends one message to many people, to each a mail of their own with their own words in it.
///
/// Subject, text and HTML may hold `{{ name }}` (a letter or `_`, then letters, digits, `_`); each recipient's values
/// replace them, escaped within HTML. `{{` that opens no such name is `InvalidArgument`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchRequest {
    /// What all get. Its `to`, `cc`, `bcc` and `message_id` must be empty.
    pub message: Message,
    /// Who gets it.
    pub recipients: Vec<BatchRecipient>,
    /// Two requests with the same key are one batch, where `idempotency-key` is native.
    pub idempotency_key: Option<String>,
    /// Timeout and metadata of this call.
    pub call: CallOptions,
}

impl BatchRequest {
    /// Sends this message to these people.
    pub fn new(message: Message, recipients: Vec<BatchRecipient>) -> Self {
        Self { message, recipients, idempotency_key: None, call: CallOptions::default() }
    }

    /// Sets the key that makes a repetition the same batch.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// `send_batch`: `Keyed` with a key, else `Once`.
    pub fn operation(&self) -> Operation {
        mailing("send_batch", self.idempotency_key.as_deref())
    }

    /// Every mail of the batch as a request of its own, in the order of the recipients; a key becomes `<key>/<index>`.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` naming the recipient's index and the variable: a placeholder without a value, a value with a line
    /// break in the subject, a broken placeholder, recipients in the shared message, or an empty batch.
    pub fn expand(&self) -> Result<Vec<SendRequest>> {
        super::merge::expand(self)
    }
}

call_options!(BatchRequest);

/// One person of a batch.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchRecipient {
    /// Who.
    pub to: Mailbox,
    /// The words that replace the placeholders.
    pub values: BTreeMap<String, String>,
    /// The identity of this person's mail. Absent: created by the client.
    pub message_id: Option<MessageId>,
}

/// Without the values, only their names: they are the recipient's own.
impl fmt::Debug for BatchRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchRecipient")
            .field("to", &self.to)
            .field("values", &self.values.keys().collect::<Vec<_>>())
            .field("message_id", &self.message_id)
            .finish()
    }
}

impl BatchRecipient {
    /// A person without words of their own.
    pub fn new(to: impl Into<Mailbox>) -> Self {
        Self { to: to.into(), values: BTreeMap::new(), message_id: None }
    }

    /// Sets the word for a placeholder.
    #[must_use]
    pub fn with_value(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// Sets the identity of this person's mail.
    #[must_use]
    pub fn with_message_id(mut self, id: MessageId) -> Self {
        self.message_id = Some(id);
        self
    }
}

/// Sends finished bytes (RFC 5322), for example a mail that was signed or encrypted elsewhere.
#[derive(Clone)]
#[non_exhaustive]
pub struct RawRequest {
    /// The envelope's sender.
    pub from: EmailAddress,
    /// The envelope's recipients; the headers decide nothing.
    pub to: Vec<EmailAddress>,
    /// The mail.
    pub content: RawMessage,
    /// Two requests with the same key are one mail, where `idempotency-key` is native.
    pub idempotency_key: Option<String>,
    /// Timeout and metadata of this call.
    pub call: CallOptions,
}

impl RawRequest {
    /// Sends these bytes to these addresses.
    pub fn new(from: EmailAddress, to: Vec<EmailAddress>, content: RawMessage) -> Self {
        Self { from, to, content, idempotency_key: None, call: CallOptions::default() }
    }

    /// Sets the key that makes a repetition the same mail.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// `send_raw`: `Keyed` with a key, else `Once`.
    pub fn operation(&self) -> Operation {
        mailing("send_raw", self.idempotency_key.as_deref())
    }

    /// The envelope's recipients, each once.
    pub fn recipients(&self) -> Vec<&EmailAddress> {
        let mut seen = std::collections::BTreeSet::new();
        self.to.iter().filter(|address| seen.insert(*address)).collect()
    }
}

impl fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRequest")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("bytes", &self.content.bytes().len())
            .field("idempotency_key", &self.idempotency_key)
            .finish_non_exhaustive()
    }
}

call_options!(RawRequest);

/// The bytes of a mail, known to be safe to hand to a server: CRLF line ends only, no line above 998 octets, no NUL, a
/// header section, and no `Bcc` header that would tell everyone who was not to be seen. Free to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct RawMessage {
    bytes: Bytes,
    message_id: Option<MessageId>,
}

impl RawMessage {
    /// Takes finished bytes as they are; not one is changed.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` naming the line that breaks a rule. A lone CR or LF is refused since servers disagree on what it
    /// ends, which lets one mail smuggle in another.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        let message_id = raw::inspect(&bytes)?;
        Ok(Self { bytes, message_id })
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The Message-ID that stands in its headers.
    pub fn message_id(&self) -> Option<&MessageId> {
        self.message_id.as_ref()
    }
}

impl fmt::Debug for RawMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMessage")
            .field("bytes", &self.bytes.len())
            .field("message_id", &self.message_id)
            .finish()
    }
}

/// Sends a message at a later time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScheduleRequest {
    /// The mail.
    pub message: Message,
    /// When. Now or earlier: at once.
    pub at: SystemTime,
    /// The template, kept at the vendor, that subject and bodies are made from. Default: none, the message has its own.
    pub template: Option<VendorTemplate>,
    /// Two requests with the same key are one mail, where `idempotency-key` is native.
    pub idempotency_key: Option<String>,
    /// Timeout and metadata of this call.
    pub call: CallOptions,
}

impl ScheduleRequest {
    /// Sends this message at this time.
    pub fn new(message: Message, at: SystemTime) -> Self {
        Self { message, at, template: None, idempotency_key: None, call: CallOptions::default() }
    }

    /// Makes subject and bodies from a template that is kept at the vendor, where `vendor-templates` is native.
    #[must_use]
    pub fn with_template(mut self, template: VendorTemplate) -> Self {
        self.template = Some(template);
        self
    }

    /// Sets the key that makes a repetition the same mail.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// `schedule`: `Keyed` with a key, else `Once`.
    pub fn operation(&self) -> Operation {
        mailing("schedule", self.idempotency_key.as_deref())
    }
}

call_options!(ScheduleRequest);

/// Takes a scheduled mail back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CancelRequest {
    /// The schedule's id, from its receipt.
    pub id: String,
    /// Timeout and metadata of this call.
    pub call: CallOptions,
}

impl CancelRequest {
    /// Takes back the mail of this schedule.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), call: CallOptions::default() }
    }

    /// `cancel`: `Idempotent`.
    pub fn operation(&self) -> Operation {
        Operation::new("email", "cancel", Repeat::Idempotent)
    }
}

call_options!(CancelRequest);

/// A template that is kept at the vendor, and what it is filled with.
#[derive(Clone)]
#[non_exhaustive]
pub struct VendorTemplate {
    /// The vendor's name or id of the template.
    pub id: String,
    /// What it is filled with: a JSON object, as text.
    pub data: String,
}

impl VendorTemplate {
    /// This template, filled with a JSON object.
    pub fn new(id: impl Into<String>, data: impl Into<String>) -> Self {
        Self { id: id.into(), data: data.into() }
    }
}

impl fmt::Debug for VendorTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VendorTemplate")
            .field("id", &self.id)
            .field("data_bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}

/// Sends a template that is kept at the vendor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VendorTemplateRequest {
    /// Who, and everything else but subject and bodies.
    pub message: Message,
    /// What subject and bodies are made from.
    pub template: VendorTemplate,
    /// Two requests with the same key are one mail, where `idempotency-key` is native.
    pub idempotency_key: Option<String>,
    /// Timeout and metadata of this call.
    pub call: CallOptions,
}

impl VendorTemplateRequest {
    /// Sends this template, filled with a JSON object.
    pub fn new(message: Message, template: impl Into<String>, data: impl Into<String>) -> Self {
        Self {
            message,
            template: VendorTemplate::new(template, data),
            idempotency_key: None,
            call: CallOptions::default(),
        }
    }

    /// Sets the key that makes a repetition the same mail.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// `send_template`: `Keyed` with a key, else `Once`.
    pub fn operation(&self) -> Operation {
        mailing("send_template", self.idempotency_key.as_deref())
    }
}

call_options!(VendorTemplateRequest);

/// Reads back mails that were sent, where the provider keeps them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OutboxRequest {
    /// Only mails to this address. Default: all.
    pub recipient: Option<EmailAddress>,
    /// Timeout and metadata of this call.
    pub call: CallOptions,
}

impl OutboxRequest {
    /// All mails.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only mails to this address.
    #[must_use]
    pub fn with_recipient(mut self, address: EmailAddress) -> Self {
        self.recipient = Some(address);
        self
    }

    /// `outbox`: `Safe`.
    pub fn operation(&self) -> Operation {
        Operation::new("email", "outbox", Repeat::Safe)
    }
}

call_options!(OutboxRequest);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::{EmailAddress, HeaderText};

    #[test]
    fn debug_hides_what_a_mail_says() {
        let message = Message::new(HeaderText::parse("subject").unwrap())
            .with_text("canary")
            .with_html("<p>canary</p>");
        let ada = EmailAddress::parse("ada@example.test").unwrap();
        let recipient = BatchRecipient::new(ada).with_value("code", "canary");
        let mut told = vec![format!("{:?}", BatchRequest::new(message.clone(), vec![recipient]))];
        told.push(format!(
            "{:?}",
            VendorTemplateRequest::new(message.clone(), "welcome", "{\"code\": \"canary\"}")
        ));
        let template = VendorTemplate::new("welcome", "{\"code\": \"canary\"}");
        let later = ScheduleRequest::new(message.clone(), SystemTime::UNIX_EPOCH).with_template(template);
        told.push(format!("{later:?}"));
        told.push(format!("{:?}", SendRequest::new(message)));
        for told in told {
            assert!(!told.contains("canary") && told.contains("text_bytes: Some(6)"), "{told}");
        }
    }
}
