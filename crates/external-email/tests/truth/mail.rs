//! A recorded mail as the contract has it.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_contract::truth::{Recording, skipped};
use external_core::email::{
    Attachment, BatchEmail, BatchRecipient, BatchRequest, ContentId, EmailAddress, EmailService, FileName,
    HeaderName, InlineImage, ListUnsubscribe, MediaType, Message, MessageId, MetadataKey, ScheduleEmail,
    ScheduleRequest, SendRequest, VendorTemplate, VendorTemplateEmail, VendorTemplateRequest, escape_html,
};
use external_core::{CallContext, Result};
use external_email::providers::sendgrid::{SendgridConfig, SendgridEmail};
use serde_json::Value;

use crate::given::{Found, Given, held, line};
use crate::people::{Envelope, data, envelopes, mailbox, mailboxes};
use crate::settings::settings;
use crate::{NOW, at};

/// How far ahead SendGrid takes mails.
const AHEAD: u64 = 72 * 3600;

/// A recorded call: how the provider is set up, and what it is asked.
pub(crate) struct Call {
    pub(crate) config: SendgridConfig,
    pub(crate) asked: Asked,
    /// The batch that the caller made before.
    pub(crate) batch_id: Option<String>,
    pub(crate) now: u64,
}

/// Which operation of the contract it is.
pub(crate) enum Asked {
    Send(SendRequest),
    Template(VendorTemplateRequest),
    Schedule(ScheduleRequest),
    Batch(BatchRequest),
}

impl Asked {
    pub(crate) async fn of(&self, email: &SendgridEmail) -> Result<()> {
        let cx = CallContext::default();
        match self {
            Self::Send(request) => email.send(&cx, request).await.map(drop),
            Self::Template(request) => email.send_template(&cx, request).await.map(drop),
            Self::Schedule(request) => email.schedule(&cx, request).await.map(drop),
            Self::Batch(request) => email.send_batch(&cx, request).await.map(drop),
        }
    }
}

impl Call {
    pub(crate) fn of(recording: &Recording) -> Found<Self> {
        let mut given = Given::of(recording)?;
        let config = settings(recording, &mut given)?;
        let envelopes = envelopes(&mut given)?;
        let message = message(&mut given)?;
        let template = given.text("template_id")?;
        let filled = data(&mut given)?;
        let mut send_at = given.number("send_at")?;
        let batch_id = given.text("batch_id")?;
        given.done()?;

        let is_batch = envelopes.len() > 1 || envelopes.iter().any(|one| !one.words.is_empty());
        if let [one] = envelopes.as_slice() {
            send_at = one.send_at.or(send_at);
        }
        if is_batch && (send_at.is_some() || template.is_some()) {
            let name = if template.is_some() { "template_id" } else { "send_at" };
            return Err(skipped(format!(
                "the contract's batches, and words of each recipient, have no `{name}`"
            )));
        }
        if template.is_none() && (filled.is_some() || envelopes.iter().any(|one| one.data.is_some())) {
            return Err(skipped("the contract has `dynamic_template_data` for a `template_id`"));
        }
        if batch_id.is_some() && send_at.is_none() {
            return Err(skipped("the provider names a `batch_id` for mails that wait alone"));
        }
        if template.is_some() && (message.text.is_some() || message.html.is_some()) {
            return Err(skipped(
                "the contract sends a template without `text`, `html` and `content` beside it",
            ));
        }
        let asked = if is_batch {
            Asked::Batch(batch(message, envelopes)?)
        } else {
            let one = envelopes.into_iter().next().unwrap_or_default();
            let filled = Value::Object(one.data.clone().or(filled).unwrap_or_default()).to_string();
            let message = with_envelope(message, one)?;
            match (send_at, template) {
                (Some(seconds), template) => {
                    let request = ScheduleRequest::new(message, at(seconds));
                    Asked::Schedule(match template {
                        Some(id) => request.with_template(VendorTemplate::new(id, filled)),
                        None => request,
                    })
                }
                (None, Some(id)) => Asked::Template(VendorTemplateRequest::new(message, id, filled)),
                (None, None) => Asked::Send(SendRequest::new(message)),
            }
        };
        let now = recording.inputs.get("now").and_then(Value::as_u64).unwrap_or(NOW);
        // The SDK looks at no clock: what would not wait, or too long, is looked at from the hour before.
        let now = match send_at {
            Some(seconds) if seconds <= now || seconds > now + AHEAD => seconds.saturating_sub(3600),
            _ => now,
        };
        Ok(Self { config, asked, batch_id, now })
    }
}

