//! Header lines: folding, encoded words (RFC 2047), mailboxes.

use std::borrow::Cow;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_core::email::{EmailAddress, Mailbox};

/// Where a line is folded if it can be (RFC 5322, 2.1.1).
const LINE: usize = 76;
/// The longest encoded word (RFC 2047, 2).
const WORD: usize = 75;
/// What an encoded word needs around its payload: `=?utf-8?b?` and `?=`.
const WRAPPING: usize = 12;

/// The header section of a mail while it is written.
pub(super) struct HeaderBlock {
    out: String,
}

impl HeaderBlock {
    /// An empty section with room for so many bytes: what else the mail has goes behind it.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes) }
    }

    /// A line whose value is known to be fit, with `<` and `>` around it.
    pub(super) fn in_brackets(&mut self, name: &str, value: &str) {
        self.line(name, |_, out| {
            out.push('<');
            out.push_str(value);
            out.push('>');
        });
    }

    /// A line whose value is known to be fit as it is.
    pub(super) fn encoded(&mut self, name: &str, value: &str) {
        self.line(name, |_, out| out.push_str(value));
    }

    /// A line of free text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.line(name, |column, out| {
            if folds_as_it_is(value) {
                fold(value, column, out);
            } else {
                encode_words(value, column, out);
            }
        });
    }

    /// A line of mailboxes; none if there are none.
    pub(super) fn mailboxes(&mut self, name: &str, mailboxes: &[Mailbox]) {
        if mailboxes.is_empty() {
            return;
        }
        self.line(name, |column, out| {
            for (index, mailbox) in mailboxes.iter().enumerate() {
                if index > 0 {
                    out.push_str(",\r\n ");
                }
                let column = if index > 0 { 1 } else { column };
                match mailbox.name() {
                    None => out.push_str(&address(mailbox.address())),
                    Some(name) => {
                        phrase(name, column, out);
                        let address = address(mailbox.address());
                        let line = out.len() - out.rfind('\n').map_or(0, |at| at + 1);
                        let gap = if line + address.len() + 3 > LINE { "\r\n " } else { " " };
                        let _ = write!(out, "{gap}<{address}>");
                    }
                }
            }
        });
    }

    /// The section's bytes, without the empty line that ends it.
    pub(super) fn finish(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    fn line(&mut self, name: &str, value: impl FnOnce(usize, &mut String)) {
        self.out.push_str(name);
        self.out.push_str(": ");
        value(name.len() + 2, &mut self.out);
        self.out.push_str("\r\n");
    }
}

/// Free text as the value of a header that somebody else writes: one line, in encoded words where it needs them.
#[allow(dead_code, reason = "a build without providers that hand over headers has no use for it")]
pub(crate) fn encoded_text(value: &str) -> String {
    if folds_as_it_is(value) {
        return value.to_owned();
    }
    let mut out = String::new();
    encode_words(value, 0, &mut out);
    out.replace("\r\n ", " ")
}

/// An address in a header: its domain in ASCII unless its local part needs UTF-8 anyway, so that a mail to a Unicode
/// domain needs no SMTPUTF8.
pub(crate) fn address(address: &EmailAddress) -> Cow<'_, str> {
    if address.needs_smtputf8() || address.as_str().is_ascii() {
        Cow::Borrowed(address.as_str())
    } else {
        Cow::Owned(format!("{}@{}", address.local(), address.ascii_domain()))
    }
}

/// Whether text can be folded at its spaces and read back as it was: ASCII, nothing that looks like an encoded word, no
/// run of spaces that a fold would end a line with, no piece longer than a line may be.
fn folds_as_it_is(value: &str) -> bool {
    value.is_ascii()
        && !value.contains("=?")
        && !value.contains("  ")
        && value.split(' ').all(|piece| piece.len() <= 900)
}

fn fold(value: &str, mut column: usize, out: &mut String) {
    for (index, piece) in value.split(' ').enumerate() {
        if index > 0 {
            if column + 1 + piece.len() > LINE {
                out.push_str("\r\n");
                column = 0;
            }
            out.push(' ');
            column += 1;
        }
        out.push_str(piece);
        column += piece.len();
    }
}

fn encode_words(value: &str, column: usize, out: &mut String) {
    let mut rest = value;
    let mut room = LINE.saturating_sub(column).clamp(WRAPPING + 8, WORD);
    loop {
        let bytes = (room - WRAPPING) / 4 * 3;
        let cut = rest.floor_char_boundary(bytes);
        let (word, next) = rest.split_at(cut);
        let _ = write!(out, "=?utf-8?b?{}?=", STANDARD.encode(word));
        if next.is_empty() {
            return;
        }
        out.push_str("\r\n ");
        rest = next;
        room = WORD;
    }
}

/// A display name: as it is, quoted, or in encoded words.
fn phrase(name: &str, column: usize, out: &mut String) {
    let atoms = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~ ".contains(c);
    if !folds_as_it_is(name) || name.len() > 200 {
        encode_words(name, column, out);
    } else if name.chars().all(atoms) {
        fold(name, column, out);
    } else {
        out.push('"');
        out.push_str(&name.replace('\\', "\\\\").replace('"', "\\\""));
        out.push('"');
    }
}
