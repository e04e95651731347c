//! Answers, and what may be made of one.

use std::fmt;

use bytes::Bytes;
use external_core::{Error, Result};
use external_http::{HttpResponse, HttpUrl};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::{Link, Validators, json};
use crate::media;

/// An answer that is no refusal: its status is below 400.
#[derive(Clone)]
#[non_exhaustive]
pub struct RestAnswer {
    /// The status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// The server's id of the request, which its support will ask for.
    pub request_id: Option<String>,
    /// The whole body.
    pub body: Bytes,
    /// Where the request was sent.
    pub(super) url: HttpUrl,
    /// Where redirects led from there, if any were followed.
    final_url: Option<HttpUrl>,
}

/// What an answer may be made into.
///
/// Every type that serde can read is one, from JSON; an empty body is `null`, so `()` and `Option` take it. Others:
/// [`Nothing`], [`RestAnswer`] itself, [`Versioned`](super::Versioned) and [`Conditional`](super::Conditional) around any.
///
/// ```
/// use external_api::rest::{FromAnswer, RestAnswer};
///
/// struct Lines(Vec<String>);
///
/// impl FromAnswer for Lines {
///     const ACCEPT: Option<&'static str> = Some("text/plain");
///
///     fn from_answer(answer: RestAnswer) -> external_api::Result<Self> {
///         Ok(Self(answer.text()?.lines().map(str::to_owned).collect()))
///     }
/// }
/// ```
pub trait FromAnswer: Sized {
    /// What the request asks for as `Accept`, unless it says so itself.
    const ACCEPT: Option<&'static str>;

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// `Corrupt` for an answer that is not what was expected.
    fn from_answer(answer: RestAnswer) -> Result<Self>;
}

impl<T: DeserializeOwned> FromAnswer for T {
    const ACCEPT: Option<&'static str> = Some("application/json");

    fn from_answer(answer: RestAnswer) -> Result<Self> {
        answer.json()
    }
}

/// Success is all that matters: whatever the body is, nobody looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nothing;

impl FromAnswer for Nothing {
    const ACCEPT: Option<&'static str> = None;

    fn from_answer(answer: RestAnswer) -> Result<Self> {
        answer.successful().map(|()| Self)
    }
}

impl FromAnswer for RestAnswer {
    const ACCEPT: Option<&'static str> = None;

    fn from_answer(answer: RestAnswer) -> Result<Self> {
        Ok(answer)
    }
}

impl RestAnswer {
    pub(super) async fn of(answer: HttpResponse, url: HttpUrl) -> Result<Self> {
        let final_url = answer.final_url().cloned();
        let HttpResponse { status, headers, request_id, body, .. } = answer;
        Ok(Self { status, headers, request_id, body: body.collect(u64::MAX).await?, url, final_url })
    }

    /// The body from JSON.
    ///
    /// # Errors
    ///
    /// `Corrupt` if it is no JSON, says that it is something else, or is not what `T` expects: the error names the place
    /// and shows no value. `Unexpected` for a status that is no success: a redirect that nobody followed, a 304.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        self.successful()?;
        self.claims_json().and_then(|()| json::decode(&self.body)).map_err(|error| self.told(error))
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// `Corrupt` if it is not UTF-8; `Unexpected` as [`json`](Self::json).
    pub fn text(&self) -> Result<&str> {
        self.successful()?;
        std::str::from_utf8(&self.body).map_err(|_| self.told(Error::corrupt("the answer is not UTF-8")))
    }

    /// The value of a header field, if it is there and text; the first one, if there are several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The links of its `Link` header fields, in their order.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        Link::of(&self.headers)
    }

    /// Where it was given, behind all redirects: what is relative in it, as the targets of [`links`](Self::links) may be, is
    /// relative to this (RFC 3986, 5.1.3).
    #[must_use]
    pub fn given_at(&self) -> &HttpUrl {
        self.final_url.as_ref().unwrap_or(&self.url)
    }

    /// What tells this version of the resource from others.
    #[must_use]
    pub fn validators(&self) -> Validators {
        Validators::of(&self.headers)
    }

    /// That the status is a success.
    pub(super) fn successful(&self) -> Result<()> {
        if self.status.is_success() {
            return Ok(());
        }
        let why = match self.status.as_u16() {
            304 => "the server says that nothing has changed, which was not asked",
            300..=399 => "the server answered a redirect that is not followed",
            _ => "the server answered neither success nor refusal",
        };
        Err(self.told(Error::unexpected(why)))
    }

    /// That the body says of itself that it is JSON, or says nothing.
    fn claims_json(&self) -> Result<()> {
        let Some(value) = self.headers.get(CONTENT_TYPE).filter(|_| !self.body.is_empty()) else {
            return Ok(());
        };
        match value.to_str() {
            Ok(told) if json::is_media_type(told) => Ok(()),
            Ok(told) => {
                let error = Error::corrupt("the answer is not JSON, by its content type");
                let essence = media::essence(told);
                let is_plain = essence.len() <= 64 && essence.bytes().all(|byte| byte.is_ascii_graphic());
                Err(if is_plain { error.with_context("content_type", essence) } else { error })
            }
            Err(_) => Err(Error::corrupt("the answer's content type is none")),
        }
    }

    /// An error about this answer.
    pub(super) fn told(&self, error: Error) -> Error {
        let error = error.with_http_status(self.status.as_u16());
        match &self.request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

impl fmt::Debug for RestAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestAnswer")
            .field("status", &self.status)
            .field("headers", &self.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>())
            .field("request_id", &self.request_id)
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}
