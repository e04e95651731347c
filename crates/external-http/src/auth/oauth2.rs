//! OAuth 2: client credentials (RFC 6749, 4.4), with one token for all callers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use external_core::http::{HttpRequest, HttpTransport, HttpUrl, Statuses};
use external_core::{CallContext, Effect, Error, Repeat, Result, Secret};
use http::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{BasicAuth, HttpAuth, set};

/// How long a token lives whose server does not say.
const UNTOLD: Duration = Duration::from_secs(300);

/// Longer than any token lives.
const LONGEST: u64 = 365 * 24 * 3600;

/// The most of an answer that is read: tokens are not large.
const ANSWER_MAX: u64 = 64 << 10;

/// Tokens by client credentials.
///
/// One caller fetches a token and all others that have none wait for it. A token is renewed some time before it ends, by
/// one caller while the others go on with the one there is. One that is refused is fetched anew, and the request sent once
/// more.
pub struct OAuth2Auth {
    transport: Arc<dyn HttpTransport>,
    token_url: HttpUrl,
    login: BasicAuth,
    form: String,
    ahead: Duration,
    token: Mutex<Option<Token>>,
    /// Held by whoever fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Token {
    value: Secret,
    fetched: Instant,
    ends: Instant,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: Secret,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl OAuth2Auth {
    /// Fetches tokens from `token_url` over this transport; the client's id and secret go there as basic authentication.
    ///
    /// # Errors
    ///
    /// `Configuration` for a URL that names no host.
    pub fn new(
        transport: Arc<dyn HttpTransport>,
        token_url: &str,
        client_id: impl AsRef<str>,
        client_secret: Secret,
    ) -> Result<Self> {
        let wrong = || Error::configuration("not a URL with a host").with_context("field", "token_url");
        let token_url = HttpUrl::parse(token_url).map_err(|error| wrong().with_source(error))?;
        if !token_url.is_absolute() {
            return Err(wrong());
        }
        Ok(Self {
            transport,
            token_url,
            // RFC 6749, 2.3.1: encoded as in a form, a colon included.
            login: BasicAuth::new(encoded(client_id.as_ref()), client_secret)?,
            form: "grant_type=client_credentials".to_owned(),
            ahead: Duration::from_secs(60),
            token: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// Asks for these scopes, separated by blanks.
    #[must_use]
    pub fn with_scope(self, scope: &str) -> Self {
        self.with_parameter("scope", scope)
    }

    /// Asks with one more parameter: `audience`, `resource`, whatever the server wants.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.form.push_str(&format!("&{}={}", encoded(name), encoded(value)));
        self
    }

    /// Renews a token so long before its end. Default: a minute. At most half of its life.
    #[must_use]
    pub fn with_refresh_ahead(mut self, ahead: Duration) -> Self {
        self.ahead = ahead;
        self
    }

    async fn token(&self, cx: &CallContext) -> Result<Secret> {
        match self.known() {
            Some(token) if Instant::now() < token.renewed_from(self.ahead) => return Ok(token.value),
            Some(token) => {
                // Whoever is first renews it; nobody waits for that, nor fails by it.
                if let Ok(_renewing) = self.fetching.try_lock()
                    && let Ok(renewed) = self.fetch(cx).await
                {
                    return Ok(renewed);
                }
                return Ok(token.value);
            }
            None => {}
        }
        let _fetching = self.fetching.lock().await;
        match self.known() {
            Some(token) => Ok(token.value),
            None => self.fetch(cx).await,
        }
    }

    /// The token, while it lives.
    fn known(&self) -> Option<Token> {
        self.kept().clone().filter(|token| Instant::now() < token.ends)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Token>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, cx: &CallContext) -> Result<Secret> {
        // It has a mark of its own: whatever becomes of it, the caller's request was not sent.
        let cx = cx.for_attempt(cx.attempt(), None);
        self.ask(&cx)
            .await
            .map_err(|error| error.with_effect(Effect::NotSent).with_context("while", "fetching a token"))
    }

    async fn ask(&self, cx: &CallContext) -> Result<Secret> {
        let mut request = HttpRequest::new(http::Method::POST, self.token_url.clone())
            .with_header("content-type", "application/x-www-form-urlencoded")?
            .with_header("accept", "application/json")?
            .with_body(self.form.clone())
            .with_body_limit(ANSWER_MAX)
            .with_statuses(Statuses::Final)
            .with_repeat(Repeat::Safe);
        self.login.authorize(cx, &mut request).await?;
        let answer = self.transport.execute(cx, &request).await?;
        let status = answer.status;
        if status != http::StatusCode::OK {
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
        let (value, fetched) = (told.access_token, Instant::now());
        *self.kept() = Some(Token { value: value.clone(), fetched, ends: fetched + life });
        Ok(value)
    }
}

impl Token {
    fn renewed_from(&self, ahead: Duration) -> Instant {
        self.ends - ahead.min((self.ends - self.fetched) / 2)
    }
}

#[async_trait]
impl HttpAuth for OAuth2Auth {
    async fn authorize(&self, cx: &CallContext, request: &mut HttpRequest) -> Result<()> {
        let token = self.token(cx).await?;
        set(request, AUTHORIZATION, &bearer(&token)?)
    }

    async fn refused(&self, request: &HttpRequest) -> bool {
        let mut kept = self.kept();
        // Where a newer one is there already it was another caller's doing.
        let is_kept = |token: &Token| {
            let sent = request.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
            bearer(&token.value).is_ok_and(|value| sent == Some(value.as_bytes()))
        };
        if kept.as_ref().is_some_and(is_kept) {
            *kept = None;
        }
        true
    }
}

impl fmt::Debug for OAuth2Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Auth").field("token_url", &self.token_url).finish_non_exhaustive()
    }
}

fn bearer(token: &Secret) -> Result<Zeroizing<String>> {
    Ok(Zeroizing::new(format!("Bearer {}", &*token.expose()?)))
}

/// As in a form.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
