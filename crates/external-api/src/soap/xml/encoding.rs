//! From bytes to text: UTF-8 and UTF-16, which every reader of XML must know, and the two encodings that old servers use.

use std::borrow::Cow;

use super::error::{XmlError, XmlErrorKind};

/// The text of a document, by its byte order mark, else by its declaration, else in UTF-8.
pub(super) fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        _ => match declared(bytes).to_ascii_lowercase().as_str() {
            "" | "utf-8" | "utf8" | "us-ascii" | "ascii" => utf8(bytes),
            "iso-8859-1" | "latin1" => Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
            _ => Err(refused("an encoding that is not read")),
        },
    }
}

/// The encoding that the declaration names; empty without one.
fn declared(bytes: &[u8]) -> &str {
    let head = &bytes[..bytes.len().min(256)];
    let end = head.windows(2).position(|pair| pair == b"?>").unwrap_or(0);
    let Some(head) = std::str::from_utf8(&head[..end]).ok().filter(|head| head.starts_with("<?xml")) else {
        return "";
    };
    let Some((_, value)) = head.split_once("encoding") else { return "" };
    let value = value.trim_start().strip_prefix('=').unwrap_or_default().trim_start();
    value.split(['"', '\'']).nth(1).unwrap_or_default()
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
        XmlError::new(XmlErrorKind::Encoding, "bytes that are not UTF-8", error.valid_up_to() as u64)
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, XmlError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text.into()),
        _ => Err(refused("bytes that are not UTF-16")),
    }
}

fn refused(message: &'static str) -> XmlError {
    XmlError::new(XmlErrorKind::Encoding, message, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_and_the_declaration_say_what_the_bytes_mean() {
        let utf16: Vec<u8> = "\u{FEFF}<ä/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, text) in [
            (&b"<a/>"[..], "<a/>"),
            (b"\xEF\xBB\xBF<a/>", "<a/>"),
            (&utf16, "<ä/>"),
            (
                b"<?xml version='1.0' encoding = \"ISO-8859-1\"?><a>\xE4</a>",
                "<?xml version='1.0' encoding = \"ISO-8859-1\"?><a>ä</a>",
            ),
        ] {
            assert_eq!(decoded(bytes).unwrap(), text);
        }
        for bytes in [
            &b"<a>\xE4</a>"[..],
            b"\xFF\xFE<",
            b"\xFE\xFF\xD8\x00",
            b"<?xml version='1.0' encoding='EBCDIC'?><a/>",
        ] {
            assert_eq!(decoded(bytes).unwrap_err().kind(), XmlErrorKind::Encoding);
        }
    }
}
