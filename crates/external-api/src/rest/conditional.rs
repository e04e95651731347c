//! Versions of what a server keeps: entity tags, dates, and requests that ask or change only where it is another one.

use std::fmt;

use external_core::{Error, Result};
use http::header::{ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::{FromAnswer, RestAnswer, RestRequest};

/// An entity tag (RFC 9110, 8.8.3): `"v7"`, or `W/"v7"` for one that says only that two versions mean the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ETag(String);

impl ETag {
    /// Parses a tag as it stands in a header field, with its quotes.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let opaque = text.strip_prefix("W/").unwrap_or(text);
        let inner = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let is_tag = |inner: &str| inner.bytes().all(|byte| byte == 0x21 || (0x23..0x7F).contains(&byte));
        match inner.is_some_and(is_tag) {
            true => Ok(Self(text.to_owned())),
            false => Err(Error::invalid_argument("not an entity tag")),
        }
    }

    /// Whether it says only that two versions mean the same, not that they are alike byte for byte.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.0.starts_with("W/")
    }

    /// The tag as it stands in a header field.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ETag {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<ETag> for String {
    fn from(tag: ETag) -> Self {
        tag.0
    }
}

/// What tells one version from another: it can be kept beside what was read, and asked about later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Validators {
    /// The entity tag.
    pub etag: Option<ETag>,
    /// When it was last changed, as the server writes it.
    pub last_modified: Option<String>,
}

impl Validators {
    /// Those of an answer. What is malformed is none.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        Self {
            etag: text(ETAG).and_then(|text| ETag::parse(text).ok()),
            last_modified: text(LAST_MODIFIED).map(str::to_owned),
        }
    }

    /// Those of a version that is known by its tag.
    #[must_use]
    pub fn by_etag(etag: ETag) -> Self {
        Self { etag: Some(etag), last_modified: None }
    }

    /// What stands for exactly these bytes: a tag that is not weak. A date is too coarse for that.
    pub(super) fn strong(&self) -> Option<&ETag> {
        self.etag.as_ref().filter(|tag| !tag.is_weak())
    }
}

/// A value and what tells its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// What tells its version.
    pub validators: Validators,
}

impl<T: FromAnswer> FromAnswer for Versioned<T> {
    const ACCEPT: Option<&'static str> = T::ACCEPT;

    fn from_answer(answer: RestAnswer) -> Result<Self> {
        let validators = answer.validators();
        Ok(Self { value: T::from_answer(answer)?, validators })
    }
}

/// The answer to a request under [`RestRequest::if_changed`].
#[derive(Debug, Clone, PartialEq)]
pub enum Conditional<T> {
    /// There is another version.
    Changed(T),
    /// 304: what the caller has is still the one.
    NotModified,
}

impl<T: FromAnswer> FromAnswer for Conditional<T> {
    const ACCEPT: Option<&'static str> = T::ACCEPT;

    fn from_answer(answer: RestAnswer) -> Result<Self> {
        match answer.status {
            StatusCode::NOT_MODIFIED => Ok(Self::NotModified),
            _ => T::from_answer(answer).map(Self::Changed),
        }
    }
}

