//! The suite of e-mail.
//!
//! What was delivered is read back from the provider's own outbox, or from a folder of `.eml` files that begin with
//! `X-Envelope-From` and `X-Envelope-To` lines. A MIME parser that is not ours looks at it.
//!
//! Facts that a target may tell: `mailbox` (that folder); the local parts for which the back end has a scripted
//! answer, whatever follows them behind a `+`: `refuses` (refused for good; `refuse550` unless told), `defers`
//! (refused for now; `defer451`), `loses_reply` (taken, but the answer is lost; `dropafterdata`), `refuses_content`
//! (refused as a whole after the recipients were accepted; `datafail`), or `unscripted` (why there are no such
//! answers: these clauses are then told as not run); `template` (the name of a template kept at the vendor); `empty-files`
//! (`no` where the vendor takes none: they are then refused before anything is sent).

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

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use external_core::email::{
    BatchRecipient, BatchRequest, CAPABILITIES, CancelRequest, EmailAddress, EmailService, HeaderName,
    HeaderText, Message, MetadataKey, OutboxRequest, ScheduleEmail, ScheduleRequest, SendRequest,
    VendorTemplateRequest, supports,
};
use external_core::{Error, ErrorKind, Result};
use futures_util::future::BoxFuture;

use crate::{Case, Finding, ProviderCall, Suite, Traffic};
use post::Post;

type S = dyn EmailService;

/// What the contract demands natively of the providers it knows.
const NATIVES: &[(&str, &[&str])] = &[
    (
        "memory",
        &["outcome-per-recipient", "envelope-sender", "message-id", "raw", "batch", "scheduling", "outbox"],
    ),
    ("file", &["outcome-per-recipient", "envelope-sender", "message-id", "raw", "batch", "outbox"]),
    ("sendgrid", &["batch", "scheduling"]),
    ("smtp", &["outcome-per-recipient", "envelope-sender", "message-id", "raw"]),
];

/// Every clause of [`EmailService`], with the common block.
#[must_use]
pub fn suite() -> Suite<dyn EmailService> {
    let marked = |name, run| ProviderCall { name, run, traffic: Traffic::Marked };
    // A mail is asked for by its recipient.
    let outbox = ProviderCall { name: "outbox", run: call_outbox, traffic: Traffic::Unmarked };
    Suite::of_contract("email", CAPABILITIES, supports, vec![marked("send", call_send)])
        .with_calls("raw", vec![marked("send_raw", call_send_raw)])
        .with_calls("batch", vec![marked("send_batch", call_send_batch)])
        .with_calls("scheduling", vec![marked("schedule", call_schedule), marked("cancel", call_cancel)])
        .with_calls("vendor-templates", vec![marked("send_template", call_send_template)])
        .with_calls("outbox", vec![outbox])
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

/// The mails in a folder as the fact `mailbox` names one that went to this address, oldest first, without the lines of their
/// envelopes.
///
/// # Errors
///
/// Not run, if the folder cannot be read.
pub fn mails_in(folder: &Path, to: &EmailAddress) -> std::result::Result<Vec<Bytes>, Finding> {
    Ok(inbox::read(folder, to)?.into_iter().map(|mail| mail.bytes).collect())
}

/// The marker is the subject: it crosses the wire once, with the content.
fn call_send<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let post = Post::on(case, service);
        let message = laden(case, service, post.message(marker, "ada")?.with_text(case.canary()))?;
        let receipt = service.send(&case.cx(), &SendRequest::new(message)).await?;
        receipt.into_complete().map(drop)
    })
}

/// With the canary where applications put what is theirs: in a header field, and in the metadata if there are such. Addresses
/// are none of that: they say where, and errors may tell it.
fn laden(case: &Case<S>, service: &S, message: Message) -> Result<Message> {
    let secret = HeaderText::parse(case.canary())?;
    let message = message.with_header(HeaderName::parse("X-Order")?, secret.clone());
    match supports(service, "metadata").is_supported() {
        true => Ok(message.with_metadata(MetadataKey::parse("order")?, secret)),
        false => Ok(message),
    }
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

/// In an hour, which no case lives to see, or as late as can be.
fn call_schedule<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let message = Post::on(case, service).message(marker, "ada")?.with_text(case.canary());
        let most = service.info().capabilities().get_limit("schedule-seconds").unwrap_or(u64::MAX);
        let at = case.now() + Duration::from_secs(most.min(3600));
        scheduler(service)?.schedule(&case.cx(), &ScheduleRequest::new(message, at)).await.map(drop)
    })
}

/// Of a mail that never was.
fn call_cancel<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        match scheduler(service)?.cancel(&case.cx(), &CancelRequest::new(marker)).await?.existed {
            false => Ok(()),
            true => Err(Error::unexpected("took back a mail that never was")),
        }
    })
}

fn scheduler(service: &S) -> Result<&dyn ScheduleEmail> {
    service.scheduler().ok_or_else(|| Error::unexpected("no facet `scheduler`, though it is declared"))
}

/// From the template that the target names, or from none.
fn call_send_template<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let facet = service.vendor_templates();
        let facet =
            facet.ok_or_else(|| Error::unexpected("no facet `vendor_templates`, though it is declared"))?;
        let template = case.fact("template").unwrap_or_else(|| "nothing".to_owned());
        let data = format!("{{\"name\":\"{}\"}}", case.canary());
        let message = Post::on(case, service).message(marker, "ada")?;
        let request = VendorTemplateRequest::new(message, template, data);
        match facet.send_template(&case.cx(), &request).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            sent => sent?.into_complete().map(drop),
        }
    })
}

/// Of somebody who gets no mail.
fn call_outbox<'a>(case: &'a Case<S>, service: &'a S, _: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let facet =
            service.outbox().ok_or_else(|| Error::unexpected("no facet `outbox`, though it is declared"))?;
        let request = OutboxRequest::new().with_recipient(Post::on(case, service).address("nobody")?);
        match facet.sent(&case.cx(), &request).await?.is_empty() {
            true => Ok(()),
            false => Err(Error::unexpected("listed mails that were never sent")),
        }
    })
}
