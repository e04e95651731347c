//! What is mailed: the message as a value, built from parsed parts only.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use super::address::{EmailAddress, Mailbox};
use super::header::{ContentId, FileName, HeaderName, HeaderText, MediaType, MessageId};
use crate::{Error, Result};

/// A mail: who, what, and how it is to be marked.
///
/// Every part was parsed before it came here, so a message holds no line break where a header would carry it. What only
/// the whole can show (a sender, a recipient, a body, the limits of a provider) is checked by [`check`](super::check).
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// Who it is from. Absent: the client's default.
    pub from: Option<Mailbox>,
    /// Where answers go. Empty: the client's default, else to `from`.
    pub reply_to: Vec<Mailbox>,
    /// Recipients whom all see.
    pub to: Vec<Mailbox>,
    /// Recipients of a copy whom all see.
    pub cc: Vec<Mailbox>,
    /// Recipients of a copy whom nobody sees.
    pub bcc: Vec<Mailbox>,
    /// The subject; may be empty.
    pub subject: HeaderText,
    /// The body as plain text. Line ends may be LF or CRLF.
    pub text: Option<String>,
    /// The body as HTML.
    pub html: Option<String>,
    /// Files that come along.
    pub attachments: Vec<Attachment>,
    /// Images that the HTML shows by `cid:`.
    pub inline: Vec<InlineImage>,
    /// Headers of the sender's own, in this order.
    pub headers: Vec<(HeaderName, HeaderText)>,
    /// Labels for the vendor's statistics.
    pub tags: Vec<HeaderText>,
    /// Pairs that come back in the vendor's events.
    pub metadata: BTreeMap<MetadataKey, HeaderText>,
    /// Where bounces go (the envelope's sender, Return-Path). Absent: the address of `from`.
    pub envelope_from: Option<EmailAddress>,
    /// How a recipient leaves the list.
    pub list_unsubscribe: Option<ListUnsubscribe>,
    /// The mail's identity. Absent: the client creates one, once for all attempts.
    pub message_id: Option<MessageId>,
    /// The mail's date, whole seconds. Absent: the client's clock, once for all attempts.
    pub date: Option<SystemTime>,
}

impl Message {
    /// An empty mail with this subject.
    pub fn new(subject: HeaderText) -> Self {
        Self {
            from: None,
            reply_to: Vec::new(),
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            subject,
            text: None,
            html: None,
            attachments: Vec::new(),
            inline: Vec::new(),
            headers: Vec::new(),
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            envelope_from: None,
            list_unsubscribe: None,
            message_id: None,
            date: None,
        }
    }

    /// Sets the sender.
    #[must_use]
    pub fn with_from(mut self, from: impl Into<Mailbox>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Adds an address for answers.
    #[must_use]
    pub fn with_reply_to(mut self, mailbox: impl Into<Mailbox>) -> Self {
        self.reply_to.push(mailbox.into());
        self
    }

    /// Adds a recipient.
    #[must_use]
    pub fn with_to(mut self, mailbox: impl Into<Mailbox>) -> Self {
        self.to.push(mailbox.into());
        self
    }

    /// Adds a recipient of a visible copy.
    #[must_use]
    pub fn with_cc(mut self, mailbox: impl Into<Mailbox>) -> Self {
        self.cc.push(mailbox.into());
        self
    }

    /// Adds a recipient of a hidden copy.
    #[must_use]
    pub fn with_bcc(mut self, mailbox: impl Into<Mailbox>) -> Self {
        self.bcc.push(mailbox.into());
        self
    }

    /// Sets the plain text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets the HTML.
    #[must_use]
    pub fn with_html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn with_attachment(mut self, attachment: Attachment) -> Self {
        self.attachments.push(attachment);
        self
    }

    /// Adds an image for the HTML to show as `<img src="cid:…">`.
    #[must_use]
    pub fn with_inline(mut self, image: InlineImage) -> Self {
        self.inline.push(image);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderText) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn with_tag(mut self, tag: HeaderText) -> Self {
        self.tags.push(tag);
        self
    }

    /// Adds a pair of metadata; a key given twice keeps the later value.
    #[must_use]
    pub fn with_metadata(mut self, key: MetadataKey, value: HeaderText) -> Self {
        self.metadata.insert(key, value);
        self
    }

    /// Sets where bounces go.
    #[must_use]
    pub fn with_envelope_from(mut self, address: EmailAddress) -> Self {
        self.envelope_from = Some(address);
        self
    }

    /// Sets how a recipient leaves the list.
    #[must_use]
    pub fn with_list_unsubscribe(mut self, list: ListUnsubscribe) -> Self {
        self.list_unsubscribe = Some(list);
        self
    }

    /// Sets the identity.
    #[must_use]
    pub fn with_message_id(mut self, id: MessageId) -> Self {
        self.message_id = Some(id);
        self
    }

    /// Sets the date.
    #[must_use]
    pub fn with_date(mut self, date: SystemTime) -> Self {
        self.date = Some(date);
        self
    }

    /// The recipients in the order to, cc, bcc, each address once: one outcome each in the receipt.
    pub fn recipients(&self) -> Vec<&EmailAddress> {
        let mut seen = std::collections::BTreeSet::new();
        let all = self.to.iter().chain(&self.cc).chain(&self.bcc).map(Mailbox::address);
        all.filter(|address| seen.insert(*address)).collect()
    }

    /// Who the envelope says it is from: `envelope_from`, else the address of `from`.
    pub fn envelope_sender(&self) -> Option<&EmailAddress> {
        self.envelope_from.as_ref().or_else(|| self.from.as_ref().map(Mailbox::address))
    }

    /// About how many bytes it takes on the wire: bodies as they are, files with base64's third on top. A provider that
    /// builds the bytes itself checks the exact number as well.
    pub fn estimated_bytes(&self) -> u64 {
        let text = self.text.as_ref().map_or(0, String::len) + self.html.as_ref().map_or(0, String::len);
        let files = self.attachments.iter().map(|a| &a.content).chain(self.inline.iter().map(|i| &i.content));
        let files: usize = files.map(|content| content.len().div_ceil(57) * 78).sum();
        u64::try_from(text + files).unwrap_or(u64::MAX)
    }
}

/// Without what it says: texts are told by their length, as files are.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("from", &self.from)
            .field("reply_to", &self.reply_to)
            .field("to", &self.to)
            .field("cc", &self.cc)
            .field("bcc", &self.bcc)
            .field("subject", &self.subject)
            .field("text_bytes", &self.text.as_ref().map(String::len))
            .field("html_bytes", &self.html.as_ref().map(String::len))
            .field("attachments", &self.attachments)
            .field("inline", &self.inline)
            .field("headers", &self.headers)
            .field("tags", &self.tags)
            .field("metadata", &self.metadata)
            .field("envelope_from", &self.envelope_from)
            .field("list_unsubscribe", &self.list_unsubscribe)
            .field("message_id", &self.message_id)
            .field("date", &self.date)
            .finish()
    }
}

