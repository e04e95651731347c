//! Credentials on requests, and the seam for schemes that sign them.
//!
//! A client puts them on each attempt ([`HttpClient::with_auth`](crate::HttpClient::with_auth)), so that a time stamp is
//! that of the attempt. They go to one origin alone: that of the transport's base, else that of the request's own URL; a
//! redirect to another place is asked without them.
//!
//! Credentials that are of use to whoever reads them go over TLS or to this machine: [`authorize`] refuses to put them on
//! anything else, unless they were made with `insecure_http`.

mod hmac;
mod oauth2;
mod protection;
mod settings;
mod simple;

use std::fmt;

use async_trait::async_trait;
use external_core::http::{HttpRequest, HttpUrl};
use external_core::{CallContext, Effect, Error, Result, Secret};
use http::header::{HeaderName, HeaderValue};

pub use hmac::HmacAuth;
pub use oauth2::OAuth2Auth;
pub use protection::check_protected;
pub use settings::{ApiKeySettings, AuthSettings, BasicSettings, HmacSettings, OAuth2Settings};
pub use simple::{ApiKeyAuth, BasicAuth, BearerAuth};

/// Puts credentials on requests. A vendor's own signing scheme is one of these.
#[async_trait]
pub trait HttpAuth: fmt::Debug + Send + Sync {
    /// Whether these credentials may go there: asked before each [`authorize`](Self::authorize), and when a client is made
    /// for one place. Default: as [`check_protected`] says. A scheme whose credentials are of no use to who reads them, as a
    /// signature of this one request is, says yes.
    ///
    /// # Errors
    ///
    /// `Configuration`; nothing was sent.
    fn check(&self, url: &HttpUrl) -> Result<()> {
        check_protected(url, false)
    }

    /// Puts credentials on a request that is about to be sent, as the last one to change it. Who sends requests calls the
    /// function [`authorize`], which asks first whether they may go there.
    ///
    /// # Errors
    ///
    /// What keeps the credentials from being had; its effect is `NotSent`.
    async fn authorize(&self, cx: &CallContext, request: &mut HttpRequest) -> Result<()>;

    /// Hears that this request, as it was sent, was refused with 401. Whether there are, or can be had, other credentials
    /// than those it bears: it is then sent once more.
    async fn refused(&self, request: &HttpRequest) -> bool {
        let _ = request;
        false
    }
}

/// Puts credentials on a request that is about to be sent, if they may go where it goes.
///
/// # Errors
///
/// `Configuration` for credentials that everyone on the way could read, and what keeps them from being had; `NotSent`.
pub async fn authorize(auth: &dyn HttpAuth, cx: &CallContext, request: &mut HttpRequest) -> Result<()> {
    auth.check(&request.url)?;
    auth.authorize(cx, request).await.map_err(|error| error.with_effect(Effect::NotSent))
}

/// Sets a header field that is never shown.
fn set(request: &mut HttpRequest, name: HeaderName, value: &str) -> Result<()> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| Error::configuration("credentials that no header field can hold"))?;
    value.set_sensitive(true);
    request.headers.insert(name, value);
    Ok(())
}

/// Whether a secret that was refused reads as another one now: its file may have changed.
fn has_changed(secret: &Secret) -> bool {
    let before = secret.expose();
    secret.invalidate();
    match (before, secret.expose()) {
        (Ok(before), Ok(now)) => *before != *now,
        (Err(_), Ok(_)) => true,
        _ => false,
    }
}
