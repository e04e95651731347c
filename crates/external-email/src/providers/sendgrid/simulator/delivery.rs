//! What becomes of a mail that was taken: a file for each personalization.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_core::email::{
    Attachment, ContentId, EmailAddress, FileName, HeaderText, InlineImage, Mailbox, MediaType, Message,
    MessageId,
};
use external_core::{BuildContext, Error, Result};
use serde_json::Value;

use super::judgement::{is_dynamic, list, text};
use crate::mime::headers::encoded_text;
use crate::mime::render;

/// Writes the mails of a request that was judged; a personalization without recipients is not for now.
pub(super) fn deliver(folder: &Path, body: &Value, number: u64, world: &BuildContext) -> Result<()> {
    for (at, one) in list(&body["personalizations"]).iter().enumerate() {
        if list(&one["to"]).is_empty() {
            continue;
        }
        let bytes = mail(body, one, world)?;
        let name = format!("{number:08}-{at:04}");
        // Whoever looks into the folder sees a mail as a whole or not at all.
        let (whole, part) = (folder.join(format!("{name}.eml")), folder.join(format!("{name}.part")));
        std::fs::write(&part, bytes)
            .and_then(|()| std::fs::rename(&part, &whole))
            .map_err(|error| Error::unavailable("the mailbox cannot be written").with_source(error))?;
    }
    Ok(())
}

fn mail(body: &Value, one: &Value, world: &BuildContext) -> Result<Vec<u8>> {
    let from = mailbox(&body["from"])?;
    let [to, cc, bcc] = ["to", "cc", "bcc"].map(|name| mailboxes(&one[name]));
    let (to, cc, bcc) = (to?, cc?, bcc?);
    let envelope: Vec<_> = to.iter().chain(&cc).chain(&bcc).map(|one| one.address().to_string()).collect();
    let mut out =
        format!("X-Envelope-From: {}\r\nX-Envelope-To: {}\r\n", from.address(), envelope.join(", "));

    let subject = if one["subject"].is_null() { &body["subject"] } else { &one["subject"] };
    let mut message = Message::new(HeaderText::parse(&filled(text(subject), one))?).with_from(from);
    (message.to, message.cc) = (to, cc);
    message.reply_to = mailboxes(&body["reply_to_list"])?;
    if !body["reply_to"].is_null() {
        message.reply_to.push(mailbox(&body["reply_to"])?);
    }
    for content in list(&body["content"]) {
        let words = filled(text(&content["value"]), one);
        match text(&content["type"]).split(';').next().map(str::trim_end) {
            Some("text/plain") => message.text = Some(words),
            Some("text/html") => message.html = Some(words),
            // An invitation or AMP stands beside the words, not in their place.
            _ => {}
        }
    }
    if let Some(template) = body["template_id"].as_str() {
        // A legacy template takes the content into itself, and is filled by substitutions.
        match is_dynamic(template) {
            true => message.text = Some(one["dynamic_template_data"].to_string()),
            false if message.text.is_none() => message.text = Some(one["substitutions"].to_string()),
            false => {}
        }
    }
    for file in list(&body["attachments"]) {
        message = with_file(message, file)?;
    }

    let mut headers: BTreeMap<&str, &str> = BTreeMap::new();
    for part in [&body["headers"], &one["headers"]] {
        headers
            .extend(part.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), text(value))));
    }
    if let Some(id) = headers.remove("Message-ID") {
        message.message_id = Some(MessageId::parse(id.trim_start_matches('<').trim_end_matches('>'))?);
    }
    for (name, value) in &headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    for category in list(&body["categories"]) {
        out.push_str(&format!("X-Simulator-Category: {}\r\n", encoded_text(text(category))));
    }
    for (name, value) in body["custom_args"].as_object().into_iter().flatten() {
        out.push_str(&format!(
            "X-Simulator-Argument: {}\r\n",
            encoded_text(&format!("{name}={}", text(value)))
        ));
    }
    let rendered = render(&message, world)?.bytes;
    let mut rest: &[u8] = &rendered;
    if headers.contains_key("Date") {
        // The date that is made for every mail stands first.
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        rest = rest.get(end..).unwrap_or_default();
    }
    let mut bytes = out.into_bytes();
    bytes.extend_from_slice(rest);
    Ok(bytes)
}

/// With the substitutions of this personalization, also within what they put in.
fn filled(words: &str, one: &Value) -> String {
    let pairs = one["substitutions"].as_object().into_iter().flatten();
    pairs.fold(words.to_owned(), |words, (tag, value)| words.replace(tag.as_str(), text(value)))
}

fn with_file(message: Message, file: &Value) -> Result<Message> {
    let content = STANDARD
        .decode(text(&file["content"]))
        .map_err(|error| Error::invalid_argument("no base64").with_source(error))?;
    let kind = Some(text(&file["type"])).filter(|kind| !kind.is_empty());
    let kind = MediaType::parse(kind.unwrap_or("application/octet-stream"))?;
    Ok(match file["disposition"].as_str() {
        Some("inline") => {
            message.with_inline(InlineImage::new(ContentId::parse(text(&file["content_id"]))?, kind, content))
        }
        _ => {
            message.with_attachment(Attachment::new(FileName::parse(text(&file["filename"]))?, kind, content))
        }
    })
}

fn mailboxes(people: &Value) -> Result<Vec<Mailbox>> {
    list(people).iter().map(mailbox).collect()
}

/// A name is taken as it is: quotes are part of it.
fn mailbox(person: &Value) -> Result<Mailbox> {
    let mailbox = Mailbox::new(EmailAddress::parse(text(&person["email"]))?);
    Ok(mailbox.with_name(HeaderText::parse(text(&person["name"]))?))
}
