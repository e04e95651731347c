//! Connecting. Whatever fails here, no byte of a request has left: the effect is `NotSent`.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use external_core::{Effect, Error, Result, Retry};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::Tls;

/// How long one address is tried before the next one gets its turn beside it.
/// RFC 8305 section 5 recommends 250 ms.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Connects to a host by name or address, with TCP_NODELAY set.
///
/// All addresses of the name are tried in the resolver's order, each a moment after the one before it, and the
/// first connection wins.
///
/// # Errors
///
/// `Unavailable` if the name does not resolve or no address answers, `Timeout` at the deadline; both with effect
/// `NotSent`.
pub async fn dial(host: &str, port: u16, deadline: Option<Instant>) -> Result<TcpStream> {
    within(deadline, host, port, connect(host, port)).await
}

/// As [`dial`], with TLS on top; the certificate must be valid for `host`.
///
/// # Errors
///
/// As [`dial`]; `Unavailable` that is never retried if the peer's certificate is not trusted, `Configuration` if
/// our own TLS settings cannot be used.
pub async fn dial_tls(
    host: &str,
    port: u16,
    tls: &Tls,
    deadline: Option<Instant>,
) -> Result<TlsStream<TcpStream>> {
    within(deadline, host, port, async {
        let tcp = connect(host, port).await?;
        tls.handshake(host, tcp).await
    })
    .await
}

async fn within<T>(
    deadline: Option<Instant>,
    host: &str,
    port: u16,
    connecting: impl Future<Output = Result<T>>,
) -> Result<T> {
    let result = match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, connecting)
            .await
            .unwrap_or_else(|_| Err(Error::timeout("no connection in time").with_effect(Effect::NotSent))),
        None => connecting.await,
    };
    result.map_err(|error| error.with_context("peer", format_args!("{host}:{port}")))
}

async fn connect(host: &str, port: u16) -> Result<TcpStream> {
    let unavailable = |message: &'static str, error: io::Error| {
        Error::unavailable(message).with_effect(Effect::NotSent).with_source(error)
    };
    let name = without_brackets(host);
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name, port))
        .await
        .map_err(|error| unavailable("host name does not resolve", error))?
        .collect();
    let tcp = first_to_answer(&addresses).await.map_err(|error| unavailable("cannot connect", error))?;
    // Without it small writes wait for the peer's delayed acknowledgement.
    tcp.set_nodelay(true).map_err(|error| unavailable("cannot connect", error))?;
    Ok(tcp)
}

/// URLs write IPv6 addresses in brackets; resolvers and certificates do not.
fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

async fn first_to_answer(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut trying = tokio::task::JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut rest = addresses.iter();
    loop {
        match rest.next() {
            Some(address) => {
                let address = *address;
                trying.spawn(async move { TcpStream::connect(address).await });
            }
            None if trying.is_empty() => return Err(last),
            None => {}
        }
        let turn = if rest.as_slice().is_empty() { Duration::MAX } else { NEXT_ADDRESS_AFTER };
        // No answer yet: the next address gets its turn.
        let Ok(Some(tried)) = tokio::time::timeout(turn, trying.join_next()).await else {
            continue;
        };
        match tried {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(error)) => last = error,
            Err(error) => last = io::Error::other(error),
        }
    }
}

/// A connection with or without TLS, as one type.
#[derive(Debug)]
#[non_exhaustive]
pub enum Connection {
    /// In clear text.
    Plain(TcpStream),
    /// Under TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// Whether what is written travels encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Puts TLS on a connection in clear text, as STARTTLS does; one that has it already stays as it is.
    ///
    /// # Errors
    ///
    /// As [`dial_tls`].
    pub async fn start_tls(self, host: &str, tls: &Tls) -> Result<Self> {
        match self {
            Self::Plain(tcp) => Ok(Self::Tls(Box::new(tls.handshake(host, tcp).await?))),
            encrypted @ Self::Tls(_) => Ok(encrypted),
        }
    }
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Plain(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Self::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, stream => stream.poll_write(cx, data))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, stream => stream.poll_write_vectored(cx, data))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_shutdown(cx))
    }
}

impl Tls {
    pub(crate) async fn handshake(&self, host: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>> {
        let name = without_brackets(host).to_owned();
        let name = rustls_pki_types::ServerName::try_from(name).map_err(|error| {
            Error::configuration("not a host name that a certificate can bear").with_source(error)
        })?;
        let connector = tokio_rustls::TlsConnector::from(self.client_config().await?);
        connector.connect(name, tcp).await.map_err(|error| {
            let (message, retry) =
                match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                    // A certificate that is not trusted now will not be in a moment.
                    Some(rustls::Error::InvalidCertificate(_)) => {
                        ("the peer's certificate is not trusted", Retry::Never)
                    }
                    // What came is no TLS at all, as a rule the greeting of another protocol.
                    Some(rustls::Error::InvalidMessage(_)) => (
                        "TLS handshake failed: is this a port for plain connections, or for STARTTLS?",
                        Retry::Backoff,
                    ),
                    _ => ("TLS handshake failed", Retry::Backoff),
                };
            Error::unavailable(message).with_effect(Effect::NotSent).with_retry(retry).with_source(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_peer_without_tls_is_told_from_a_failing_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.write_all(b"220 mail.example.org ESMTP\r\n").await.unwrap();
            std::future::pending::<()>().await;
        });
        let tls = Tls::new(external_core::build::TlsSettings::new());
        let error = dial_tls("localhost", port, &tls, None).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
        assert!(error.message().contains("STARTTLS"), "{error}");
    }

    #[tokio::test]
    async fn a_refused_connection_is_known_not_sent() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let error = dial("127.0.0.1", port, None).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")));
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_known_not_sent() {
        let error = dial("no-such-host.invalid", 25, None).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
    }

    #[tokio::test]
    async fn connects_without_delay() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            assert!(dial(host, port, None).await.unwrap().nodelay().unwrap());
        }
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_does_not_keep_the_next_from_its_turn() {
        let nobody = external_simulator::Unanswered::start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [nobody.address(), listener.local_addr().unwrap()];
        let first = tokio::time::timeout(Duration::from_secs(20), first_to_answer(&addresses)).await;
        assert_eq!(first.unwrap().unwrap().peer_addr().unwrap(), addresses[1]);
    }

    #[tokio::test]
    async fn who_has_said_all_still_hears_the_answer() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let peer = tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut heard = String::new();
            peer.read_to_string(&mut heard).await.unwrap();
            peer.write_all(heard.to_uppercase().as_bytes()).await.unwrap();
        });
        let mut connection = Connection::Plain(dial("127.0.0.1", port, None).await.unwrap());
        let mut answer = String::new();
        let talk = async {
            connection.write_all(b"all").await.unwrap();
            connection.shutdown().await.unwrap();
            connection.read_to_string(&mut answer).await.unwrap();
        };
        tokio::time::timeout(Duration::from_secs(20), talk).await.unwrap();
        assert_eq!(answer, "ALL");
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn a_silent_tls_peer_meets_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = Tls::new(external_core::build::TlsSettings::new());
        let deadline = Instant::now() + Duration::from_millis(50);
        let error = dial_tls("localhost", port, &tls, Some(deadline)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::NotSent));
    }
}
