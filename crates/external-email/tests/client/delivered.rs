//! What arrived: from the provider's outbox, or from the folder in which the test server keeps its mails.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use external_contract::email::mails_in;
use external_contract::{Case, Finding};
use external_core::CallContext;
use external_email::{EmailAddress, OutboxRequest};
use mail_parser::{MessageParser, PartType};

use super::S;

/// A mail, taken apart by a parser that is not ours.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) subject: String,
    pub(crate) from: String,
    pub(crate) reply_to: Option<String>,
    pub(crate) message_id: String,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    pub(crate) all: String,
}

/// An address of this case's own.
pub(crate) fn address(case: &Case<S>, local: &str) -> EmailAddress {
    format!("{local}+{}@example.org", case.namespace()).parse().unwrap()
}

/// The mails for an address, of which there must be so many; waits a moment for them.
pub(crate) async fn delivered(
    case: &Case<S>,
    service: &S,
    to: &EmailAddress,
    count: usize,
) -> Result<Vec<Delivered>, Finding> {
    for _ in 0..100 {
        let mails = now(case, service, to).await?;
        if mails.len() == count {
            return Ok(mails);
        }
        if mails.len() > count {
            return Err(Finding::failed(format!("{count} mails for {to}"), format!("{}", mails.len())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(Finding::failed(
        format!("{count} mails for {to}"),
        format!("{}", now(case, service, to).await?.len()),
    ))
}

async fn now(case: &Case<S>, service: &S, to: &EmailAddress) -> Result<Vec<Delivered>, Finding> {
    let mails: Vec<Bytes> = match (service.outbox(), case.fact("mailbox")) {
        (Some(outbox), _) => {
            let request = OutboxRequest::new().with_recipient(to.clone());
            let mails = outbox.sent(&CallContext::default(), &request).await?;
            mails.into_iter().map(|mail| mail.bytes).collect()
        }
        (None, Some(folder)) => mails_in(Path::new(&folder), to)?,
        (None, None) => return Err(Finding::not_run("the target tells no mailbox")),
    };
    Ok(mails.iter().map(|bytes| take_apart(bytes)).collect())
}

fn take_apart(bytes: &[u8]) -> Delivered {
    let mail = MessageParser::default().parse(bytes).unwrap();
    let address = |list: Option<&mail_parser::Address<'_>>| {
        list.and_then(|list| list.first()).and_then(|first| first.address()).map(str::to_owned)
    };
    let words = |part: Option<&mail_parser::MessagePart<'_>>| match part.map(|part| &part.body) {
        Some(PartType::Text(text) | PartType::Html(text)) => Some(text.replace("\r\n", "\n")),
        _ => None,
    };
    let has_html = bytes.windows(9).any(|window| window == b"text/html");
    Delivered {
        subject: mail.subject().unwrap_or_default().to_owned(),
        from: address(mail.from()).unwrap_or_default(),
        reply_to: address(mail.reply_to()),
        message_id: mail.message_id().unwrap_or_default().to_owned(),
        text: words(mail.text_part(0)).unwrap_or_default(),
        html: if has_html { words(mail.html_part(0)) } else { None },
        all: String::from_utf8_lossy(bytes).into_owned(),
    }
}
