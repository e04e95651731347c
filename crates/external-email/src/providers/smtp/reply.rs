//! Answers of the server (RFC 5321, 4.2), bounded in size, with enhanced status codes (RFC 3463).

use external_core::{Effect, Error, Result};

/// The longest line of a reply. RFC 5321 allows 512 octets; servers exceed it.
const LINE_OCTETS: usize = 4096;
/// The most lines of one reply.
const LINES: usize = 256;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The text of each line, behind the code, with a line feed between two.
    text: String,
}

/// Class, subject and detail: `5.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Enhanced {
    pub(super) subject: u16,
    pub(super) detail: u16,
}

impl Reply {
    /// Reads a reply from the front of a buffer. `None`: more bytes are needed. The number is how many bytes it took.
    pub(super) fn parse(buffer: &[u8]) -> Result<Option<(Self, usize)>> {
        let (mut text, mut lines, mut code) = (String::new(), 0, 0);
        let mut at = 0;
        loop {
            let rest = &buffer[at..];
            let Some(end) = rest.iter().take(LINE_OCTETS).position(|&b| b == b'\n') else {
                return if rest.len() >= LINE_OCTETS {
                    Err(corrupt("a line of the answer does not end"))
                } else {
                    Ok(None)
                };
            };
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            at += end + 1;
            let (this, last, words) = split(line)?;
            if lines == LINES {
                return Err(corrupt("the answer has too many lines"));
            }
            if lines > 0 {
                if this != code {
                    return Err(corrupt("the lines of the answer have different codes"));
                }
                text.push('\n');
            }
            (code, lines) = (this, lines + 1);
            push_clean(&mut text, words);
            if last {
                return Ok(Some((Self { code, text }, at)));
            }
        }
    }

    /// The text of each line, behind the code.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }

    pub(super) fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The enhanced status, where the server gave one of the reply's own class.
    pub(super) fn enhanced(&self) -> Option<Enhanced> {
        let status = self.status()?;
        let mut parts = status.split('.').skip(1).map(str::parse);
        Some(Enhanced { subject: parts.next()?.ok()?, detail: parts.next()?.ok()? })
    }

    /// `550 5.1.1`, or `550`.
    pub(super) fn vendor_code(&self) -> String {
        match self.status() {
            Some(status) => format!("{} {status}", self.code),
            None => self.code.to_string(),
        }
    }

    /// The words, in one line, without the enhanced status.
    pub(super) fn text(&self) -> String {
        let status = self.status();
        let mut words = String::with_capacity(self.text.len());
        for (number, line) in self.lines().enumerate() {
            if number > 0 {
                words.push(' ');
            }
            words.push_str(match status {
                Some(status) => line.strip_prefix(status).unwrap_or(line).trim_start(),
                None => line,
            });
        }
        words
    }

    /// The words as an error may carry them: bounded, and without anything that could be an address.
    pub(super) fn safe_text(&self) -> String {
        let text = self.text();
        let words = text.split(' ').map(|word| if word.contains('@') { "<address>" } else { word });
        let mut safe = words.collect::<Vec<_>>().join(" ");
        safe.truncate(safe.floor_char_boundary(200));
        safe
    }

    fn status(&self) -> Option<&str> {
        let first = self.lines().next()?.split(' ').next()?;
        let mut parts = first.split('.');
        let class: u16 = parts.next()?.parse().ok()?;
        let numbers = parts.clone().count() == 2
            && parts.all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()));
        (class == self.code / 100 && numbers).then_some(first)
    }
}

/// Code, whether it is the last line, and the words.
fn split(line: &[u8]) -> Result<(u16, bool, &[u8])> {
    let digits = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let code = digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|code| code.parse().ok());
    let code: u16 = code
        .filter(|code| (200..600).contains(code))
        .ok_or_else(|| corrupt("the answer does not begin with a code"))?;
    let (last, text) = match line.get(3) {
        None => (true, &[][..]),
        Some(b' ') => (true, &line[4..]),
        Some(b'-') => (false, &line[4..]),
        Some(_) => return Err(corrupt("the answer's code does not end")),
    };
    Ok((code, last, text))
}

/// Adds the words of a line, without what a terminal or a log would take for more than words.
fn push_clean(out: &mut String, words: &[u8]) {
    let words = String::from_utf8_lossy(words);
    if words.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        out.push_str(&words);
    } else {
        out.extend(words.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
}

/// What cannot be read: before the end of the mail nothing has taken effect; the caller says otherwise after it.
fn corrupt(message: &'static str) -> Error {
    Error::corrupt(message).with_effect(Effect::NotSent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Reply {
        let (reply, used) = Reply::parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(used, text.len());
        reply
    }

    #[test]
    fn replies_are_read() {
        let reply = parse("250-mail.example.org greets\r\n250-SIZE 1000\r\n250 PIPELINING\r\n");
        assert_eq!((reply.code, reply.lines().count()), (250, 3));
        let refused = parse("550 5.1.1 <ada@example.org>: no such user\r\n");
        assert_eq!(refused.vendor_code(), "550 5.1.1");
        assert_eq!(refused.text(), "<ada@example.org>: no such user");
        assert_eq!(refused.safe_text(), "<address> no such user");
        assert_eq!(refused.enhanced().unwrap(), Enhanced { subject: 1, detail: 1 });
        let two = parse("550-5.7.1 one\n550 5.7.1 two\n");
        assert_eq!(two.text(), "one two");
        assert_eq!(parse("250\r\n").vendor_code(), "250");
        assert_eq!(parse("550 4.1.1 class of another\r\n").vendor_code(), "550");
        assert_eq!(parse("220 5.1.1.2 version\r\n").enhanced(), None);
    }

    #[test]
    fn half_a_reply_waits_for_the_rest() {
        for half in ["", "2", "250", "250 ok", "250 ok\r", "250-a\r\n", "250-a\r\n250 b\r"] {
            assert!(Reply::parse(half.as_bytes()).unwrap().is_none(), "{half:?}");
        }
        let (_, used) = Reply::parse(b"250 a\r\n354 b\r\n").unwrap().unwrap();
        assert_eq!(used, 7);
    }

    #[test]
    fn hostile_replies_are_errors() {
        let endless = "2".repeat(5000);
        let many = "250-x\r\n".repeat(300);
        for text in
            ["hello\r\n", "99 x\r\n", "999 x\r\n", "250x\r\n", "250-a\r\n550 b\r\n", "\r\n", &endless, &many]
        {
            assert!(Reply::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        let odd = Reply::parse(b"550 \xff\x00 x\r\n").unwrap().unwrap().0;
        assert_eq!(odd.text(), "\u{fffd}  x");
    }
}
