//! SendGrid's signed event webhook.

use external_core::Result;

use super::{HeaderScheme, SignedPart, WebhookKey};

/// How SendGrid signs its event webhook: ECDSA over the time and the raw body, the line feed at its end included. The keys
/// are made of what its settings show as "verification key": [`WebhookKey::ecdsa_p256`].
///
/// SendGrid says neither how old a request may be nor whether one that it sends again gets a new time; the receiver's
/// tolerance of five minutes is what others ask for.
///
/// <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features>
///
/// # Errors
///
/// `Configuration` without a key.
pub fn sendgrid(keys: impl IntoIterator<Item = WebhookKey>) -> Result<HeaderScheme> {
    let time = SignedPart::Timestamp("x-twilio-email-event-webhook-timestamp".into());
    HeaderScheme::new("x-twilio-email-event-webhook-signature", [time, SignedPart::Body], keys)
}
