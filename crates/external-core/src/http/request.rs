//! What is asked.

use std::fmt;

use ::http::header::{HeaderName, HeaderValue};
use ::http::{HeaderMap, Method, StatusCode};

use super::{DOMAIN, HttpBody, HttpUrl};
use crate::{CallContext, CallOptions, Error, Operation, Repeat, Result};

/// One request.
///
/// ```
/// use external_core::http::{HttpRequest, Statuses};
///
/// let request = HttpRequest::post("https://api.example.org/v1/orders")?
///     .with_header("content-type", "application/json")?
///     .with_body(r#"{"item": 7}"#)
///     .with_idempotency_key("order-1")
///     .with_statuses(Statuses::Final);
/// assert_eq!(request.operation().to_string(), "http.post");
/// # Ok::<(), external_core::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Where it goes; without a host, below the transport's base.
    pub url: HttpUrl,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: HttpBody,
    /// Which statuses are answers. Default: those below 400.
    pub statuses: Statuses,
    /// How the answer's body is handed over. Default: as a whole, 16 MiB at most.
    pub delivery: Delivery,
    /// How many bytes of what the server says about a refusal its error keeps, as
    /// [`HttpRefusal`](super::HttpRefusal). Default: none.
    pub refusal_limit: u64,
    /// What repeating the request would do, where the method does not tell: a `POST` that only searches is `Safe`.
    pub repeat: Option<Repeat>,
    /// Sent as `Idempotency-Key`. It says that the server takes two requests with the same key for one, so that repeating
    /// is harmless: whoever sets it knows that the server does.
    pub idempotency_key: Option<String>,
    /// The template of the path, with its places as they are written in the program (`/users/{id}`): the label `url.template`
    /// of call records, spans and metrics. Default: none.
    pub template: Option<&'static str>,
    /// What every call has.
    pub call: CallOptions,
}

crate::call_options!(HttpRequest);

/// Which statuses are answers; the others are errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Statuses {
    /// Those below 400.
    #[default]
    Success,
    /// All but those that ask for another attempt: 408, 425, 429, and from 500 up but for 501 and 505. For callers who
    /// read what the server says about a refusal.
    Final,
    /// All of them. Nothing is repeated because of a status, then.
    Any,
}

impl Statuses {
    /// Whether this status is an answer.
    #[must_use]
    pub fn accept(self, status: StatusCode) -> bool {
        match self {
            Self::Success => status.as_u16() < 400,
            Self::Final => match status.as_u16() {
                408 | 425 | 429 => false,
                501 | 505 => true,
                other => other < 500,
            },
            Self::Any => true,
        }
    }
}

/// How the body of an answer is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// In memory, read within the exchange: its deadline and its repetition include the body.
    Whole {
        /// The most bytes, decompressed; more is `PayloadTooLarge`.
        limit: u64,
    },
    /// As it arrives, after the exchange has ended with the head of the answer.
    Streamed {
        /// The most bytes, decompressed; more is `PayloadTooLarge`.
        limit: u64,
    },
}

