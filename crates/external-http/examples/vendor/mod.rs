//! What both examples of webhooks share: a vendor that signs, one who repeats what it sent, a forger, and a service whose
//! database is down at first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_http::webhook::{HeaderScheme, MemoryReplays, SignedPart, WebhookKey, WebhookReceiver};
use external_http::{BuildContext, Error, HttpClient, HttpRequest, ReqwestConfig, Statuses};
use hmac::{Hmac, KeyInit, Mac};

/// What an example may fail by.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Who believes what this vendor sends, once.
pub(crate) fn receiver(context: &BuildContext) -> Result<WebhookReceiver, Failure> {
    let content =
        [SignedPart::Timestamp("x-timestamp".into()), SignedPart::Text(".".into()), SignedPart::Body];
    let scheme = HeaderScheme::new("x-signature", content, [WebhookKey::hmac_sha256("s3cret".into())])?;
    Ok(WebhookReceiver::new(scheme, context).with_replays(std::sync::Arc::new(MemoryReplays::new(10_000))))
}

/// What the service does with an event. The first one finds its database down.
pub(crate) fn deal_with(event: &serde_json::Value) -> external_http::Result<()> {
    static IS_UP: AtomicBool = AtomicBool::new(false);
    if !IS_UP.swap(true, Ordering::Relaxed) {
        return Err(Error::unavailable("the database is down"));
    }
    println!("taken: {event}");
    Ok(())
}

/// Sends to the webhook and tells what is answered.
pub(crate) async fn send(url: &str, context: &BuildContext) -> Result<(), Failure> {
    let body = r#"{"event": "delivered"}"#;
    let now = context.now().duration_since(UNIX_EPOCH)?.as_secs().to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"s3cret")?;
    mac.update(format!("{now}.{body}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let http = HttpClient::over(ReqwestConfig::new().build(context)?);
    for (who, body, expected) in [
        ("the vendor", body, 503),
        ("once more", body, 204),
        ("a repetition", body, 200),
        ("a forger", "{}", 401),
    ] {
        let request = HttpRequest::post(url)?
            .with_header("x-timestamp", &now)?
            .with_header("x-signature", &signature)?
            .with_body(body)
            .with_statuses(Statuses::Any);
        let status = http.send(&request).await?.status;
        println!("{who}: {status}");
        if status != expected {
            return Err(format!("{expected} was expected").into());
        }
    }
    Ok(())
}
