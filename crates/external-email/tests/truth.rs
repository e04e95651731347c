//! What SendGrid's own SDKs send and accept, against what the provider does.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use external_contract::truth::{Kind, Recorded, Recording, Sent, Vendor, run, skipped};
use external_contract::{Finding, Verdict, ensure, ensure_eq};
use external_core::email::{
    BatchEmail, BatchRecipient, BatchRequest, EmailService, Mailbox, Message, MetadataKey, ScheduleEmail,
    ScheduleRequest, SendRequest, VendorTemplate, VendorTemplateEmail, VendorTemplateRequest,
};
use external_core::{BuildContext, CallContext, ErrorKind, Result};
use external_email::providers::sendgrid::{SendgridConfig, SendgridEmail, SendgridEvents, UnsubscribeGroup};
use external_http::webhook::WebhookKey;
use external_http::{MemoryAnswer, MemoryHttp, Method};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

/// Where the id is had by which a mail that waits is taken back. The SDK leaves that to who calls it.
const BATCH: &str = "/v3/mail/batch";

/// The clock of recordings that name none: 2024-01-02T03:04:05Z.
const NOW: u64 = 1_704_164_645;

fn main() -> ExitCode {
    let sendgrid = Vendor { name: "sendgrid", fixtures: "src/providers/sendgrid/fixtures", replay };
    run(env!("CARGO_MANIFEST_DIR"), &[sendgrid])
}

fn replay(recording: &Recording) -> BoxFuture<'_, Verdict> {
    Box::pin(async move {
        match recording.kind {
            Kind::Verify => events(recording).await,
            Kind::Request if recording.request.as_ref().is_some_and(|sent| sent.path == "/v3/mail/send") => {
                mail(recording).await
            }
            Kind::Request if recording.request.as_ref().is_some_and(|sent| sent.path == "/v3/templates") => {
                Err(skipped("the contract lists no templates: it sends them by their id"))
            }
            Kind::Request => {
                Err(skipped("the contract sends mail; it does not manage what the vendor keeps"))
            }
            _ => Err(skipped("the vendor has no such value")),
        }
    })
}

async fn mail(recording: &Recording) -> Verdict {
    let (email, http) = provider(recording)?;
    let cx = CallContext::default();
    let message = message(recording)?;
    let template = recording.argument("template_id").and_then(Value::as_str).map(|id| {
        let data = recording.argument("dynamic_template_data").cloned().unwrap_or_else(|| json!({}));
        VendorTemplate::new(id, data.to_string())
    });
    let later = recording.argument("send_at").and_then(Value::as_u64);
    let several = recipients(recording)?.into_iter().any(|(_, words)| words.is_some());
    let outcome = match (later, template) {
        (Some(_), _) if several => {
            return Err(skipped(
                "the contract sends a batch with words of each recipient at once, or not at all",
            ));
        }
        (Some(seconds), template) => {
            let mut request = ScheduleRequest::new(message, at(seconds));
            request.template = template;
            email.schedule(&cx, &request).await.map(drop)
        }
        (None, Some(VendorTemplate { id, data, .. })) => {
            email.send_template(&cx, &VendorTemplateRequest::new(message, id, data)).await.map(drop)
        }
        (None, None) if several => email.send_batch(&cx, &batch(recording, message)?).await.map(drop),
        (None, None) => email.send(&cx, &SendRequest::new(message)).await.map(drop),
    };
    let mut received = http.received();
    received.retain(|request| request.url.path() != BATCH);
    let [sent] = received.as_slice() else {
        return Err(Finding::failed("one request", format!("{} of them; {outcome:?}", received.len())));
    };
    let body = meaning(serde_json::from_slice(&sent.body).unwrap_or_default()).to_string();
    let sent = Sent { method: &sent.method, url: &sent.url, headers: &sent.headers, body: body.as_bytes() };
    let unordered = ["/categories", "/personalizations", "/attachments"];
    recording.means_the_same_read(sent, &unordered, |body| if several { filled_in(body) } else { body })?;
    answered(recording, &outcome)
}

