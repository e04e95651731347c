//! Credentials that stand in a request as they are.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_core::http::HttpRequest;
use external_core::{CallContext, Error, Result, Secret};
use http::header::{AUTHORIZATION, HeaderName};
use zeroize::Zeroizing;

use super::{HttpAuth, has_changed, set};

/// `Authorization: Bearer …` (RFC 6750).
#[derive(Debug, Clone)]
pub struct BearerAuth(Secret);

impl BearerAuth {
    /// With this token.
    #[must_use]
    pub fn new(token: Secret) -> Self {
        Self(token)
    }
}

#[async_trait]
impl HttpAuth for BearerAuth {
    async fn authorize(&self, _: &CallContext, request: &mut HttpRequest) -> Result<()> {
        let value = Zeroizing::new(format!("Bearer {}", &*self.0.expose()?));
        set(request, AUTHORIZATION, &value)
    }

    async fn refused(&self, _: &HttpRequest) -> bool {
        has_changed(&self.0)
    }
}

/// `Authorization: Basic …` (RFC 7617).
#[derive(Debug, Clone)]
pub struct BasicAuth {
    username: String,
    password: Secret,
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
        Ok(Self { username, password })
    }
}

#[async_trait]
impl HttpAuth for BasicAuth {
    async fn authorize(&self, _: &CallContext, request: &mut HttpRequest) -> Result<()> {
        let pair = Zeroizing::new(format!("{}:{}", self.username, &*self.password.expose()?));
        let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        set(request, AUTHORIZATION, &value)
    }

    async fn refused(&self, _: &HttpRequest) -> bool {
        has_changed(&self.password)
    }
}

/// A key in a header field or in the query.
#[derive(Debug, Clone)]
pub struct ApiKeyAuth {
    place: Place,
    key: Secret,
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
        Ok(Self { place: Place::Header(name), key })
    }

    /// In the query, under this name. Servers write queries into their logs: a header field is better where there is one.
    #[must_use]
    pub fn in_query(name: impl Into<String>, key: Secret) -> Self {
        Self { place: Place::Query(name.into()), key }
    }
}

#[async_trait]
impl HttpAuth for ApiKeyAuth {
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
