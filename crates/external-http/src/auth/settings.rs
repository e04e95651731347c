//! Credentials from configuration: the table `client.auth` of an instance.

use std::sync::Arc;
use std::time::Duration;

use external_core::http::{HttpTransport, HttpUrl};
use external_core::{BuildContext, Error, Result, Secret};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ApiKeyAuth, BasicAuth, BearerAuth, HmacAuth, HttpAuth, OAuth2Auth};

/// How requests are authorised: exactly one of the ways, and whether it needs TLS.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AuthSettings {
    /// A token that is sent as it is.
    pub bearer: Option<Secret>,
    /// Name and password.
    pub basic: Option<BasicSettings>,
    /// A key in a header field or in the query.
    pub api_key: Option<ApiKeySettings>,
    /// A signature with a shared key.
    pub hmac: Option<HmacSettings>,
    /// Tokens by client credentials.
    pub oauth2: Option<OAuth2Settings>,
    /// Allows credentials to go over `http://` to other machines, where everyone on the way can read them; `hmac` shows none,
    /// and needs no leave. Default: false.
    pub insecure_http: bool,
}

/// Name and password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BasicSettings {
    /// The name, without a colon.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// A key in a header field or in the query: one of the two.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiKeySettings {
    /// The header field's name. Default: none.
    #[serde(default)]
    pub header: Option<String>,
    /// The name in the query. Default: none.
    #[serde(default)]
    pub query: Option<String>,
    /// The key.
    pub key: Secret,
}

/// A signature with a shared key: see [`HmacAuth`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HmacSettings {
    /// The name by which the server knows the key.
    pub key_id: String,
    /// The key.
    pub key: Secret,
}

/// Tokens by client credentials: see [`OAuth2Auth`].
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OAuth2Settings {
    /// Where tokens are fetched.
    pub token_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// Scopes, separated by blanks. Default: none is asked for.
    #[serde(default)]
    pub scope: Option<String>,
    /// The audience, where the server wants one. Default: none.
    #[serde(default)]
    pub audience: Option<String>,
    /// How long before its end a token is renewed. Default 60 seconds.
    #[serde(with = "external_core::config::duration", default = "a_minute")]
    #[schemars(with = "String")]
    pub refresh_ahead: Duration,
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

impl AuthSettings {
    /// Puts the settings into use. Tokens are fetched over `transport`.
    ///
    /// # Errors
    ///
    /// `Configuration` for none or several of them, for what is wrong with the one, and for a transport whose base is a place
    /// that the credentials may not go to.
    pub fn build(
        &self,
        transport: &Arc<dyn HttpTransport>,
        context: &BuildContext,
    ) -> Result<Arc<dyn HttpAuth>> {
        let auth = self.kind(transport, context)?;
        // Where there is one place for all requests, a mistake shows now.
        if let Ok(base) = HttpUrl::parse(transport.info().location()) {
            auth.check(&base)?;
        }
        Ok(auth)
    }

    fn kind(&self, transport: &Arc<dyn HttpTransport>, context: &BuildContext) -> Result<Arc<dyn HttpAuth>> {
        let &Self { ref bearer, ref basic, ref api_key, ref hmac, ref oauth2, insecure_http } = self;
        Ok(match (bearer, basic, api_key, hmac, oauth2) {
            (Some(token), None, None, None, None) => {
                Arc::new(BearerAuth::new(context.secret(token)?).with_insecure_http(insecure_http))
            }
            (None, Some(basic), None, None, None) => {
                let auth = BasicAuth::new(&basic.username, context.secret(&basic.password)?)?;
                Arc::new(auth.with_insecure_http(insecure_http))
            }
            (None, None, Some(settings), None, None) => {
                let key = context.secret(&settings.key)?;
                let auth = match (&settings.header, &settings.query) {
                    (Some(name), None) => ApiKeyAuth::in_header(name, key)?,
                    (None, Some(name)) => ApiKeyAuth::in_query(name, key),
                    _ => return Err(wrong("api_key", "a key is in a header field or in the query")),
                };
                Arc::new(auth.with_insecure_http(insecure_http))
            }
            (None, None, None, Some(hmac), None) => {
                Arc::new(HmacAuth::new(&hmac.key_id, context.secret(&hmac.key)?, context))
            }
            (None, None, None, None, Some(oauth2)) => {
                Arc::new(oauth2.build(transport, context, insecure_http)?)
            }
            _ => return Err(wrong("auth", "exactly one way to authorise requests")),
        })
    }
}

impl OAuth2Settings {
    fn build(
        &self,
        transport: &Arc<dyn HttpTransport>,
        context: &BuildContext,
        insecure_http: bool,
    ) -> Result<OAuth2Auth> {
        let secret = context.secret(&self.client_secret)?;
        let mut auth = OAuth2Auth::new(transport.clone(), &self.token_url, &self.client_id, secret)?
            .with_refresh_ahead(self.refresh_ahead)
            .with_insecure_http(insecure_http);
        auth.check_token_url()?;
        if let Some(scope) = &self.scope {
            auth = auth.with_scope(scope);
        }
        if let Some(audience) = &self.audience {
            auth = auth.with_parameter("audience", audience);
        }
        Ok(auth)
    }
}

fn wrong(field: &'static str, why: &'static str) -> Error {
    Error::configuration(why).with_context("field", field)
}
