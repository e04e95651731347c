//! Signed links to a folder of objects, answered by a small HTTP server in this process (feature `serve`).
//!
//! The server is bound when the first link is made, or by [`LocalStorage::serve`](super::LocalStorage::serve), and ends
//! with the store. It answers nothing but valid links.
//!
//! No client holds one of its 256 connections for nothing: a request's head has to arrive, and the next request to
//! come, within 30 seconds; an answer of which nothing is taken for 30 seconds is cut off; and an upload ends with 408
//! if it stalls for 30 seconds, or takes longer than a minute and a second for every 16 KiB that arrived.

mod answer;
mod config;
mod patience;
mod server;
mod sign;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use external_core::storage::{PresignRequest, PresignStorage, PresignedUrl};
use external_core::{CallContext, Capabilities, Error, Result, Secret};
use tokio::sync::Mutex;

use super::tree::Store;
pub use config::ServeConfig;
use server::Server;
use sign::{Link, Signer};

/// The longest a link may be valid: seven days, in seconds.
const LIFETIME_MAX: u64 = 7 * 24 * 3600;
/// The shortest signing key, in bytes.
const KEY_MIN: usize = 16;

pub(super) fn declare(capabilities: Capabilities) -> Capabilities {
    capabilities.all_native(&["presign-get", "presign-put"]).limit("presign-seconds-max", LIFETIME_MAX)
}

/// Makes links, and owns the server that answers them.
#[derive(Debug)]
pub(super) struct Links {
    config: ServeConfig,
    signer: Arc<Signer>,
    store: Arc<Store>,
    server: Mutex<State>,
}

#[derive(Debug)]
enum State {
    NotBound,
    Bound(Server),
    Closed,
}

impl Links {
    pub(super) fn new(config: ServeConfig, store: Arc<Store>) -> Result<Self> {
        let wrong = |field: &'static str, reason: &'static str| {
            Error::configuration(reason).with_context("field", field)
        };
        config
            .bind
            .parse::<SocketAddr>()
            .map_err(|_| wrong("serve.bind", "must be an IP address and a port"))?;
        if let Some(url) = &config.public_url
            && !(url.starts_with("http://") || url.starts_with("https://"))
        {
            return Err(wrong("serve.public_url", "must begin with http:// or https://"));
        }
        let key = match &config.key {
            Some(key) => store.context.secret(key)?,
            None => Secret::new(format!("{}{}", store.context.random_id(), store.context.random_id())),
        };
        // A key in a file is not read while the store is built; the signer looks at it again.
        let given = config.key.as_ref().and_then(|key| key.expose().ok());
        if given.is_some_and(|key| key.len() < KEY_MIN) {
            return Err(wrong("serve.key", "must have at least 16 bytes"));
        }
        Ok(Self { config, signer: Arc::new(Signer::new(key)), store, server: Mutex::new(State::NotBound) })
    }

    /// The address the server listens on; it is bound if it was not.
    pub(super) async fn address(&self) -> Result<SocketAddr> {
        let mut state = self.server.lock().await;
        match &*state {
            State::Bound(server) => Ok(server.address()),
            State::Closed => Err(Error::closed("the store's server was closed")),
            State::NotBound => {
                let server = Server::bind(
                    &self.config.bind,
                    self.store.clone(),
                    self.signer.clone(),
                    self.config.upload_bytes_max,
                )
                .await?;
                let address = server.address();
                *state = State::Bound(server);
                Ok(address)
            }
        }
    }

    pub(super) async fn close(&self) {
        let state = std::mem::replace(&mut *self.server.lock().await, State::Closed);
        if let State::Bound(server) = state {
            server.close().await;
        }
    }
}

#[async_trait]
impl PresignStorage for Links {
    async fn presign(&self, cx: &CallContext, request: &PresignRequest) -> Result<PresignedUrl> {
        let seconds = request.expires_in.as_secs();
        if !(1..=LIFETIME_MAX).contains(&seconds) {
            return Err(Error::invalid_argument("a link is valid for one second to seven days")
                .with_context("seconds", request.expires_in.as_secs_f64()));
        }
        request.validate()?;
        cx.mark_sent();
        let base = match &self.config.public_url {
            Some(url) => {
                self.address().await?;
                url.trim_end_matches('/').to_owned()
            }
            None => format!("http://{}", self.address().await?),
        };
        let now = self.store.context.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let link = Link {
            method: request.method,
            key: request.key.clone(),
            expires: now.as_secs() + seconds,
            content_type: request.content_type.clone(),
        };
        let url = format!("{base}{}", self.signer.path_and_query(&link)?);
        let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(link.expires);
        let url = PresignedUrl::new(url, request.method, expires_at);
        Ok(match link.content_type {
            Some(content_type) => url.with_header("content-type", content_type),
            None => url,
        })
    }
}
