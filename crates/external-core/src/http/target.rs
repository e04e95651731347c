//! Path and query of a URL as text: what may stand there, and what must be percent-encoded.

use std::borrow::Cow;

/// What becomes of a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Encoded,
    EncodedInQuery,
    Refused,
}

/// By byte: every request has its URL looked through.
const FATES: [Fate; 256] = {
    let mut fates = [Fate::Kept; 256];
    let mut byte = u8::MIN;
    loop {
        fates[byte as usize] = fate(byte);
        if byte == u8::MAX {
            break fates;
        }
        byte += 1;
    }
};

/// Everything is encoded that RFC 3986 wants encoded there, and apostrophes in the query, since libraries do not agree about
/// them. White space and control characters have no place in a URL, nor has a fragment in that of a request.
const fn fate(byte: u8) -> Fate {
    match byte {
        0..=b' ' | b'#' | 0x7F => Fate::Refused,
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'[' | b']' | 0x80.. => Fate::Encoded,
        b'\'' => Fate::EncodedInQuery,
        _ => Fate::Kept,
    }
}

/// Path and query, encoded where they must be and are not; `None` for what cannot stand in a URL.
pub(super) fn in_full(target: &str) -> Option<Cow<'_, str>> {
    if target.bytes().all(|byte| FATES[usize::from(byte)] == Fate::Kept) {
        return Some(Cow::Borrowed(target));
    }
    let mut all = String::with_capacity(target.len() + 8);
    let mut in_query = false;
    for byte in target.bytes() {
        in_query |= byte == b'?';
        match FATES[usize::from(byte)] {
            Fate::Refused => return None,
            Fate::Encoded => push_encoded(&mut all, byte),
            Fate::EncodedInQuery if in_query => push_encoded(&mut all, byte),
            Fate::Kept | Fate::EncodedInQuery => all.push(byte.into()),
        }
    }
    Some(Cow::Owned(all))
}

/// Whether a path has a segment of dots, however it is written.
pub(super) fn has_dots(path: &str) -> bool {
    let may_have = |pair: &[u8]| pair[0] == b'/' && matches!(pair[1], b'.' | b'%');
    if !path.as_bytes().windows(2).any(may_have) {
        return false;
    }
    path.split('/').any(|segment| {
        segment.starts_with(['.', '%'])
            && matches!(segment.replace("%2e", ".").replace("%2E", ".").as_str(), "." | "..")
    })
}

/// Removes `.` and `..` segments (RFC 3986, 5.2.4).
pub(super) fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    for (at, segment) in segments.iter().enumerate() {
        let is_last = at + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Everything but what RFC 3986 calls unreserved.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut all, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => all.push(byte.into()),
            _ => push_encoded(&mut all, byte),
        }
        all
    })
}

fn push_encoded(text: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(HEX[usize::from(byte >> 4)].into());
    text.push(HEX[usize::from(byte & 15)].into());
}
