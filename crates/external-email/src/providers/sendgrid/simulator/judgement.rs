//! What SendGrid refuses, by its documentation and in its words where it tells them.
//!
//! <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors>

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// A refusal, as it is answered.
pub(super) struct Refused {
    pub(super) status: u16,
    pub(super) field: Option<String>,
    pub(super) message: String,
}

impl Refused {
    /// 400, because of this field.
    pub(super) fn of(field: &str, message: String) -> Self {
        Self { status: 400, field: Some(field.to_owned()), message }
    }

    /// Because of no field.
    pub(super) fn with(status: u16, message: &str) -> Self {
        Self { status, field: None, message: message.to_owned() }
    }
}

/// What matters of a mail before it is delivered.
pub(super) struct Judged {
    pub(super) is_sandbox: bool,
    /// When each personalization's mail is to leave, where it is told.
    pub(super) send_at: Vec<Option<u64>>,
    pub(super) batch_id: Option<String>,
    recipients: Vec<String>,
}

impl Judged {
    /// Whether somebody with this local part, up to its `+`, gets it.
    pub(super) fn is_to(&self, local: &str) -> bool {
        self.recipients.iter().any(|address| address.split(['+', '@']).next() == Some(local))
    }
}

const RESERVED: &[&str] = &[
    "x-sg-id",
    "x-sg-eid",
    "received",
    "dkim-signature",
    "content-type",
    "content-transfer-encoding",
    "to",
    "from",
    "subject",
    "reply-to",
    "cc",
    "bcc",
];

/// Judges the body of a request of so many bytes.
pub(super) fn judge(body: &Value, bytes: usize, now: u64) -> Result<Judged, Refused> {
    if bytes > 30 << 20 {
        return Err(Refused::with(413, "Content size exceeded limit"));
    }
    person(&body["from"], "from")?;
    if !body["reply_to"].is_null() && !body["reply_to_list"].is_null() {
        return refuse("reply_to", "`reply_to` is mutually exclusive with `reply_to_list`.");
    }
    let is_template = body["template_id"].is_string();
    if is_template && !is_template_id(text(&body["template_id"])) {
        let message =
            format!("The template_id must be a valid GUID, you provided '{}'.", text(&body["template_id"]));
        return Err(Refused::of("template_id", message));
    }
    let recipients = personalizations(body, is_template, now)?;
    content(body, is_template)?;
    attachments(body)?;
    headers(body, "headers")?;
    let categories = list(&body["categories"]);
    if categories.len() > 10 || categories.iter().any(|category| text(category).chars().count() > 255) {
        return refuse("categories", "at most 10, each of at most 255 characters");
    }
    if categories.iter().map(text).collect::<BTreeSet<_>>().len() < categories.len() {
        return refuse("categories", "each once");
    }
    strings(body, "custom_args", 10_000)?;
    when(&body["send_at"], now)?;
    Ok(Judged {
        is_sandbox: body["mail_settings"]["sandbox_mode"]["enable"] == true,
        send_at: list(&body["personalizations"])
            .iter()
            .map(|one| one["send_at"].as_u64().or_else(|| body["send_at"].as_u64()))
            .collect(),
        batch_id: body["batch_id"].as_str().map(str::to_owned),
        recipients,
    })
}

/// Dynamic templates have a prefix; the id of a legacy one is a bare GUID.
fn is_template_id(id: &str) -> bool {
    let groups = id.split('-').map(|group| (group.len(), group.bytes().all(|byte| byte.is_ascii_hexdigit())));
    is_dynamic(id) || groups.eq([8, 4, 4, 4, 12].map(|length| (length, true)))
}

/// Whether a template's id is that of a dynamic one, which is filled with data.
pub(super) fn is_dynamic(template_id: &str) -> bool {
    template_id.starts_with("d-")
}

