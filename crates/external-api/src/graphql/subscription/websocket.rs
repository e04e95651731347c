//! Subscriptions over WebSocket: one connection each, alive as long as the server says anything.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use external_core::build::TlsSettings;
use external_core::http::{HttpRequest, HttpUrl};
use external_core::{BuildContext, CallContext, Effect, Error, Result, Retry};
use external_http::auth::{self, HttpAuth};
use external_net::{Connection, Tls, dial, dial_tls};
use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig as Limits};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::super::reply::refusal;
use super::protocol::{PING, PONG, SUBPROTOCOL, Said, closed, complete, init, subscribe};

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

type InitPayload = dyn Fn() -> Value + Send + Sync;

/// How subscriptions go over WebSocket.
///
/// ```
/// use std::time::Duration;
/// use external_api::graphql::WebSocketConfig;
///
/// let config = WebSocketConfig::new()
///     .with_init(|| serde_json::json!({"authorization": "Bearer …"}))
///     .with_ping_interval(Duration::from_secs(10));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct WebSocketConfig {
    /// Where the server listens: an `http` or `https` URL, which stands for `ws` and `wss`. Default: the client's.
    pub url: Option<String>,
    /// How the server is verified, and who we say we are. Default: as the client's context says.
    pub tls: Option<TlsSettings>,
    /// How long the server may take to acknowledge the connection. Default 10 seconds.
    pub ack_timeout: Duration,
    /// After how long a silence the server is asked for a sign of life. It has as long again to give one. Default 20 seconds.
    pub ping_interval: Duration,
    /// Whether what the connection begins with may go over `http` to other machines, where everyone on the way can read it.
    /// Default: no. Credentials of the handshake say so themselves.
    pub insecure_http: bool,
    auth: Option<Arc<dyn HttpAuth>>,
    init: Option<Arc<InitPayload>>,
}

impl WebSocketConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            url: None,
            tls: None,
            ack_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(20),
            insecure_http: false,
            auth: None,
            init: None,
        }
    }

    /// Where the server listens.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// How the server is verified, and who we say we are.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How long the server may take to acknowledge the connection.
    #[must_use]
    pub fn with_ack_timeout(mut self, timeout: Duration) -> Self {
        self.ack_timeout = timeout;
        self
    }

    /// After how long a silence the server is asked for a sign of life.
    #[must_use]
    pub fn with_ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = interval;
        self
    }

    /// Puts these credentials on the handshake, which does not go through the client's transport.
    #[must_use]
    pub fn with_auth(mut self, auth: impl HttpAuth + 'static) -> Self {
        self.auth = Some(Arc::new(auth));
        self
    }

    /// What the connection begins with: where many servers look for credentials. It is asked for each connection anew, and
    /// goes over TLS or to this machine, as [`check_protected`](auth::check_protected) says.
    #[must_use]
    pub fn with_init(mut self, payload: impl Fn() -> Value + Send + Sync + 'static) -> Self {
        self.init = Some(Arc::new(payload));
        self
    }

    /// Whether what the connection begins with may go over `http` to other machines.
    #[must_use]
    pub fn with_insecure_http(mut self, allowed: bool) -> Self {
        self.insecure_http = allowed;
        self
    }

    /// In use, for a client at `url`.
    pub(in super::super) fn build(self, url: &HttpUrl, context: &BuildContext) -> Result<Sockets> {
        let wrong = |field: &'static str| {
            Err(Error::configuration("must be longer than nothing").with_context("field", field))
        };
        if self.ack_timeout.is_zero() {
            return wrong("ack_timeout");
        }
        if self.ping_interval.is_zero() {
            return wrong("ping_interval");
        }
        let url = match &self.url {
            Some(url) => HttpUrl::parse(url).map_err(|error| {
                Error::configuration("not a URL").with_context("field", "url").with_source(error)
            })?,
            None => url.clone(),
        };
        if !url.is_absolute() {
            return Err(
                Error::configuration("a WebSocket needs a URL with a host").with_context("field", "url")
            );
        }
        if self.init.is_some() {
            auth::check_protected(&url, self.insecure_http)?;
        }
        let tls = Arc::new(Tls::new(self.tls.clone().unwrap_or_else(|| context.tls().clone())));
        Ok(Sockets { config: self, url, tls, context: context.clone() })
    }
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WebSocketConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketConfig")
            .field("ack_timeout", &self.ack_timeout)
            .field("ping_interval", &self.ping_interval)
            .finish_non_exhaustive()
    }
}

