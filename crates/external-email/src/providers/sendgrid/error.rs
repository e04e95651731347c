//! One table: what a refusal of SendGrid means.
//!
//! | status | SendGrid says | kind | effect | retry |
//! |---|---|---|---|---|
//! | 400 | something about `template_id` | `NotFound` | `NotApplied` | never |
//! | 401 | "Maximum credits exceeded" | `QuotaExhausted` | `NotApplied` | never |
//! | 429 | no `Retry-After`, but `X-RateLimit-Reset` | `RateLimited` | `NotApplied` | then |
//! | any other from 400 | | as for every transport of HTTP | | |
//! | below 400 | what it never says there | `Corrupt` | `MaybeApplied` | never |
//!
//! SendGrid has no codes: it names the `field` and says what is wrong with it in words
//! (<https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors>).

use std::time::{Duration, SystemTime};

use external_core::http::HttpResponse;
use external_core::{Effect, Error, ErrorKind, Retry};
use external_http::{StatusCode, refusal};
use serde::Deserialize;

/// As much of a reply as an error shows.
const SHOWN: usize = 200;

#[derive(Default, Deserialize)]
struct Refusals {
    errors: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
    field: Option<String>,
}

/// The error of an answer that is none of those that were wanted, and whether SendGrid itself explained it.
pub(super) async fn refused(answer: HttpResponse, now: SystemTime) -> (Error, bool) {
    let (status, headers, id) = (answer.status, answer.headers.clone(), answer.request_id.clone());
    if status.as_u16() < 400 {
        return (strange(status, id), false);
    }
    let mut error = refusal(status, &headers, now);
    if status == StatusCode::TOO_MANY_REQUESTS && error.retry() == Retry::Backoff {
        let reset = answer.header("x-ratelimit-reset").and_then(|seconds| seconds.trim().parse().ok());
        let reset =
            reset.and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        // One that is over says nothing about the next moment.
        if let Some(wait) = reset.and_then(|reset| reset.duration_since(now).ok()) {
            error = error.with_retry(Retry::After(wait));
        }
    }
    // A reply that breaks off leaves the status.
    let body = answer.bytes().await.unwrap_or_default();
    let said: Refusals = serde_json::from_slice(&body).unwrap_or_default();
    let Some(first) = said.errors.into_iter().next() else {
        return (error, false);
    };
    (explained(error, status, &first), true)
}

/// The error of an answer that SendGrid does not give.
pub(super) fn strange(status: StatusCode, id: Option<String>) -> Error {
    let error = Error::corrupt("the answer is none of SendGrid's")
        .with_effect(Effect::MaybeApplied)
        .with_retry(Retry::Never)
        .with_http_status(status.as_u16());
    match id {
        Some(id) => error.with_request_id(id),
        None => error,
    }
}

fn explained(error: Error, status: StatusCode, said: &Refusal) -> Error {
    let field = said.field.as_deref().unwrap_or_default();
    let kind = match status.as_u16() {
        400 if field == "template_id" => Some((ErrorKind::NotFound, "SendGrid has no such template")),
        401 if said.message == "Maximum credits exceeded" => {
            Some((ErrorKind::QuotaExhausted, "the account has no mails left"))
        }
        _ => None,
    };
    let mut error = match kind {
        None => error,
        Some((kind, message)) => {
            let told = Error::new(kind, message)
                .with_effect(Effect::NotApplied)
                .with_retry(Retry::Never)
                .with_http_status(status.as_u16());
            match error.request_id() {
                Some(id) => told.with_request_id(id),
                None => told,
            }
        }
    };
    let is_path = |field: &str| {
        field.len() <= 100 && field.bytes().all(|b| b.is_ascii_alphanumeric() || b"._[]-".contains(&b))
    };
    if !field.is_empty() && is_path(field) {
        error = error.with_context("field", field);
    }
    // What is said to a login may repeat what was sent.
    if error.kind() == ErrorKind::Unauthenticated {
        error
    } else {
        error.with_context("reply", safe(&said.message))
    }
}

/// Without addresses and control characters, and not too long.
fn safe(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words = words.map(|word| if word.contains('@') { "<address>" } else { word });
    let mut safe = words.collect::<Vec<_>>().join(" ");
    safe.truncate(safe.floor_char_boundary(SHOWN));
    safe
}
