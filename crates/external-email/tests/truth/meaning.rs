//! What a body says, in one way of the several that there are.

use external_contract::truth::Recording;
use serde_json::{Map, Value, json};

use crate::given::Found;

/// Lists whose order says nothing: some SDKs reverse them.
pub(crate) const UNORDERED: &[&str] = &["/categories", "/personalizations", "/attachments", "/reply_to_list"];

/// What we set and the SDK leaves to its caller, so that it counts only where the caller did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ours {
    /// The batch by which a mail that waits is taken back.
    is_batch_told: bool,
    /// The Message-ID, so that a reader can tell mails that came twice.
    is_id_told: bool,
}

impl Ours {
    pub(crate) fn of(recorded: &Value) -> Self {
        let names_id = |part: &Value| {
            let names = part["headers"].as_object().into_iter().flat_map(|fields| fields.keys());
            names.into_iter().any(|name| name.eq_ignore_ascii_case("message-id"))
        };
        let all = recorded["personalizations"].as_array().into_iter().flatten();
        Self {
            is_batch_told: recorded["batch_id"].is_string(),
            is_id_told: names_id(recorded) || all.into_iter().any(names_id),
        }
    }
}

/// The body of the recording's most telling request; null if it is no JSON.
pub(crate) fn recorded_body(recording: &Recording) -> Found<Value> {
    let Some(request) = &recording.request else { return Ok(Value::Null) };
    Ok(serde_json::from_slice(&request.body()?).unwrap_or_default())
}

/// Every personalization with all that it shares with others, and the defaults left out.
pub(crate) fn meaning(mut body: Value, ours: Ours) -> Value {
    let Some(fields) = body.as_object_mut() else { return body };
    if !ours.is_batch_told {
        fields.remove("batch_id");
    }
    if let Some(one) = fields.remove("reply_to") {
        fields.insert("reply_to_list".to_owned(), json!([one]));
    }
    without_defaults(fields);
    let either = ["subject", "content", "send_at"].map(|name| (name, fields.remove(name)));
    let both = ["headers", "custom_args"].map(|name| (name, fields.remove(name)));
    for one in fields.get_mut("personalizations").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(one) = one.as_object_mut() else { continue };
        let words = one.remove("substitutions").unwrap_or_default();
        for (name, shared) in &either {
            if let Some(value) = one.remove(*name).or_else(|| shared.clone()) {
                one.insert((*name).to_owned(), filled(value, &words));
            }
        }
        for (name, shared) in &both {
            let mut pairs = Map::new();
            for part in [shared.clone(), one.remove(*name)] {
                let part = part.as_ref().and_then(Value::as_object).into_iter().flatten();
                pairs.extend(part.map(|(key, value)| (key_of(name, key), value.clone())));
            }
            if !ours.is_id_told && *name == "headers" {
                pairs.remove("message-id");
            }
            if !pairs.is_empty() {
                one.insert((*name).to_owned(), Value::Object(pairs));
            }
        }
        if one.get("dynamic_template_data") == Some(&json!({})) {
            one.remove("dynamic_template_data");
        }
    }
    body
}

/// Names of header fields are the same in capitals.
fn key_of(part: &str, key: &str) -> String {
    if part == "headers" { key.to_ascii_lowercase() } else { key.to_owned() }
}

/// What SendGrid documents for what is not said is not said.
fn without_defaults(fields: &mut Map<String, Value>) {
    let off = json!({ "enable": false });
    if let Some(settings) = fields.get_mut("mail_settings").and_then(Value::as_object_mut)
        && settings.get("sandbox_mode") == Some(&off)
    {
        settings.remove("sandbox_mode");
    }
    if fields.get("mail_settings") == Some(&json!({})) {
        fields.remove("mail_settings");
    }
    let clicks = fields.get_mut("tracking_settings").and_then(|all| all.get_mut("click_tracking"));
    if let Some(clicks) = clicks.and_then(Value::as_object_mut) {
        clicks.entry("enable_text").or_insert(Value::Bool(false));
    }
    for file in fields.get_mut("attachments").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(file) = file.as_object_mut() {
            file.entry("disposition").or_insert_with(|| json!("attachment"));
        }
    }
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
