//! What the server says about a refusal: problem details (RFC 9457), or whatever else it wrote.

use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;
use external_core::http::HttpRefusal;
use external_core::{Error, Result};
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::json;
use crate::media;

/// What the server said about a refusal, in the source chain of the error. Nothing of it is shown, since servers repeat
/// what they were sent.
///
/// ```
/// use external_api::rest::{RestClient, RestError, RestRequest};
/// use external_http::{HttpClient, MemoryAnswer, MemoryHttp};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let double = MemoryHttp::new().with_fallback(|_| {
///     let problem = r#"{"type": "https://example.org/out-of-credit", "balance": 30}"#;
///     MemoryAnswer::new(403).with_header("content-type", "application/problem+json").with_body(problem)
/// });
/// let rest = RestClient::over(HttpClient::over(double));
/// let error = rest.send(&RestRequest::post("/orders")).await.unwrap_err();
///
/// let problem = RestError::of(&error).and_then(RestError::problem).unwrap();
/// assert_eq!(problem.problem_type, "https://example.org/out-of-credit");
/// assert_eq!(problem.extensions["balance"], 30);
/// # });
/// ```
#[derive(Clone)]
pub struct RestError {
    headers: HeaderMap,
    body: Bytes,
    problem: Option<Problem>,
}

/// Problem details. Members of a type that they must not have are as if they were not there.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// What kind of problem it is: a URI, `about:blank` where the status says all. The error has it as its
    /// [`vendor_code`](Error::vendor_code), if it is one that can be shown.
    pub problem_type: String,
    /// The status that the origin server gave, as it says itself.
    pub status: Option<u16>,
    /// The kind of problem, for people.
    pub title: Option<String>,
    /// What happened this time, for people.
    pub detail: Option<String>,
    /// A URI for this occurrence.
    pub instance: Option<String>,
    /// Everything else.
    pub extensions: Map<String, Value>,
}

impl RestError {
    /// What the server said, if the error is its refusal.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        error.find_source()
    }

    /// The problem, if the server described one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// Header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body, 64 KiB of it at most.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body from JSON, whatever it says that it is: for APIs with a form of their own.
    ///
    /// # Errors
    ///
    /// `Corrupt` if it is none, or is not what `T` expects.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        json::decode(&self.body)
    }

    /// The error, with what the server said as its source.
    pub(super) fn attached(error: Error) -> Error {
        let Some(HttpRefusal { headers, body }) = error.find_source::<HttpRefusal>().cloned() else {
            return error;
        };
        let problem = is_problem(&headers).then(|| Problem::read(&body)).flatten();
        let code = problem.as_ref().and_then(Problem::code).map(str::to_owned);
        let error = error.with_source(Self { headers, body, problem });
        match code {
            Some(code) => error.with_vendor_code(code),
            None => error,
        }
    }
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.problem.is_some() { "a problem described" } else { "a refusal" };
        write!(f, "{what} in {} bytes", self.body.len())
    }
}

impl fmt::Debug for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RestError({self})")
    }
}

impl StdError for RestError {}

fn is_problem(headers: &HeaderMap) -> bool {
    media::of(headers).eq_ignore_ascii_case("application/problem+json")
}

impl Problem {
    fn read(body: &[u8]) -> Option<Self> {
        let mut members: Map<String, Value> = json::decode(body).ok()?;
        let mut text = |name: &str| match members.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (problem_type, title) = (text("type"), text("title"));
        let (detail, instance) = (text("detail"), text("instance"));
        let status = members.remove("status").and_then(|status| u16::try_from(status.as_u64()?).ok());
        let problem_type = problem_type.unwrap_or_else(|| "about:blank".to_owned());
        Some(Self { problem_type, status, title, detail, instance, extensions: members })
    }

    /// The type, where it names a kind and can hold nothing that came with a request.
    fn code(&self) -> Option<&str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
        let uri = self.problem_type.as_str();
        (uri != "about:blank" && (1..=128).contains(&uri.len()) && uri.bytes().all(is_plain)).then_some(uri)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem").field("status", &self.status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    fn refused(content_type: &'static str, body: &'static str) -> Error {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        let refusal = HttpRefusal { headers, body: body.into() };
        RestError::attached(Error::invalid_argument("the server answered 422").with_source(refusal))
    }

    #[test]
    fn members_of_a_wrong_type_are_not_there() {
        let body =
            r#"{"type": 7, "title": ["t"], "status": "422", "detail": "s3cret", "instance": null, "n": 1}"#;
        let error = refused("application/problem+json; charset=utf-8", body);
        let problem = RestError::of(&error).unwrap().problem().unwrap();
        assert_eq!((problem.problem_type.as_str(), problem.status), ("about:blank", None));
        assert_eq!((&problem.title, problem.detail.as_deref()), (&None, Some("s3cret")));
        assert_eq!(problem.extensions.len(), 1);
        assert_eq!(error.vendor_code(), None);
        assert!(!format!("{} {problem:?} {:?}", error.report(), RestError::of(&error)).contains("s3cret"));
    }

    #[test]
    fn the_type_is_the_code_if_it_is_a_name() {
        let error = refused("Application/Problem+JSON", r#"{"type": "https://example.org/p/no-credit"}"#);
        assert_eq!(error.vendor_code(), Some("https://example.org/p/no-credit"));
        for shown in
            [r#"{"type": "https://example.org/?key=s3cret"}"#, r#"{"type": "a b"}"#, r#"{"type": ""}"#]
        {
            assert_eq!(refused("application/problem+json", shown).vendor_code(), None, "{shown}");
        }
    }

    #[test]
    fn what_describes_no_problem_is_still_there() {
        for (content_type, body) in [
            ("application/json", r#"{"type": "x"}"#),
            ("application/problem+json", "<html>"),
            ("application/problem+json", "[1]"),
            ("text/html", "<html>"),
        ] {
            let error = refused(content_type, body);
            let said = RestError::of(&error).unwrap();
            assert!(said.problem().is_none() && said.body() == body, "{body}");
            assert_eq!(said.headers()[CONTENT_TYPE], content_type);
        }
        let error = refused("application/json", r#"{"message": "no", "errors": [1]}"#);
        let own: Value = RestError::of(&error).unwrap().json().unwrap();
        assert_eq!(own["message"], "no");
        assert!(RestError::of(&Error::timeout("late")).is_none());
    }
}
