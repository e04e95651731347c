//! Values that end up in mail headers. Each refuses line breaks and NUL when it is built, so nothing behind this door can
//! be used to inject a header.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::address::EmailAddress;
use crate::{Error, Result};

/// Longest header value, in octets before encoding.
const TEXT_OCTETS: usize = 4096;
/// Longest header name, in octets.
const NAME_OCTETS: usize = 76;
/// Longest file name, in octets: what file systems take.
const FILE_NAME_OCTETS: usize = 255;
/// Longest content id and message id, in octets.
const ID_OCTETS: usize = 250;

/// Headers that follow from the message's own fields or belong to the transport; a custom header cannot set them.
const STRUCTURAL: &[&str] = &[
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "return-path",
    "received",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "dkim-signature",
    "x-tag",
    "x-idempotency-key",
];
/// The same by prefix.
const STRUCTURAL_PREFIXES: &[&str] = &["content-", "resent-", "x-envelope-", "x-metadata-"];

macro_rules! text_value {
    ($name:ident) => {
        impl $name {
            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::parse(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Error;

            fn try_from(text: &str) -> Result<Self> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// One line of text in any script, for a subject, a name or a header value: at most 4096 octets, no control character, no
/// line or paragraph separator. Spaces at its ends are dropped, since no header can carry them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderText(Arc<str>);

impl HeaderText {
    /// Parses one line of text.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` naming the byte at which a line break or control character stands, or the length.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim_matches(' ');
        if text.len() > TEXT_OCTETS {
            return Err(Error::invalid_argument("header text is longer than 4096 octets")
                .with_context("octets", text.len()));
        }
        refuse_breaks("header text holds a line break or control character", text)?;
        Ok(Self(text.into()))
    }
}

text_value!(HeaderText);

/// The name of a custom header: printable ASCII without `:`, at most 76 octets, and none of those that the message's own
/// fields or the transport set (`From`, `Subject`, `Content-…`, `Message-ID`, `List-Unsubscribe`, `X-Envelope-…` and so on).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderName(Arc<str>);

impl HeaderName {
    /// Parses a header name.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it is no header name, or one that a field of the message sets.
    pub fn parse(text: &str) -> Result<Self> {
        let token = !text.is_empty() && text.bytes().all(|b| (33..=126).contains(&b) && b != b':');
        if !token || text.len() > NAME_OCTETS {
            return Err(Error::invalid_argument(
                "not a header name: printable ASCII without colon, 1 to 76 octets",
            ));
        }
        let lower = text.to_ascii_lowercase();
        let structural =
            STRUCTURAL.contains(&lower.as_str()) || STRUCTURAL_PREFIXES.iter().any(|p| lower.starts_with(p));
        if structural {
            return Err(Error::invalid_argument(
                "this header is set by the message's own fields or by the transport",
            )
            .with_context("header", lower));
        }
        Ok(Self(text.into()))
    }
}

text_value!(HeaderName);

/// The name an attachment is saved under: 1 to 255 octets in any script, no path separator, no control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(Arc<str>);

impl FileName {
    /// Parses a file name.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it is empty, too long, or holds a separator or control character.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > FILE_NAME_OCTETS || text.contains(['/', '\\']) {
            return Err(Error::invalid_argument("not a file name: 1 to 255 octets without path separators"));
        }
        refuse_breaks("file name holds a line break or control character", text)?;
        Ok(Self(text.into()))
    }
}

text_value!(FileName);

/// What an inline image is called in HTML: `cid:<content id>`. ASCII letters, digits and `.-_+@`, 1 to 250 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId(Arc<str>);

impl ContentId {
    /// Parses a content id, without `cid:` and without angle brackets.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it holds anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b".-_+@".contains(&b);
        if text.is_empty() || text.len() > ID_OCTETS || !text.bytes().all(fine) {
            return Err(Error::invalid_argument(
                "not a content id: ASCII letters, digits and .-_+@, 1 to 250 octets",
            ));
        }
        Ok(Self(text.into()))
    }
}

text_value!(ContentId);

/// A media type, `image/png` or `text/csv; charset=utf-8`: printable ASCII, at most 250 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MediaType(Arc<str>);

