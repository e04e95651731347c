//! Messages as bytes (RFC 5322 and MIME), for every provider that hands over a finished mail.
//!
//! The MIME tree (encodings, multiparts, file names) is lettre's. The top headers are written here: lettre keeps one value
//! a name, so a custom header could not stand twice, and it leaves text that looks like an encoded word as it is, which a
//! reader then decodes.

pub(crate) mod date;
pub(crate) mod headers;

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use external_core::email::{EmailAddress, Message, MessageId};
use external_core::{BuildContext, Error, Result};
use lettre::message::header::{ContentDisposition, ContentId, ContentTransferEncoding, ContentType};
use lettre::message::{Body, MultiPart, MultiPartKind, SinglePart};

use date::date;
use headers::HeaderBlock;

/// What the headers of most mails fit into.
const HEADERS: usize = 768;
/// The longest line that surely needs no encoding: lettre encodes lines of 76 octets, their ends included.
const PLAIN_LINE: usize = 72;

/// A mail as bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RenderedMessage {
    /// The mail, CRLF line ends, ready to be handed over.
    pub bytes: Bytes,
    /// The identity that stands in it.
    pub message_id: MessageId,
}

/// Renders a message. `bcc` is nowhere in the result. The same message with Message-ID and date gives the same bytes each
/// time, so that every attempt sends the same mail; what is absent comes from `context`.
///
/// # Errors
///
/// `InvalidArgument` without a sender, with a date outside the years 1970 to 9999, or with a media type whose parameters
/// cannot be read.
pub fn render(message: &Message, context: &BuildContext) -> Result<RenderedMessage> {
    let from = message.from.as_ref().ok_or_else(|| Error::invalid_argument("the mail has no sender"))?;
    let message_id = message.message_id.clone().unwrap_or_else(|| new_message_id(from.address(), context));
    let only = only_text(message);
    let mut head = HeaderBlock::with_capacity(HEADERS + only.map_or(0, |(_, text)| text.len()));
    head.encoded("Date", &date(message.date.unwrap_or_else(|| context.now()))?);
    head.mailboxes("From", std::slice::from_ref(from));
    head.mailboxes("Reply-To", &message.reply_to);
    if message.to.is_empty() && message.cc.is_empty() {
        head.encoded("To", "undisclosed-recipients:;");
    }
    head.mailboxes("To", &message.to);
    head.mailboxes("Cc", &message.cc);
    head.text("Subject", message.subject.as_str());
    head.in_brackets("Message-ID", message_id.as_str());
    if let Some(list) = &message.list_unsubscribe {
        head.encoded("List-Unsubscribe", &list.header_value());
        if list.is_one_click() {
            head.encoded("List-Unsubscribe-Post", "List-Unsubscribe=One-Click");
        }
    }
    for (name, value) in &message.headers {
        head.text(name.as_str(), value.as_str());
    }
    for tag in &message.tags {
        head.text("X-Tag", tag.as_str());
    }
    for (key, value) in &message.metadata {
        head.text(&format!("X-Metadata-{}", key.as_str()), value.as_str());
    }
    head.encoded("MIME-Version", "1.0");
    let mut bytes = head.finish();
    match only.filter(|(_, text)| travels_as_it_is(text)) {
        Some((kind, text)) => plain_text(kind, text, &mut bytes),
        None => body(message, &message_id)?.write(&mut bytes),
    }
    Ok(RenderedMessage { bytes: bytes.into(), message_id })
}

/// An identity for a message that has none yet: random, in its sender's domain.
pub(crate) fn new_message_id(sender: &EmailAddress, context: &BuildContext) -> MessageId {
    let mut random = [0; 16];
    context.random(&mut random);
    MessageId::new(random, sender)
}

/// The text of a mail that has nothing else, with its media type.
fn only_text(message: &Message) -> Option<(&'static str, &str)> {
    match (&message.text, &message.html) {
        _ if !message.attachments.is_empty() => None,
        (Some(text), None) => Some(("text/plain", text)),
        (None, Some(html)) if message.inline.is_empty() => Some(("text/html", html)),
        _ => None,
    }
}

/// Whether text needs no encoding: ASCII without control characters, in lines that are not too long.
fn travels_as_it_is(text: &str) -> bool {
    let fit = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    text.as_bytes().iter().all(fit) && text.split(['\r', '\n']).all(|line| line.len() <= PLAIN_LINE)
}

/// What lettre would make of such text, without its tree, which costs more than all the rest of a short mail.
fn plain_text(kind: &str, text: &str, out: &mut Vec<u8>) {
    for piece in ["Content-Type: ", kind, "; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"\r\n");
        rest = rest[at..].strip_prefix(b"\r\n").unwrap_or_else(|| &rest[at + 1..]);
    }
    out.extend_from_slice(rest);
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
}

