//! What is asked, and what is answered.

use external_core::{CallOptions, Error, Repeat, Result};

use super::envelope::{SoapHeader, SoapVersion};
use super::xml::Element;

/// One message to a service.
///
/// It is sent once: where it may have taken effect it is not repeated, unless [`with_repeat`](Self::with_repeat) says that
/// this is harmless.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SoapRequest {
    /// The action: a URI that tells the server what the message is for.
    pub action: Option<String>,
    /// The header blocks.
    pub headers: Vec<SoapHeader>,
    /// What stands in the body: an element, as a rule.
    pub body: Vec<Element>,
    /// What repeating the message would do. Default: [`Once`](Repeat::Once).
    pub repeat: Repeat,
    /// What every call has.
    pub call: CallOptions,
}

external_core::call_options!(SoapRequest);

impl SoapRequest {
    /// A message with this element in its body.
    #[must_use]
    pub fn new(body: Element) -> Self {
        Self::of(vec![body])
    }

    pub(super) fn of(body: Vec<Element>) -> Self {
        Self { action: None, headers: Vec::new(), body, repeat: Repeat::Once, call: CallOptions::new() }
    }

    /// Sets the action.
    #[must_use]
    pub fn with_action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Adds a header block.
    #[must_use]
    pub fn with_header(mut self, header: impl Into<SoapHeader>) -> Self {
        self.headers.push(header.into());
        self
    }

    /// Says what repeating the message would do. `Keyed` counts as `Once`: SOAP has no keys.
    #[must_use]
    pub fn with_repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }
}

/// What a service answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SoapAnswer {
    /// Of which version the envelope was.
    pub version: SoapVersion,
    /// The header blocks.
    pub headers: Vec<Element>,
    /// What stood in the body; nothing, where the server only took the message.
    pub body: Vec<Element>,
    /// The server's id of the request, which its support will ask for.
    pub request_id: Option<String>,
}

impl SoapAnswer {
    /// The element in the body.
    ///
    /// # Errors
    ///
    /// `Corrupt` if it is empty.
    pub fn body(&self) -> Result<&Element> {
        self.body.first().ok_or_else(|| Error::corrupt("the body of the answer is empty"))
    }

    /// The header block of that name.
    #[must_use]
    pub fn header(&self, namespace: &str, local: &str) -> Option<&Element> {
        self.headers.iter().find(|block| block.is(namespace, local))
    }
}
