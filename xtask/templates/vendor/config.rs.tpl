//! Configuration of the provider `{{id}}`.

use std::sync::Arc;
use std::time::Duration;

use external_core::build::TlsSettings;
use external_core::config::duration;
use external_core::http::HttpTransport;
use external_core::{BuildContext, Result, Secret};
use external_http::BearerAuth;
use external_http::vendor::{Link, Vendor};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{{Name}}{{Domain}};
use super::api::Api;
use super::error::explained;

/// `provider = "{{id}}"`: {{Name}}, by its Web API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct {{Name}}Config {
    /// The API key. Read with every request, so a changed file is taken up.
    pub api_key: Secret,
    /// Where {{Name}} is.
    pub base_url: String,
    /// Allows a `base_url` with `http://` on another machine, where everyone on the way can read key and contents. Default:
    /// false.
    #[serde(default)]
    pub insecure_http: bool,
    /// How long connecting may take, TLS included. Default: 10 s.
    #[serde(default = "default_connect", with = "duration")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// TLS settings. Default: those of the container.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

fn default_connect() -> Duration {
    Duration::from_secs(10)
}

impl {{Name}}Config {
    /// With this API key, at this place.
    #[must_use]
    pub fn new(api_key: impl Into<Secret>, base_url: impl Into<String>) -> Self {
        Self {
            api_key: api_key.into(),
            base_url: base_url.into(),
            insecure_http: false,
            connect_timeout: default_connect(),
            tls: None,
        }
    }

    /// Allows `http://` to another machine, where everyone on the way can read key and contents.
    #[must_use]
    pub fn with_insecure_http(mut self) -> Self {
        self.insecure_http = true;
        self
    }

    /// Replaces how long connecting may take.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Replaces the TLS settings.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Makes the provider. Connects to nobody.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that makes no sense.
    pub fn build(self, context: &BuildContext) -> Result<{{Name}}{{Domain}}> {
        let link = Link::own(self.connect_timeout, self.tls.clone(), context)?;
        self.build_on(link, context)
    }

    /// Makes the provider over a transport that exists already, which brings its own timeouts and TLS: one that is shared, or
    /// a double. Closing the provider leaves it open.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_over(
        self,
        transport: Arc<dyn HttpTransport>,
        context: &BuildContext,
    ) -> Result<{{Name}}{{Domain}}> {
        self.build_on(Link::lent(transport), context)
    }

    fn build_on(self, link: Link, context: &BuildContext) -> Result<{{Name}}{{Domain}}> {
        let auth = BearerAuth::new(context.secret(&self.api_key)?).with_insecure_http(self.insecure_http);
        let vendor = Vendor::new("{{Name}}", link, &self.base_url, auth)?;
        let vendor = vendor.with_context(context).with_errors(explained);
        Ok({{Name}}{{Domain}}::over(Api::new(vendor)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_field_that_is_wrong() {
        for url in ["example.org", "http://example.org", "https://example.org/?a=b"] {
            let error = {{Name}}Config::new("key", url).build(&BuildContext::default()).unwrap_err();
            assert_eq!(error.context_value("field"), Some("base_url"), "{url}");
        }
        let open = {{Name}}Config::new("key", "http://example.org").with_insecure_http();
        assert!(open.build(&BuildContext::default()).is_ok());
    }
}
