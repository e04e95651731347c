//! What is answered.

use std::error::Error as StdError;
use std::fmt;

use ::http::header::HeaderName;
use ::http::{HeaderMap, StatusCode};
use bytes::Bytes;

use super::HttpUrl;
use crate::{ByteStream, Error, Result};

/// An answer.
#[non_exhaustive]
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// The server's id of the request, which its support will ask for.
    pub request_id: Option<String>,
    /// The body: there already, or still on its way, as the request asked.
    pub body: ByteStream,
    /// In a box: few answers have it, and all are moved.
    final_url: Option<Box<HttpUrl>>,
}

impl HttpResponse {
    /// An answer.
    #[must_use]
    pub fn new(status: StatusCode, headers: HeaderMap, body: ByteStream) -> Self {
        Self { status, headers, request_id: None, body, final_url: None }
    }

    /// Says that redirects led here, with a host.
    #[must_use]
    pub fn with_final_url(mut self, url: HttpUrl) -> Self {
        self.final_url = Some(Box::new(url));
        self
    }

    /// Where this answer was given, if redirects were followed: what is relative in it is relative to that (RFC 3986, 5.1.3).
    /// `None` where it was given at the URL of the request.
    #[must_use]
    pub fn final_url(&self) -> Option<&HttpUrl> {
        self.final_url.as_deref()
    }

    /// Sets the server's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<String>) -> Self {
        self.request_id = id;
        self
    }

    /// The value of a header field, if it is there and text; the first one, if there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The whole body. Its limit is that of the request.
    ///
    /// # Errors
    ///
    /// None where the body was delivered as a whole; else what broke the transfer.
    pub async fn bytes(self) -> Result<Bytes> {
        self.body.collect(u64::MAX).await
    }

    /// The whole body as text.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes); `Corrupt` if it is not UTF-8.
    pub async fn text(self) -> Result<String> {
        let bytes = self.bytes().await?;
        String::from_utf8(bytes.into()).map_err(|_| Error::corrupt("the body is not UTF-8"))
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &self.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>())
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

/// What the server said beside a status that is an error: in the error's source chain, where the request asked for it
/// ([`HttpRequest::refusal_limit`](super::HttpRequest::refusal_limit)). It shows nothing of what was said.
///
/// ```
/// use external_core::Error;
/// use external_core::http::HttpRefusal;
///
/// let said = HttpRefusal { body: "no such item".into(), ..HttpRefusal::default() };
/// let error = Error::invalid_argument("the server answered 422").with_source(said);
/// assert_eq!(error.find_source::<HttpRefusal>().unwrap().body, "no such item");
/// assert!(!error.report().contains("item"));
/// ```
#[derive(Clone, Default)]
pub struct HttpRefusal {
    /// Header fields.
    pub headers: HeaderMap,
    /// The body, or as much of it as the request asked for and as came.
    pub body: Bytes,
}

impl fmt::Display for HttpRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server said why, in {} bytes", self.body.len())
    }
}

impl fmt::Debug for HttpRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpRefusal({} bytes)", self.body.len())
    }
}

impl StdError for HttpRefusal {}