/// Makes sockets.
#[derive(Clone)]
pub(in super::super) struct Sockets {
    config: WebSocketConfig,
    pub(super) url: HttpUrl,
    tls: Arc<Tls>,
    context: BuildContext,
}

impl Sockets {
    /// Connects, shakes hands and subscribes; once more where the handshake is refused and there are other credentials.
    /// `request` is the handshake's, `limit` the most bytes of a message.
    pub(super) async fn open(
        &self,
        cx: &CallContext,
        request: HttpRequest,
        parameters: &str,
        limit: u64,
    ) -> Result<Socket> {
        let Some(auth) = &self.config.auth else {
            return self.connect(cx, &request, parameters, limit).await;
        };
        let mut authorized = request.clone();
        auth::authorize(&**auth, cx, &mut authorized).await?;
        match self.connect(cx, &authorized, parameters, limit).await {
            Err(error) if error.http_status() == Some(401) && auth.refused(&authorized).await => {
                let mut renewed = request;
                auth::authorize(&**auth, cx, &mut renewed).await?;
                self.connect(cx, &renewed, parameters, limit).await
            }
            outcome => outcome,
        }
    }

    async fn connect(
        &self,
        cx: &CallContext,
        request: &HttpRequest,
        parameters: &str,
        limit: u64,
    ) -> Result<Socket> {
        let (host, port) = (request.url.host().unwrap_or_default(), request.url.port().unwrap_or_default());
        let connection = if request.url.is_https() {
            Connection::Tls(Box::new(dial_tls(&host, port, &self.tls, cx.deadline()).await?))
        } else {
            Connection::Plain(dial(&host, port, cx.deadline()).await?)
        };
        cx.mark_sent();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let limits = Limits::default()
            .read_buffer_size(16 << 10)
            .write_buffer_size(0)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let stream = match client_async_with_config(handshake(request)?, connection, Some(limits)).await {
            Ok((stream, _)) => stream,
            Err(error) => return Err(not_upgraded(error, self.context.now()).await),
        };
        let mut socket = Socket { stream, ping_interval: self.config.ping_interval, is_asked: false };
        socket.begin(self.config.init.as_ref().map(|init| init()).as_ref(), self.config.ack_timeout).await?;
        socket.send(subscribe(parameters)).await?;
        Ok(socket)
    }
}

/// The HTTP request that becomes a WebSocket.
fn handshake(request: &HttpRequest) -> Result<Request> {
    // `ws` and `wss` stand for `http` and `https`.
    let url = request.url.expose().replacen("http", "ws", 1);
    let mut handshake = url.into_client_request().map_err(broken)?;
    for (name, value) in &request.headers {
        handshake.headers_mut().append(name, value.clone());
    }
    handshake.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    Ok(handshake)
}

/// A connection with a subscription.
pub(super) struct Socket {
    stream: WebSocketStream<Connection>,
    ping_interval: Duration,
    /// Whether the server was asked for a sign of life, and gave none yet.
    is_asked: bool,
}

