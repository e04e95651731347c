//! The body of `POST /v3/mail/send`, and what a message is in it.
//!
//! <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_core::email::{EmailAddress, Mailbox, Message, MessageId, VendorTemplate};
use external_core::{Error, Result};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::mime::date::date;
use crate::mime::headers::{address, encoded_text};

/// What SendGrid wants where a mail has no words: a content of at least one character.
const BLANK: &str = " ";

/// What every mail of an instance has.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) categories: Vec<String>,
    pub(super) ip_pool_name: Option<String>,
    pub(super) asm: Option<Asm>,
    pub(super) mail_settings: Option<MailSettings>,
    pub(super) tracking_settings: Option<TrackingSettings>,
}

#[derive(Serialize)]
pub(super) struct MailSendRequest<'a> {
    pub(super) from: Person<'a>,
    pub(super) personalizations: Vec<Personalization<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply_to: Option<Person<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reply_to_list: Vec<Person<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) content: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) template_id: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) categories: Vec<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) custom_args: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) send_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) asm: Option<&'a Asm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ip_pool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mail_settings: Option<MailSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tracking_settings: Option<TrackingSettings>,
}

/// One envelope: who gets a mail of their own, and what is different in it.
#[derive(Default, Serialize)]
pub(super) struct Personalization<'a> {
    pub(super) to: Vec<Person<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cc: Vec<Person<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) bcc: Vec<Person<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) substitutions: BTreeMap<String, Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dynamic_template_data: Option<Map<String, Value>>,
}

#[derive(Serialize)]
pub(super) struct Person<'a> {
    email: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    pub(super) value: Cow<'a, str>,
}

#[derive(Serialize)]
pub(super) struct File<'a> {
    /// In base64.
    pub(super) content: String,
    #[serde(rename = "type")]
    kind: &'a str,
    filename: &'a str,
    disposition: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<&'a str>,
}

/// Unsubscribe groups ("advanced suppression management").
#[derive(Clone, Debug, Serialize)]
pub(super) struct Asm {
    pub(super) group_id: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) groups_to_display: Vec<u64>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct MailSettings {
    pub(super) sandbox_mode: Switch,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct TrackingSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) click_tracking: Option<ClickTracking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) open_tracking: Option<Switch>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Switch {
    pub(super) enable: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct ClickTracking {
    pub(super) enable: bool,
    pub(super) enable_text: bool,
}

impl<'a> MailSendRequest<'a> {
    /// A mail.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what a mail of SendGrid cannot be.
    pub(super) fn of(message: &'a Message, id: &MessageId, settings: &'a Settings) -> Result<Self> {
        let mut body = Self::without_recipients(message, settings)?;
        body.personalizations = personalizations(message)?;
        body.headers.insert("Message-ID", in_brackets(id));
        Ok(body)
    }

    /// A mail from a template of SendGrid's.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of); `InvalidArgument` for data that is no JSON object.
    pub(super) fn of_template(
        message: &'a Message,
        id: &MessageId,
        template: &'a VendorTemplate,
        settings: &'a Settings,
    ) -> Result<Self> {
        let data: Map<String, Value> = serde_json::from_str(&template.data)
            .map_err(|_| Error::invalid_argument("the template's data is no JSON object"))?;
        let mut body = Self::of(message, id, settings)?;
        body.content.clear();
        body.template_id = Some(&template.id);
        for one in &mut body.personalizations {
            one.dynamic_template_data = Some(data.clone());
        }
        Ok(body)
    }

    /// All of a mail but whom it is for, and its identity.
    pub(super) fn without_recipients(message: &'a Message, settings: &'a Settings) -> Result<Self> {
        let from = message.from.as_ref().ok_or_else(|| Error::invalid_argument("the mail has no sender"))?;
        let mut seen = BTreeSet::new();
        let reply_to = message.reply_to.iter().filter(|one| seen.insert(one.address()));
        let mut reply_to: Vec<_> = reply_to.map(Person::of).collect();
        let own = settings.categories.iter().map(String::as_str);
        let mut seen = BTreeSet::new();
        let categories = own.chain(message.tags.iter().map(|tag| tag.as_str()));
        Ok(Self {
            from: Person::of(from),
            personalizations: Vec::new(),
            subject: message.subject.as_str(),
            reply_to: if reply_to.len() == 1 { reply_to.pop() } else { None },
            reply_to_list: reply_to,
            content: content(message),
            attachments: attachments(message),
            template_id: None,
            headers: headers(message)?,
            categories: categories.filter(|category| seen.insert(*category)).collect(),
            custom_args: message.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
            send_at: None,
            batch_id: None,
            asm: settings.asm.as_ref(),
            ip_pool_name: settings.ip_pool_name.as_deref(),
            mail_settings: settings.mail_settings,
            tracking_settings: settings.tracking_settings,
        })
    }
}

impl<'a> Person<'a> {
    /// With its name as it is, commas and semicolons included. SendGrid once split the names of recipients there unless they
    /// were quoted; now quotes would be part of the name, and its SDKs leave it alone too (sendgrid-python, pull request 994).
    pub(super) fn of(mailbox: &'a Mailbox) -> Self {
        Self { email: address(mailbox.address()), name: mailbox.name() }
    }
}

impl Content<'_> {
    pub(super) fn is_html(&self) -> bool {
        self.kind == "text/html"
    }
}

