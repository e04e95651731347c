//! What can be said about a request before anything is sent: by the client, and by every provider for those who call it
//! bare. One function, so that all refuse alike.

use super::message::Message;
use super::request::{BatchRequest, RawRequest, ScheduleRequest, SendRequest, VendorTemplateRequest};
use crate::{Effect, Error, ProviderInfo, Result};

/// Longest idempotency key, in octets.
const KEY_OCTETS: usize = 256;

/// Checks a request to send against what every mail needs and what this provider can do.
///
/// # Errors
///
/// `InvalidArgument` without a sender, recipient or body, above the limit `recipients`, or with a key that is empty, too
/// long or not printable ASCII; `PayloadTooLarge` above the limit `message-bytes`; `Unsupported` for an option that the
/// provider declares unsupported. All are `NotSent`.
pub fn check(info: &ProviderInfo, request: &SendRequest) -> Result<()> {
    check_key(request.idempotency_key.as_deref())?;
    check_message(info, &request.message, true)
}

/// Checks a batch: the shared message, the number of recipients against the limit `batch-recipients`.
///
/// # Errors
///
/// As [`check`], and those of [`BatchRequest::expand`].
pub fn check_batch(info: &ProviderInfo, request: &BatchRequest) -> Result<Vec<SendRequest>> {
    check_key(request.idempotency_key.as_deref())?;
    refuse_above(
        info,
        "batch-recipients",
        request.recipients.len(),
        "the batch has more recipients than allowed",
    )?;
    let mails = request.expand()?;
    for (index, mail) in mails.iter().enumerate() {
        check_message(info, &mail.message, true).map_err(|error| error.with_context("recipient", index))?;
    }
    Ok(mails)
}

/// Checks a raw request.
///
/// # Errors
///
/// As [`check`]; the bytes themselves were checked when they were parsed.
pub fn check_raw(info: &ProviderInfo, request: &RawRequest) -> Result<()> {
    check_key(request.idempotency_key.as_deref())?;
    if request.to.is_empty() {
        return Err(Error::invalid_argument("the mail has no recipient"));
    }
    refuse_above(
        info,
        "recipients",
        request.recipients().len(),
        "the mail has more recipients than allowed",
    )?;
    let utf8 = request.from.needs_smtputf8() || request.to.iter().any(super::EmailAddress::needs_smtputf8);
    if utf8 {
        require(info, "smtputf8")?;
    }
    check_size(info, u64::try_from(request.content.bytes().len()).unwrap_or(u64::MAX))
}

/// Checks a request to send later, the limit `schedule-seconds` excepted: it needs the provider's clock.
///
/// # Errors
///
/// As [`check`], or as [`check_template`] where a vendor's template is scheduled.
pub fn check_schedule(info: &ProviderInfo, request: &ScheduleRequest) -> Result<()> {
    check_key(request.idempotency_key.as_deref())?;
    match &request.template {
        None => check_message(info, &request.message, true),
        Some(_) => {
            require(info, "vendor-templates")?;
            check_bodiless(info, &request.message)
        }
    }
}

/// Checks a request to send a vendor's template: bodies are the template's.
///
/// # Errors
///
/// As [`check`]; `InvalidArgument` for a message with bodies of its own, which no vendor would show.
pub fn check_template(info: &ProviderInfo, request: &VendorTemplateRequest) -> Result<()> {
    check_key(request.idempotency_key.as_deref())?;
    check_bodiless(info, &request.message)
}

/// Checks the exact size of a mail, by a provider that has built its bytes.
///
/// # Errors
///
/// `PayloadTooLarge`, `NotSent`, above the limit `message-bytes`.
pub fn check_size(info: &ProviderInfo, bytes: u64) -> Result<()> {
    match info.capabilities().get_limit("message-bytes") {
        Some(limit) if bytes > limit => Err(Error::payload_too_large("the mail is larger than allowed")
            .with_effect(Effect::NotSent)
            .with_context("bytes", bytes)
            .with_context("limit", limit)),
        _ => Ok(()),
    }
}

fn check_bodiless(info: &ProviderInfo, message: &Message) -> Result<()> {
    if message.text.is_some() || message.html.is_some() {
        return Err(Error::invalid_argument("the mail has a text of its own beside the vendor's template"));
    }
    check_message(info, message, false)
}

fn check_message(info: &ProviderInfo, message: &Message, with_body: bool) -> Result<()> {
    let Some(from) = &message.from else {
        return Err(Error::invalid_argument(
            "the mail has no sender: set its `from`, or `client.from` of the instance",
        ));
    };
    let recipients = message.recipients();
    if recipients.is_empty() {
        return Err(Error::invalid_argument("the mail has no recipient"));
    }
    let body = message.text.is_some() || message.html.is_some() || !message.attachments.is_empty();
    if with_body && !body {
        return Err(Error::invalid_argument("the mail has neither text nor HTML nor an attachment"));
    }
    if with_body && message.html.is_none() && !message.inline.is_empty() {
        return Err(Error::invalid_argument("the mail has inline images but no HTML to show them"));
    }
    let mut ids: Vec<&str> = message.inline.iter().map(|image| image.content_id.as_str()).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::invalid_argument("two inline images have the same content id"));
    }
    refuse_above(info, "recipients", recipients.len(), "the mail has more recipients than allowed")?;
    if message.envelope_from.as_ref().is_some_and(|envelope| envelope != from.address()) {
        require(info, "envelope-sender")?;
    }
    if !message.tags.is_empty() {
        require(info, "tags")?;
    }
    if !message.metadata.is_empty() {
        require(info, "metadata")?;
    }
    let visible = message.reply_to.iter().chain([from]).map(super::Mailbox::address);
    let mut addresses = visible.chain(message.envelope_from.as_ref()).chain(recipients.iter().copied());
    if addresses.any(super::EmailAddress::needs_smtputf8) {
        require(info, "smtputf8")?;
    }
    check_size(info, message.estimated_bytes())
}

fn check_key(key: Option<&str>) -> Result<()> {
    match key {
        Some(key)
            if key.is_empty() || key.len() > KEY_OCTETS || !key.bytes().all(|b| (33..=126).contains(&b)) =>
        {
            Err(Error::invalid_argument(
                "not an idempotency key: printable ASCII without spaces, 1 to 256 octets",
            ))
        }
        _ => Ok(()),
    }
}

fn refuse_above(info: &ProviderInfo, limit: &'static str, count: usize, message: &'static str) -> Result<()> {
    match info.capabilities().get_limit(limit) {
        Some(most) if u64::try_from(count).is_ok_and(|count| count > most) => {
            Err(Error::invalid_argument(message)
                .with_context("recipients", count)
                .with_context("limit", most))
        }
        _ => Ok(()),
    }
}

fn require(info: &ProviderInfo, capability: &'static str) -> Result<()> {
    if info.capabilities().grade(capability).is_supported() {
        Ok(())
    } else {
        Err(Error::unsupported(capability))
    }
}
