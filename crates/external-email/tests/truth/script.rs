//! The provider over the recorded answers, and what it asked for against what the SDK did.

use std::sync::{Arc, Mutex, PoisonError};

use external_contract::truth::{RecordedAnswer, Recording, Sent};
use external_contract::{Finding, Verdict, ensure};
use external_core::{BuildContext, Effect, Error, ErrorKind, Result};
use external_email::providers::sendgrid::{SendgridConfig, SendgridEmail};
use external_http::{MemoryAnswer, MemoryHttp, MemoryRequest};
use serde_json::{Value, json};

use crate::at;
use crate::given::{Found, held};
use crate::meaning::{Ours, UNORDERED, meaning};
use crate::{BATCH, MAIL, SCHEDULED};

/// The provider, each of whose requests is answered as the SDK's was.
pub(crate) struct Script<'a> {
    pub(crate) email: SendgridEmail,
    pub(crate) http: Arc<MemoryHttp>,
    recording: &'a Recording,
}

impl<'a> Script<'a> {
    /// `batch_id` is the batch that the SDK's caller had made before, where the recording does not show it.
    pub(crate) fn of(
        recording: &'a Recording,
        config: SendgridConfig,
        now: u64,
        batch_id: Option<String>,
    ) -> Found<Self> {
        let mut waiting = Vec::new();
        for (request, answer) in recording.exchanges() {
            if let Some(answer) = answer {
                waiting.push((request.method.clone(), request.path.clone(), answer_of(answer)?));
            }
        }
        let waiting = Mutex::new(waiting);
        let batch_id = batch_id.unwrap_or_else(|| "b1".to_owned());
        let http = MemoryHttp::new().with_fallback(move |asked| {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let place = waiting.iter().position(|(method, path, _)| is_at(asked, method, path));
            match place {
                Some(place) => waiting.remove(place).2,
                None => unrecorded(asked, &batch_id),
            }
        });
        let http = Arc::new(http);
        let context = BuildContext::default().with_clock(move || at(now));
        let email = held("inputs", config.build_over(http.clone(), &context))?;
        Ok(Self { email, http, recording })
    }

    /// That the provider asked for what the SDK did, and besides for `own` alone: pairs of method and path.
    pub(crate) fn asks_the_same(&self, own: &[(&str, &str)]) -> Verdict {
        let mut left: Vec<_> = self.recording.exchanges().into_iter().map(|(request, _)| request).collect();
        for asked in self.http.received() {
            let place = left.iter().position(|known| is_at(&asked, &known.method, &known.path));
            let Some(place) = place else {
                let is_own = own.iter().any(|(method, path)| is_at(&asked, method, path));
                ensure(
                    is_own,
                    "no more than the SDK asks",
                    format!("{} {}", asked.method, asked.url.path()),
                )?;
                continue;
            };
            let known = left.remove(place);
            let recorded = serde_json::from_slice(&known.body()?).unwrap_or(Value::Null);
            let ours = Ours::of(&recorded);
            let (method, url, headers) = (&asked.method, &asked.url, &asked.headers);
            let sent = Sent { method, url, headers, body: &asked.body };
            known.is_meant_by(sent, UNORDERED, |body| meaning(body, ours))?;
        }
        let left: Vec<_> = left.iter().map(|known| format!("{} {}", known.method, known.path)).collect();
        ensure(left.is_empty(), "all that the SDK asks", format!("nobody asked {}", left.join(", ")))
    }

    /// That the recorded answer is success or the error that SendGrid documents for it.
    pub(crate) fn is_answered<T: std::fmt::Debug>(&self, outcome: &Result<T>) -> Verdict {
        let Some(answer) = self.answer() else { return Ok(()) };
        let kind = refusal(answer)?;
        let seen = outcome.as_ref().err().map(Error::kind);
        ensure(seen == kind, format!("{} is {kind:?}", answer.status), format!("{outcome:?}"))
    }

    /// Whether the provider itself refused what the vendor refuses, so that nothing was asked.
    pub(crate) fn is_refused_alike<T>(&self, outcome: &Result<T>) -> Found<bool> {
        let Some(answer) = self.answer() else { return Ok(false) };
        let is_before = |error: &Error| error.effect() == Effect::NotSent && self.http.received().is_empty();
        let refused = outcome.as_ref().err().filter(|error| is_before(error));
        Ok(refused.is_some() && refused.map(Error::kind) == refusal(answer)?)
    }

    /// The answer to the most telling request.
    pub(crate) fn answer(&self) -> Option<&'a RecordedAnswer> {
        let last = || self.recording.exchanges().pop().and_then(|(_, answer)| answer);
        self.recording.response.as_ref().or_else(last)
    }

    /// The body of what was asked at this place, if it was.
    pub(crate) fn asked_at(&self, path: &str) -> Option<Value> {
        let asked = self.http.received().into_iter().find(|asked| asked.url.path() == path)?;
        serde_json::from_slice(&asked.body).ok()
    }
}

fn is_at(asked: &MemoryRequest, method: &str, path: &str) -> bool {
    asked.method.as_str() == method && asked.url.path() == path
}

fn answer_of(answer: &RecordedAnswer) -> Found<MemoryAnswer> {
    let made = MemoryAnswer::new(answer.status).with_body(answer.body()?);
    Ok(answer.headers.iter().fold(made, |made, (name, value)| made.with_header(name, value)))
}

/// What SendGrid answers where the SDK did not ask.
fn unrecorded(asked: &MemoryRequest, batch_id: &str) -> MemoryAnswer {
    let json = |status, body: &Value| MemoryAnswer::json(status, body.to_string());
    match (asked.method.as_str(), asked.url.path()) {
        ("POST", BATCH) => json(201, &json!({ "batch_id": batch_id })),
        ("POST", MAIL) => MemoryAnswer::new(202),
        ("GET", SCHEDULED) => json(200, &json!([])),
        ("POST", SCHEDULED) => {
            json(400, &json!({ "errors": [{ "field": "batch_id", "message": "invalid batch id" }] }))
        }
        _ => json(404, &json!({ "errors": [{ "field": null, "message": "not found" }] })),
    }
}

/// What an answer is by SendGrid's documentation: <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors>, and
/// by the meaning of statuses where that says no more.
pub(crate) fn refusal(answer: &RecordedAnswer) -> Result<Option<ErrorKind>, Finding> {
    let said: Value = serde_json::from_slice(&answer.body()?).unwrap_or_default();
    let first = &said["errors"][0];
    Ok(Some(match (answer.status, first["field"].as_str(), first["message"].as_str()) {
        (..=399, ..) => return Ok(None),
        (400, Some("template_id"), _) => ErrorKind::NotFound,
        (401, _, Some("Maximum credits exceeded")) | (402, ..) => ErrorKind::QuotaExhausted,
        (401 | 407, ..) => ErrorKind::Unauthenticated,
        (403 | 451, ..) => ErrorKind::PermissionDenied,
        (404 | 410, ..) => ErrorKind::NotFound,
        (408 | 504, ..) => ErrorKind::Timeout,
        (409 | 412 | 423, ..) => ErrorKind::Conflict,
        (413, ..) => ErrorKind::PayloadTooLarge,
        (429, ..) => ErrorKind::RateLimited,
        (425 | 500 | 502..=503 | 506..=599, ..) => ErrorKind::Unavailable,
        _ => ErrorKind::InvalidArgument,
    }))
}
