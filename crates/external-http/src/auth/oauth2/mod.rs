//! OAuth 2: client credentials (RFC 6749, 4.4), with one token for all callers.

mod issuer;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use external_core::http::{HttpRequest, HttpTransport, HttpUrl};
use external_core::{CallContext, Error, Result, Secret};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::header::{AUTHORIZATION, HeaderValue};
use tokio::runtime::Handle;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{HttpAuth, check_protected, set};
use issuer::{Issuer, encoded};

/// How long a renewal that failed is not tried again while the token still lives: the endpoint has its own trouble.
const REST: Duration = Duration::from_secs(1);

/// Tokens by client credentials.
///
/// There is one question at the token endpoint at a time, for 10 seconds at most, and whoever needs its answer waits for it
/// and shares it, a failure too. A token is renewed some time before it ends; nobody waits for that, and where it fails the
/// callers go on with the one there is. One that is refused is fetched anew, and the request sent once more.
pub struct OAuth2Auth {
    issuer: Issuer,
    ahead: Duration,
    kept: Arc<Mutex<Kept>>,
}

/// A question that was put already. Its callers may go: it is a task of its own.
type Fetching = Shared<BoxFuture<'static, Result<Secret>>>;

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    fetching: Option<Fetching>,
    /// When the next renewal may be tried.
    rests_until: Option<Instant>,
}

#[derive(Clone)]
struct Token {
    value: Secret,
    fetched: Instant,
    ends: Instant,
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
        client_id: impl Into<String>,
        client_secret: Secret,
    ) -> Result<Self> {
        let wrong = || Error::configuration("not a URL with a host").with_context("field", "token_url");
        let url = HttpUrl::parse(token_url).map_err(|error| wrong().with_source(error))?;
        if !url.is_absolute() {
            return Err(wrong());
        }
        let (client_id, form) = (client_id.into(), "grant_type=client_credentials".to_owned());
        let issuer = Issuer { transport, url, client_id, client_secret, form, insecure_http: false };
        Ok(Self { issuer, ahead: Duration::from_secs(60), kept: Arc::default() })
    }

    /// Asks for these scopes, separated by blanks.
    #[must_use]
    pub fn with_scope(self, scope: &str) -> Self {
        self.with_parameter("scope", scope)
    }

    /// Asks with one more parameter: `audience`, `resource`, whatever the server wants.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.issuer.form.push_str(&format!("&{}={}", encoded(name), encoded(value)));
        self
    }

    /// Renews a token so long before its end. Default: a minute. At most half of its life.
    #[must_use]
    pub fn with_refresh_ahead(mut self, ahead: Duration) -> Self {
        self.ahead = ahead;
        self
    }

    /// Whether the client's secret and the tokens may go over `http://` to other machines, where everyone on the way can read
    /// them. Default: no.
    #[must_use]
    pub fn with_insecure_http(mut self, allowed: bool) -> Self {
        self.issuer.insecure_http = allowed;
        self
    }

    /// Whether the client's secret may go to the token endpoint.
    pub(super) fn check_token_url(&self) -> Result<()> {
        self.issuer.check().map_err(|error| error.with_context("field", "token_url"))
    }

    async fn token(&self) -> Result<Secret> {
        let fetching = {
            let mut kept = locked(&self.kept);
            let now = Instant::now();
            match kept.token.clone().filter(|token| now < token.ends) {
                Some(token) => {
                    let is_resting = kept.rests_until.is_some_and(|until| now < until);
                    if now >= token.renewed_from(self.ahead) && !is_resting {
                        // A task of its own, for which nobody waits.
                        drop(self.fetching(&mut kept));
                    }
                    return Ok(token.value);
                }
                None => self.fetching(&mut kept),
            }
        };
        fetching.await
    }

    /// The question that is under way, or one that begins now.
    fn fetching(&self, kept: &mut Kept) -> Fetching {
        if let Some(fetching) = &kept.fetching {
            return fetching.clone();
        }
        let (issuer, to_keep) = (self.issuer.clone(), Arc::downgrade(&self.kept));
        let fetching = async move { keep(&to_keep, issuer.token().await) }.boxed().shared();
        kept.fetching = Some(fetching.clone());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(fetching.clone());
        }
        fetching
    }
}

/// Keeps what came of a question, for who asks later.
fn keep(kept: &Weak<Mutex<Kept>>, outcome: Result<Token>) -> Result<Secret> {
    if let Some(kept) = kept.upgrade() {
        let mut kept = locked(&kept);
        kept.fetching = None;
        kept.rests_until = outcome.is_err().then(|| Instant::now() + REST);
        if let Ok(token) = &outcome {
            kept.token = Some(token.clone());
        }
    }
    outcome.map(|token| token.value)
}

fn locked(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Token {
    fn renewed_from(&self, ahead: Duration) -> Instant {
        self.ends - ahead.min((self.ends - self.fetched) / 2)
    }
}

#[async_trait]
impl HttpAuth for OAuth2Auth {
    fn check(&self, url: &HttpUrl) -> Result<()> {
        check_protected(url, self.issuer.insecure_http)
    }

    async fn authorize(&self, _: &CallContext, request: &mut HttpRequest) -> Result<()> {
        let token = self.token().await?;
        set(request, AUTHORIZATION, &bearer(&token)?)
    }

    async fn refused(&self, request: &HttpRequest) -> bool {
        let mut kept = locked(&self.kept);
        // Where a newer one is there already it was another caller's doing.
        let is_kept = |token: &Token| {
            let sent = request.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
            bearer(&token.value).is_ok_and(|value| sent == Some(value.as_bytes()))
        };
        if kept.token.as_ref().is_some_and(is_kept) {
            kept.token = None;
        }
        true
    }
}

impl fmt::Debug for OAuth2Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Auth").field("token_url", &self.issuer.url).finish_non_exhaustive()
    }
}

fn bearer(token: &Secret) -> Result<Zeroizing<String>> {
    Ok(Zeroizing::new(format!("Bearer {}", &*token.expose()?)))
}

#[cfg(test)]
mod tests;
