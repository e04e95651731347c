//! The mails, as `.eml` files. A name with another ending is a mail that was not taken: its writer died.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use mail_parser::MessageParser;

use crate::users::User;
use crate::{Owner, folder};

/// Whose each mail is: told by its recipient. Two with one Message-ID are one mail that was sent twice.
pub(crate) fn count(mails: &Path, users: &[User]) -> Result<Vec<Owner>, String> {
    let mut ids: HashMap<String, String> = HashMap::new();
    let files = folder::files(mails)?;
    let mails = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "eml"));
    mails
        .map(|file| {
            let place = file.display().to_string();
            let bytes = fs::read(file).map_err(|error| format!("{place}: {error}"))?;
            let Some(mail) = MessageParser::default().parse(&bytes) else {
                return Ok(Err(format!("{place}: is no mail")));
            };
            let Some(id) = mail.message_id() else {
                return Ok(Err(format!("{place}: has no Message-ID")));
            };
            if let Some(first) = ids.insert(id.to_owned(), place.clone()) {
                return Ok(Err(format!("{place}: is {first} once more, by its Message-ID <{id}>")));
            }
            let to = mail.to().and_then(|to| to.first()).and_then(|to| to.address()).unwrap_or_default();
            Ok(users
                .iter()
                .position(|user| user.email == to)
                .ok_or_else(|| format!("{place}: to <{to}>, who is nobody")))
        })
        .collect()
}