fn personalizations(body: &Value, is_template: bool, now: u64) -> Result<Vec<String>, Refused> {
    let all = list(&body["personalizations"]);
    if all.is_empty() {
        return refuse("personalizations", "You must have at least one personalization.");
    }
    if all.len() > 1000 {
        return refuse(
            "personalizations",
            "The personalization block is limited to 1000 personalizations per API request.",
        );
    }
    let mut recipients = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let field = |name: &str| format!("personalizations.{at}.{name}");
        if list(&one["to"]).is_empty() {
            return refuse(&field("to"), "The to parameter is required for all personalization objects.");
        }
        let mut seen = BTreeSet::new();
        for name in ["to", "cc", "bcc"] {
            for one in list(&one[name]) {
                let address = person(one, &field(name))?;
                if !seen.insert(address.to_lowercase()) {
                    let message = "Each unique email address in the personalizations array should only be included once.";
                    return refuse(&field(name), message);
                }
                recipients.push(address.to_owned());
            }
        }
        let subject = if one["subject"].is_null() { &body["subject"] } else { &one["subject"] };
        if !is_template && text(subject).is_empty() {
            return refuse("subject", "The subject is required.");
        }
        strings(one, "substitutions", 10_000)?;
        headers(one, &field("headers"))?;
        when(&one["send_at"], now)?;
    }
    if recipients.len() > 1000 {
        return refuse(
            "personalizations",
            "There is a limit of 1000 total recipients (to + cc + bcc) per request.",
        );
    }
    Ok(recipients)
}

fn content(body: &Value, is_template: bool) -> Result<(), Refused> {
    let content = list(&body["content"]);
    if content.is_empty() && !is_template {
        return refuse(
            "content",
            "Unless a valid template_id is provided, the content parameter is required.",
        );
    }
    for (at, one) in content.iter().enumerate() {
        if text(&one["value"]).is_empty() {
            let field = format!("content.{at}.value");
            return refuse(&field, "The content value must be a string at least one character in length.");
        }
    }
    let kinds: Vec<_> = content.iter().map(|one| text(&one["type"])).collect();
    let place = |kind: &str| kinds.iter().position(|known| *known == kind);
    match (place("text/plain"), place("text/html")) {
        (Some(plain), Some(html)) if plain > html => refuse("content", "text/plain goes before text/html"),
        _ if kinds.contains(&"") => refuse("content", "a content has a type"),
        _ => Ok(()),
    }
}

fn attachments(body: &Value) -> Result<(), Refused> {
    for (at, file) in list(&body["attachments"]).iter().enumerate() {
        let field = |name: &str| format!("attachments.{at}.{name}");
        let content = text(&file["content"]);
        if content.is_empty() || STANDARD.decode(content).is_err() {
            return refuse(&field("content"), "The attachment content must be base64 encoded.");
        }
        if text(&file["filename"]).is_empty() {
            return refuse(&field("filename"), "a file has a name");
        }
        if text(&file["type"]).contains([';', '\r', '\n']) {
            return refuse(&field("type"), "The attachment type cannot contain ';', or CRLF characters.");
        }
    }
    Ok(())
}

fn headers(part: &Value, field: &str) -> Result<(), Refused> {
    let names = part["headers"].as_object().into_iter().flatten();
    for (name, value) in names {
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return refuse(field, "a header that is reserved");
        }
        if !text(value).is_ascii() || text(value).contains(['\r', '\n']) {
            return refuse(field, "a header that is not encoded");
        }
    }
    Ok(())
}

/// An object of texts, smaller than so many bytes.
fn strings(part: &Value, field: &str, limit: usize) -> Result<(), Refused> {
    let empty = Map::new();
    let pairs = part[field].as_object().unwrap_or(&empty);
    if pairs.values().any(|value| !value.is_string()) {
        return refuse(field, "values are strings");
    }
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + text(value).len()).sum();
    if bytes > limit { refuse(field, "more than 10,000 bytes") } else { Ok(()) }
}

fn when(at: &Value, now: u64) -> Result<(), Refused> {
    match at.as_u64() {
        Some(at) if at > now + 72 * 3600 => refuse("send_at", "more than 72 hours ahead"),
        _ => Ok(()),
    }
}

fn person<'a>(person: &'a Value, field: &str) -> Result<&'a str, Refused> {
    let email = text(&person["email"]);
    match email.is_ascii() && email.contains('@') {
        true => Ok(email),
        false => refuse(field, "an email parameter with a valid email address is required"),
    }
}

fn refuse<T>(field: &str, message: &str) -> Result<T, Refused> {
    Err(Refused::of(field, message.to_owned()))
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