/// The value of a `Message-ID` header.
pub(super) fn in_brackets(id: &MessageId) -> String {
    format!("<{id}>")
}

/// One envelope with everybody, each address once; SendGrid refuses repetitions. Where all are hidden, each gets one of
/// their own, since it wants somebody in `to`.
fn personalizations(message: &Message) -> Result<Vec<Personalization<'_>>> {
    let mut seen = BTreeSet::new();
    let (to, cc, bcc) =
        (people(&message.to, &mut seen), people(&message.cc, &mut seen), people(&message.bcc, &mut seen));
    if !to.is_empty() {
        return Ok(vec![Personalization { to, cc, bcc, ..Personalization::default() }]);
    }
    if !cc.is_empty() {
        return Err(Error::invalid_argument("SendGrid takes no copies of a mail that has nobody in `to`"));
    }
    Ok(bcc.into_iter().map(|one| Personalization { to: vec![one], ..Personalization::default() }).collect())
}

fn people<'a>(mailboxes: &'a [Mailbox], seen: &mut BTreeSet<&'a EmailAddress>) -> Vec<Person<'a>> {
    mailboxes.iter().filter(|one| seen.insert(one.address())).map(Person::of).collect()
}

/// Text before HTML, as SendGrid demands.
fn content(message: &Message) -> Vec<Content<'_>> {
    let words = [("text/plain", &message.text), ("text/html", &message.html)];
    let words = words.into_iter().filter_map(|(kind, words)| Some((kind, words.as_deref()?)));
    let mut content: Vec<_> = words
        .filter(|(_, words)| !words.is_empty())
        .map(|(kind, words)| Content { kind, value: words.into() })
        .collect();
    if content.is_empty() {
        content.push(Content { kind: "text/plain", value: BLANK.into() });
    }
    content
}

fn attachments(message: &Message) -> Vec<File<'_>> {
    let files = message.attachments.iter().map(|file| File {
        content: STANDARD.encode(&file.content),
        kind: bare(file.media_type.as_str()),
        filename: file.name.as_str(),
        disposition: "attachment",
        content_id: None,
    });
    // Whatever is attached needs a name.
    let images = message.inline.iter().map(|image| File {
        content: STANDARD.encode(&image.content),
        kind: bare(image.media_type.as_str()),
        filename: image.content_id.as_str(),
        disposition: "inline",
        content_id: Some(image.content_id.as_str()),
    });
    files.chain(images).collect()
}

/// "The attachment type cannot contain ';', or CRLF characters": a media type goes without its parameters.
fn bare(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or(media_type).trim_end()
}

/// The headers that the message's own fields do not become. Who writes them here encodes them.
fn headers(message: &Message) -> Result<BTreeMap<&str, String>> {
    let mut headers = BTreeMap::new();
    if let Some(at) = message.date {
        headers.insert("Date", date(at)?);
    }
    if let Some(list) = &message.list_unsubscribe {
        headers.insert("List-Unsubscribe", list.header_value());
        if list.is_one_click() {
            headers.insert("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned());
        }
    }
    let mut names = BTreeSet::new();
    for (name, value) in &message.headers {
        if !names.insert(name.as_str().to_ascii_lowercase()) {
            return Err(
                Error::invalid_argument("SendGrid takes each header once").with_context("header", name)
            );
        }
        headers.insert(name.as_str(), encoded_text(value.as_str()));
    }
    Ok(headers)
}