/// A node of the MIME tree.
enum Node {
    Single(SinglePart),
    Multi(MultiPart),
}

impl Node {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            // A single part formats itself with a line end of its own behind it; here the body brings its own.
            Self::Single(part) => {
                out.extend_from_slice(part.headers().to_string().as_bytes());
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(part.raw_body());
                if !out.ends_with(b"\r\n") {
                    out.extend_from_slice(b"\r\n");
                }
            }
            Self::Multi(part) => out.extend_from_slice(&part.formatted()),
        }
    }

    fn into(self, parent: MultiPart) -> MultiPart {
        match self {
            Self::Single(part) => parent.singlepart(part),
            Self::Multi(part) => parent.multipart(part),
        }
    }
}

fn body(message: &Message, message_id: &MessageId) -> Result<Node> {
    let mut boundaries = Boundaries::new(message_id);
    let html = match &message.html {
        None => None,
        Some(html) => {
            let part = Node::Single(text_part(ContentType::TEXT_HTML, html));
            if message.inline.is_empty() {
                Some(part)
            } else {
                let mut related = part.into(boundaries.open(MultiPartKind::Related));
                for image in &message.inline {
                    let part = SinglePart::builder()
                        .header(ContentId::from(format!("<{}>", image.content_id)))
                        .header(ContentDisposition::inline());
                    related = related.singlepart(file_part(part, image.media_type.as_str(), &image.content)?);
                }
                Some(Node::Multi(related))
            }
        }
    };
    let text = message.text.as_ref().map(|text| Node::Single(text_part(ContentType::TEXT_PLAIN, text)));
    let words = match (text, html) {
        (Some(text), Some(html)) => {
            Some(Node::Multi(html.into(text.into(boundaries.open(MultiPartKind::Alternative)))))
        }
        (text, html) => text.or(html),
    };
    if message.attachments.is_empty() {
        return Ok(words.unwrap_or_else(|| Node::Single(text_part(ContentType::TEXT_PLAIN, ""))));
    }
    let mut mixed = boundaries.open(MultiPartKind::Mixed);
    if let Some(words) = words {
        mixed = words.into(mixed);
    }
    for attachment in &message.attachments {
        let part = SinglePart::builder().header(ContentDisposition::attachment(attachment.name.as_str()));
        mixed = mixed.singlepart(file_part(part, attachment.media_type.as_str(), &attachment.content)?);
    }
    Ok(Node::Multi(mixed))
}

fn text_part(kind: ContentType, text: &str) -> SinglePart {
    let text = crlf(text);
    let odd = text.chars().any(|c| c.is_control() && !matches!(c, '\r' | '\n' | '\t'));
    // A control character passes no 7-bit path; quoted-printable takes everything.
    let body = if odd {
        Body::new_with_encoding(text, ContentTransferEncoding::QuotedPrintable)
            .unwrap_or_else(|text| Body::new(String::from_utf8_lossy(&text).into_owned()))
    } else {
        Body::new(text)
    };
    SinglePart::builder().content_type(kind).body(body)
}

fn file_part(
    part: lettre::message::SinglePartBuilder,
    media_type: &str,
    content: &Bytes,
) -> Result<SinglePart> {
    let kind = ContentType::parse(media_type)
        .map_err(|_| Error::invalid_argument("the parameters of a media type cannot be read"))?;
    // Always base64: a text file must arrive with the line ends it has.
    let body = match Body::new_with_encoding(content.to_vec(), ContentTransferEncoding::Base64) {
        Ok(body) => body,
        Err(content) => Body::new(content),
    };
    Ok(part.content_type(kind).body(body))
}

/// Every line end as CRLF, a lone CR included: nothing that a server could take for the end of the mail.
fn crlf(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        out.push_str(&rest[..at]);
        out.push_str("\r\n");
        rest = rest[at..].strip_prefix("\r\n").unwrap_or_else(|| &rest[at + 1..]);
    }
    out.push_str(rest);
    out
}

/// Boundaries that follow from the mail's identity, so that the same mail is the same bytes. They start with `=_`, which
/// neither quoted-printable nor base64 can contain.
struct Boundaries {
    seed: u64,
    opened: u32,
}

impl Boundaries {
    fn new(message_id: &MessageId) -> Self {
        let mut hasher = DefaultHasher::new();
        message_id.as_str().hash(&mut hasher);
        Self { seed: hasher.finish(), opened: 0 }
    }

    fn open(&mut self, kind: MultiPartKind) -> MultiPart {
        self.opened += 1;
        MultiPart::builder().kind(kind).boundary(format!("=_{}_{:016x}", self.opened, self.seed)).build()
    }
}

#[cfg(test)]
mod tests;
