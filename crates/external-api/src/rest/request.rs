//! `RestRequest`: what is asked.

use std::borrow::Cow;
use std::fmt;

use external_core::{CallOptions, Error, Repeat, Result};
use external_http::{HttpBody, HttpRequest, HttpUrl};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use serde::Serialize;

use super::{Multipart, path, query};
use crate::wire::header;

/// How much of a refusal's body is kept for who reads it.
const REFUSAL_LIMIT: u64 = 64 << 10;

/// One request: a method, a template of a path, and what fills it.
///
/// It cannot fail while it is built; what is wrong with it is `InvalidArgument` when it is sent, and nothing is sent then.
///
/// ```
/// use external_api::rest::RestRequest;
///
/// let request = RestRequest::get("/repos/{owner}/files/{*path}")
///     .with_parameter("owner", "a/b")             // stays one segment: a%2Fb
///     .with_parameter("path", "docs/read me.md")  // keeps its slashes: docs/read%20me.md
///     .with_query(&[("ref", "main")])
///     .with_header("x-api-version", "2");
/// ```
#[derive(Clone)]
pub struct RestRequest {
    method: Method,
    template: Cow<'static, str>,
    parameters: Vec<(&'static str, String)>,
    query: String,
    headers: HeaderMap,
    body: HttpBody,
    repeat: Option<Repeat>,
    is_conditional: bool,
    idempotency_key: Option<String>,
    body_limit: Option<u64>,
    name: Option<&'static str>,
    call: CallOptions,
    /// The first mistake.
    mistake: Option<Error>,
}

external_core::call_options!(RestRequest);

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident => $method:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(template: impl Into<Cow<'static, str>>) -> Self {
            Self::new(Method::$method, template)
        }
    )*};
}