/// All of a mail but whom it is for.
fn message(given: &mut Given) -> Found<Message> {
    let subject = given.text("subject")?.unwrap_or_default();
    let mut message = Message::new(line("subject", &subject)?);
    if let Some(from) = given.take("from") {
        message = message.with_from(mailbox("from", from)?);
    }
    if let Some(address) = given.text("from_email")? {
        let name = given.text("from_name")?.unwrap_or_default();
        message = message.with_from(mailbox("from_email", Value::from(vec![address, name]))?);
    }
    message.reply_to = mailboxes(given, "reply_to")?;
    message.reply_to.extend(mailboxes(given, "reply_to_list")?);
    message.text = given.text_of(&["text", "plain_text_content"])?;
    message.html = given.text_of(&["html", "html_content"])?;
    for one in given.list("content") {
        let mut content = Given::new("content".to_owned(), one)?;
        let (kind, words) = (content.text("type")?.unwrap_or_default(), content.text("value")?);
        content.done()?;
        match kind.as_str() {
            "text/plain" => message.text = words,
            "text/html" => message.html = words,
            other => return Err(skipped(format!("the contract has no `content` of type {other}"))),
        }
    }
    let tags = given.list("categories").into_iter().chain(given.list("category"));
    for tag in tags {
        message = message.with_tag(line("categories", tag.as_str().unwrap_or_default())?);
    }
    for file in given.list("attachments").into_iter().chain(given.list("attachment")) {
        message = with_file(message, Given::new("attachments".to_owned(), file)?)?;
    }
    let (custom_args, headers) = (given.pairs("custom_args")?, given.pairs("headers")?);
    with_own(message, custom_args, &headers)
}

fn with_envelope(mut message: Message, one: Envelope) -> Found<Message> {
    (message.to, message.cc, message.bcc) = (one.to, one.cc, one.bcc);
    if let Some(subject) = one.subject {
        message.subject = line("subject", &subject)?;
    }
    with_own(message, one.custom_args, &one.headers)
}

fn with_own(
    mut message: Message,
    custom_args: Vec<(String, String)>,
    headers: &[(String, String)],
) -> Found<Message> {
    for (name, value) in custom_args {
        let key = held(&format!("custom_args.{name}"), MetadataKey::parse(&name))?;
        message = message.with_metadata(key, line(&name, &value)?);
    }
    let is = |known: &'static str| move |(name, _): &&(String, String)| name.eq_ignore_ascii_case(known);
    let one_click = headers.iter().find(is("list-unsubscribe-post")).map(|(_, value)| value.as_str());
    for (name, value) in headers {
        let place = format!("headers.{name}");
        match name.to_ascii_lowercase().as_str() {
            "message-id" => message.message_id = Some(held(&place, MessageId::parse(value))?),
            "list-unsubscribe" => {
                message.list_unsubscribe = Some(list_unsubscribe(&place, value, one_click)?);
            }
            // Said with the list, which must be there.
            "list-unsubscribe-post" if headers.iter().any(|one| is("list-unsubscribe")(&one)) => {}
            _ if !value.is_ascii() => {
                return Err(skipped(format!(
                    "the provider encodes `{place}`, which the SDK leaves to its caller"
                )));
            }
            _ => message = message.with_header(held(&place, HeaderName::parse(name))?, line(&place, value)?),
        }
    }
    Ok(message)
}

fn list_unsubscribe(place: &str, value: &str, one_click: Option<&str>) -> Found<ListUnsubscribe> {
    let other = || skipped(format!("the contract holds no such `{place}`"));
    let places: Vec<&str> = value.split(',').map(|one| one.trim().trim_matches(['<', '>'])).collect();
    let mail = places.iter().find_map(|one| one.strip_prefix("mailto:"));
    let mail = mail.map(|address| held(place, EmailAddress::parse(address))).transpose()?;
    let link = places.iter().find(|one| !one.starts_with("mailto:"));
    let list = match (link, one_click, mail) {
        (Some(link), None, mail) => (held(place, ListUnsubscribe::url(link))?, mail),
        (Some(link), Some("List-Unsubscribe=One-Click"), mail) => {
            (held(place, ListUnsubscribe::one_click(link))?, mail)
        }
        (None, None, Some(mail)) => (ListUnsubscribe::mailto(mail), None),
        _ => return Err(other()),
    };
    let list = match list {
        (list, Some(mail)) => list.with_mailto(mail),
        (list, None) => list,
    };
    if list.header_value() == value { Ok(list) } else { Err(other()) }
}

