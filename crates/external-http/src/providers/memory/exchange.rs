//! What a function of the memory provider is asked, and what it answers.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use external_core::Error;
use external_core::http::HttpUrl;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

/// A request as it would have been sent.
#[derive(Clone)]
#[non_exhaustive]
pub struct MemoryRequest {
    /// The method.
    pub method: Method,
    /// The whole URL.
    pub url: HttpUrl,
    /// Header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// What stood in the places of the route's pattern.
    pub(super) parameters: Vec<(String, String)>,
}

impl MemoryRequest {
    /// What stood in the place `{name}` of the route's pattern, as it was sent; empty if it has none.
    #[must_use]
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The value of a header field, if it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl fmt::Debug for MemoryRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What a function answers: as a server would, or with an error as if there were none.
#[derive(Debug, Clone)]
pub struct MemoryAnswer {
    pub(super) outcome: Result<Said, Error>,
    pub(super) delay: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl MemoryAnswer {
    /// An answer without body. A status that is none is 500.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::of(Ok(Said { status, headers: HeaderMap::new(), body: Bytes::new() }))
    }

    /// An answer of JSON text.
    #[must_use]
    pub fn json(status: u16, text: impl Into<Bytes>) -> Self {
        Self::new(status).with_header("content-type", "application/json").with_body(text)
    }

    /// No answer: the exchange ends with this error. Its effect is what the error says.
    ///
    /// ```
    /// use external_http::{Effect, Error, MemoryAnswer};
    ///
    /// let refused = Error::unavailable("connection refused").with_effect(Effect::NotSent);
    /// let answer = MemoryAnswer::failing(refused);
    /// ```
    #[must_use]
    pub fn failing(error: Error) -> Self {
        Self::of(Err(error))
    }

    fn of(outcome: Result<Said, Error>) -> Self {
        Self { outcome, delay: Duration::ZERO }
    }

    /// Adds a header field; one that cannot be is left out.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let pair = (name.parse::<HeaderName>(), HeaderValue::from_str(value));
        if let (Ok(said), (Ok(name), Ok(value))) = (&mut self.outcome, pair) {
            said.headers.append(name, value);
        }
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        if let Ok(said) = &mut self.outcome {
            said.body = body.into();
        }
        self
    }

    /// Answers so much later.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}
