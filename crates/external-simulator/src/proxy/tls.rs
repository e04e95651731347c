//! The proxy as the TLS server that a client meets.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Identity;

/// Whether a client begins a TLS handshake with these bytes: a record of the type handshake, of any version of TLS.
/// <https://www.rfc-editor.org/rfc/rfc8446#section-5.1>
pub(super) fn begins_handshake(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 0x03, ..])
}

/// Shakes hands with a client of whom some bytes were read already. It succeeds once the client trusts what it is shown.
pub(super) async fn shake_hands(
    identity: Identity,
    begun: Vec<u8>,
    client: TcpStream,
) -> io::Result<TlsStream<Begun>> {
    TlsAcceptor::from(identity.config).accept(Begun { begun, client }).await
}

/// A connection whose first bytes were read already.
pub(super) struct Begun {
    begun: Vec<u8>,
    client: TcpStream,
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.begun.is_empty() {
            return Pin::new(&mut self.client).poll_read(cx, buffer);
        }
        let some = self.begun.len().min(buffer.remaining());
        buffer.put_slice(&self.begun[..some]);
        self.begun.drain(..some);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.client).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_shutdown(cx)
    }
}
