//! What SendGrid's documentation limits, and what it refuses that a mail may have elsewhere: checked before anything is sent.
//!
//! <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations>
//! <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors>

use std::time::SystemTime;

use external_core::{Error, Result};

use super::wire::MailSendRequest;

/// Recipients of one request, `to`, `cc` and `bcc` together; so also the most personalizations.
pub(super) const RECIPIENTS: u64 = 1000;
/// "The total size of your email, including attachments, must be less than 30MB."
pub(super) const MESSAGE_BYTES: u64 = 30_000_000 - 1;
/// 72 hours.
pub(super) const SCHEDULE_SECONDS: u64 = 72 * 3600;
/// Categories of one mail.
pub(super) const CATEGORIES: usize = 10;
/// Characters of one category.
pub(super) const CATEGORY: usize = 255;
/// Bytes of all custom arguments: less than this.
const CUSTOM_ARGS: usize = 10_000;
/// Bytes of all substitutions of one personalization.
const SUBSTITUTIONS: usize = 10_000;
/// Addresses for answers.
const REPLY_TO: usize = 1000;
/// Headers that SendGrid keeps for itself, beside those that no message can set.
const RESERVED: &[&str] = &["x-sg-id", "x-sg-eid"];

/// Checks a request as it would be sent.
///
/// # Errors
///
/// `InvalidArgument`, `NotSent`, that names the limit.
pub(super) fn check(body: &MailSendRequest<'_>) -> Result<()> {
    if body.template_id.is_none()
        && body.personalizations.iter().any(|one| one.subject.unwrap_or(body.subject).is_empty())
    {
        return Err(Error::invalid_argument("SendGrid takes no mail without a subject"));
    }
    if body.attachments.iter().any(|file| file.content.is_empty()) {
        return Err(Error::invalid_argument("SendGrid takes no empty file"));
    }
    refuse_above("categories", body.categories.len(), CATEGORIES)?;
    for category in &body.categories {
        refuse_above("characters of a category", category.chars().count(), CATEGORY)?;
    }
    let custom_args = serde_json::to_vec(&body.custom_args).map_or(0, |text| text.len());
    refuse_above("bytes of metadata", custom_args, CUSTOM_ARGS - 1)?;
    refuse_above("addresses for answers", body.reply_to_list.len(), REPLY_TO)?;
    for name in body.headers.keys() {
        if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
            return Err(
                Error::invalid_argument("SendGrid sets this header itself").with_context("header", name)
            );
        }
    }
    for (index, one) in body.personalizations.iter().enumerate() {
        let bytes = one.substitutions.iter().map(|(tag, value)| tag.len() + value.len()).sum();
        refuse_above("bytes of a recipient's values", bytes, SUBSTITUTIONS)
            .map_err(|error| error.with_context("recipient", index))?;
    }
    Ok(())
}

/// Checks how far ahead a mail is to be sent.
///
/// # Errors
///
/// `InvalidArgument`, `NotSent`, above 72 hours.
pub(super) fn check_schedule(at: SystemTime, now: SystemTime) -> Result<()> {
    let ahead = at.duration_since(now).unwrap_or_default().as_secs();
    match ahead > SCHEDULE_SECONDS {
        true => Err(Error::invalid_argument("the mail is scheduled too far ahead")
            .with_context("seconds", ahead)
            .with_context("limit", SCHEDULE_SECONDS)),
        false => Ok(()),
    }
}

fn refuse_above(what: &'static str, count: usize, limit: usize) -> Result<()> {
    match count > limit {
        true => Err(Error::invalid_argument("more than SendGrid takes")
            .with_context("of", what)
            .with_context("count", count)
            .with_context("limit", limit)),
        false => Ok(()),
    }
}
