//! Requests signed with a shared key.

use std::time::UNIX_EPOCH;

use ::hmac::{Hmac, KeyInit, Mac};
use async_trait::async_trait;
use external_core::http::{HttpRequest, HttpUrl};
use external_core::{BuildContext, CallContext, Error, Result, Secret};
use http::header::HeaderName;
use sha2::{Digest, Sha256};

use super::{HttpAuth, has_changed, set};

/// Requests signed by HMAC-SHA-256, for services of one's own; vendors have schemes of their own.
///
/// What is signed are five lines, each ended by a line feed but for the last: the method, path and query, the host (with the
/// port if it is not the scheme's), the time in seconds since 1970, and the SHA-256 of the body in hex. The header fields
/// `x-key-id`, `x-timestamp` and `x-signature` tell key, time and the signature in hex. Bodies are in memory: one from a
/// source is refused.
#[derive(Debug, Clone)]
pub struct HmacAuth {
    key_id: String,
    key: Secret,
    context: BuildContext,
}

impl HmacAuth {
    /// Signs with this key; the clock is the context's.
    #[must_use]
    pub fn new(key_id: impl Into<String>, key: Secret, context: &BuildContext) -> Self {
        Self { key_id: key_id.into(), key, context: context.clone() }
    }
}

#[async_trait]
impl HttpAuth for HmacAuth {
    /// Anywhere: the key stays here, and what is signed is this one request.
    fn check(&self, _: &HttpUrl) -> Result<()> {
        Ok(())
    }

    async fn authorize(&self, _: &CallContext, request: &mut HttpRequest) -> Result<()> {
        let Some(body) = request.body.as_bytes() else {
            return Err(Error::invalid_argument("a body that is signed is in memory"));
        };
        let now = self.context.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let url = &request.url;
        let host = url.host().unwrap_or_default();
        let host = match url.port() {
            Some(port) if port != if url.is_https() { 443 } else { 80 } => format!("{host}:{port}"),
            _ => host,
        };
        let content = hex::encode(Sha256::digest(&body));
        let signed = format!("{}\n{}\n{host}\n{now}\n{content}", request.method, url.target());
        let key = self.key.expose()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
            .map_err(|_| Error::configuration("not a key to sign with"))?;
        mac.update(signed.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        set(request, HeaderName::from_static("x-key-id"), &self.key_id)?;
        set(request, HeaderName::from_static("x-timestamp"), &now.to_string())?;
        set(request, HeaderName::from_static("x-signature"), &signature)
    }

    async fn refused(&self, _: &HttpRequest) -> bool {
        has_changed(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use external_core::ByteStream;
    use external_core::http::HttpBody;

    use super::*;

    #[tokio::test]
    async fn signs_what_it_says_it_signs() {
        let context = BuildContext::default().with_clock(|| UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let auth = HmacAuth::new("k1", "secret".into(), &context);
        let mut request =
            HttpRequest::post("https://API.example.org:8443/v1/orders?a=b").unwrap().with_body("{}");
        auth.authorize(&CallContext::default(), &mut request).await.unwrap();
        let field = |name| request.headers[name].to_str().unwrap();
        assert_eq!((field("x-key-id"), field("x-timestamp")), ("k1", "1700000000"));
        assert_eq!(field("x-signature"), SIGNATURE);
        assert!(!format!("{request:?} {auth:?}").contains("secret"));
    }

    /// Made by another implementation (Python's `hmac`).
    const SIGNATURE: &str = "0924e9f2ca6db3522e510ad4b0958f47e7aec56e663282465d3bebabe1d9040e";

    #[tokio::test]
    async fn a_body_that_cannot_be_signed_is_refused() {
        let auth = HmacAuth::new("k1", "secret".into(), &BuildContext::default());
        let body = HttpBody::from_factory(None, || ByteStream::from_bytes("x".into()));
        let mut request = HttpRequest::post("https://a/").unwrap().with_body(body);
        assert!(auth.authorize(&CallContext::default(), &mut request).await.is_err());
    }
}
