//! The HTTP connections that the SDK's requests travel on.
//!
//! They are dialled by `external-net` instead of the SDK's own client: one TLS stack and its settings, TCP_NODELAY, a
//! failure to connect that is known as `NotSent`, and the sent mark set when a request has its connection.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use external_core::{Error, Result, SentMark};
use external_net::{Connection, Tls};
use futures_util::future::BoxFuture;
use http::Uri;
use http::uri::Scheme;
use http_body_util::Limited;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{self, Connected, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tower_service::Service;

/// How long an unused connection is kept: shorter than servers usually do, since a request that crosses the server's
/// close on the way may have been applied.
const IDLE: Duration = Duration::from_secs(15);

/// The most of an answer that is read into memory: all but the bodies of objects. A page of 1000 keys of 1024 bytes,
/// each percent-encoded, is some 4 MiB.
const ANSWER_MAX: usize = 32 << 20;

/// Unused connections kept. More are made when needed.
const IDLE_MAX: usize = 64;

type Connections = Client<Dialler, SdkBody>;

/// The connections of one instance.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    /// `None` once closed.
    connections: Arc<RwLock<Option<Connections>>>,
    /// Whether bodies may go unsigned without TLS.
    unsigned: bool,
}

impl Transport {
    pub(super) fn new(tls: Tls, connect_timeout: Duration, unsigned: bool) -> Self {
        let dialler = Dialler { tls: Arc::new(tls), connect_timeout };
        let connections = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(dialler);
        Self { connections: Arc::new(RwLock::new(Some(connections))), unsigned }
    }

    /// Gives unused connections back; later requests fail.
    pub(super) fn close(&self) {
        *self.connections.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn connections(&self) -> Option<Connections> {
        self.connections.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (connections, unsigned) = (self.connections(), self.unsigned);
        HttpConnectorFuture::new(async move {
            let connections = connections
                .ok_or_else(|| ConnectorError::user(Error::closed("the provider is closed").into()))?;
            let mark = request.extension::<Mark>().cloned();
            let mut request =
                request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            // An endpoint that AWS's tools found, in a profile or the environment, may be one without TLS.
            let signed =
                request.headers().get("x-amz-content-sha256").is_none_or(|sum| sum != "UNSIGNED-PAYLOAD");
            if request.uri().scheme() == Some(&Scheme::HTTP) && !signed && !unsigned {
                let refusal = Error::configuration(
                    "the endpoint that was found is plain HTTP: name it in `endpoint`, so that bodies are signed",
                );
                return Err(ConnectorError::user(refusal.into()));
            }
            let captured = capture_connection(&mut request);
            let mut exchange = pin!(connections.request(request));
            let answer = poll_fn(|task| {
                let polled = exchange.as_mut().poll(task);
                // The connection is known before the first byte is written on it, within the same poll.
                if captured.connection_metadata().is_some()
                    && let Some(mark) = &mark
                {
                    mark.sent.set();
                }
                polled
            })
            .await
            .map_err(|error| ConnectorError::io(error.into()))?;
            let body = mark.is_some_and(|mark| mark.body) && answer.status().is_success();
            let answer = match body {
                true => answer.map(SdkBody::from_body_1_x),
                false => answer.map(|body| SdkBody::from_body_1_x(Limited::new(body, ANSWER_MAX))),
            };
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::io(error.into()))
        })
    }
}

/// The sent mark of a call, since the SDK takes no reference: it puts itself on the request that is about to go to the
/// transport.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    sent: SentMark,
    /// Whether the answer is a body that streams, of any size.
    body: bool,
}

impl Mark {
    pub(super) fn new(sent: SentMark) -> Self {
        Self { sent, body: false }
    }

    /// For a request whose answer is the body of an object.
    pub(super) fn for_a_body(mut self) -> Self {
        self.body = true;
        self
    }
}

impl Intercept for Mark {
    fn name(&self) -> &'static str {
        "SentMark"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        context.request_mut().add_extension(self.clone());
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct Dialler {
    tls: Arc<Tls>,
    connect_timeout: Duration,
}

impl Dialler {
    async fn dial(&self, uri: &Uri) -> Result<Connection> {
        let encrypted = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        let deadline = Some(Instant::now() + self.connect_timeout);
        Ok(if encrypted {
            Connection::Tls(Box::new(external_net::dial_tls(host, port, &self.tls, deadline).await?))
        } else {
            Connection::Plain(external_net::dial(host, port, deadline).await?)
        })
    }
}

impl Service<Uri> for Dialler {
    type Response = TokioIo<Socket>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let dialler = self.clone();
        Box::pin(async move { dialler.dial(&uri).await.map(|connection| TokioIo::new(Socket(connection))) })
    }
}

/// A connection as hyper's pool keeps it.
struct Socket(Connection);

impl connect::Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(task, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(task, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(task, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}