/// Conditions. A server that finds one unmet answers 412, which is the error `Conflict`, or, to a read, 304, which
/// [`Conditional`] takes. A change under a condition is not repeated where it may have been made already: its second
/// answer would be a refusal.
impl RestRequest {
    /// Reads only what is another version than this: `If-None-Match`, or `If-Modified-Since` where there is no tag.
    ///
    /// ```
    /// use external_api::rest::{Conditional, RestClient, RestRequest, Versioned};
    /// use external_http::{HttpClient, MemoryAnswer, MemoryHttp};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let double = MemoryHttp::new().with_fallback(|request| match request.header("if-none-match") {
    ///     Some("\"v1\"") => MemoryAnswer::new(304),
    ///     _ => MemoryAnswer::json(200, "[1, 2]").with_header("etag", "\"v1\""),
    /// });
    /// let rest = RestClient::over(HttpClient::over(double));
    /// let list = RestRequest::get("/list");
    /// let known: Versioned<Vec<u8>> = rest.fetch(&list).await?;
    /// let again: Conditional<Versioned<Vec<u8>>> = rest.fetch(&list.if_changed(&known.validators)).await?;
    /// assert_eq!(again, Conditional::NotModified);
    /// # Ok::<(), external_api::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn if_changed(self, since: &Validators) -> Self {
        match (&since.etag, &since.last_modified) {
            (Some(tag), _) => self.under_condition(&IF_NONE_MATCH, Ok(tag.to_string())),
            (None, Some(date)) => self.under_condition(&IF_MODIFIED_SINCE, Ok(date.clone())),
            (None, None) => self.under_condition(&IF_NONE_MATCH, Err(nothing_known())),
        }
    }

    /// Changes only this version: `If-Match`, or `If-Unmodified-Since` where there is no tag. A weak tag matches nothing
    /// here, and is refused.
    #[must_use]
    pub fn if_unchanged(self, since: &Validators) -> Self {
        match (&since.etag, &since.last_modified) {
            (Some(tag), _) if tag.is_weak() => {
                let why = "a weak entity tag names no version that could be changed";
                self.under_condition(&IF_MATCH, Err(Error::invalid_argument(why)))
            }
            (Some(tag), _) => self.under_condition(&IF_MATCH, Ok(tag.to_string())),
            (None, Some(date)) => self.under_condition(&IF_UNMODIFIED_SINCE, Ok(date.clone())),
            (None, None) => self.under_condition(&IF_MATCH, Err(nothing_known())),
        }
    }

    /// Creates only what is not there: `If-None-Match: *`.
    #[must_use]
    pub fn if_absent(self) -> Self {
        self.under_condition(&IF_NONE_MATCH, Ok("*".to_owned()))
    }

    /// Changes only what is there: `If-Match: *`.
    #[must_use]
    pub fn if_present(self) -> Self {
        self.under_condition(&IF_MATCH, Ok("*".to_owned()))
    }
}

fn nothing_known() -> Error {
    Error::invalid_argument("a condition needs an entity tag or a date, and there is neither")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_quoted() {
        for (text, is_weak) in
            [(r#""v1""#, false), (r#"W/"v1""#, true), (r#""""#, false), (r#""a\b""#, false)]
        {
            let tag = ETag::parse(text).unwrap();
            assert_eq!((tag.as_str(), tag.is_weak()), (text, is_weak));
            let kept = serde_json::to_string(&tag).unwrap();
            assert_eq!(serde_json::from_str::<ETag>(&kept).unwrap(), tag);
        }
        for text in
            ["", "v1", "\"", "\"a", "w/\"a\"", "\"a\"b\"", "\"a b\"", "W/", "*", "\"\u{7f}\"", "\"\r\n\""]
        {
            assert!(ETag::parse(text).is_err(), "{text:?}");
        }
        assert!(serde_json::from_str::<ETag>(r#""no quotes""#).is_err());
    }

    #[test]
    fn a_condition_needs_something_to_go_by() {
        let weak = Validators::by_etag(ETag::parse(r#"W/"v1""#).unwrap());
        for request in [
            RestRequest::get("/a").if_changed(&Validators::default()),
            RestRequest::put("/a").if_unchanged(&Validators::default()),
            RestRequest::put("/a").if_unchanged(&weak),
        ] {
            assert!(request.into_http(None).is_err());
        }
        let request = RestRequest::get("/a").if_changed(&weak).into_http(None).unwrap();
        assert_eq!(request.headers[IF_NONE_MATCH], r#"W/"v1""#);
    }

    #[test]
    fn a_change_under_a_condition_is_made_once() {
        use external_core::Repeat;
        let repeat = |request: RestRequest| request.into_http(None).unwrap().operation().repeat;
        assert_eq!(repeat(RestRequest::put("/a")), Repeat::Idempotent);
        assert_eq!(repeat(RestRequest::put("/a").if_absent()), Repeat::Once);
        assert_eq!(repeat(RestRequest::delete("/a").if_present()), Repeat::Once);
        assert_eq!(repeat(RestRequest::get("/a").if_present()), Repeat::Safe);
        assert_eq!(
            repeat(RestRequest::put("/a").if_absent().with_repeat(Repeat::Idempotent)),
            Repeat::Idempotent
        );
    }
}
