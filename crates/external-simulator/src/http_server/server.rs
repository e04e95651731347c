//! An HTTP server on loopback whose answers a function makes: what vendor-shaped servers are built from.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::transcript::Transcript;
use super::{HttpAnswer, HttpExchange, HttpQuestion};
use crate::Identity;

type Handler = dyn Fn(&HttpQuestion) -> HttpAnswer + Send + Sync;

/// The server. It ends, with its connections, when it is dropped.
pub struct HttpServer {
    address: SocketAddr,
    desk: Arc<Desk>,
    accepting: JoinHandle<()>,
}

/// Where questions are answered, and remembered.
pub(crate) struct Desk {
    handler: Box<Handler>,
    transcript: Mutex<Transcript>,
}

impl Desk {
    fn transcript(&self) -> MutexGuard<'_, Transcript> {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, question: HttpQuestion) -> HttpAnswer {
        let answer = (self.handler)(&question);
        let answer = if question.method == Method::HEAD { bodiless(answer) } else { answer };
        let status = (!answer.is_lost).then_some(answer.status);
        self.transcript().add(HttpExchange { question, status });
        answer
    }

    /// What passed, oldest first.
    pub(crate) fn exchanges(&self) -> Vec<HttpExchange> {
        self.transcript().exchanges.iter().cloned().collect()
    }
}

impl HttpServer {
    /// Listens on a free port of loopback, and speaks HTTP/1.1 and HTTP/2 in clear text.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn start(
        handler: impl Fn(&HttpQuestion) -> HttpAnswer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::listen(None, Box::new(handler)).await
    }

    /// As [`start`](Self::start), over TLS.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn start_tls(
        identity: Identity,
        handler: impl Fn(&HttpQuestion) -> HttpAnswer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let mut config = rustls::ServerConfig::clone(&identity.config);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self::listen(Some(TlsAcceptor::from(Arc::new(config))), Box::new(handler)).await
    }

    async fn listen(tls: Option<TlsAcceptor>, handler: Box<Handler>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk { handler, transcript: Mutex::default() });
        let at_work = desk.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else {
                    // Out of descriptors: others must end first.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                // What has ended is forgotten.
                while connections.try_join_next().is_some() {}
                let (tls, desk) = (tls.clone(), at_work.clone());
                connections.spawn(async move {
                    // An answer in several writes waits for nobody's acknowledgement.
                    drop(client.set_nodelay(true));
                    match tls {
                        None => serve(client, desk).await,
                        Some(tls) => {
                            if let Ok(client) = tls.accept(client).await {
                                serve(client, desk).await;
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { address, desk, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was asked, oldest first: the last 1000 questions that came whole, and of them no more than 16 MiB of bodies.
    #[must_use]
    pub fn asked(&self) -> Vec<HttpQuestion> {
        self.transcript().into_iter().map(|exchange| exchange.question).collect()
    }

    /// As [`asked`](Self::asked), with what was said to it.
    #[must_use]
    pub fn transcript(&self) -> Vec<HttpExchange> {
        self.desk.exchanges()
    }

    pub(crate) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer").field("address", &self.address).finish_non_exhaustive()
    }
}

async fn serve(client: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, desk: Arc<Desk>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let desk = desk.clone();
        async move {
            let (head, body) = request.into_parts();
            // Who breaks off in the middle of a request is not answered.
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
            let answer = desk.answer(HttpQuestion::new(head.method, target, head.headers, body));
            if !answer.delay.is_zero() {
                tokio::time::sleep(answer.delay).await;
            }
            // An error of a service ends its connection.
            if answer.is_lost { Err(io::Error::other("lost on purpose")) } else { Ok(said(answer)) }
        }
    });
    // A client that goes away is no event here.
    drop(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(client), service).await);
}

/// The answer to `HEAD`: the header fields of `GET` and no body (RFC 9110, 9.3.2).
fn bodiless(mut answer: HttpAnswer) -> HttpAnswer {
    if answer.tells_length {
        answer.headers.insert(CONTENT_LENGTH, answer.body.len().into());
    }
    answer.body.clear();
    answer
}

fn said(answer: HttpAnswer) -> Response<Pieces> {
    let mut response = Response::new(Pieces { left: answer.body, tells_length: answer.tells_length });
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// A body in pieces.
struct Pieces {
    left: Bytes,
    tells_length: bool,
}

const PIECE: usize = 16 << 10;

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.left.len().min(PIECE);
        let piece = self.left.split_to(piece);
        Poll::Ready((!piece.is_empty()).then_some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.tells_length { SizeHint::with_exact(self.left.len() as u64) } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn asked(request: &str, answer: HttpAnswer) -> String {
        let server = HttpServer::start(move |question| match question.path() {
            "/a" if question.body == "xyz" && question.query() == Some("b=c") => answer.clone(),
            _ => HttpAnswer::new(404),
        })
        .await
        .unwrap();
        let mut client = TcpStream::connect(server.address()).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        let asked = server.asked();
        assert_eq!((asked.len(), &asked[0].body[..]), (1, &b"xyz"[..]));
        said
    }

    const REQUEST: &str =
        "POST /a?b=c HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\nxyz";

    #[tokio::test]
    async fn answers_as_the_function_says() {
        let said = asked(REQUEST, HttpAnswer::new(201).with_header("x-n", "1").with_body("hello")).await;
        assert!(said.starts_with("HTTP/1.1 201"), "{said}");
        assert!(said.contains("x-n: 1\r\n") && said.contains("content-length: 5\r\n"), "{said}");
        assert!(said.ends_with("\r\n\r\nhello"), "{said}");
        let other = asked(&REQUEST.replace("/a", "/b"), HttpAnswer::new(201)).await;
        assert!(other.starts_with("HTTP/1.1 404"), "{other}");
    }

    #[tokio::test]
    async fn an_answer_that_is_lost_ends_the_connection_and_is_on_record() {
        let server = HttpServer::start(|_| HttpAnswer::new(201).lost()).await.unwrap();
        let mut client = TcpStream::connect(server.address()).await.unwrap();
        client.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "");
        let transcript = server.transcript();
        assert_eq!((transcript.len(), transcript[0].status), (1, None));
    }

    #[tokio::test]
    async fn tells_no_length_where_it_should_not() {
        let said = asked(REQUEST, HttpAnswer::new(200).with_body("hello").without_length()).await;
        assert!(said.contains("transfer-encoding: chunked") && !said.contains("content-length"), "{said}");
    }
}