impl RestRequest {
    /// A request. The template is a path that begins with `/`, below the client's base, or a whole URL; in it `{name}`
    /// is one segment and `{*name}` any number of them.
    #[must_use]
    pub fn new(method: Method, template: impl Into<Cow<'static, str>>) -> Self {
        Self {
            method,
            template: template.into(),
            parameters: Vec::new(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: HttpBody::empty(),
            repeat: None,
            is_conditional: false,
            idempotency_key: None,
            body_limit: None,
            name: None,
            call: CallOptions::new(),
            mistake: None,
        }
    }

    methods! {
        /// A `GET`.
        get => GET;
        /// A `HEAD`.
        head => HEAD;
        /// A `POST`. It is never repeated where it may have taken effect, unless there is an idempotency key or
        /// [`with_repeat`](Self::with_repeat) says otherwise.
        post => POST;
        /// A `PUT`.
        put => PUT;
        /// A `PATCH`. Repeated as a `POST` is.
        patch => PATCH;
        /// A `DELETE`.
        delete => DELETE;
    }

    /// Fills a place of the template. The value is percent-encoded; one that is empty or dots would change which path it
    /// is, and is refused.
    #[must_use]
    pub fn with_parameter(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.parameters.push((name, value.to_string()));
        self
    }

    /// Appends to the query what serde says: the fields of a structure, the entries of a map, a list of pairs. A list in
    /// a field is its name several times; what is `None` is left out.
    #[must_use]
    pub fn with_query(mut self, query: &(impl Serialize + ?Sized)) -> Self {
        let mistake = query::append(&mut self.query, query).err();
        self.noting(mistake)
    }

    /// Adds a header field, beside those of the same name.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        match header(name, value) {
            Ok((name, value)) => {
                self.headers.append(name, value);
                self
            }
            Err(mistake) => self.noting(Some(mistake)),
        }
    }

    /// Sets the body, as JSON.
    #[must_use]
    pub fn with_json(self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.with_body("application/json", json),
            Err(_) => self.noting(Some(Error::invalid_argument("a body that cannot be serialised"))),
        }
    }

    /// Sets the body, as the pairs of a form: what [`with_query`](Self::with_query) takes.
    #[must_use]
    pub fn with_form(self, form: &(impl Serialize + ?Sized)) -> Self {
        let mut pairs = String::new();
        match query::append(&mut pairs, form) {
            Ok(()) => self.with_body("application/x-www-form-urlencoded", pairs),
            Err(mistake) => self.noting(Some(mistake)),
        }
    }

    /// Sets the body, as parts of `multipart/form-data`.
    #[must_use]
    pub fn with_multipart(self, multipart: Multipart) -> Self {
        match multipart.into_body() {
            Ok((content_type, body)) => self.with_body(&content_type, body),
            Err(mistake) => self.noting(Some(mistake)),
        }
    }

    /// Sets the body: bytes, a file ([`FileBody`](external_http::FileBody)), or what a function makes.
    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: impl Into<HttpBody>) -> Self {
        self.body = body.into();
        self.headers.remove(CONTENT_TYPE);
        self.with_header("content-type", content_type)
    }

    /// Sends a key under which the server takes this request but once: it may then be repeated whatever became of it.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Says what repeating the request would do, where the method does not tell: a `POST` that only searches is
    /// [`Repeat::Safe`].
    #[must_use]
    pub fn with_repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = Some(repeat);
        self
    }

    /// The most bytes of an answer. Default 16 MiB; more is `PayloadTooLarge`.
    #[must_use]
    pub fn with_body_limit(mut self, limit: u64) -> Self {
        self.body_limit = Some(limit);
        self
    }

    pub(super) fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    pub(super) fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// Asks for this type, unless the request says what it takes.
    pub(super) fn accepting(mut self, accept: Option<&'static str>) -> Self {
        if let (Some(accept), false) = (accept, self.headers.contains_key(ACCEPT)) {
            self.headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        self
    }

    /// Sets a condition. What changes something under a condition is done once: after a lost answer a repetition would be
    /// refused, though the first was not.
    pub(super) fn under_condition(mut self, name: &HeaderName, value: Result<String>) -> Self {
        self.headers.remove(name);
        self.is_conditional = true;
        match value {
            Ok(value) => self.with_header(name.as_str(), &value),
            Err(mistake) => self.noting(Some(mistake)),
        }
    }

    /// Replaces what stands under this name in the query.
    pub(super) fn with_query_pair(mut self, name: &str, value: &str) -> Self {
        query::replace(&mut self.query, name, value);
        self
    }

    /// The same request to another place.
    pub(super) fn moved(mut self, url: &HttpUrl) -> Self {
        self.template = url.expose().into();
        self.parameters.clear();
        self.query.clear();
        self
    }

    /// Holds a body that streams to the call's deadline as well: see
    /// [`CallOptions::with_transfer_deadline`](crate::CallOptions::with_transfer_deadline).
    #[must_use]
    pub fn with_transfer_deadline(mut self) -> Self {
        self.call = self.call.with_transfer_deadline();
        self
    }

    /// Where it goes, below `base`.
    pub(super) fn url(&self, base: Option<&HttpUrl>) -> Result<HttpUrl> {
        let path: Cow<'_, str> = match self.parameters.is_empty() && !self.template.contains('{') {
            true => Cow::Borrowed(&*self.template),
            false => path::expand(&self.template, &self.parameters)?.into(),
        };
        let url = if self.query.is_empty() {
            HttpUrl::parse(&path)?
        } else {
            let separator = if path.contains('?') { "&" } else { "?" };
            HttpUrl::parse(&[&*path, separator, self.query.as_str()].concat())?
        };
        Ok(match base {
            Some(base) => url.below(base),
            None => url,
        })
    }

    /// As HTTP.
    pub(super) fn into_http(self, base: Option<&HttpUrl>) -> Result<HttpRequest> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let url = self.url(base)?;
        let mut request = HttpRequest::new(self.method, url).with_refusal_limit(REFUSAL_LIMIT);
        // One that is made at run time could be any of very many.
        request.template = match self.template {
            Cow::Borrowed(template) if template.starts_with('/') => Some(template),
            _ => None,
        };
        request.headers = self.headers;
        request.body = self.body;
        let is_once = self.is_conditional && self.idempotency_key.is_none() && !request.method.is_safe();
        request.repeat = self.repeat.or_else(|| is_once.then_some(Repeat::Once));
        request.idempotency_key = self.idempotency_key;
        if let Some(limit) = self.body_limit {
            request = request.with_body_limit(limit);
        }
        request.call = match self.name {
            Some(name) => self.call.with_metadata("endpoint", name),
            None => self.call,
        };
        Ok(request)
    }

    fn noting(mut self, mistake: Option<Error>) -> Self {
        self.mistake = self.mistake.or(mistake);
        self
    }
}

impl fmt::Debug for RestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestRequest")
            .field("method", &self.method)
            .field("name", &self.name)
            .field("headers", &self.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>())
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
