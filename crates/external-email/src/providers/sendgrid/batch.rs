//! A batch as one request: the shared words hold tags, and each recipient's substitutions say what stands in their places.
//!
//! SendGrid puts a value wherever its tag stands, and looks into what it has put there for more tags. Tags that nobody can
//! guess keep a value from being read as one; text and HTML have tags of their own, since only HTML is escaped.
//! <https://www.twilio.com/docs/sendgrid/for-developers/sending-email/substitution-tags>

use std::collections::BTreeMap;

use external_core::Result;
use external_core::email::{BatchRequest, MessageId, SendRequest, escape_html, replace_placeholders};

use super::wire::{MailSendRequest, Person, Personalization, Settings, in_brackets};

/// The request of a batch. `mails` are what its recipients are to get, `ids` their identities, and `secret` is a word that
/// stands in no mail.
///
/// # Errors
///
/// `InvalidArgument` for what a mail of SendGrid cannot be.
pub(super) fn request<'a>(
    batch: &'a BatchRequest,
    mails: &'a [SendRequest],
    ids: &[MessageId],
    secret: &str,
    settings: &'a Settings,
) -> Result<MailSendRequest<'a>> {
    let mut body = MailSendRequest::without_recipients(&batch.message, settings)?;
    let mut tags = Vec::new();
    for content in &mut body.content {
        let mut names: Vec<String> = Vec::new();
        let is_html = content.is_html();
        let tag = |at: usize| format!("-{secret}{}{at}-", if is_html { 'h' } else { 't' });
        let tagged = replace_placeholders(&content.value, |name| {
            let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            });
            tag(at)
        })?;
        content.value = tagged.into();
        tags.extend(names.into_iter().enumerate().map(|(at, name)| (tag(at), name, is_html)));
    }
    let people = batch.recipients.iter().zip(mails).zip(ids);
    body.personalizations = people
        .map(|((recipient, mail), id)| {
            let value = |(tag, name, is_html): &(String, String, bool)| {
                let value = recipient.values.get(name)?.as_str();
                Some((tag.clone(), if *is_html { escape_html(value).into() } else { value.into() }))
            };
            Personalization {
                to: vec![Person::of(&recipient.to)],
                subject: Some(mail.message.subject.as_str()),
                headers: BTreeMap::from([("Message-ID", in_brackets(id))]),
                substitutions: tags.iter().filter_map(value).collect(),
                ..Personalization::default()
            }
        })
        .collect();
    // Each has one of their own.
    body.subject = "";
    Ok(body)
}
