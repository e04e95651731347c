//! What is wrong with a document, and where.

use std::fmt;

use external_core::Error;

/// A document that was refused. It tells the place and the rule, and nothing of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XmlError {
    kind: XmlErrorKind,
    message: &'static str,
    offset: u64,
}

/// Which rule a document breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum XmlErrorKind {
    /// Bytes that are no text in the encoding that they claim, or in one that is not read.
    Encoding,
    /// Markup that is none, or that does not end.
    Syntax,
    /// Elements that are not closed in the order in which they were opened; no root, or a second one.
    Nesting,
    /// An attribute that is malformed or there twice.
    Attribute,
    /// A prefix that nobody declared, or a declaration that must not be.
    Namespace,
    /// A character that XML does not have.
    Character,
    /// A document type declaration: no answer needs one, and bombs do.
    Doctype,
    /// An entity beside the five that XML has.
    Entity,
    /// More than [`XmlLimits`](super::XmlLimits) let through.
    Limit,
}

impl XmlError {
    pub(super) fn new(kind: XmlErrorKind, message: &'static str, offset: u64) -> Self {
        Self { kind, message, offset }
    }

    /// Which rule is broken.
    #[must_use]
    pub fn kind(&self) -> XmlErrorKind {
        self.kind
    }

    /// Near which byte; of the text in UTF-8, where the document was in another encoding.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} near byte {}", self.message, self.offset)
    }
}

impl std::error::Error for XmlError {}

/// An answer that cannot be read is `Corrupt`; one that is too much of everything is `PayloadTooLarge`, and may have been
/// an answer to something that was done.
impl From<XmlError> for Error {
    fn from(error: XmlError) -> Self {
        let told = match error.kind {
            XmlErrorKind::Limit => Self::payload_too_large("XML beyond the limits of what is read")
                .with_effect(external_core::Effect::MaybeApplied),
            _ => Self::corrupt("not the XML that it should be"),
        };
        told.with_source(error)
    }
}
