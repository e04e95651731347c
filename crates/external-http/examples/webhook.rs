//! A webhook behind hyper, and what it answers: to its vendor, to a repetition, to a forger.
//!
//! `cargo run -p external-http --example webhook --features reqwest,webhook`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use external_http::webhook::{
    HeaderScheme, MemoryReplays, SignedPart, WebhookKey, WebhookReceiver, answer_status,
};
use external_http::{BuildContext, HttpClient, HttpRequest, ReqwestConfig, Statuses};
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let context = BuildContext::default();
    let content =
        [SignedPart::Timestamp("x-timestamp".into()), SignedPart::Text(".".into()), SignedPart::Body];
    let scheme = HeaderScheme::new("x-signature", content, [WebhookKey::hmac_sha256("s3cret".into())])?;
    let receiver = WebhookReceiver::new(scheme, &context).with_replays(Arc::new(MemoryReplays::new(10_000)));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hooks", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let receiver = receiver.clone();
            let service = service_fn(move |request| hook(receiver.clone(), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });

    // The vendor's side.
    let body = r#"{"event": "delivered"}"#;
    let now = context.now().duration_since(UNIX_EPOCH)?.as_secs().to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret")?;
    mac.update(format!("{now}.{body}").as_bytes());
    let signature =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, mac.finalize().into_bytes());
    let http = HttpClient::over(ReqwestConfig::new().build(&context)?);
    for (who, body) in [("the vendor", body), ("the same again", body), ("a forger", "{}")] {
        let request = HttpRequest::post(&url)?
            .with_header("x-timestamp", &now)?
            .with_header("x-signature", &signature)?
            .with_body(body)
            .with_statuses(Statuses::Any);
        println!("{who}: {}", http.send(&request).await?.status);
    }
    Ok(())
}

/// The body comes no further than the limit; the rest is the receiver's.
async fn hook(
    receiver: WebhookReceiver,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (parts, body) = request.into_parts();
    let status = match Limited::new(body, receiver.body_limit()).collect().await {
        Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Ok(body) => match receiver.receive(&parts, body.to_bytes()).await {
            Err(error) => {
                println!("refused: {error}");
                answer_status(&error)
            }
            Ok(verified) => match verified.json::<serde_json::Value>() {
                Ok(event) => {
                    println!("taken: {event}");
                    StatusCode::NO_CONTENT
                }
                Err(_) => StatusCode::BAD_REQUEST,
            },
        },
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}
