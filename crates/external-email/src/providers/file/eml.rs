//! How a mail and its envelope are one file.

use std::time::SystemTime;

use bytes::Bytes;
use external_core::email::{EmailAddress, MessageId, StoredMail};
use time::OffsetDateTime;
use time::macros::format_description;

const FROM: &[u8] = b"X-Envelope-From: ";
const TO: &[u8] = b"X-Envelope-To: ";

/// `20261122T180501.123456Z-<message id>-<part of a random id>.eml`: sorts by time, tells the mail, is never taken.
pub(super) fn file_name(at: SystemTime, id: Option<&MessageId>, random: &str) -> String {
    let stamp = format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:6]Z");
    let time = OffsetDateTime::from(at).format(stamp).unwrap_or_default();
    let id: String = id
        .map_or("raw", MessageId::as_str)
        .chars()
        .take(150)
        .map(|c| if c.is_ascii_alphanumeric() || "@.-_".contains(c) { c } else { '_' })
        .collect();
    let random = random.get(..8).unwrap_or(random);
    format!("{time}-{id}-{random}.eml")
}

pub(super) fn encode(from: &EmailAddress, to: &[EmailAddress], mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + 300 * (to.len() + 1));
    let mut line = |name: &[u8], address: &EmailAddress| {
        out.extend_from_slice(name);
        out.extend_from_slice(address.as_str().as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    line(FROM, from);
    for address in to {
        line(TO, address);
    }
    out.extend_from_slice(mail);
    out
}

/// The mail and its envelope, if the file starts with one.
pub(super) fn decode(content: Vec<u8>) -> Option<StoredMail> {
    let mut rest = Bytes::from(content);
    let from = take(&mut rest, FROM)?;
    let mut to = Vec::new();
    while let Some(address) = take(&mut rest, TO) {
        to.push(address);
    }
    Some(StoredMail::new(from, to, rest))
}

fn take(rest: &mut Bytes, name: &[u8]) -> Option<EmailAddress> {
    let value = rest.strip_prefix(name)?;
    let end = value.windows(2).position(|pair| pair == b"\r\n")?;
    let address = std::str::from_utf8(&value[..end]).ok()?.parse().ok()?;
    *rest = rest.slice(name.len() + end + 2..);
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_back_as_it_was() {
        let from: EmailAddress = "a@example.org".parse().unwrap();
        let to: Vec<EmailAddress> = vec!["用户@例子.广告".parse().unwrap(), "c@example.org".parse().unwrap()];
        let mail = b"X-Envelope-To: not-envelope\r\n\r\nbody\r\n";
        let read = decode(encode(&from, &to, b"From: a@example.org\r\n\r\nbody\r\n")).unwrap();
        assert_eq!((read.from, read.to), (from, to));
        assert_eq!(&read.bytes[..], b"From: a@example.org\r\n\r\nbody\r\n");
        assert!(decode(mail.to_vec()).is_none());
    }

    #[test]
    fn names_are_safe_and_sort_by_time() {
        let id: MessageId = "a/../b%x@example.org".parse().unwrap();
        let early = file_name(SystemTime::UNIX_EPOCH, Some(&id), "0123456789");
        assert_eq!(early, "19700101T000000.000000Z-a_.._b_x@example.org-01234567.eml");
        assert!(early < file_name(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1), None, "0"));
    }
}
