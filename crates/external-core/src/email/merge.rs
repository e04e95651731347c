//! The one meaning of a batch: every recipient's mail, with their words in the places of the placeholders.

use std::collections::BTreeMap;

use super::header::HeaderText;
use super::request::{BatchRequest, SendRequest};
use crate::{Error, Result};

/// What a value may not break in the place it is put.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Header,
    Text,
    Html,
}

enum Piece<'a> {
    Literal(&'a str),
    Variable(&'a str),
}

/// Every mail of a batch, as [`BatchRequest::expand`] promises.
pub(super) fn expand(batch: &BatchRequest) -> Result<Vec<SendRequest>> {
    let shared = &batch.message;
    if batch.recipients.is_empty() {
        return Err(Error::invalid_argument("the batch has no recipient"));
    }
    if !(shared.to.is_empty() && shared.cc.is_empty() && shared.bcc.is_empty()) {
        return Err(Error::invalid_argument("the shared message of a batch has recipients of its own"));
    }
    if shared.message_id.is_some() {
        return Err(Error::invalid_argument(
            "the shared message of a batch has a Message-ID; each mail needs its own",
        ));
    }
    let subject = split("subject", shared.subject.as_str())?;
    let text = shared.text.as_deref().map(|text| split("text", text)).transpose()?;
    let html = shared.html.as_deref().map(|html| split("html", html)).transpose()?;
    let mail = |(index, recipient): (usize, &super::request::BatchRecipient)| {
        let fill = |pieces: &Vec<Piece<'_>>, place| {
            fill(pieces, &recipient.values, place).map_err(|error| error.with_context("recipient", index))
        };
        let mut message = shared.clone();
        message.to = vec![recipient.to.clone()];
        message.message_id.clone_from(&recipient.message_id);
        message.subject = HeaderText::parse(&fill(&subject, Place::Header)?)
            .map_err(|error| error.with_context("field", "subject").with_context("recipient", index))?;
        message.text = text.as_ref().map(|pieces| fill(pieces, Place::Text)).transpose()?;
        message.html = html.as_ref().map(|pieces| fill(pieces, Place::Html)).transpose()?;
        let mut request = SendRequest::new(message);
        request.call = batch.call.clone();
        request.idempotency_key = batch.idempotency_key.as_ref().map(|key| format!("{key}/{index}"));
        Ok(request)
    };
    batch.recipients.iter().enumerate().map(mail).collect()
}

/// A text of a batch with something else in the places of its placeholders: what a vendor that fills them in itself calls
/// them.
///
/// # Errors
///
/// `InvalidArgument` for `{{` that opens no placeholder.
pub fn replace_placeholders(text: &str, mut with: impl FnMut(&str) -> String) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    for piece in split("text", text)? {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Variable(name) => out.push_str(&with(name)),
        }
    }
    Ok(out)
}

/// A value as it stands in the HTML of a batch.
pub fn escape_html(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    escape(value, &mut out);
    out
}

fn split<'a>(field: &'static str, text: &'a str) -> Result<Vec<Piece<'a>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let inner = &rest[open + 2..];
        let name = inner.find("}}").map(|close| inner[..close].trim()).filter(|name| is_name(name));
        let (Some(name), Some(close)) = (name, inner.find("}}")) else {
            return Err(Error::invalid_argument("{{ opens no placeholder: write {{ name }}")
                .with_context("field", field)
                .with_context("byte", text.len() - rest.len() + open));
        };
        pieces.push(Piece::Literal(&rest[..open]));
        pieces.push(Piece::Variable(name));
        rest = &inner[close + 2..];
    }
    pieces.push(Piece::Literal(rest));
    Ok(pieces)
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn fill(pieces: &[Piece<'_>], values: &BTreeMap<String, String>, place: Place) -> Result<String> {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Variable(name) => {
                let value = values.get(*name).ok_or_else(|| {
                    Error::invalid_argument("a placeholder has no value").with_context("variable", name)
                })?;
                if place == Place::Html {
                    escape(value, &mut out);
                } else {
                    out.push_str(value);
                }
            }
        }
    }
    Ok(out)
}

fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::super::request::{BatchRecipient, BatchRequest};

    fn batch(subject: &str, text: &str, html: &str, values: &[(&str, &str)]) -> BatchRequest {
        let message = Message::new(subject.parse().unwrap()).with_text(text).with_html(html);
        let mut recipient = BatchRecipient::new("ada@example.org".parse::<super::super::Mailbox>().unwrap());
        for (name, value) in values {
            recipient = recipient.with_value(*name, *value);
        }
        BatchRequest::new(message, vec![recipient])
    }

    #[test]
    fn fills_each_place_by_its_own_rule() {
        let filled = batch("Hi {{name}}", "Dear {{ name }}", "<p>{{name}}</p>", &[("name", "<A & B>")])
            .expand()
            .unwrap();
        let message = &filled[0].message;
        assert_eq!(message.subject.as_str(), "Hi <A & B>");
        assert_eq!(message.text.as_deref(), Some("Dear <A & B>"));
        assert_eq!(message.html.as_deref(), Some("<p>&lt;A &amp; B&gt;</p>"));
    }

    #[test]
    fn a_value_is_never_read_as_a_placeholder() {
        let filled = batch("s", "{{a}}", "", &[("a", "{{b}}")]).expand().unwrap();
        assert_eq!(filled[0].message.text.as_deref(), Some("{{b}}"));
    }

    #[test]
    fn each_mail_has_a_key_of_its_own() {
        let mut two = batch("s", "t", "", &[]).with_idempotency_key("order-1");
        two.recipients.push(BatchRecipient::new("bo@example.org".parse::<super::super::Mailbox>().unwrap()));
        let mails = two.expand().unwrap();
        let keys: Vec<_> = mails.iter().filter_map(|mail| mail.idempotency_key.as_deref()).collect();
        assert_eq!(keys, ["order-1/0", "order-1/1"]);
    }

    #[test]
    fn refuses_what_cannot_be_filled() {
        assert!(batch("s", "{{ missing }}", "", &[]).expand().unwrap_err().to_string().contains("missing"));
        assert!(batch("s", "{{ two words }}", "", &[]).expand().is_err());
        assert!(batch("s", "{{ open", "", &[]).expand().is_err());
        assert!(batch("s {{a}}", "t", "", &[("a", "x\r\nBcc: e@e")]).expand().is_err());
    }
}
