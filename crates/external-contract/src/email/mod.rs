//! The suite of e-mail.
//!
//! What was delivered is read back from the provider's own outbox, or from a folder of `.eml` files that begin with
//! `X-Envelope-From` and `X-Envelope-To` lines. A MIME parser that is not ours looks at it.
//!
//! Facts that a target may tell: `mailbox` (that folder); the local parts for which the back end has a scripted
//! answer, whatever follows them behind a `+`: `refuses` (refused for good; `refuse550` unless told), `defers`
//! (refused for now; `defer451`), `loses_reply` (taken, but the answer is lost; `dropafterdata`), `refuses_content`
//! (refused as a whole after the recipients were accepted; `datafail`), or `unscripted` (why there are no such
//! answers: these clauses are then told as not run); `template` (the name of a template kept at the vendor).

mod batch;
mod content;
mod delivery;
mod envelope;
mod inbox;
mod later;
mod outbox;
mod post;
mod raw;
mod values;

use external_core::email::{BatchRecipient, BatchRequest, CAPABILITIES, EmailService, SendRequest, supports};
use external_core::{Error, Result};
use futures_util::future::BoxFuture;

use crate::{Case, ProviderCall, Suite};
use post::Post;

type S = dyn EmailService;

/// What the contract demands natively of the providers it knows.
const NATIVES: &[(&str, &[&str])] = &[
    (
        "memory",
        &["outcome-per-recipient", "envelope-sender", "message-id", "raw", "batch", "scheduling", "outbox"],
    ),
    ("file", &["outcome-per-recipient", "envelope-sender", "message-id", "raw", "batch", "outbox"]),
    ("smtp", &["outcome-per-recipient", "envelope-sender", "message-id", "raw"]),
];

/// Every clause of [`EmailService`], with the common block.
#[must_use]
pub fn suite() -> Suite<dyn EmailService> {
    let calls = vec![ProviderCall { name: "send", run: call_send, marked: true }];
    Suite::of_contract("email", CAPABILITIES, supports, calls)
        .with_calls("raw", vec![ProviderCall { name: "send_raw", run: call_send_raw, marked: true }])
        .with_calls("batch", vec![ProviderCall { name: "send_batch", run: call_send_batch, marked: true }])
        .with_natives(NATIVES)
        .with_all(values::clauses())
        .with_all(envelope::clauses())
        .with_all(content::clauses())
        .with_all(delivery::clauses())
        .with_all(raw::clauses())
        .with_all(batch::clauses())
        .with_all(later::clauses())
        .with_all(outbox::clauses())
}

/// The marker is the subject: it crosses the wire once, with the content.
fn call_send<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let post = Post::on(case, service);
        let message = post.message(marker, "ada")?.with_text(case.canary());
        let receipt = service.send(&case.cx(), &SendRequest::new(message)).await?;
        receipt.into_complete().map(drop)
    })
}

fn call_send_raw<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let bytes = format!("From: a@example.test\r\nSubject: {marker}\r\n\r\n{}\r\n", case.canary());
        let receipt = Post::on(case, service).send_raw("sender", &["ada"], bytes.as_bytes()).await?;
        receipt.into_complete().map(drop)
    })
}

fn call_send_batch<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let post = Post::on(case, service);
        let message = post.blank(marker)?.with_text(case.canary());
        let request = BatchRequest::new(message, vec![BatchRecipient::new(post.mailbox("ada")?)]);
        let facet =
            service.batch().ok_or_else(|| Error::unexpected("no facet `batch`, though it is declared"))?;
        match facet.send_batch(&case.cx(), &request).await?.is_complete() {
            true => Ok(()),
            false => Err(Error::unexpected("a recipient was refused")),
        }
    })
}