/// A file that comes with a mail.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// The name it is saved under.
    pub name: FileName,
    /// What it is.
    pub media_type: MediaType,
    /// Its bytes.
    pub content: Bytes,
}

impl Attachment {
    /// A file of this name and type.
    pub fn new(name: FileName, media_type: MediaType, content: impl Into<Bytes>) -> Self {
        Self { name, media_type, content: content.into() }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("name", &self.name)
            .field("media_type", &self.media_type)
            .field("bytes", &self.content.len())
            .finish()
    }
}

/// An image within the HTML.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InlineImage {
    /// What the HTML calls it.
    pub content_id: ContentId,
    /// What it is.
    pub media_type: MediaType,
    /// Its bytes.
    pub content: Bytes,
}

impl InlineImage {
    /// An image that the HTML shows as `cid:<content_id>`.
    pub fn new(content_id: ContentId, media_type: MediaType, content: impl Into<Bytes>) -> Self {
        Self { content_id, media_type, content: content.into() }
    }
}

impl fmt::Debug for InlineImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineImage")
            .field("content_id", &self.content_id)
            .field("media_type", &self.media_type)
            .field("bytes", &self.content.len())
            .finish()
    }
}

/// The name of a metadata pair: ASCII letters, digits, `-` and `_`, 1 to 50 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetadataKey(String);

impl MetadataKey {
    /// Parses a key.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it holds anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > 50 || !text.bytes().all(fine) {
            return Err(Error::invalid_argument(
                "not a metadata key: ASCII letters, digits, - and _, 1 to 50 octets",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for MetadataKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

/// How a recipient leaves a list (RFC 2369), in one click where the mail program offers it (RFC 8058).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListUnsubscribe {
    url: Option<String>,
    mailto: Option<EmailAddress>,
    one_click: bool,
}

impl ListUnsubscribe {
    /// By a link that a person opens.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` unless the link is `http(s)://` in printable ASCII without `<`, `>` and `,`.
    pub fn url(url: &str) -> Result<Self> {
        let printable = url.bytes().all(|b| (33..=126).contains(&b) && !b"<>,\"".contains(&b));
        let web = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))
            .is_some_and(|r| !r.is_empty());
        if !web || !printable || url.len() > 2000 {
            return Err(Error::invalid_argument(
                "not an unsubscribe link: http(s) in printable ASCII, up to 2000 octets",
            ));
        }
        Ok(Self { url: Some(url.to_owned()), mailto: None, one_click: false })
    }

    /// By a link to which the mail program itself may POST (`List-Unsubscribe-Post: List-Unsubscribe=One-Click`).
    ///
    /// # Errors
    ///
    /// `InvalidArgument` unless the link is `https://`, as RFC 8058 demands.
    pub fn one_click(url: &str) -> Result<Self> {
        if !url.starts_with("https://") {
            return Err(Error::invalid_argument("one-click unsubscribe needs an https link"));
        }
        Ok(Self { one_click: true, ..Self::url(url)? })
    }

    /// By a mail to this address.
    pub fn mailto(address: EmailAddress) -> Self {
        Self { url: None, mailto: Some(address), one_click: false }
    }

    /// Offers a mail to this address as well.
    #[must_use]
    pub fn with_mailto(mut self, address: EmailAddress) -> Self {
        self.mailto = Some(address);
        self
    }

    /// Whether the mail program may POST by itself.
    pub fn is_one_click(&self) -> bool {
        self.one_click
    }

    /// The value of the `List-Unsubscribe` header.
    pub fn header_value(&self) -> String {
        let url = self.url.as_ref().map(|url| format!("<{url}>"));
        let mailto = self.mailto.as_ref().map(|address| format!("<mailto:{address}>"));
        url.into_iter().chain(mailto).collect::<Vec<_>>().join(", ")
    }
}
