//! Standard Webhooks: one scheme that many vendors agreed on, OpenAI among them.

use external_core::Result;

use super::{HeaderScheme, SignedPart, WebhookKey};

/// How vendors sign who keep to Standard Webhooks: HMAC over id, time and body. Its secrets begin with `whsec_`:
/// [`WebhookKey::hmac_sha256_base64`].
///
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
///
/// # Errors
///
/// `Configuration` without a key.
pub fn standard_webhooks(keys: impl IntoIterator<Item = WebhookKey>) -> Result<HeaderScheme> {
    let point = || SignedPart::Text(".".into());
    let id = SignedPart::Id("webhook-id".into());
    let time = SignedPart::Timestamp("webhook-timestamp".into());
    let content = [id, point(), time, point(), SignedPart::Body];
    Ok(HeaderScheme::new("webhook-signature", content, keys)?.with_prefix("v1,").with_separator(' '))
}
