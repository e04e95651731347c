//! SendGrid's event webhook: believed by its signature, told in the words of all vendors.
//!
//! <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event>

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use external_core::email::{EmailAddress, EmailEvent, EmailEventKind, MessageId};
use external_core::{BuildContext, Result};
use external_http::webhook::{Delivery, Verified, WebhookKey, WebhookReceiver, sendgrid};
use http::request::Parts;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// What SendGrid tells under names of its own. All other texts of an event are custom arguments of its mail.
const OWN: &[&str] = &[
    "asm_group_id",
    "attempt",
    "bounce_classification",
    "category",
    "cert_err",
    "email",
    "event",
    "ip",
    "newsletter",
    "pool",
    "post_type",
    "reason",
    "response",
    "send_at",
    "smtp-id",
    "status",
    "timestamp",
    "tls",
    "type",
    "url",
    "url_offset",
    "useragent",
];

/// As [`OWN`], by how they begin.
const OWN_BEGINNINGS: &[&str] = &["marketing_campaign_", "sg_"];

/// Takes the requests of SendGrid's signed event webhook.
///
/// | SendGrid's event | [`EmailEventKind`] |
/// |---|---|
/// | `delivered` | `Delivered` |
/// | `bounce` | `Bounced`, for good; where its type is `blocked`, not for good |
/// | `spamreport` | `Complained` |
/// | `open`, `click` | `Opened`, `Clicked` |
/// | `unsubscribe` | `Unsubscribed`, of all |
/// | `group_unsubscribe` | `Unsubscribed`, of the group of this number |
/// | `deferred` | `Deferred` |
/// | `dropped` | `Rejected` |
/// | `processed`, `group_resubscribe`, others | `Other` |
/// | what cannot be read | `Other` without a name |
///
/// - SendGrid sends a request again until it is answered with a success, for 24 hours
///   (<https://docs.sendgrid.com/for-developers/tracking-events/troubleshooting>). So what is verified is never an
///   error, which would come back each time: an event that cannot be read is told beside its neighbours, and a body that is
///   no list as one event, with all that came in [`EmailEvent::raw`].
/// - A [`Delivery`] is confirmed when the events were dealt with; else the request is taken when it is sent again.
/// - SendGrid tells an event more than once, in other company: go by [`EmailEvent::id`]. A store of what came before
///   ([`with_receiver`](Self::with_receiver)) knows whole requests.
/// - `vendor_id` is that of the receipt. A bounce that comes long after the mail was taken names no mail.
/// - `message_id` may be another one than SendGrid was given, of events of a mail to several.
/// - `metadata` lacks what was sent under a name that SendGrid has for itself (`email`, `reason`, `sg_…`).
///
/// ```
/// use external_email::external_http::webhook::{WebhookKey, answer_status};
/// use external_email::{BuildContext, Result, SendgridEvents};
///
/// # const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE69pbLojJ09BRWg98Bhkhlk76YK8gDF91fW5/oz1mxO3dXyMhW3PDwOe98AwCNPBd/JAgm0Ljt7h2+JWJIcwDoA==";
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// // "Verification key" in the settings of the webhook; two while one takes over from the other.
/// let events = SendgridEvents::new([WebhookKey::ecdsa_p256(KEY)?], &BuildContext::default())?;
///
/// // The body as it came: what was parsed and written again has another signature.
/// let (parts, body) = http::Request::post("/events").body("[]").unwrap().into_parts();
/// match events.receive(&parts, body.into()).await {
///     Ok(events) => {
///         println!("{} events", events.len());
///         events.confirm().await?;
///     }
///     Err(error) => assert_eq!(answer_status(&error), 401),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SendgridEvents {
    receiver: WebhookReceiver,
}

impl SendgridEvents {
    /// Believes what one of these keys signed.
    ///
    /// # Errors
    ///
    /// `Configuration` without a key.
    pub fn new(keys: impl IntoIterator<Item = WebhookKey>, context: &BuildContext) -> Result<Self> {
        Ok(Self { receiver: WebhookReceiver::new(sendgrid(keys)?, context) })
    }

    /// Changes how requests are received: tolerance, limit of a body, a store of what came before.
    #[must_use]
    pub fn with_receiver(mut self, change: impl FnOnce(WebhookReceiver) -> WebhookReceiver) -> Self {
        self.receiver = change(self.receiver);
        self
    }

    /// The largest body, in bytes: 1 MiB unless [`with_receiver`](Self::with_receiver) says otherwise. SendGrid documents
    /// no size of its requests. A framework reads the body before it comes here: give it the same limit.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.receiver.body_limit()
    }

    /// Takes a request: verifies it, and only then reads it.
    ///
    /// # Errors
    ///
    /// As [`WebhookReceiver::receive`]. What to answer says
    /// [`answer_status`](external_http::webhook::answer_status).
    pub async fn receive(&self, parts: &Parts, body: Bytes) -> Result<Delivery<Vec<EmailEvent>>> {
        self.receiver.receive(parts, body).await?.read(|verified| Ok(Self::of(verified)))
    }

    /// The events of a request that was received elsewhere.
    #[must_use]
    pub fn of(verified: &Verified) -> Vec<EmailEvent> {
        match verified.json::<Vec<Box<RawValue>>>() {
            Ok(told) => told.iter().map(|told| event(told.get())).collect(),
            Err(_) => vec![event(&String::from_utf8_lossy(verified.body()))],
        }
    }
}

fn event(raw: &str) -> EmailEvent {
    let fields = &serde_json::from_str::<Map<String, Value>>(raw).unwrap_or_default();
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut event = EmailEvent::new(kind(fields), raw);
    event.recipient = text("email").and_then(|address| EmailAddress::parse(address).ok());
    event.id = text("sg_event_id").map(str::to_owned);
    event.at = fields
        .get("timestamp")
        .and_then(whole)
        .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    event.message_id = text("smtp-id").and_then(|id| MessageId::parse(id).ok());
    // What was answered to the mail goes on with a place in SendGrid's works: `<id>.recvd-…`.
    event.vendor_id = text("sg_message_id").and_then(|id| id.split('.').next()).map(str::to_owned);
    event.reason = text("reason").or_else(|| text("response")).map(str::to_owned);
    event.url = text("url").filter(|_| event.kind == EmailEventKind::Clicked).map(str::to_owned);
    event.tags = match fields.get("category") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    };
    let is_own = |name: &str| {
        OWN.contains(&name) || OWN_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
    };
    let arguments = fields.iter().filter(|(name, _)| !is_own(name));
    event.metadata =
        arguments.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    event
}

fn kind(fields: &Map<String, Value>) -> EmailEventKind {
    use EmailEventKind as Kind;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("event") {
        "delivered" => Kind::Delivered,
        "bounce" => Kind::Bounced { is_permanent: text("type") != "blocked" },
        "spamreport" => Kind::Complained,
        "open" => Kind::Opened,
        "click" => Kind::Clicked,
        "unsubscribe" => Kind::Unsubscribed { group: None },
        "group_unsubscribe" => {
            let group = fields.get("asm_group_id").and_then(whole);
            Kind::Unsubscribed { group: Some(group.map(|group| group.to_string()).unwrap_or_default()) }
        }
        "deferred" => Kind::Deferred,
        "dropped" => Kind::Rejected,
        other => Kind::Other(other.to_owned()),
    }
}

/// A number, which may stand in quotes.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
