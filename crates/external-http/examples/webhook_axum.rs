//! A webhook behind axum, and what it answers: to its vendor, to a repetition, to a forger, and while it cannot deal with
//! what came.
//!
//! The handler takes the whole request: an extractor for JSON would have parsed the body before anybody verified it, and
//! lost what was signed.
//!
//! `cargo run -p external-http --example webhook_axum --features reqwest,webhook`
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

mod vendor;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::routing::post;
use external_http::webhook::{WebhookReceiver, answer_status};
use external_http::{BuildContext, StatusCode};
use vendor::Failure;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let context = BuildContext::default();
    let app = Router::new().route("/hooks", post(hook)).with_state(vendor::receiver(&context)?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hooks", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    vendor::send(&url, &context).await
}

/// The body comes no further than the limit; the rest is the receiver's and the application's.
async fn hook(State(receiver): State<WebhookReceiver>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, receiver.body_limit()).await else {
        return StatusCode::PAYLOAD_TOO_LARGE;
    };
    match taken(&receiver, &parts, body).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(error) => {
            println!("not taken: {error}");
            answer_status(&error)
        }
    }
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
