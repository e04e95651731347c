//! What SendGrid's own SDKs send and accept, against what the provider does.
//!
//! A recorded call is made over the recorded answers, exchange by exchange. An argument that neither the contract nor the
//! provider has is no failure and not passed over: its recording is skipped, by the argument's name.

mod events;
mod given;
mod mail;
mod meaning;
mod people;
mod script;
mod settings;

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use external_contract::truth::{Kind, Recording, Vendor, run, skipped};
use external_contract::{Finding, Verdict, ensure, ensure_eq};
use external_core::email::{CancelRequest, Mailbox, Message, ScheduleEmail, ScheduleRequest};
use external_core::{CallContext, Provider};
use futures_util::future::BoxFuture;
use serde_json::Value;

use given::Given;
use mail::Call;
use script::{Script, refusal};
use settings::settings;

/// Where mails go.
const MAIL: &str = "/v3/mail/send";
/// Where the id is had by which a mail that waits is taken back. The SDK leaves that to who calls it.
const BATCH: &str = "/v3/mail/batch";
/// Where a mail that waits is taken back.
const SCHEDULED: &str = "/v3/user/scheduled_sends";
/// Where a key is asked what it may do.
const SCOPES: &str = "/v3/scopes";

/// So many batches can be cancelled at one time.
const CANCELLED: usize = 10;

/// The clock of recordings that name none: 2024-01-02T03:04:05Z.
const NOW: u64 = 1_704_164_645;

fn main() -> ExitCode {
    let sendgrid = Vendor { name: "sendgrid", fixtures: "src/providers/sendgrid/fixtures", replay };
    run(env!("CARGO_MANIFEST_DIR"), &[sendgrid])
}

fn replay(recording: &Recording) -> BoxFuture<'_, Verdict> {
    Box::pin(async move {
        match recording.kind {
            Kind::Verify => events::events(recording).await,
            Kind::Request => request(recording).await,
            _ => Err(skipped("the vendor has no such value")),
        }
    })
}

async fn request(recording: &Recording) -> Verdict {
    let Some(request) = &recording.request else {
        return Err(Finding::failed("a recording that can be read", "no request in it"));
    };
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", MAIL) => mail(recording).await,
        ("POST", BATCH) => batch_id(recording).await,
        ("POST", SCHEDULED) => cancellation(recording).await,
        ("GET", SCHEDULED) => cancelled(recording).await,
        ("GET", SCOPES) => scopes(recording).await,
        (_, path) if path.starts_with(SCHEDULED) => Err(skipped(
            "a cancellation is for good: the contract neither changes nor undoes one, nor reads one back",
        )),
        (_, path) if path.starts_with(BATCH) => {
            Err(skipped("the provider uses the batch ids that it has made, and asks after none"))
        }
        (_, path) if path.starts_with("/v3/templates") => {
            Err(skipped("the contract lists no templates: it sends them by their id"))
        }
        (method, path) => Err(skipped(format!(
            "the contract sends mail; it does not manage what the vendor keeps ({method} {path})"
        ))),
    }
}

async fn mail(recording: &Recording) -> Verdict {
    let call = Call::of(recording)?;
    let script = Script::of(recording, call.config, call.now, call.batch_id)?;
    let outcome = call.asked.of(&script.email).await;
    if script.is_refused_alike(&outcome)? {
        return Ok(());
    }
    script.asks_the_same(&[("POST", BATCH)]).map_err(|finding| with_outcome(finding, &outcome))?;
    script.is_answered(&outcome)
}

/// Tells what the call said beside the difference: why it did not come that far.
fn with_outcome(finding: Finding, outcome: &external_core::Result<()>) -> Finding {
    match (finding, outcome) {
        (Finding::Failed { expected, seen }, Err(error)) => {
            Finding::failed(expected, format!("{seen}; {}", error.report()))
        }
        (finding, _) => finding,
    }
}

