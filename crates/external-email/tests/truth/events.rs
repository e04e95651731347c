//! The event webhook: what SendGrid's SDKs accept.

use std::time::Duration;

use external_contract::truth::{Recorded, Recording};
use external_contract::{Finding, Verdict, ensure, ensure_eq};
use external_core::{BuildContext, ErrorKind};
use external_email::providers::sendgrid::SendgridEvents;
use external_http::webhook::WebhookKey;
use serde_json::Value;

use crate::{NOW, at};

/// SendGrid's SDKs know no age, and do not read what they verified.
pub(crate) async fn events(recording: &Recording) -> Verdict {
    let now = recording.inputs.get("now").and_then(Value::as_u64);
    let context = BuildContext::default().with_clock(move || at(now.unwrap_or(NOW)));
    let text = recording.payload_utf8.clone().unwrap_or_default();
    let key = WebhookKey::ecdsa_p256(recording.key("public_key_base64_der")?)?;
    let mut events = SendgridEvents::new([key], &context)?;
    if now.is_none() {
        events = events.with_receiver(|receiver| receiver.with_tolerance(Duration::MAX));
    }
    let mut request = http::Request::post("/events");
    for (name, value) in &recording.headers {
        request = request.header(name, value);
    }
    let request = request.body(bytes::Bytes::from(text.clone()));
    let (parts, body) =
        request.map_err(|error| Finding::failed("a request", error.to_string()))?.into_parts();
    match (events.receive(&parts, body).await, recording.expected) {
        // What is no list of events was verified all the same.
        (Ok(events), Some(Recorded::Accept)) => {
            let told = serde_json::from_str(&text).map_or(1, |told: Vec<Value>| told.len());
            ensure_eq("the number of events", &events.len(), &told)
        }
        (Err(error), Some(Recorded::Reject)) => {
            ensure(error.kind() == ErrorKind::Unauthenticated, "Unauthenticated", error.report())
        }
        (outcome, expected) => Err(Finding::failed(format!("{expected:?}"), format!("{outcome:?}"))),
    }
}
