//! A webhook behind hyper, and what it answers: to its vendor, to a repetition, to a forger, and while it cannot deal with
//! what came.
//!
//! `cargo run -p external-http --example webhook --features reqwest,webhook`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

mod vendor;

use bytes::Bytes;
use external_http::BuildContext;
use external_http::webhook::{WebhookReceiver, answer_status};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use vendor::Failure;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let context = BuildContext::default();
    let receiver = vendor::receiver(&context)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hooks", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let receiver = receiver.clone();
            let service = service_fn(move |request| hook(receiver.clone(), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    vendor::send(&url, &context).await
}

/// The body comes no further than the limit; the rest is the receiver's and the application's.
async fn hook(
    receiver: WebhookReceiver,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (parts, body) = request.into_parts();
    let status = match Limited::new(body, receiver.body_limit()).collect().await {
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Ok(body) => match taken(&receiver, &parts, body.to_bytes()).await {
            Ok(()) => StatusCode::NO_CONTENT,
            Err(error) => {
                println!("not taken: {error}");
                answer_status(&error)
            }
        },
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}

/// Whatever ends this early gives the delivery back, so that the vendor's next attempt is taken.
async fn taken(receiver: &WebhookReceiver, parts: &Parts, body: Bytes) -> external_http::Result<()> {
    let delivery =
        receiver.receive(parts, body).await?.read(|verified| verified.json::<serde_json::Value>())?;
    vendor::deal_with(&delivery)?;
    // It is done, whether or not that can be remembered.
    if let Err(error) = delivery.confirm().await {
        println!("may come once more: {error}");
    }
    Ok(())
}