/// The provider makes a batch for each mail that is to wait, and names it there.
async fn batch_id(recording: &Recording) -> Verdict {
    let script = alone(recording)?;
    let message = Message::new("s".parse()?)
        .with_from("from@example.com".parse::<Mailbox>()?)
        .with_to("to@example.com".parse::<Mailbox>()?)
        .with_text("x");
    let request = ScheduleRequest::new(message, at(NOW + 3600));
    let outcome = script.email.schedule(&CallContext::default(), &request).await;
    script.asks_the_same(&[("POST", MAIL)])?;
    script.is_answered(&outcome)?;
    let (Ok(_), Some(answer)) = (outcome, script.answer()) else { return Ok(()) };
    let made: Value = serde_json::from_slice(&answer.body()?).unwrap_or_default();
    let named = script.asked_at(MAIL).unwrap_or_default();
    ensure_eq("the batch of the mail", &named["batch_id"], &made["batch_id"])
}

/// SendGrid refuses a batch that it does not know, or that is cancelled already: then no mail was taken back.
async fn cancellation(recording: &Recording) -> Verdict {
    let mut given = Given::of(recording)?;
    let config = settings(recording, &mut given)?;
    let batch = given.text("batch_id")?.unwrap_or_default();
    let status = given.text("status")?.unwrap_or_default();
    given.done()?;
    if status != "cancel" {
        return Err(skipped(format!("`status`: the contract takes mails back, and has no {status:?}")));
    }
    if recording.exchanges().iter().any(|(request, _)| request.path != SCHEDULED) {
        return Err(skipped("other calls beside the cancellation"));
    }
    let script = Script::of(recording, config, NOW, None)?;
    let outcome = script.email.cancel(&CallContext::default(), &CancelRequest::new(batch.as_str())).await;
    script.asks_the_same(&[("GET", SCHEDULED)])?;
    let refused = recording.exchanges().into_iter().find(|(request, _)| request.method == "POST");
    let Some((_, Some(answer))) = refused else { return Ok(()) };
    let said: Value = serde_json::from_slice(&answer.body()?).unwrap_or_default();
    let is_explained = answer.status == 400 && said["errors"][0]["message"].is_string();
    if is_explained && !has_no_room(recording, &batch)? {
        let existed = outcome.as_ref().ok().map(|cancelled| cancelled.existed);
        return ensure(existed == Some(false), "no mail was taken back", format!("{outcome:?}"));
    }
    let (kind, seen) = (refusal(answer)?, outcome.as_ref().err().map(external_core::Error::kind));
    ensure(seen == kind, format!("{} is {kind:?}", answer.status), format!("{outcome:?}"))
}

/// Whether the recording shows as many cancelled batches as there can be, and this is none of them.
fn has_no_room(recording: &Recording, batch: &str) -> Result<bool, Finding> {
    let listed = recording.exchanges().into_iter().find(|(request, _)| request.method == "GET");
    let Some((_, Some(answer))) = listed else { return Ok(false) };
    let all: Vec<Value> = serde_json::from_slice(&answer.body()?).unwrap_or_default();
    Ok(all.len() >= CANCELLED && !all.iter().any(|one| one["batch_id"] == batch))
}

/// The provider asks what is cancelled where a cancellation was refused.
async fn cancelled(recording: &Recording) -> Verdict {
    let script = alone(recording)?;
    let outcome = script.email.cancel(&CallContext::default(), &CancelRequest::new("unknown")).await;
    script.asks_the_same(&[("POST", SCHEDULED)])?;
    match script.answer() {
        Some(answer) if answer.status >= 400 => script.is_answered(&outcome),
        _ => Ok(()),
    }
}

/// Asked by a probe.
async fn scopes(recording: &Recording) -> Verdict {
    let script = alone(recording)?;
    let outcome = script.email.probe(&CallContext::default()).await;
    script.asks_the_same(&[])?;
    script.is_answered(&outcome)
}

/// The provider for a call without arguments.
fn alone(recording: &Recording) -> Result<Script<'_>, Finding> {
    let mut given = Given::of(recording)?;
    let config = settings(recording, &mut given)?;
    given.done()?;
    Script::of(recording, config, NOW, None)
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}