impl MediaType {
    /// Parses a media type.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it is not `type/subtype` with printable parameters, or is a composite type (`multipart/…`,
    /// `message/…`), whose transfer encoding a builder may not choose.
    pub fn parse(text: &str) -> Result<Self> {
        let essence = text.split(';').next().unwrap_or_default().trim_end();
        let token = |s: &str| {
            !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
        };
        let well_formed = essence.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub));
        if !well_formed || text.len() > ID_OCTETS || !text.bytes().all(|b| (32..=126).contains(&b)) {
            return Err(Error::invalid_argument(
                "not a media type: type/subtype in ASCII, at most 250 octets",
            ));
        }
        let lower = essence.to_ascii_lowercase();
        if lower.starts_with("multipart/") || lower.starts_with("message/") {
            return Err(Error::invalid_argument("a composite media type cannot be attached as bytes"));
        }
        Ok(Self(text.into()))
    }
}

text_value!(MediaType);

/// The identity of a mail, `left@right` without angle brackets: printable ASCII, at most 250 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Arc<str>);

impl MessageId {
    /// Parses a Message-ID, with or without its angle brackets.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it is not `left@right` in printable ASCII.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
        let halves = text.split_once('@').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty());
        let printable = text.bytes().all(|b| (33..=126).contains(&b) && !b"<>()[]\\,;:\"".contains(&b));
        if !halves || !printable || text.len() > ID_OCTETS {
            return Err(Error::invalid_argument(
                "not a Message-ID: left@right in printable ASCII, at most 250 octets",
            ));
        }
        Ok(Self(text.into()))
    }

    /// A new identity from 16 random bytes, in the domain of the sender.
    pub fn new(random: [u8; 16], sender: &EmailAddress) -> Self {
        let domain = sender.ascii_domain();
        // An address literal cannot stand right of the @ in every reader, and a domain may be too long.
        let domain = if domain.starts_with('[') || domain.len() > 200 { "localhost" } else { &domain };
        Self(format!("{:032x}@{domain}", u128::from_be_bytes(random)).into())
    }
}

text_value!(MessageId);

fn refuse_breaks(message: &'static str, text: &str) -> Result<()> {
    match text.char_indices().find(|(_, c)| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        Some((at, _)) => Err(Error::invalid_argument(message).with_context("byte", at)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_header_injection() {
        for breaker in ["\r\n", "\n", "\r", "\0", "\u{2028}", "\u{85}", "\u{1b}"] {
            let text = format!("Hello{breaker}Bcc: eve@example.org");
            assert!(HeaderText::parse(&text).is_err(), "{breaker:?}");
            assert!(HeaderName::parse(&text).is_err());
            assert!(FileName::parse(&text).is_err());
            assert!(ContentId::parse(&text).is_err());
            assert!(MessageId::parse(&text).is_err());
            assert!(MediaType::parse(&format!("text/plain{breaker}X: y")).is_err());
        }
    }

    #[test]
    fn structural_headers_are_not_custom() {
        for name in [
            "Subject",
            "BCC",
            "Content-Type",
            "message-id",
            "X-Envelope-To",
            "List-Unsubscribe",
            "X-Metadata-a",
        ] {
            assert!(HeaderName::parse(name).is_err(), "{name}");
        }
        assert!(HeaderName::parse("X-Campaign").is_ok());
        assert!(HeaderName::parse("Auto-Submitted").is_ok());
    }

    #[test]
    fn values_accept_what_they_should() {
        assert_eq!(HeaderText::parse(" Grüße, 世界 ").unwrap().as_str(), "Grüße, 世界");
        assert!(FileName::parse("отчёт 2026.pdf").is_ok());
        assert!(FileName::parse("../etc/passwd").is_err());
        assert!(MediaType::parse("text/csv; charset=utf-8").is_ok());
        assert!(MediaType::parse("multipart/mixed").is_err());
        assert!(MediaType::parse("image").is_err());
        assert_eq!(MessageId::parse("<a@b>").unwrap().as_str(), "a@b");
        let sender = EmailAddress::parse("a@bücher.example").unwrap();
        assert!(MessageId::parse(MessageId::new([7; 16], &sender).as_str()).is_ok());
    }
}