/// That an answer below 400 is success and each other the error that it says.
fn answered(recording: &Recording, outcome: &Result<()>) -> Verdict {
    let Some(answer) = recording.answers().first().copied() else { return Ok(()) };
    let kind = match answer.status {
        ..=399 => None,
        401 => Some(ErrorKind::Unauthenticated),
        403 => Some(ErrorKind::PermissionDenied),
        404 => Some(ErrorKind::NotFound),
        413 => Some(ErrorKind::PayloadTooLarge),
        429 => Some(ErrorKind::RateLimited),
        500.. => Some(ErrorKind::Unavailable),
        _ => Some(ErrorKind::InvalidArgument),
    };
    let seen = outcome.as_ref().err().map(external_core::Error::kind);
    ensure(seen == kind, format!("{} is {kind:?}", answer.status), format!("{outcome:?}"))
}

/// The provider as the SDK was set up, over the recorded answers.
fn provider(recording: &Recording) -> std::result::Result<(SendgridEmail, Arc<MemoryHttp>), Finding> {
    let mut config = SendgridConfig::new(recording.input("api_key")?.to_owned());
    let flag = |name| recording.argument(name).and_then(Value::as_bool);
    let text = |name| recording.argument(name).and_then(Value::as_str);
    if let Some(subuser) = recording.inputs.get("impersonate_subuser").and_then(Value::as_str) {
        config = config.with_on_behalf_of(subuser);
    }
    if let Some(sandbox) = flag("sandbox_mode") {
        config = config.with_sandbox(sandbox);
    }
    if let Some(pool) = text("ip_pool_name") {
        config = config.with_ip_pool(pool);
    }
    if let Some(clicks) = flag("click_tracking") {
        config = config.with_click_tracking(clicks);
    }
    if let Some(opens) = flag("open_tracking") {
        config = config.with_open_tracking(opens);
    }
    if let Some(group) = recording.argument("asm") {
        let shown = group["groups_to_display"].as_array().into_iter().flatten().filter_map(Value::as_u64);
        let id = group["group_id"].as_u64().unwrap_or_default();
        config = config.with_unsubscribe_group(UnsubscribeGroup::new(id).with_display(shown.collect()));
    }
    let answers: Vec<MemoryAnswer> = recording
        .answers()
        .into_iter()
        .map(|answer| {
            let made = MemoryAnswer::new(answer.status).with_body(answer.body()?);
            Ok(answer.headers.iter().fold(made, |made, (name, value)| made.with_header(name, value)))
        })
        .collect::<std::result::Result<_, Finding>>()?;
    let answer = answers.into_iter().next().unwrap_or_else(|| MemoryAnswer::new(202));
    let http = MemoryHttp::new()
        .with_route(Method::POST, BATCH, |_| MemoryAnswer::json(201, r#"{"batch_id":"b1"}"#))
        .with_fallback(move |_| answer.clone());
    let http = Arc::new(http);
    let context = BuildContext::default().with_clock(|| at(NOW));
    Ok((config.build_over(http.clone(), &context)?, http))
}

type Words = Option<BTreeMap<String, String>>;

/// The recipients, each with its own words and subject where the SDK was given some.
fn recipients(recording: &Recording) -> std::result::Result<Vec<(Mailbox, Words)>, Finding> {
    let one = |entry: &Value| {
        let (address, name) = match entry {
            Value::Array(pair) => (pair.first(), pair.get(1)),
            Value::Object(fields) => (fields.get("email"), fields.get("name")),
            text => (Some(text), None),
        };
        let mailbox = mailbox(address.and_then(Value::as_str), name.and_then(Value::as_str))?;
        let words = entry.get("substitutions").and_then(Value::as_object).map(|words| {
            let mut words: BTreeMap<_, _> = words
                .iter()
                .map(|(tag, word)| {
                    (tag.trim_matches('-').to_owned(), word.as_str().unwrap_or_default().to_owned())
                })
                .collect();
            let subject = entry.get("subject").or_else(|| recording.argument("subject"));
            words
                .insert("subject".to_owned(), subject.and_then(Value::as_str).unwrap_or_default().to_owned());
            words
        });
        Ok((mailbox, words))
    };
    match recording.argument("to") {
        Some(Value::Array(all)) => all.iter().map(one).collect(),
        Some(entry) => Ok(vec![one(entry)?]),
        None => Ok(Vec::new()),
    }
}

fn mailbox(address: Option<&str>, name: Option<&str>) -> std::result::Result<Mailbox, Finding> {
    let address = address.unwrap_or_default();
    let text = name.map_or_else(|| address.to_owned(), |name| format!("{name} <{address}>"));
    Ok(text.parse::<Mailbox>()?)
}

fn message(recording: &Recording) -> std::result::Result<Message, Finding> {
    let text = |name| recording.argument(name).and_then(Value::as_str);
    let mut message = Message::new(text("subject").unwrap_or_default().parse()?)
        .with_from(mailbox(text("from_email"), text("from_name"))?);
    for (to, _) in recipients(recording)? {
        message = message.with_to(to);
    }
    if let Some(body) = text("text") {
        message = message.with_text(body);
    }
    if let Some(body) = text("html") {
        message = message.with_html(body);
    }
    for tag in recording.argument("categories").and_then(Value::as_array).into_iter().flatten() {
        message = message.with_tag(tag.as_str().unwrap_or_default().parse()?);
    }
    let pairs = |name| recording.argument(name).and_then(Value::as_object).into_iter().flatten();
    for (name, value) in pairs("custom_args") {
        message =
            message.with_metadata(MetadataKey::parse(name)?, value.as_str().unwrap_or_default().parse()?);
    }
    for (name, value) in pairs("headers") {
        message = message.with_header(name.parse()?, value.as_str().unwrap_or_default().parse()?);
    }
    Ok(message)
}

/// The SDK's tags are `-name-`, our words `{{ name }}`; the subject of one recipient is a word too.
fn batch(recording: &Recording, mut message: Message) -> std::result::Result<BatchRequest, Finding> {
    let recipients = recipients(recording)?;
    let names: Vec<_> =
        recipients.iter().filter_map(|(_, words)| words.as_ref()).flat_map(BTreeMap::keys).collect();
    let in_words = |text: &String| {
        names
            .iter()
            .fold(text.clone(), |text, name| text.replace(&format!("-{name}-"), &format!("{{{{ {name} }}}}")))
    };
    (message.text, message.html) = (message.text.as_ref().map(in_words), message.html.as_ref().map(in_words));
    message.subject = "{{ subject }}".parse()?;
    message.to.clear();
    let recipients = recipients.into_iter().map(|(to, words)| {
        let words = words.unwrap_or_default().into_iter();
        words.fold(BatchRecipient::new(to), |to, (name, word)| to.with_value(name, word))
    });
    Ok(BatchRequest::new(message, recipients.collect()))
}

/// Without what we set and the SDK does not: the Message-ID, so that a reader can tell mails that came twice, and the batch by
/// which a mail that waits is taken back.
fn meaning(mut body: Value) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("batch_id");
        without_message_id(fields);
        for one in fields.get_mut("personalizations").and_then(Value::as_array_mut).into_iter().flatten() {
            one.as_object_mut().into_iter().for_each(without_message_id);
        }
    }
    body
}