impl Socket {
    async fn begin(&mut self, payload: Option<&Value>, ack_timeout: Duration) -> Result<()> {
        self.send(init(payload)).await?;
        let acknowledged = async {
            loop {
                match self.said().await? {
                    Said::Ack => return Ok(()),
                    Said::Ping => self.send(PONG).await?,
                    Said::Pong => {}
                    _ => return Err(self.refuse().await),
                }
            }
        };
        match timeout(ack_timeout, acknowledged).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::timeout("the server did not acknowledge the connection in time")),
        }
    }

    /// The next event; `None` once the server is through. A call that is dropped loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let said = match timeout(self.ping_interval, self.said()).await {
                Ok(said) => said?,
                Err(_) if self.is_asked => return Err(Error::timeout("the server gives no sign of life")),
                Err(_) => {
                    self.is_asked = true;
                    self.send(PING).await?;
                    continue;
                }
            };
            match said {
                Said::Next(reply) => return Ok(Some(reply)),
                Said::Failed(error) => return Err(error),
                Said::Complete => {
                    self.close().await;
                    return Ok(None);
                }
                Said::Ping => self.send(PONG).await?,
                Said::Ack | Said::Pong | Said::Other => {}
                Said::Invalid => return Err(self.refuse().await),
            }
        }
    }

    /// Ends the subscription, and the connection.
    pub(super) async fn end(&mut self) {
        if let Ok(Ok(())) = timeout(FAREWELL, self.send(complete())).await {
            self.close().await;
        }
    }

    /// What the server says next.
    async fn said(&mut self) -> Result<Said> {
        loop {
            let message = self.stream.next().await.ok_or_else(|| closed(1000))?.map_err(broken)?;
            self.is_asked = false;
            match message {
                Message::Text(text) => return Ok(Said::read(&text.into())),
                // Those of the WebSocket itself are answered as they are read.
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(frame) => return Err(closed(frame.map_or(1005, |frame| frame.code.into()))),
                Message::Binary(_) | Message::Frame(_) => return Ok(Said::Invalid),
            }
        }
    }

    /// Who does not read for as long as a sign of life may take is taken for gone.
    async fn send(&mut self, message: impl Into<String>) -> Result<()> {
        match timeout(self.ping_interval, self.stream.send(Message::text(message.into()))).await {
            Ok(sent) => sent.map_err(broken),
            Err(_) => Err(Error::timeout("the server does not read")),
        }
    }

    /// What the protocol wants where the other side breaks it.
    async fn refuse(&mut self) -> Error {
        self.say_goodbye(4400, "not a message of the protocol").await;
        Error::corrupt("the server said what graphql-transport-ws does not know").with_retry(Retry::Never)
    }

    async fn close(&mut self) {
        self.say_goodbye(1000, "").await;
    }

    async fn say_goodbye(&mut self, code: u16, why: &'static str) {
        let farewell = async {
            let frame = CloseFrame { code: code.into(), reason: why.into() };
            if self.stream.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        // Who does not say goodbye is left without.
        drop(timeout(FAREWELL, farewell).await);
    }
}

/// What broke a connection.
fn broken(error: WsError) -> Error {
    match error {
        WsError::Capacity(_) => Error::payload_too_large("a message larger than the limit of the request")
            .with_effect(Effect::MaybeApplied),
        WsError::Io(error) => Error::unavailable("the connection broke off").with_source(error),
        WsError::ConnectionClosed
        | WsError::AlreadyClosed
        | WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Error::unavailable("the connection broke off")
        }
        // What the library says may hold a piece of what came.
        _ => Error::corrupt("the server does not keep to the rules of WebSocket"),
    }
}

/// Why there is no WebSocket.
async fn not_upgraded(error: WsError, now: SystemTime) -> Error {
    match error {
        WsError::Http(answer) => {
            let status = answer.status();
            let refused = refusal(status, answer.headers(), now);
            refused.unwrap_or_else(|| no_websocket().with_http_status(status.as_u16()))
        }
        WsError::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            closed(4406).with_effect(Effect::NotApplied)
        }
        WsError::Protocol(
            ProtocolError::MissingUpgradeWebSocketHeader
            | ProtocolError::MissingConnectionUpgradeHeader
            | ProtocolError::SecWebSocketAcceptKeyMismatch,
        ) => no_websocket(),
        error => broken(error),
    }
}

fn no_websocket() -> Error {
    Error::unexpected("the server does not speak WebSocket there").with_effect(Effect::NotApplied)
}