fn with_file(message: Message, mut file: Given) -> Found<Message> {
    let content = file.text_of(&["content", "file_content", "content_base64"])?.unwrap_or_default();
    let name = file.text_of(&["filename", "file_name"])?.unwrap_or_default();
    let kind = file.text_of(&["type", "file_type"])?;
    let disposition = file.text("disposition")?;
    let id = file.text("content_id")?;
    file.done()?;
    let unlike = |name: &str, why: &str| skipped(format!("`attachments.{name}`: {why}"));
    let bytes = STANDARD.decode(&content).map_err(|_| unlike("content", "it is not base64"))?;
    let Some(kind) = kind else { return Err(unlike("type", "the contract has one for each file")) };
    if kind.contains(';') {
        return Err(unlike("type", "the provider sends it without parameters, which SendGrid refuses"));
    }
    let kind = held("attachments.type", MediaType::parse(&kind))?;
    match (disposition.as_deref(), id) {
        (None | Some("attachment"), None) => {
            let name = held("attachments.filename", FileName::parse(&name))?;
            Ok(message.with_attachment(Attachment::new(name, kind, bytes)))
        }
        (Some("inline"), Some(id)) if id == name => {
            let id = held("attachments.content_id", ContentId::parse(&id))?;
            Ok(message.with_inline(InlineImage::new(id, kind, bytes)))
        }
        (Some("inline"), Some(_)) => {
            Err(unlike("filename", "an image within the HTML has its content id alone, in the contract"))
        }
        (Some("inline"), None) => Err(unlike("content_id", "the contract has one for each image")),
        (_, Some(_)) => Err(unlike("content_id", "in the contract a file has none")),
        (Some(_), None) => Err(unlike("disposition", "the contract has no such one")),
    }
}

/// The SDK's tags are any text, ours `{{ name }}`; the subject of one recipient is a word too.
fn batch(mut message: Message, envelopes: Vec<Envelope>) -> Found<BatchRequest> {
    let tags: BTreeSet<&String> = envelopes.iter().flat_map(|one| one.words.keys()).collect();
    let mut tags: Vec<String> = tags.into_iter().cloned().collect();
    // Of two tags that begin alike the longer one.
    tags.sort_by_key(|tag| std::cmp::Reverse(tag.len()));
    let put = |text: &str, word: &dyn Fn(usize) -> String| {
        tags.iter().enumerate().fold(text.to_owned(), |text, (at, tag)| text.replace(tag.as_str(), &word(at)))
    };
    for text in [&message.text, &message.html].into_iter().flatten() {
        if tags.iter().any(String::is_empty) || put(text, &|_| String::new()).contains("{{") {
            return Err(skipped("the contract's batches read `{{` as the beginning of a placeholder"));
        }
    }
    if message.message_id.is_some() {
        return Err(skipped("`headers.Message-ID`: in the contract's batches each mail has one of its own"));
    }
    let html = message.html.clone().unwrap_or_default();
    let placed = |text: &String| put(text, &|at| format!("{{{{ w{at} }}}}"));
    (message.text, message.html) = (message.text.as_ref().map(placed), message.html.as_ref().map(placed));
    let shared = std::mem::replace(&mut message.subject, line("subject", "{{ subject }}")?);

    let mut recipients = Vec::new();
    for one in envelopes {
        let own = [("headers", !one.headers.is_empty()), ("custom_args", !one.custom_args.is_empty())];
        let own = own.into_iter().chain([
            ("cc", !one.cc.is_empty()),
            ("bcc", !one.bcc.is_empty()),
            ("send_at", one.send_at.is_some()),
            ("dynamic_template_data", one.data.is_some()),
        ]);
        if let Some((name, _)) = own.into_iter().find(|(_, is_given)| *is_given) {
            return Err(skipped(format!("a recipient of the contract's batches has no `{name}` alone")));
        }
        let Ok([to]) = <[_; 1]>::try_from(one.to) else {
            return Err(skipped("in the contract's batches each recipient in `to` has a mail alone"));
        };
        // What nobody has a word for stays as it is.
        let words: Vec<String> = tags.iter().map(|tag| one.words.get(tag).unwrap_or(tag).clone()).collect();
        let word = |at: usize| words.get(at).cloned().unwrap_or_default();
        let in_html = tags.iter().zip(&words).filter(|(tag, _)| html.contains(tag.as_str()));
        if in_html.into_iter().any(|(_, word)| escape_html(word) != *word) {
            return Err(skipped("`substitutions`: the contract escapes words within HTML"));
        }
        let subject = put(one.subject.as_deref().unwrap_or(shared.as_str()), &word);
        let values: BTreeMap<_, _> =
            words.iter().enumerate().map(|(at, word)| (format!("w{at}"), word)).collect();
        let recipient = BatchRecipient::new(to).with_value("subject", line("subject", &subject)?.as_str());
        recipients.push(values.into_iter().fold(recipient, |to, (name, word)| to.with_value(name, word)));
    }
    Ok(BatchRequest::new(message, recipients))
}
