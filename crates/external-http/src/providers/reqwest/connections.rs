//! The connections of one instance: reqwest's client, made at first use and again when certificates change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use external_core::http::HttpUrl;
use external_core::{Error, Result};
use external_net::Tls;
use reqwest::{Client, ClientBuilder, NoProxy, Proxy, redirect, retry};
use rustls::{ClientConfig, RootCertStore};

use super::config::{HttpVersion, ProxyConfig};

/// What connections are made by.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) version: HttpVersion,
    pub(super) connect_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_idle_per_host: usize,
    pub(super) proxy: Option<ProxyConfig>,
}

/// The connections of one instance.
#[derive(Debug)]
pub(super) struct Connections {
    plan: Plan,
    tls: Tls,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    closed: bool,
    /// For what needs no TLS: it reads no certificates, so that a system without any can do plain HTTP.
    plain: Option<Client>,
    /// With the certificates that it was made from.
    secure: Option<(Arc<ClientConfig>, Client)>,
}

impl Connections {
    pub(super) fn new(plan: Plan, tls: Tls) -> Self {
        Self { plan, tls, made: Mutex::default() }
    }

    /// The client for this URL.
    pub(super) async fn client(&self, url: &HttpUrl) -> Result<Client> {
        let is_proxy_secure = self.plan.proxy.as_ref().is_some_and(|proxy| proxy.url.starts_with("https:"));
        if !url.is_https() && !is_proxy_secure {
            return self.plain();
        }
        let config = self.tls.client_config().await?;
        let mut made = self.open()?;
        match &made.secure {
            Some((made_from, client)) if Arc::ptr_eq(made_from, &config) => Ok(client.clone()),
            _ => {
                let client = self.make(ClientConfig::clone(&config))?;
                made.secure = Some((config, client.clone()));
                Ok(client)
            }
        }
    }

    fn plain(&self) -> Result<Client> {
        let mut made = self.open()?;
        if let Some(client) = &made.plain {
            return Ok(client.clone());
        }
        external_net::ensure_provider();
        // The library wants a TLS configuration even so: one that trusts nobody.
        let nobody =
            ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let client = self.make(nobody)?;
        made.plain = Some(client.clone());
        Ok(client)
    }

    /// Gives unused connections back; later requests are refused.
    pub(super) fn close(&self) {
        *self.lock() = Made { closed: true, ..Made::default() };
    }

    fn open(&self) -> Result<std::sync::MutexGuard<'_, Made>> {
        let made = self.lock();
        if made.closed { Err(Error::closed("the transport is closed")) } else { Ok(made) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, mut tls: ClientConfig) -> Result<Client> {
        let plan = &self.plan;
        tls.alpn_protocols = match plan.version {
            HttpVersion::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
            HttpVersion::Http2 => vec![b"h2".to_vec()],
        };
        let builder = ClientBuilder::new()
            .tls_backend_preconfigured(tls)
            // What the environment says of proxies is nobody's configuration.
            .no_proxy()
            // Following and repeating is the client's business.
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            // Answers are decompressed under our own cap, also where somebody else has switched the library's features on.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .tcp_nodelay(true)
            .connect_timeout(plan.connect_timeout)
            .pool_idle_timeout(plan.idle_timeout)
            .pool_max_idle_per_host(plan.max_idle_per_host);
        let builder = match plan.version {
            HttpVersion::Auto => builder,
            HttpVersion::Http1 => builder.http1_only(),
            HttpVersion::Http2 => builder.http2_prior_knowledge(),
        };
        let builder = match &plan.proxy {
            Some(config) => builder.proxy(proxy(config)?),
            None => builder,
        };
        builder.build().map_err(|error| {
            Error::configuration("the connections cannot be set up").with_source(error.without_url())
        })
    }
}

fn proxy(config: &ProxyConfig) -> Result<Proxy> {
    let wrong =
        |error: reqwest::Error| Error::configuration("not a usable proxy").with_source(error.without_url());
    let proxy = Proxy::all(&config.url).map_err(wrong)?;
    let proxy = match (&config.username, &config.password) {
        (Some(username), Some(password)) => proxy.basic_auth(username, &password.expose()?),
        _ => proxy,
    };
    Ok(proxy.no_proxy(NoProxy::from_string(&config.bypass.join(","))))
}
