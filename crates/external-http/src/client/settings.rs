//! The client's own settings: the table `client` of an instance.

use std::time::Duration;

use external_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::AuthSettings;

/// What an HTTP client does beside making exchanges: `[http.default.client]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct HttpSettings {
    /// How many redirects of one request are followed, 0 to 20. Default 0: a redirect is an answer.
    pub max_redirects: u8,
    /// Hosts, without a port, that a redirect may lead to beside the one it comes from. Credentials never go there, nor do
    /// bodies. Default: none.
    pub redirect_hosts: Vec<String>,
    /// Whether requests carry the caller's trace context, if the client was given a source of it. Default: yes.
    pub traceparent: bool,
    /// How long a reader of a streamed body waits for anything to come, however little: what kind of body it is makes no
    /// difference. Only while somebody reads does the time count. Default 30 seconds.
    #[serde(with = "external_core::config::duration")]
    #[schemars(with = "String")]
    pub idle_timeout: Duration,
    /// How requests are authorised. Default: not at all.
    pub auth: Option<AuthSettings>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            max_redirects: 0,
            redirect_hosts: Vec::new(),
            traceparent: true,
            idle_timeout: Duration::from_secs(30),
            auth: None,
        }
    }
}

impl HttpSettings {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many redirects of one request are followed, 0 to 20.
    #[must_use]
    pub fn with_max_redirects(mut self, redirects: u8) -> Self {
        self.max_redirects = redirects;
        self
    }

    /// Lets redirects lead to this host too.
    #[must_use]
    pub fn with_redirect_host(mut self, host: impl Into<String>) -> Self {
        self.redirect_hosts.push(host.into());
        self
    }

    /// Whether requests carry the caller's trace context.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: bool) -> Self {
        self.traceparent = traceparent;
        self
    }

    /// How long a reader of a streamed body waits for anything to come.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |field: &'static str, why: &'static str| {
            Err(Error::configuration(why).with_context("field", field))
        };
        if self.max_redirects > 20 {
            return wrong("max_redirects", "more redirects than anybody means");
        }
        if self.redirect_hosts.iter().any(|host| host.is_empty() || host.contains(['/', '@', '*'])) {
            return wrong("redirect_hosts", "a host is a name or an address, without scheme, path or `*`");
        }
        if self.idle_timeout.is_zero() {
            return wrong("idle_timeout", "must be longer than nothing");
        }
        Ok(())
    }
}
