//! Path and query of a URL as text: what may stand there, and what must be percent-encoded.

use std::borrow::Cow;

/// What becomes of a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Encoded,
    Refused,
}

/// Everything is encoded that RFC 3986 wants encoded there, and apostrophes in the query, since libraries do not agree about
/// them. White space and control characters have no place in a URL, nor has a fragment in that of a request.
fn fate(byte: u8, in_query: &mut bool) -> Fate {
    match byte {
        b'?' => {
            *in_query = true;
            Fate::Kept
        }
        b'\'' if *in_query => Fate::Encoded,
        0..=b' ' | b'#' | 0x7F => Fate::Refused,
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'[' | b']' | 0x80.. => Fate::Encoded,
        _ => Fate::Kept,
    }
}

/// Path and query, encoded where they must be and are not; `None` for what cannot stand in a URL.
pub(super) fn in_full(target: &str) -> Option<Cow<'_, str>> {
    let mut in_query = false;
    if target.bytes().all(|byte| fate(byte, &mut in_query) == Fate::Kept) {
        return Some(Cow::Borrowed(target));
    }
    let mut all = String::with_capacity(target.len() + 8);
    in_query = false;
    for byte in target.bytes() {
        match fate(byte, &mut in_query) {
            Fate::Kept => all.push(byte.into()),
            Fate::Encoded => push_encoded(&mut all, byte),
            Fate::Refused => return None,
        }
    }
    Some(Cow::Owned(all))
}

/// Whether a path has a segment of dots, however it is written.
pub(super) fn has_dots(path: &str) -> bool {
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
