//! The other end of the mails: a folder of `.eml` files, read with a parser that is not ours.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use mail_parser::decoders::html::html_to_text;
use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

use crate::accounts::Account;

/// The mails of a folder by their Message-ID, without its angle brackets.
pub(crate) struct Mailbox(HashMap<String, Vec<Message<'static>>>);

impl Mailbox {
    /// Reads and parses all `.eml` files. A folder that is not there yet is an empty one.
    ///
    /// # Errors
    ///
    /// If the folder or a file in it cannot be read.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let mut mails: HashMap<String, Vec<_>> = HashMap::new();
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self(mails)),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "eml") {
                continue;
            }
            let bytes = fs::read(&path)?;
            // What cannot be parsed belongs to nobody; whose mail it was will be missed.
            if let Some(mail) = MessageParser::default().parse(&bytes)
                && let Some(id) = mail.message_id()
            {
                mails.entry(id.to_owned()).or_default().push(mail.into_owned());
            }
        }
        Ok(Self(mails))
    }

    /// Whether a mail is there.
    pub(crate) fn has(&self, message_id: &str) -> bool {
        self.0.contains_key(message_id)
    }

    /// Whether the mails of all these accounts are there.
    pub(crate) fn has_all(&self, accounts: &[Account]) -> bool {
        accounts.iter().all(|account| self.has(&account.record.message_id))
    }

    /// Checks the welcome mail of an account: there, there once, and every part of it as it was meant.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub(crate) fn check(&self, account: &Account) -> Result<(), String> {
        let id = &account.record.message_id;
        let mail = match self.0.get(id).map(Vec::as_slice) {
            None => return Err(format!("there is no mail with Message-ID <{id}>")),
            Some([mail]) => mail,
            Some(mails) => return Err(format!("the mail arrived {} times", mails.len())),
        };
        let user = &account.user;
        let to = mail.to().and_then(|to| to.first()).ok_or("the mail has no recipient")?;
        same("recipient's address", to.address(), user.email.as_str())?;
        same("recipient's name", to.name(), &user.name)?;
        let text = mail.body_text(0).ok_or("the mail has no text")?;
        if !text.contains(&user.name) {
            return Err(format!("the text does not hold the name: {text:?}"));
        }
        let html = mail.html_bodies().find_map(html).ok_or("the mail has no HTML")?;
        // Read as a mail program reads it: a name that was not escaped would be taken for markup.
        if !html_to_text(html).contains(&user.name) {
            return Err(format!("the HTML does not show the name: {html:?}"));
        }
        inline_portrait(mail, html, account)
    }
}

/// The HTML shows `cid:…`, and the part of that name is the portrait.
fn inline_portrait(mail: &Message<'_>, html: &str, account: &Account) -> Result<(), String> {
    let shown = html.split("cid:").nth(1).and_then(|rest| rest.split(['"', '\'', ')', ' ', '>']).next());
    let shown = shown.ok_or("the HTML shows no inline image")?;
    let part = mail.parts.iter().find(|part| part.content_id() == Some(shown));
    let part = part.ok_or_else(|| format!("the HTML shows cid:{shown}, which is no part of the mail"))?;
    let portrait = &account.user.portrait;
    let kind =
        part.content_type().map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()));
    same("type of the inline image", kind.as_deref(), portrait.format.content_type())?;
    if part.contents() != portrait.bytes {
        return Err("the inline image is not the portrait, byte for byte".into());
    }
    Ok(())
}

fn html<'m>(part: &'m mail_parser::MessagePart<'_>) -> Option<&'m str> {
    match &part.body {
        PartType::Html(text) => Some(text),
        _ => None,
    }
}

fn same(what: &str, seen: Option<&str>, expected: &str) -> Result<(), String> {
    match seen {
        Some(seen) if seen == expected => Ok(()),
        Some(seen) => Err(format!("the {what} is {seen:?} instead of {expected:?}")),
        None => Err(format!("the {what} is missing; it should be {expected:?}")),
    }
}
