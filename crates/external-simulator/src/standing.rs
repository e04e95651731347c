//! A server that stands by itself: on a thread and a runtime of its own, since suites run in many.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;

use crate::http_server::Desk;
use crate::{HttpAnswer, HttpExchange, HttpQuestion, HttpServer, Identity};

/// An [`HttpServer`] on a thread of its own. It ends when it is dropped.
pub struct StandingServer {
    scheme: &'static str,
    address: SocketAddr,
    desk: Arc<Desk>,
    _ends: oneshot::Sender<()>,
}

impl StandingServer {
    /// Listens on a free port of loopback. What `handler` spawns on tokio runs on the server's runtime, and ends with it.
    ///
    /// # Errors
    ///
    /// If no port or thread can be had.
    pub fn start(handler: impl Fn(&HttpQuestion) -> HttpAnswer + Send + Sync + 'static) -> io::Result<Self> {
        Self::on_a_thread("http", HttpServer::start(handler))
    }

    /// As [`start`](Self::start), over TLS.
    ///
    /// # Errors
    ///
    /// If no port or thread can be had.
    pub fn start_tls(
        identity: Identity,
        handler: impl Fn(&HttpQuestion) -> HttpAnswer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::on_a_thread("https", HttpServer::start_tls(identity, handler))
    }

    fn on_a_thread(
        scheme: &'static str,
        starting: impl Future<Output = io::Result<HttpServer>> + Send + 'static,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (tell, told) = mpsc::channel();
        let (ends, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("standing-server".to_owned()).spawn(move || {
            runtime.block_on(async move {
                match starting.await {
                    Ok(server) => {
                        drop(tell.send(Ok((server.address(), server.desk()))));
                        drop(ended.await);
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            });
        })?;
        let (address, desk) = told.recv().map_err(io::Error::other)??;
        Ok(Self { scheme, address, desk, _ends: ends })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// What was asked and said: as [`HttpServer::transcript`].
    #[must_use]
    pub fn transcript(&self) -> Vec<HttpExchange> {
        self.desk.exchanges()
    }
}

impl fmt::Debug for StandingServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandingServer").field("url", &self.url()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn answers_without_a_runtime_of_the_test() {
        let server = StandingServer::start(|_| HttpAnswer::new(204)).unwrap();
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("HTTP/1.1 204"), "{said}");
        assert_eq!(server.url(), format!("http://{}", server.address()));
        assert_eq!(server.transcript()[0].status.map(|status| status.as_u16()), Some(204));
    }
}
