//! What is told of a mail: the event webhook, by the recipients' local parts.
//!
//! <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event>

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_simulator::{Clock, Signer, WebhookMessage, WebhookSender};
use serde_json::{Map, Value, json};

use super::judgement::{Refused, list, text};

/// The webhooks of the account.
#[derive(Debug)]
pub(super) struct Webhooks {
    sender: WebhookSender,
    all: Vec<Webhook>,
    events: u64,
}

#[derive(Debug)]
struct Webhook {
    id: String,
    settings: Value,
}

/// What signs as SendGrid does: ECDSA over the time and the body.
///
/// <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features>
pub(super) fn sender(clock: &Clock) -> io::Result<WebhookSender> {
    WebhookSender::new(Signer::ecdsa_p256()?, clock, |signer, WebhookMessage { seconds, body, .. }| {
        let time = seconds.to_string();
        let signature = signer.sign(&[time.as_bytes(), body].concat())?;
        Ok([
            ("content-type", "application/json".to_owned()),
            ("x-twilio-email-event-webhook-timestamp", time),
            ("x-twilio-email-event-webhook-signature", STANDARD.encode(signature)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec())
    })
}

impl Webhooks {
    pub(super) fn new(sender: WebhookSender) -> Self {
        Self { sender, all: Vec::new(), events: 0 }
    }

    /// <https://www.twilio.com/docs/sendgrid/api-reference/webhooks/create-an-event-webhook>
    pub(super) fn create(&mut self, settings: &Value, id: String) -> Result<Value, Refused> {
        let url = text(&settings["url"]);
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Refused::with(400, &format!("'{url}' is not a valid url")));
        }
        if self.all.iter().any(|known| known.settings["url"] == url) {
            let message = format!("Webhook at '{url}' already exists. Please provide a unique URL.");
            return Err(Refused::with(400, &message));
        }
        let mut told = settings.clone();
        told["id"] = json!(id);
        self.all.push(Webhook { id, settings: settings.clone() });
        Ok(told)
    }

    /// <https://www.twilio.com/docs/sendgrid/api-reference/webhooks/get-signed-event-webhooks-public-key>
    pub(super) fn public_key(&self, id: &str) -> Result<Value, Refused> {
        let known = self.all.iter().find(|known| known.id == id);
        let known = known.ok_or_else(|| Refused::with(404, "not found"))?;
        let key = self.sender.public_key().map_err(|error| Refused::with(500, &error.to_string()))?;
        Ok(json!({ "id": known.id, "public_key": key }))
    }

    /// Tells of a mail that was delivered at this second.
    pub(super) fn tell(&mut self, body: &Value, number: u64, now: u64) {
        let mut events = Vec::new();
        for (at, one) in list(&body["personalizations"]).iter().enumerate() {
            let everybody = ["to", "cc", "bcc"].into_iter().flat_map(|name| list(&one[name]));
            for person in everybody {
                let email = text(&person["email"]);
                for mut event in what_becomes_of(email.split(['+', '@']).next().unwrap_or_default()) {
                    self.events += 1;
                    let mut common = json!({
                        "email": email, "timestamp": now,
                        "sg_event_id": format!("event-{}", self.events),
                        "sg_message_id": format!("simulated-{number}.recvd-simulated-{at}"),
                    });
                    for headers in [&body["headers"], &one["headers"]] {
                        if headers["Message-ID"].is_string() {
                            common["smtp-id"] = headers["Message-ID"].clone();
                        }
                    }
                    if body["categories"].is_array() {
                        common["category"] = body["categories"].clone();
                    }
                    event.extend(common.as_object().cloned().unwrap_or_default());
                    for arguments in [&body["custom_args"], &one["custom_args"]] {
                        event.extend(arguments.as_object().cloned().unwrap_or_default());
                    }
                    events.push(event);
                }
            }
        }
        for Webhook { settings, .. } in self.all.iter().filter(|known| known.settings["enabled"] == true) {
            let wanted: Vec<_> =
                events.iter().filter(|event| settings[setting(text(&event["event"]))] == true).collect();
            if !wanted.is_empty() {
                self.sender.send(text(&settings["url"]), json!(wanted).to_string());
            }
        }
    }
}

/// The name of an event in the settings of a webhook.
fn setting(event: &str) -> &str {
    if event == "spamreport" { "spam_report" } else { event }
}

/// What is told of a mail to this local part, as the documentation shows it.
fn what_becomes_of(local: &str) -> Vec<Map<String, Value>> {
    let delivered = || json!({ "event": "delivered", "response": "250 OK" });
    let by_a_person = |event: &str| json!({ "event": event, "useragent": "Mozilla/5.0", "ip": "192.0.2.1" });
    let reason = "500 unknown recipient";
    let events = match local {
        "bounce" => vec![json!({ "event": "bounce", "type": "bounce", "reason": reason, "status": "5.0.0" })],
        "blocked" => {
            vec![json!({ "event": "bounce", "type": "blocked", "reason": reason, "status": "5.0.0" })]
        }
        "dropped" => vec![json!({ "event": "dropped", "reason": "Bounced Address", "status": "5.0.0" })],
        "deferred" => vec![
            json!({ "event": "deferred", "response": "400 try again later", "attempt": "5" }),
            delivered(),
        ],
        "click" => {
            let mut click = by_a_person("click");
            click["url"] = json!("https://example.com/");
            vec![delivered(), click]
        }
        "open" | "spamreport" | "unsubscribe" => vec![delivered(), by_a_person(local)],
        "group_unsubscribe" => {
            let mut left = by_a_person(local);
            left["asm_group_id"] = json!(10);
            vec![delivered(), left]
        }
        _ => vec![delivered()],
    };
    let all = [json!({ "event": "processed" })].into_iter().filter(|_| local != "dropped").chain(events);
    all.filter_map(|event| event.as_object().cloned()).collect()
}
