//! A service that is told of events: believed by their signature, refused without.
//!
//! features: webhook
//! beside: http, tokio
//!
//! ```text
//! opened
//! 401: Unauthenticated
//! compiled in: memory
//! ```

use external_http::webhook::{
    HeaderScheme, SignatureEncoding, SignedPart, WebhookKey, WebhookReceiver, answer_status,
};
use external_http::{BuildContext, Result};

const BODY: &str = r#"{"action": "opened"}"#;
const SIGNATURE: &str = "83221919d9a12612e2c0709d863b6650eb3d86829a64d0557a73c9fcc925ad6e";

#[tokio::main]
async fn main() -> Result<()> {
    let scheme =
        HeaderScheme::new("x-signature", [SignedPart::Body], [WebhookKey::hmac_sha256("s3cret".into())])?
            .with_encoding(SignatureEncoding::Hex);
    let receiver = WebhookReceiver::new(scheme, &BuildContext::default());
    let request = |signature: &str| {
        let request = http::Request::post("/hooks").header("x-signature", signature).body(());
        request.expect("a request").into_parts().0
    };
    let verified = receiver.receive(&request(SIGNATURE), BODY.into()).await?;
    println!("{}", if verified.body() == BODY { "opened" } else { "changed" });
    let error = receiver.receive(&request("00"), BODY.into()).await.expect_err("a forger");
    println!("{}: {:?}", answer_status(&error).as_u16(), error.kind());
    let registry = external_http::registry();
    let ids: Vec<&str> = registry.entries().iter().map(|entry| entry.id).collect();
    println!("compiled in: {}", ids.join(", "));
    Ok(())
}