fn without_message_id(fields: &mut Map<String, Value>) {
    if let Some(headers) = fields.get_mut("headers").and_then(Value::as_object_mut) {
        headers.remove("Message-ID");
        if headers.is_empty() {
            fields.remove("headers");
        }
    }
}

/// A batch in which each recipient has subject and content of their own with the words in their places: the SDK and we mark
/// the places differently, and subjects may stand once for all.
fn filled_in(mut body: Value) -> Value {
    let Some(fields) = body.as_object_mut() else { return body };
    let shared = [fields.remove("subject"), fields.remove("content")];
    for one in fields.get_mut("personalizations").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(one) = one.as_object_mut() else { continue };
        let words = one.remove("substitutions").unwrap_or_default();
        for (name, shared) in ["subject", "content"].into_iter().zip(&shared) {
            if let Some(value) = one.remove(name).or_else(|| shared.clone()) {
                one.insert(name.to_owned(), filled(value, &words));
            }
        }
    }
    body
}

/// Every text in it with the words in their places.
fn filled(value: Value, words: &Value) -> Value {
    match value {
        Value::String(text) => {
            let words = words.as_object().into_iter().flatten();
            let put = |text: String, (tag, word): (&String, &Value)| {
                text.replace(tag, word.as_str().unwrap_or_default())
            };
            Value::String(words.fold(text, put))
        }
        Value::Array(all) => all.into_iter().map(|one| filled(one, words)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, filled(value, words))).collect()
        }
        other => other,
    }
}

/// SendGrid's SDKs know no age, and do not read what they verified.
async fn events(recording: &Recording) -> Verdict {
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

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}