impl Delivery {
    /// The most bytes, decompressed.
    #[must_use]
    pub fn limit(self) -> u64 {
        match self {
            Self::Whole { limit } | Self::Streamed { limit } => limit,
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self::Whole { limit: 16 << 20 }
    }
}

impl HttpRequest {
    /// A request without header fields and body.
    #[must_use]
    pub fn new(method: Method, url: HttpUrl) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: HttpBody::empty(),
            statuses: Statuses::default(),
            delivery: Delivery::default(),
            refusal_limit: 0,
            repeat: None,
            idempotency_key: None,
            template: None,
            call: CallOptions::new(),
        }
    }

    /// A `GET`.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no URL.
    pub fn get(url: &str) -> Result<Self> {
        Ok(Self::new(Method::GET, HttpUrl::parse(url)?))
    }

    /// A `POST`.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no URL.
    pub fn post(url: &str) -> Result<Self> {
        Ok(Self::new(Method::POST, HttpUrl::parse(url)?))
    }

    /// A `PUT`.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no URL.
    pub fn put(url: &str) -> Result<Self> {
        Ok(Self::new(Method::PUT, HttpUrl::parse(url)?))
    }

    /// A `DELETE`.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no URL.
    pub fn delete(url: &str) -> Result<Self> {
        Ok(Self::new(Method::DELETE, HttpUrl::parse(url)?))
    }

    /// Adds a header field, beside those of the same name.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a name or a value that no header field may have: with line breaks, say.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self> {
        let name: HeaderName =
            name.parse().map_err(|_| Error::invalid_argument("not a name of a header field"))?;
        let value = HeaderValue::from_str(value).map_err(|_| {
            Error::invalid_argument("not a value of a header field").with_context("header", &name)
        })?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<HttpBody>) -> Self {
        self.body = body.into();
        self
    }

    /// Says which statuses are answers.
    #[must_use]
    pub fn with_statuses(mut self, statuses: Statuses) -> Self {
        self.statuses = statuses;
        self
    }

    /// Reads the answer's body into memory, so many bytes at most.
    #[must_use]
    pub fn with_body_limit(mut self, limit: u64) -> Self {
        self.delivery = Delivery::Whole { limit };
        self
    }

    /// Keeps so many bytes of what the server says about a refusal, for who reads [`HttpRefusal`](super::HttpRefusal).
    #[must_use]
    pub fn with_refusal_limit(mut self, limit: u64) -> Self {
        self.refusal_limit = limit;
        self
    }

    /// Hands the answer's body on as it arrives, of any size.
    #[must_use]
    pub fn streamed(mut self) -> Self {
        self.delivery = Delivery::Streamed { limit: u64::MAX };
        self
    }

    /// Says what repeating the request would do.
    #[must_use]
    pub fn with_repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = Some(repeat);
        self
    }

    /// Sends a key under which the server takes this request but once.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Says what the path was made from, for call records, spans and metrics. It is a literal, so there are few of them.
    #[must_use]
    pub fn with_template(mut self, template: &'static str) -> Self {
        self.template = Some(template);
        self
    }

    /// Holds a body that streams to the call's deadline as well: see
    /// [`CallOptions::with_transfer_deadline`](crate::CallOptions::with_transfer_deadline).
    #[must_use]
    pub fn with_transfer_deadline(mut self) -> Self {
        self.call = self.call.with_transfer_deadline();
        self
    }

    /// The operation: its name is the method's, and what repeating it would do is what the request says, else `Keyed` where
    /// there is a key, else what the method promises (RFC 9110, 9.2).
    #[must_use]
    pub fn operation(&self) -> Operation {
        let (name, by_method) = match self.method {
            Method::GET => ("get", Repeat::Safe),
            Method::HEAD => ("head", Repeat::Safe),
            Method::OPTIONS => ("options", Repeat::Safe),
            Method::PUT => ("put", Repeat::Idempotent),
            Method::DELETE => ("delete", Repeat::Idempotent),
            Method::POST => ("post", Repeat::Once),
            Method::PATCH => ("patch", Repeat::Once),
            Method::TRACE => ("request", Repeat::Safe),
            _ => ("request", Repeat::Once),
        };
        let keyed = self.idempotency_key.is_some() && by_method == Repeat::Once;
        let repeat = self.repeat.unwrap_or(if keyed { Repeat::Keyed } else { by_method });
        let operation = Operation::new(DOMAIN, name, repeat).with_template(self.template);
        if self.idempotency_key.is_some() { operation } else { operation.without_key() }
    }

    /// The context of one call with this request.
    #[must_use]
    pub fn context(&self) -> CallContext {
        CallContext::new(&self.call).with_idempotency_key(self.idempotency_key.as_deref())
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &self.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>())
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeat(request: &HttpRequest) -> Repeat {
        request.operation().repeat
    }

    #[test]
    fn the_method_says_what_repeating_does_unless_the_request_knows_better() {
        let get = HttpRequest::get("/a").unwrap();
        let post = HttpRequest::post("/a").unwrap();
        assert_eq!(repeat(&get), Repeat::Safe);
        assert_eq!(repeat(&HttpRequest::put("/a").unwrap()), Repeat::Idempotent);
        assert_eq!(repeat(&HttpRequest::delete("/a").unwrap()), Repeat::Idempotent);
        assert_eq!(repeat(&post), Repeat::Once);
        assert_eq!(repeat(&post.clone().with_repeat(Repeat::Safe)), Repeat::Safe);
        assert_eq!(repeat(&get.with_repeat(Repeat::Once)), Repeat::Once);
        assert_eq!(repeat(&post.clone().with_idempotency_key("k")), Repeat::Keyed);
        // There is no key to be known by.
        assert_eq!(repeat(&post.with_repeat(Repeat::Keyed)), Repeat::Once);
        let report = HttpRequest::new("REPORT".parse().unwrap(), "/a".parse().unwrap());
        assert_eq!((report.operation().name, repeat(&report)), ("request", Repeat::Once));
    }

    #[test]
    fn every_name_of_an_operation_is_listed() {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH", "TRACE", "REPORT"] {
            let request = HttpRequest::new(method.parse().unwrap(), "/".parse().unwrap());
            assert!(super::super::OPERATIONS.contains(&request.operation().name), "{method}");
        }
    }

    #[test]
    fn header_injection_is_refused_and_nothing_is_shown() {
        let get = HttpRequest::get("/a?key=s3cret").unwrap();
        let error = get.clone().with_header("x", "s3cret\r\ny: z").unwrap_err();
        assert!(!error.report().contains("s3cret"));
        assert!(get.clone().with_header("x y", "z").is_err());
        let request = get.with_header("authorization", "s3cret").unwrap().with_body("s3cret");
        assert!(!format!("{request:?}").contains("s3cret"), "{request:?}");
    }

    #[test]
    fn statuses_are_answers_as_asked() {
        let accepted = |statuses: Statuses| {
            [200, 304, 404, 429, 500, 501].map(|code| statuses.accept(StatusCode::from_u16(code).unwrap()))
        };
        assert_eq!(accepted(Statuses::Success), [true, true, false, false, false, false]);
        assert_eq!(accepted(Statuses::Final), [true, true, true, false, false, true]);
        assert_eq!(accepted(Statuses::Any), [true; 6]);
    }
}
