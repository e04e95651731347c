//! Delivered mails: found, and looked at with a MIME parser that is not ours.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use external_core::email::{EmailAddress, StoredMail};
use mail_parser::{HeaderName, Message, MessageParser, MimeHeaders, PartType};

use crate::{Finding, Verdict, ensure_eq};

/// A mail as its recipients got it.
#[derive(Debug, Clone)]
pub(super) struct Delivered {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) bytes: Bytes,
}

impl From<StoredMail> for Delivered {
    fn from(mail: StoredMail) -> Self {
        Self {
            from: mail.from.to_string(),
            to: mail.to.iter().map(ToString::to_string).collect(),
            bytes: mail.bytes,
        }
    }
}

/// The mails in a folder of `.eml` files that went to this address, oldest first.
pub(super) fn read(folder: &Path, address: &EmailAddress) -> Result<Vec<Delivered>, Finding> {
    let told = |error: std::io::Error| Finding::not_run(format!("{}: {error}", folder.display()));
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .map_err(told)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    paths.sort();
    let mails = paths.iter().map(|path| addressed(path, address).map_err(told));
    mails.filter_map(Result::transpose).collect()
}

/// The mail in this file, if it went to this address. Of others no more is read than the envelope: all clauses share a
/// mailbox, which holds thousands of mails in the end.
fn addressed(path: &Path, address: &EmailAddress) -> std::io::Result<Option<Delivered>> {
    let mut file = BufReader::new(File::open(path)?);
    let (mut from, mut to) = (String::new(), Vec::new());
    let mut bytes = Vec::new();
    while file.read_until(b'\n', &mut bytes)? > 0 && bytes.starts_with(b"X-Envelope-") {
        match String::from_utf8_lossy(&bytes).trim_end().split_once(": ") {
            Some(("X-Envelope-From", address)) => from = address.to_owned(),
            Some(("X-Envelope-To", addresses)) => to.extend(addresses.split(", ").map(str::to_owned)),
            _ => {}
        }
        bytes.clear();
    }
    if !to.iter().any(|to| is_same(to, address)) {
        return Ok(None);
    }
    file.read_to_end(&mut bytes)?;
    Ok(Some(Delivered { from, to, bytes: bytes.into() }))
}

/// A domain may be written in ASCII.
pub(super) fn is_same(written: &str, address: &EmailAddress) -> bool {
    let (local, domain) = written.rsplit_once('@').unwrap_or((written, ""));
    let known =
        domain.eq_ignore_ascii_case(address.domain()) || domain.eq_ignore_ascii_case(&address.ascii_domain());
    local == address.local() && known
}

impl Delivered {
    pub(super) fn parsed(&self) -> Result<Message<'_>, Finding> {
        MessageParser::new()
            .with_mime_headers()
            .with_date_headers()
            .with_address_headers()
            .with_message_ids()
            .default_header_text()
            .parse(&self.bytes)
            .ok_or_else(|| Finding::failed("a mail that a MIME parser reads", self.beginning()))
    }

    fn beginning(&self) -> String {
        String::from_utf8_lossy(&self.bytes).chars().take(300).collect()
    }

    /// Whether any byte of the mail, encoded or not, holds this ASCII text.
    pub(super) fn mentions(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// The decoded value of a header.
    pub(super) fn header(&self, name: &str) -> Result<Option<String>, Finding> {
        let message = self.parsed()?;
        let value = message.header(HeaderName::Other(name.to_owned().into()));
        let value =
            value.or_else(|| HeaderName::parse(name.to_owned()).and_then(|name| message.header(name)));
        Ok(value.and_then(|value| {
            value.as_text().map(str::to_owned).or_else(|| value.as_text_list().map(|list| list.join(", ")))
        }))
    }

    /// The value of a header as it stands in the mail, unfolded.
    pub(super) fn raw_header(&self, name: &str) -> Result<Option<String>, Finding> {
        let message = self.parsed()?;
        let found = message.headers_raw().find(|(known, _)| known.eq_ignore_ascii_case(name));
        Ok(found.map(|(_, value)| value.replace(['\r', '\n'], "").trim().to_owned()))
    }

    /// Names and addresses in an address header.
    pub(super) fn people(&self, name: HeaderName<'static>) -> Result<Vec<(Option<String>, String)>, Finding> {
        let message = self.parsed()?;
        let people = message.header(name).and_then(|value| value.as_address()).map(|address| {
            address
                .iter()
                .map(|one| (one.name().map(str::to_owned), one.address().unwrap_or_default().to_owned()))
                .collect()
        });
        Ok(people.unwrap_or_default())
    }

    /// The decoded text of the first part of this type, and its number among all parts.
    pub(super) fn body(&self, subtype: &str) -> Result<Option<(usize, String)>, Finding> {
        let message = self.parsed()?;
        let found = message.parts.iter().enumerate().find(|(number, part)| {
            let plain = *number == 0 && subtype == "plain" && part.content_type().is_none();
            let attached = part.attachment_name().is_some();
            (plain || part.is_content_type("text", subtype)) && !attached
        });
        Ok(found.map(|(number, part)| (number, part.text_contents().unwrap_or_default().to_owned())))
    }

    /// Checks a body: unchanged but for line ends, and for the line end that transport adds at the very end.
    pub(super) fn says(&self, subtype: &str, expected: &str) -> Verdict {
        let seen = self.body(subtype)?.map(|(_, text)| text.replace("\r\n", "\n"));
        let expected = expected.replace("\r\n", "\n");
        let seen = seen.map(|text| match text.strip_suffix('\n') {
            Some(cut) if cut == expected => cut.to_owned(),
            _ => text,
        });
        ensure_eq(&format!("the text/{subtype} body"), &seen, &Some(expected))
    }

    /// The numbers of the parts inside the first multipart of this subtype.
    pub(super) fn inside(&self, subtype: &str) -> Result<Vec<usize>, Finding> {
        let message = self.parsed()?;
        let found = message.parts.iter().find(|part| part.is_content_type("multipart", subtype));
        Ok(match found.map(|part| &part.body) {
            Some(PartType::Multipart(numbers)) => numbers.iter().map(|number| *number as usize).collect(),
            _ => Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_read_for_one_address() {
        let folder = tempfile::tempdir().unwrap();
        let mail = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        mail(
            "2.eml",
            "X-Envelope-From: a@x.test\nX-Envelope-To: Bo@x.test, b@x.test\nSubject: two\n\nX-Envelope-To: c@x.test\n",
        );
        mail(
            "1.eml",
            "X-Envelope-From: a@x.test\r\nX-Envelope-To: b@X.test\r\nX-Envelope-To: c@x.test\r\n\r\none",
        );
        mail("3.eml", "X-Envelope-To: d@x.test\n");
        mail("4.txt", "X-Envelope-To: b@x.test\n\nno mail");
        let to = |who: &str| read(folder.path(), &EmailAddress::parse(who).unwrap()).unwrap();
        let mails = to("b@x.test");
        assert_eq!(
            mails.iter().map(|mail| &mail.bytes[..]).collect::<Vec<_>>(),
            [&b"\r\none"[..], b"Subject: two\n\nX-Envelope-To: c@x.test\n"]
        );
        assert_eq!((mails[1].from.as_str(), mails[1].to.len()), ("a@x.test", 2));
        assert_eq!((to("c@x.test").len(), to("bo@x.test").len()), (1, 0));
        assert!(to("d@x.test")[0].bytes.is_empty());
        assert!(
            read(&folder.path().join("none"), &EmailAddress::parse("d@x.test").unwrap()).unwrap().is_empty()
        );
    }
}
