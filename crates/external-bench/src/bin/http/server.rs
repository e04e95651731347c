//! The server: answers at once, in threads of its own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::{graphql, soap};

/// The pieces that large bodies come in.
pub(crate) const PIECE: usize = 64 << 10;

pub(crate) struct Server {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                tokio::spawn(async move {
                    drop(client.set_nodelay(true));
                    let connection = hyper::server::conn::http1::Builder::new();
                    drop(connection.serve_connection(TokioIo::new(client), service_fn(answer)).await);
                });
            }
        });
        Ok(Self { address, _runtime: runtime })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// `GET /items` and `POST /items`: JSON; `POST /graphql`: the same as data; `GET /soap`: the description of a service, whose
/// one answer `POST /soap` gives; `GET /large/<bytes>`: so many bytes; `PUT /large`: how many they were.
async fn answer(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let large = request.uri().path().strip_prefix("/large/").and_then(|size| size.parse().ok());
    if let Some(size) = large {
        return Ok(Response::new(Zeros { left: size }.boxed()));
    }
    let (media_type, said) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/soap") => ("text/xml", Some(soap::description(&request).into())),
        (_, "/soap") => ("text/xml", Some(Bytes::from_static(soap::ANSWER.as_bytes()))),
        (_, "/graphql") => ("application/graphql-response+json", Some(graphql::answer(ITEM))),
        (&Method::PUT, _) => ("application/json", None),
        _ => ("application/json", Some(Bytes::from_static(ITEM.as_bytes()))),
    };
    let mut body = request.into_body();
    let mut received = 0;
    while let Some(frame) = body.frame().await {
        received += frame?.data_ref().map_or(0, Bytes::len);
    }
    let said = said.unwrap_or_else(|| received.to_string().into());
    let mut response = Response::new(Full::new(said).boxed());
    response.headers_mut().insert("content-type", HeaderValue::from_static(media_type));
    Ok(response)
}

/// About 400 bytes.
const ITEM: &str = concat!(
    r#"{"id": 4711, "name": "A kettle of two litres, enamelled", "price": {"amount": 3499, "currency": "EUR"}, "#,
    r#""tags": ["kitchen", "kettles", "enamel", "induction"], "in_stock": true, "description": "Whistles when the "#,
    r#"water boils. The handle stays cool, the lid does not fall out when pouring, and the bottom fits every kind "#,
    r#"of stove. Not for the dishwasher."}"#,
);

struct Zeros {
    left: usize,
}

impl Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static ZEROS: [u8; PIECE] = [0; PIECE];
        let size = self.left.min(PIECE);
        self.left -= size;
        Poll::Ready((size > 0).then(|| Ok(Frame::data(Bytes::from_static(&ZEROS[..size])))))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left as u64)
    }
}
