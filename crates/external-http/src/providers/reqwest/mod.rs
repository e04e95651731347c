//! HTTP over the network, by reqwest: connections that are used again, HTTP/1.1 and HTTP/2, TLS, proxies.
//!
//! What the library would do by itself is off: redirects, repetition, decompression, proxies of the environment. TLS is
//! `external-net`'s. The sent mark is set when the head of a request is written (`sent.rs` says how), so a connection that is
//! refused, or a deadline that strikes before there is one, is `NotSent`.
mod config;
mod connections;
mod error;
mod sent;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use external_core::http::{DOMAIN, HttpRequest, HttpResponse, HttpTransport, HttpUrl, Statuses};
use external_core::{
    BuildContext, ByteStream, CallContext, Capabilities, Effect, Error, Provider, ProviderEntry,
    ProviderInfo, ProviderKind, Result,
};
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method};

pub use config::{HttpVersion, ProxyConfig, ReqwestConfig};
use connections::Connections;
use sent::Sending;

use crate::answer::{answered, send_headers};

/// The row of the provider table.
pub(crate) const ENTRY: ProviderEntry<dyn HttpTransport> = ProviderEntry {
    id: "reqwest",
    feature: "reqwest",
    kind: ProviderKind::Remote,
    build: |section, context| Ok(Arc::new(section.parse::<ReqwestConfig>()?.build(context)?)),
    schema: super::schema::<ReqwestConfig>,
};

/// HTTP over the network.
pub struct ReqwestHttp {
    info: ProviderInfo,
    base: Option<HttpUrl>,
    user_agent: HeaderValue,
    connections: Connections,
    context: BuildContext,
}

impl ReqwestHttp {
    fn with_parts(
        base: Option<HttpUrl>,
        user_agent: HeaderValue,
        connections: Connections,
        context: BuildContext,
    ) -> Self {
        let location = base.as_ref().map_or_else(|| "http:".to_owned(), HttpUrl::expose);
        let capabilities = Capabilities::new().all_native(&["streaming-upload"]);
        let info = ProviderInfo::new("reqwest", DOMAIN, location, capabilities);
        Self { info, base, user_agent, connections, context }
    }

    fn headers(&self, request: &HttpRequest) -> Result<HeaderMap> {
        let mut headers = send_headers(request)?;
        headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        // Where a body is expected and there is none, servers want to be told so (RFC 9110, 8.6).
        let expects_body = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
        if expects_body && request.body.length() == Some(0) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(headers)
    }
}

impl fmt::Debug for ReqwestHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestHttp").field("info", &self.info).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for ReqwestHttp {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    /// Asks for the head of the base. Any answer will do but those that tell of a server in trouble or of a login.
    async fn probe(&self, cx: &CallContext) -> Result<()> {
        let Some(base) = &self.base else {
            return Err(Error::unsupported("probe"));
        };
        let request = HttpRequest::new(Method::HEAD, base.clone()).with_statuses(Statuses::Final);
        let answer = self.execute(cx, &request).await?;
        match answer.status.as_u16() {
            401 | 407 => Err(Error::unauthenticated("the server wants other credentials")),
            _ => Ok(()),
        }
    }

    async fn close(&self) -> Result<()> {
        self.connections.close();
        Ok(())
    }
}

#[async_trait]
impl HttpTransport for ReqwestHttp {
    async fn execute(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse> {
        let url = super::absolute(&request.url, self.base.as_ref())?;
        let headers = self.headers(request)?;
        let unusable = |_| Error::invalid_argument("not a URL that can be asked");
        let asked: reqwest::Url = url.exposed().parse().map_err(unusable)?;
        let client = self.connections.client(&url).await?;

        let sending = Sending::new(cx);
        // Nobody has seen a byte of a request whose body cannot be opened.
        let body = sending.body(&request.body).await.map_err(|error| error.with_effect(Effect::NotSent))?;
        let mut outgoing = reqwest::Request::new(request.method.clone(), asked);
        *outgoing.headers_mut() = headers;
        *outgoing.body_mut() = Some(reqwest::Body::wrap(body));
        let mut answer = match client.execute(outgoing).await {
            Ok(answer) => answer,
            Err(error) => {
                let was_sent = sending.was_sent();
                return Err(match sending.body_error() {
                    Some(error) if was_sent => error.with_effect(Effect::MaybeApplied),
                    Some(error) => error.with_effect(Effect::NotSent),
                    None => error::failed(error, was_sent),
                });
            }
        };
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let body = answer.bytes_stream().map(|chunk| chunk.map_err(error::broke_off));
        answered(cx, request, status, headers, ByteStream::new(body), self.context.now()).await
    }
}
