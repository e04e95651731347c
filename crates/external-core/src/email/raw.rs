//! Looks through finished mail bytes for what would make them unsafe to hand on.

use super::header::MessageId;
use crate::{Error, Result};

/// Longest line without its CRLF (RFC 5322, 2.1.1).
const LINE_OCTETS: usize = 998;

/// Checks the bytes and finds their Message-ID.
pub(super) fn inspect(bytes: &[u8]) -> Result<Option<MessageId>> {
    let refuse = |why: &'static str, line: usize| {
        Err(Error::invalid_argument("not a mail that can be sent as it is")
            .with_context("because", why)
            .with_context("line", line))
    };
    let mut message_id = None;
    let mut fields = 0_usize;
    let mut in_headers = true;
    let mut rest = bytes;
    let mut number = 0;
    // The name of the field that a folded line belongs to, and the value of a Message-ID being gathered.
    let mut pending: Option<String> = None;
    while !rest.is_empty() {
        number += 1;
        let end = rest.iter().position(|&b| b == b'\n' || b == b'\r' || b == 0);
        let (line, next) = match end {
            Some(at) if rest.get(at..at + 2) == Some(b"\r\n") => (&rest[..at], &rest[at + 2..]),
            Some(at) if rest[at] == 0 => return refuse("it holds a NUL", number),
            Some(_) => return refuse("it holds a CR or LF that is not part of CRLF", number),
            None => (rest, &rest[rest.len()..]),
        };
        if line.len() > LINE_OCTETS {
            return refuse("a line is longer than 998 octets", number);
        }
        if in_headers {
            let folded = matches!(line.first(), Some(b' ' | b'\t'));
            if !folded && let Some(value) = pending.take() {
                message_id = MessageId::parse(value.trim()).ok();
            }
            if line.is_empty() {
                in_headers = false;
            } else if folded {
                if fields == 0 {
                    return refuse("it starts with a folded line", number);
                }
                if let Some(value) = &mut pending {
                    value.push_str(&String::from_utf8_lossy(line));
                }
            } else {
                let Some(colon) = line.iter().position(|&b| b == b':') else {
                    return refuse("a header line has no colon", number);
                };
                let name = line[..colon].trim_ascii_end();
                if name.is_empty() || !name.iter().all(|b| (33..=126).contains(b)) {
                    return refuse("a header has no proper name", number);
                }
                if name.eq_ignore_ascii_case(b"bcc") {
                    return refuse("it has a Bcc header, which every reader would see", number);
                }
                if name.eq_ignore_ascii_case(b"message-id") {
                    pending = Some(String::from_utf8_lossy(&line[colon + 1..]).into_owned());
                }
                fields += 1;
            }
        }
        rest = next;
    }
    if let Some(value) = pending {
        message_id = MessageId::parse(value.trim()).ok();
    }
    if fields == 0 {
        return refuse("it has no header", 1);
    }
    Ok(message_id)
}

#[cfg(test)]
mod tests {
    use super::inspect;

    #[test]
    fn takes_whole_mails_and_finds_their_id() {
        let id = inspect(b"From: a@b\r\nMessage-ID:\r\n <x@y>\r\nSubject: s\r\n\r\nbody\r\n.\r\n").unwrap();
        assert_eq!(id.unwrap().as_str(), "x@y");
        assert!(inspect(b"From: a@b\r\n\r\nno end").unwrap().is_none());
    }

    #[test]
    fn refuses_what_could_smuggle() {
        for bytes in [
            &b"From: a@b\r\n\r\nx\n.\nMAIL FROM:<e@e>\r\n"[..],
            b"From: a@b\r\n\r\nx\r.\r\n",
            b"From: a@b\r\n\r\nx\0y\r\n",
            b"From: a@b\r\nBcc: c@d\r\n\r\nx",
            b"\r\nbody only",
            b"",
            b" folded first\r\n\r\n",
            b"no colon here\r\n\r\n",
        ] {
            assert!(inspect(bytes).is_err(), "{bytes:?}");
        }
        let long = [&b"From: a@b\r\n\r\n"[..], &[b'x'; 999]].concat();
        assert!(inspect(&long).is_err());
    }
}
