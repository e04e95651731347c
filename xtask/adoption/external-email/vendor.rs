//! A service whose vendor nobody wrapped: its own provider, on what the others stand on.
//!
//! features: vendor
//! beside: serde_json, tokio
//!
//! ```text
//! Accepted
//! a refusal: QuotaExhausted, NotApplied
//! ```

use std::sync::Arc;

use external_email::external_core::{CallContext, Capabilities, Effect, ProviderInfo, async_trait};
use external_email::external_http::vendor::{Link, Refused, Vendor, json};
use external_email::external_http::{BearerAuth, HttpRequest, MemoryAnswer, MemoryHttp, StatusCode};
use external_email::{
    EmailClient, EmailService, Error, ErrorKind, Outcome, Policy, Provider, RecipientOutcome, Result, Secret,
    SendReceipt, SendRequest, check,
};

#[derive(Debug)]
struct PostOffice {
    info: ProviderInfo,
    vendor: Vendor,
}

impl PostOffice {
    fn over(link: Link) -> Result<Self> {
        let auth = BearerAuth::new(Secret::new("s3cret"));
        let vendor = Vendor::new("the post office", link, "https://api.example.org/v1", auth)?;
        let vendor = vendor.with_errors(explained);
        let can = Capabilities::new().all_native(&["message-id"]);
        Ok(Self { info: ProviderInfo::new("post-office", "email", vendor.location(), can), vendor })
    }
}

/// What it says beside the status.
fn explained(error: Error, refused: &Refused<'_>) -> Error {
    match refused.json::<serde_json::Value>()["code"].as_str() {
        Some("no_stamps") => refused.error(ErrorKind::QuotaExhausted, "the account has no stamps left"),
        _ => error,
    }
}

#[async_trait]
impl Provider for PostOffice {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.vendor.ask(cx, HttpRequest::get("/me")?, StatusCode::OK).await.map(drop)
    }
}

#[async_trait]
impl EmailService for PostOffice {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        check(&self.info, request)?;
        let subject = request.message.subject.as_str();
        let letter = json(HttpRequest::post("/letters")?, &serde_json::json!({ "subject": subject }))?;
        self.vendor.ask(cx, letter, StatusCode::ACCEPTED).await?;
        let outcomes = request.message.recipients().into_iter().cloned();
        let outcomes = outcomes.map(|address| RecipientOutcome::new(address, Outcome::Accepted)).collect();
        Ok(SendReceipt::new(request.message.message_id.clone(), outcomes))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let double = MemoryHttp::new().with_fallback(|request| {
        match request.body.windows(5).any(|word| word == b"Hello") {
            true => MemoryAnswer::new(202),
            false => MemoryAnswer::json(402, r#"{"code": "no_stamps"}"#),
        }
    });
    let email = EmailClient::over(PostOffice::over(Link::lent(Arc::new(double)))?)
        .with_policy(Policy::off())
        .with_from("Shop <shop@example.org>".parse()?);
    let receipt = email.send_email("ada@example.org", "Hello", "text", None).await?;
    println!("{:?}", receipt.recipients[0].outcome);
    let error =
        email.send_email("ada@example.org", "Goodbye", "text", None).await.expect_err("it has no stamps");
    assert_eq!(error.effect(), Effect::NotApplied);
    println!("a refusal: {:?}, {:?}", error.kind(), error.effect());
    Ok(())
}
