//! Credentials that stand in a request as they are.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_core::http::{HttpRequest, HttpUrl};
use external_core::{CallContext, Error, Result, Secret};
use http::header::{AUTHORIZATION, HeaderName};
use zeroize::Zeroizing;

use super::{HttpAuth, check_protected, has_changed, set};

/// `Authorization: Bearer …` (RFC 6750).
#[derive(Debug, Clone)]
pub struct BearerAuth {
    token: Secret,
    insecure_http: bool,
}

impl BearerAuth {
    /// With this token.
    #[must_use]
    pub fn new(token: Secret) -> Self {
        Self { token, insecure_http: false }
    }

    /// Whether it may go over `http://` to other machines, where everyone on the way can read it. Default: no.
    #[must_use]
    pub fn with_insecure_http(mut self, allowed: bool) -> Self {
        self.insecure_http = allowed;
        self
    }
}

#[async_trait]
impl HttpAuth for BearerAuth {
    fn check(&self, url: &HttpUrl) -> Result<()> {
        check_protected(url, self.insecure_http)
    }

    async fn authorize(&self, _: &CallContext, request: &mut HttpRequest) -> Result<()> {
        let value = Zeroizing::new(format!("Bearer {}", &*self.token.expose()?));
        set(request, AUTHORIZATION, &value)
    }

    async fn refused(&self, _: &HttpRequest) -> bool {
        has_changed(&self.token)
    }
}

/// `Authorization: Basic …` (RFC 7617).
#[derive(Debug, Clone)]
pub struct BasicAuth {
    username: String,
    password: Secret,
    insecure_http: bool,
}

impl BasicAuth {
    /// With this name and password.
    ///
    /// # Errors
    ///
    /// `Configuration` for a name with a colon: the other side would read another one.
    pub fn new(username: impl Into<String>, password: Secret) -> Result<Self> {
        let username = username.into();
        if username.contains(':') {
            return Err(
                Error::configuration("a name with a colon cannot be sent").with_context("field", "username")
            );
        }
        Ok(Self { username, password, insecure_http: false })
    }

    /// Whether they may go over `http://` to other machines, where everyone on the way can read them. Default: no.
    #[must_use]
    pub fn with_insecure_http(mut self, allowed: bool) -> Self {
        self.insecure_http = allowed;
        self
    }
}

#[async_trait]
impl HttpAuth for BasicAuth {
    fn check(&self, url: &HttpUrl) -> Result<()> {
        check_protected(url, self.insecure_http)
    }

    async fn authorize(&self, _: &CallContext, request: &mut HttpRequest) -> Result<()> {
        set(request, AUTHORIZATION, &basic(&self.username, &self.password.expose()?))
    }

    async fn refused(&self, _: &HttpRequest) -> bool {
        has_changed(&self.password)
    }
}

/// The value of `Authorization`.
pub(super) fn basic(username: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{username}:{password}"));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// A key in a header field or in the query.
#[derive(Debug, Clone)]
pub struct ApiKeyAuth {
    place: Place,
    key: Secret,
    insecure_http: bool,
}

#[derive(Debug, Clone)]
enum Place {
    Header(HeaderName),
    Query(String),
}

impl ApiKeyAuth {
    /// In this header field.
    ///
    /// # Errors
    ///
    /// `Configuration` for what is no name of one.
    pub fn in_header(name: &str, key: Secret) -> Result<Self> {
        let name = name.parse().map_err(|_| {
            Error::configuration("not a name of a header field").with_context("field", "header")
        })?;
        Ok(Self { place: Place::Header(name), key, insecure_http: false })
    }

    /// In the query, under this name. Servers write queries into their logs: a header field is better where there is one.
    #[must_use]
    pub fn in_query(name: impl Into<String>, key: Secret) -> Self {
        Self { place: Place::Query(name.into()), key, insecure_http: false }
    }

    /// Whether it may go over `http://` to other machines, where everyone on the way can read it. Default: no.
    #[must_use]
    pub fn with_insecure_http(mut self, allowed: bool) -> Self {
        self.insecure_http = allowed;
        self
    }
}

#[async_trait]
impl HttpAuth for ApiKeyAuth {
    fn check(&self, url: &HttpUrl) -> Result<()> {
        check_protected(url, self.insecure_http)
    }

    async fn authorize(&self, _: &CallContext, request: &mut HttpRequest) -> Result<()> {
        let key = self.key.expose()?;
        match &self.place {
            Place::Header(name) => set(request, name.clone(), &key),
            Place::Query(name) => {
                request.url = request.url.clone().with_query(name, &key);
                Ok(())
            }
        }
    }

    async fn refused(&self, _: &HttpRequest) -> bool {
        has_changed(&self.key)
    }
}
