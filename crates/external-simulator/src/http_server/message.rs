//! What is asked, and what is said to it.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

/// What a client asked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpQuestion {
    /// The method.
    pub method: Method,
    /// Path and query, as they came.
    pub target: String,
    /// Header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl HttpQuestion {
    /// What is asked by other means than a connection: in tests of a handler.
    #[must_use]
    pub fn new(
        method: Method,
        target: impl Into<String>,
        headers: HeaderMap,
        body: impl Into<Bytes>,
    ) -> Self {
        Self { method, target: target.into(), headers, body: body.into() }
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query, without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The value of a header field that is there once and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        value.to_str().ok()
    }

    /// The token behind `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }
}

/// What the server says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpAnswer {
    /// The status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whether its length is told before. Default: yes.
    pub tells_length: bool,
    /// How long it is in coming. Default: not at all.
    pub delay: Duration,
    /// Whether the connection ends in its place. Default: no.
    pub is_lost: bool,
}

impl HttpAnswer {
    /// An answer without body. A status that is none is 500.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            tells_length: true,
            delay: Duration::ZERO,
            is_lost: false,
        }
    }

    /// An answer in JSON.
    #[must_use]
    pub fn json(status: u16, body: &impl ToString) -> Self {
        Self::new(status).with_header("content-type", "application/json").with_body(body.to_string())
    }

    /// Adds a header field; one that cannot be is left out.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            self.headers.append(name, value);
        }
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Does not tell the length of the body before.
    #[must_use]
    pub fn without_length(mut self) -> Self {
        self.tells_length = false;
        self
    }

    /// Comes so much later.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Never comes: the connection ends in its place (HTTP/2: the stream).
    #[must_use]
    pub fn lost(mut self) -> Self {
        self.is_lost = true;
        self
    }
}
