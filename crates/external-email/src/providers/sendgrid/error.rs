//! One table: what a refusal of SendGrid means.
//!
//! | status | SendGrid says | kind | effect | retry |
//! |---|---|---|---|---|
//! | 400 | something about `template_id` | `NotFound` | `NotApplied` | never |
//! | 401 | "Maximum credits exceeded" | `QuotaExhausted` | `NotApplied` | never |
//! | 429 | no `Retry-After`, but `X-RateLimit-Reset` | `RateLimited` | `NotApplied` | then |
//! | any other from 400 | | as for every transport of HTTP | | |
//!
//! SendGrid has no codes: it names the `field` and says what is wrong with it in words
//! (<https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors>).

use external_core::{Error, ErrorKind, Retry};
use external_http::StatusCode;
use external_http::vendor::{Refused, shown, shown_field};
use serde::Deserialize;

#[derive(Default, Deserialize)]
struct Refusals {
    errors: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
    field: Option<String>,
}

/// The error of a refusal. SendGrid's words are its context `reply`, where there are any.
pub(super) fn explained(mut error: Error, refused: &Refused<'_>) -> Error {
    if refused.status == StatusCode::TOO_MANY_REQUESTS
        && error.retry() == Retry::Backoff
        && let Some(wait) = refused.wait_until("x-ratelimit-reset")
    {
        error = error.with_retry(Retry::After(wait));
    }
    let Some(said) = refused.json::<Refusals>().errors.into_iter().next() else { return error };
    let field = said.field.as_deref().unwrap_or_default();
    let mut error = match refused.status.as_u16() {
        400 if field == "template_id" => refused.error(ErrorKind::NotFound, "SendGrid has no such template"),
        401 if said.message == "Maximum credits exceeded" => {
            refused.error(ErrorKind::QuotaExhausted, "the account has no mails left")
        }
        _ => error,
    };
    if let Some(field) = shown_field(field) {
        error = error.with_context("field", field);
    }
    // What is said to a login may repeat what was sent.
    match error.kind() {
        ErrorKind::Unauthenticated => error,
        _ => error.with_context("reply", shown(&said.message)),
    }
}

/// Whether SendGrid itself explained this refusal.
pub(super) fn is_explained(error: &Error) -> bool {
    error.context_value("reply").is_some()
}
