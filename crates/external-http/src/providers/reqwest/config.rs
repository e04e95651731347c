//! Configuration of the reqwest provider.

use std::time::Duration;

use external_core::build::TlsSettings;
use external_core::http::HttpUrl;
use external_core::{BuildContext, Error, Result, Secret};
use external_net::Tls;
use http::header::HeaderValue;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ReqwestHttp;
use super::connections::{Connections, Plan};

/// HTTP over the network. Everything has a default, so an empty table is a valid configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ReqwestConfig {
    /// What goes before URLs without a host: `https://api.example.org/v1`. Default: none, so that every URL must name one.
    pub base_url: Option<String>,
    /// The version of HTTP that is spoken. Default `auto`.
    pub version: HttpVersion,
    /// How long making a connection may take, name and TLS included. Default 10 seconds.
    #[serde(with = "external_core::config::duration")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// How long an unused connection is kept. Default 15 seconds: shorter than servers usually do, since a request that
    /// crosses the server's close on the way may have been applied.
    #[serde(with = "external_core::config::duration")]
    #[schemars(with = "String")]
    pub idle_timeout: Duration,
    /// How many unused connections are kept for each host. More are made when needed. Default 1024.
    pub max_idle_per_host: usize,
    /// `User-Agent` of requests that set none. Default `external-http/<version>`.
    pub user_agent: String,
    /// How servers are verified, and who we say we are. Default: as the whole configuration says.
    pub tls: Option<TlsSettings>,
    /// What requests go through. Default: none; variables like `HTTPS_PROXY` are not read.
    pub proxy: Option<ProxyConfig>,
}

/// The version of HTTP that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HttpVersion {
    /// Over TLS what the server prefers of HTTP/2 and HTTP/1.1, without TLS HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without TLS too: the server is known to speak it.
    Http2,
}

/// A proxy.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ProxyConfig {
    /// Where it is: `http://proxy.internal:3128`. What is `https` is tunnelled through it, what is not it sees.
    pub url: String,
    /// The name at the proxy. Default: none.
    #[serde(default)]
    pub username: Option<String>,
    /// The password that belongs to `username`.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Hosts that are reached directly: names, with what is below them, addresses, or networks (`10.0.0.0/8`). Default:
    /// none.
    #[serde(default)]
    pub bypass: Vec<String>,
}

impl ProxyConfig {
    /// A proxy for everything, without a password.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), username: None, password: None, bypass: Vec::new() }
    }

    /// Says who we are.
    #[must_use]
    pub fn with_login(mut self, username: impl Into<String>, password: Secret) -> Self {
        self.username = Some(username.into());
        self.password = Some(password);
        self
    }

    /// Reaches this host directly.
    #[must_use]
    pub fn with_bypass(mut self, host: impl Into<String>) -> Self {
        self.bypass.push(host.into());
        self
    }
}

impl Default for ReqwestConfig {
    fn default() -> Self {
        Self {
            base_url: None,
            version: HttpVersion::default(),
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            max_idle_per_host: 1024,
            user_agent: concat!("external-http/", env!("CARGO_PKG_VERSION")).to_owned(),
            tls: None,
            proxy: None,
        }
    }
}

impl ReqwestConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What goes before URLs without a host.
    #[must_use]
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// The version of HTTP that is spoken.
    #[must_use]
    pub fn with_version(mut self, version: HttpVersion) -> Self {
        self.version = version;
        self
    }

    /// How long making a connection may take.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long an unused connection is kept.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// `User-Agent` of requests that set none.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// How servers are verified, and who we say we are.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What requests go through.
    #[must_use]
    pub fn with_proxy(mut self, proxy: ProxyConfig) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Makes the transport. Connections are made when they are needed.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that is wrong.
    pub fn build(self, context: &BuildContext) -> Result<ReqwestHttp> {
        let base = self.base_url.as_deref().map(|url| super::super::base("base_url", url)).transpose()?;
        if self.connect_timeout.is_zero() {
            return Err(wrong("connect_timeout", "must be longer than nothing"));
        }
        let user_agent = HeaderValue::from_str(&self.user_agent)
            .map_err(|_| wrong("user_agent", "not a value of a header field"))?;
        let mut tls = self.tls.unwrap_or_else(|| context.tls().clone());
        if let Some(key) = &tls.client_key {
            tls.client_key = Some(context.secret(key)?);
        }
        let proxy = self.proxy.map(|proxy| checked(proxy, context)).transpose()?;
        let plan = Plan {
            version: self.version,
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            max_idle_per_host: self.max_idle_per_host,
            proxy,
        };
        Ok(ReqwestHttp::with_parts(base, user_agent, Connections::new(plan, Tls::new(tls)), context.clone()))
    }
}

fn checked(mut proxy: ProxyConfig, context: &BuildContext) -> Result<ProxyConfig> {
    let url =
        HttpUrl::parse(&proxy.url).map_err(|error| wrong("proxy.url", "not a URL").with_source(error))?;
    if !url.is_absolute() {
        return Err(wrong("proxy.url", "a proxy has a host"));
    }
    if proxy.username.is_some() != proxy.password.is_some() {
        return Err(wrong("proxy.password", "name and password need each other"));
    }
    proxy.password = proxy.password.map(|password| context.secret(&password)).transpose()?;
    Ok(proxy)
}

fn wrong(field: &'static str, why: &'static str) -> Error {
    Error::configuration(why).with_context("field", field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_cannot_work_and_names_it() {
        let half = ProxyConfig { username: Some("u".into()), ..ProxyConfig::new("http://p:1") };
        for (config, field) in [
            (ReqwestConfig::new().with_base_url("/v1"), "base_url"),
            (ReqwestConfig::new().with_base_url("https://a/?b"), "base_url"),
            (ReqwestConfig::new().with_connect_timeout(Duration::ZERO), "connect_timeout"),
            (ReqwestConfig::new().with_user_agent("a\nb"), "user_agent"),
            (ReqwestConfig::new().with_proxy(ProxyConfig::new("p:1")), "proxy.url"),
            (ReqwestConfig::new().with_proxy(half), "proxy.password"),
        ] {
            let error = config.build(&BuildContext::default()).unwrap_err();
            assert!(
                error.to_string().contains(field) || error.report().contains(field),
                "{}",
                error.report()
            );
        }
    }
}
