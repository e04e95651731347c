//! What every provider of a vendor's web API stands on, so that its own folder has the vendor's facts alone.
//!
//! - [`Vendor`] makes one exchange: below the vendor's base, with credentials and the vendor's header fields, answered with
//!   the status that was wanted or with a typed error.
//! - [`Link`] is the transport below it: made for this provider, which then closes it, or lent by whoever has others on it.
//! - [`Refused`] is what the vendor said beside a status from 400 up, for the provider's table of errors.
//!
//! ```
//! use std::sync::Arc;
//!
//! use external_http::vendor::{Link, Refused, Vendor, json};
//! use external_http::external_core::CallContext;
//! use external_http::{BearerAuth, Error, ErrorKind, HttpRequest, MemoryAnswer, MemoryHttp, Secret, StatusCode};
//!
//! /// The vendor's table of errors: what it says beside the status.
//! fn explained(error: Error, refused: &Refused<'_>) -> Error {
//!     match refused.json::<serde_json::Value>()["code"].as_str() {
//!         Some("no_credit") => refused.error(ErrorKind::QuotaExhausted, "the account has nothing left"),
//!         _ => error,
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let double = MemoryHttp::new().with_fallback(|_| MemoryAnswer::json(400, r#"{"code": "no_credit"}"#));
//! let auth = BearerAuth::new(Secret::new("key"));
//! let vendor = Vendor::new("Example", Link::lent(Arc::new(double)), "https://api.example.org/v1", auth)?
//!     .with_errors(explained);
//! let order = json(HttpRequest::post("/orders")?, &[7])?;
//! let error = vendor.ask(&CallContext::default(), order, StatusCode::CREATED).await.unwrap_err();
//! assert_eq!((error.kind(), error.http_status()), (ErrorKind::QuotaExhausted, Some(400)));
//! # Ok::<(), external_http::Error>(()) }).unwrap();
//! ```

mod link;
mod refused;

use std::fmt;
use std::sync::Arc;

use external_core::http::{HttpRefusal, HttpRequest, HttpResponse, HttpUrl, Statuses};
use external_core::{BuildContext, CallContext, Effect, Error, Result, Retry};
use http::header::{ACCEPT, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use link::Link;
pub use refused::{Refused, shown, shown_field};

use crate::auth::{self, HttpAuth};

/// More than an answer of such an interface has, and more than is read of a refusal.
const ANSWER_MAX: u64 = 1 << 20;

/// A row of a vendor's table of errors, or several: the error that the status is, and what was said beside it, give the
/// error that it is.
pub type Explain = fn(Error, &Refused<'_>) -> Error;

/// A vendor's web API: where it is, as whom it is asked, and what its refusals mean.
pub struct Vendor {
    name: &'static str,
    link: Link,
    base: HttpUrl,
    auth: Arc<dyn HttpAuth>,
    headers: HeaderMap,
    explain: Explain,
    context: BuildContext,
}

impl Vendor {
    /// The vendor of this name (for errors), at this place, with these credentials.
    ///
    /// # Errors
    ///
    /// `Configuration` naming `base_url`: no URL, none with a host, one with a query, or a place that the credentials may not
    /// go to.
    pub fn new(
        name: &'static str,
        link: Link,
        base_url: &str,
        auth: impl HttpAuth + 'static,
    ) -> Result<Self> {
        let base = crate::providers::base("base_url", base_url)?;
        auth.check(&base).map_err(|error| error.with_context("field", "base_url"))?;
        Ok(Self {
            name,
            link,
            base,
            auth: Arc::new(auth),
            headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]),
            explain: |error, _| error,
            context: BuildContext::default(),
        })
    }

    /// Reads refusals by this table. Default: the status says all.
    #[must_use]
    pub fn with_errors(mut self, explain: Explain) -> Self {
        self.explain = explain;
        self
    }

    /// Takes the time, which waits told by date are measured from, from here.
    #[must_use]
    pub fn with_context(mut self, context: &BuildContext) -> Self {
        self.context = context.clone();
        self
    }

    /// Sends a header field with every request. `Accept` is `application/json` unless it is set here.
    ///
    /// # Errors
    ///
    /// `Configuration` for a value that no header field may have.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Result<Self> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            Error::configuration("not a value of a header field").with_context("header", name)
        })?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// Where it is, for [`ProviderInfo`](external_core::ProviderInfo).
    #[must_use]
    pub fn location(&self) -> String {
        self.base.expose()
    }

    /// One exchange that is answered with any status below 400. The request's URL is a path below the base.
    ///
    /// # Errors
    ///
    /// By the vendor's table for a status from 400 up; as any exchange.
    pub async fn send(&self, cx: &CallContext, mut request: HttpRequest) -> Result<HttpResponse> {
        request.url = request.url.below(&self.base);
        for (name, value) in &self.headers {
            request.headers.entry(name).or_insert_with(|| value.clone());
        }
        let mut request = request
            .with_statuses(Statuses::Success)
            .with_body_limit(ANSWER_MAX)
            .with_refusal_limit(ANSWER_MAX);
        auth::authorize(&*self.auth, cx, &mut request).await?;
        let error = match self.link.transport().execute(cx, &request).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if error.http_status() == Some(401) {
            // A key in a file is read anew by the next call.
            self.auth.refused(&request).await;
        }
        Err(self.explained(error))
    }

    /// As [`send`](Self::send), answered as it should be: with this status.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); `Corrupt`, `MaybeApplied`, for another status below 400.
    pub async fn ask(
        &self,
        cx: &CallContext,
        request: HttpRequest,
        wanted: StatusCode,
    ) -> Result<HttpResponse> {
        let answer = self.send(cx, request).await?;
        if answer.status == wanted { Ok(answer) } else { Err(self.strange(&answer)) }
    }

    /// The answer's body as JSON.
    ///
    /// # Errors
    ///
    /// `Corrupt`, `MaybeApplied`, for a body that is not what was expected.
    pub async fn read<T: DeserializeOwned>(&self, answer: HttpResponse) -> Result<T> {
        let strange = self.strange(&answer);
        serde_json::from_slice(&answer.bytes().await?).map_err(|_| strange)
    }

    /// Gives the connections back, if they are this vendor's own.
    ///
    /// # Errors
    ///
    /// What the transport says.
    pub async fn close(&self) -> Result<()> {
        self.link.close().await
    }

    fn explained(&self, error: Error) -> Error {
        let Some(said) = error.find_source::<HttpRefusal>().cloned() else { return error };
        let status = error.http_status().and_then(|status| StatusCode::from_u16(status).ok());
        let Some(status) = status else { return error };
        let id = error.request_id().map(str::to_owned);
        (self.explain)(error, &Refused::new(status, &said, id.as_deref(), self.context.now()))
    }

    /// The error of an answer that this vendor does not give.
    #[must_use]
    pub fn strange(&self, answer: &HttpResponse) -> Error {
        let error = Error::corrupt(format!("the answer is none of {}'s", self.name))
            .with_effect(Effect::MaybeApplied)
            .with_retry(Retry::Never)
            .with_http_status(answer.status.as_u16());
        match &answer.request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor").field("name", &self.name).field("base", &self.base).finish_non_exhaustive()
    }
}

/// A request with a body of JSON.
///
/// # Errors
///
/// `InvalidArgument` for what cannot be written as JSON.
pub fn json(request: HttpRequest, body: &impl Serialize) -> Result<HttpRequest> {
    let body = serde_json::to_vec(body).map_err(|error| {
        Error::invalid_argument("the request cannot be written as JSON").with_source(error)
    })?;
    Ok(request.with_header("content-type", "application/json")?.with_body(body))
}

#[cfg(test)]
mod tests;
