//! Where tokens come from: one question to the token endpoint.

use std::sync::Arc;
use std::time::Duration;

use external_core::http::{HttpRequest, HttpTransport, HttpUrl, Statuses};
use external_core::{CallContext, Effect, Error, Repeat, Result, Secret};
use http::header::AUTHORIZATION;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::Token;
use crate::auth::simple::basic;
use crate::auth::{check_protected, set};

/// How long a token lives whose server does not say.
const UNTOLD: Duration = Duration::from_secs(300);

/// Longer than any token lives.
const LONGEST: u64 = 365 * 24 * 3600;

/// The most of an answer that is read: tokens are not large.
const ANSWER_MAX: u64 = 64 << 10;

/// How long the endpoint has for its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What a form leaves as it is beside letters and digits (the URL Standard, application/x-www-form-urlencoded). A blank is
/// written as `%20`, which every reader of forms takes for what `+` says.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// A token endpoint, and as whom it is asked for what.
#[derive(Clone)]
pub(super) struct Issuer {
    pub(super) transport: Arc<dyn HttpTransport>,
    pub(super) url: HttpUrl,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    pub(super) form: String,
    pub(super) insecure_http: bool,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: Secret,
    #[serde(default)]
    token_type: String,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
}

/// A number, or its digits in quotes, as Azure AD writes them in its first version. Anything else is as if nothing was told.
fn seconds<'de, D: Deserializer<'de>>(told: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(told)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    })
}

impl Issuer {
    /// Asks for a token. Whatever becomes of it, the request that it is for was not sent.
    pub(super) async fn token(&self) -> Result<Token> {
        let end = Instant::now() + ANSWER_WITHIN;
        // It is nobody's call, and whoever waits for it repeats it.
        let cx = CallContext::default().for_attempt(1, Some(end));
        let answer = tokio::time::timeout_at(end, self.ask(&cx)).await;
        answer
            .unwrap_or_else(|_| Err(Error::timeout("the token endpoint does not answer")))
            .map_err(|error| error.with_effect(Effect::NotSent).with_context("while", "fetching a token"))
    }

    pub(super) fn check(&self) -> Result<()> {
        check_protected(&self.url, self.insecure_http)
    }

    async fn ask(&self, cx: &CallContext) -> Result<Token> {
        self.check()?;
        let mut request = HttpRequest::new(http::Method::POST, self.url.clone())
            .with_header("content-type", "application/x-www-form-urlencoded")?
            .with_header("accept", "application/json")?
            .with_body(self.form.clone())
            .with_body_limit(ANSWER_MAX)
            .with_statuses(Statuses::Final)
            .with_repeat(Repeat::Safe);
        // RFC 6749, 2.3.1: both encoded as in a form, colons included.
        let secret = Zeroizing::new(encoded(&self.client_secret.expose()?));
        set(&mut request, AUTHORIZATION, &basic(&encoded(&self.client_id), &secret))?;
        let answer = self.transport.execute(cx, &request).await?;
        let status = answer.status;
        if status != http::StatusCode::OK {
            // A secret in a file is read anew by the next question.
            self.client_secret.invalidate();
            // 400 is how a server says that it does not know the client (RFC 6749, 5.2).
            return Err(Error::unauthenticated("no token was given").with_http_status(status.as_u16()));
        }
        let body = answer.bytes().await?;
        let told: TokenResponse =
            serde_json::from_slice(&body).map_err(|_| Error::corrupt("the answer holds no token"))?;
        if !(told.token_type.is_empty() || told.token_type.eq_ignore_ascii_case("bearer")) {
            return Err(Error::corrupt("a token of a type that nobody knows how to use"));
        }
        let life = told.expires_in.map_or(UNTOLD, |seconds| Duration::from_secs(seconds.min(LONGEST)));
        let fetched = Instant::now();
        Ok(Token { value: told.access_token, fetched, ends: fetched + life })
    }
}

/// As in a form.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_form_leaves_as_it_is_is_left() {
        assert_eq!(super::encoded("Az09*-._"), "Az09*-._");
        assert_eq!(super::encoded("a:b c~+/%é"), "a%3Ab%20c%7E%2B%2F%25%C3%A9");
    }
}
