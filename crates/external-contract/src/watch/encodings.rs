//! In which forms a secret may show.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// A shorter text is found in ordinary words.
pub(crate) const SHORTEST: usize = 6;

/// The texts in which this one may show, each with the name of its form.
pub(super) fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let hex = |separator: &str, case: fn(u8) -> String| {
        bytes.iter().map(|byte| case(*byte)).collect::<Vec<_>>().join(separator)
    };
    let mut forms = vec![
        ("plain", secret.to_owned()),
        ("escaped", secret.escape_debug().collect()),
        ("percent-encoded", percent(bytes, false, "")),
        ("percent-encoded", percent(bytes, true, "")),
        // As a path, whose slashes stay.
        ("percent-encoded", percent(bytes, false, "/")),
        ("hex", hex("", |byte| format!("{byte:02x}"))),
        ("hex", hex("", |byte| format!("{byte:02X}"))),
        // What a `Vec<u8>` shows of itself.
        ("a list of bytes", hex(", ", |byte| byte.to_string())),
    ];
    for before in 0..3 {
        forms.extend([&STANDARD, &URL_SAFE].map(|engine| ("base64", within_base64(engine, bytes, before))));
    }
    // Most forms of most secrets are the plain one again.
    let mut seen = std::collections::BTreeSet::new();
    forms.retain(|(_, text)| seen.insert(text.clone()));
    forms
}

/// What is the same of the base64 of any text that holds these bytes after three times n bytes and `before` more.
fn within_base64(engine: &impl Engine, bytes: &[u8], before: usize) -> String {
    let padded = [&vec![0; before], bytes].concat();
    let encoded = engine.encode(&padded);
    // Six bits a character: those that share bits with a neighbour differ.
    let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    encoded.get(first..last).unwrap_or_default().to_owned()
}

/// All but letters, digits and `-._~` encoded, and what is `kept` besides.
fn percent(bytes: &[u8], is_lower: bool, kept: &str) -> String {
    let mut text = String::new();
    for &byte in bytes {
        let stays = byte.is_ascii_alphanumeric()
            || "-._~".contains(char::from(byte))
            || kept.contains(char::from(byte));
        let _ = match (stays, is_lower) {
            (true, _) => write!(text, "{}", char::from(byte)),
            (false, true) => write!(text, "%{byte:02x}"),
            (false, false) => write!(text, "%{byte:02X}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_found_wherever_the_secret_stands() {
        let forms = forms("s3cret/+?pass");
        for before in 0..7 {
            for after in 0..4 {
                let text = format!("{}s3cret/+?pass{}", "u".repeat(before), "x".repeat(after));
                for engine in [STANDARD, URL_SAFE] {
                    let encoded = engine.encode(&text);
                    let found = forms.iter().any(|(name, form)| *name == "base64" && encoded.contains(form));
                    assert!(found, "{before} before, {after} after: {encoded}");
                }
            }
        }
    }

    #[test]
    fn every_form_is_long_enough_to_tell() {
        for (name, form) in forms("s3cret") {
            assert!(form.len() > 5, "{name}: {form}");
        }
        let names: Vec<_> = forms("p@ss/w\"rd").into_iter().map(|(_, form)| form).collect();
        for form in
            ["p%40ss%2Fw%22rd", "p%40ss%2fw%22rd", "p%40ss/w%22rd", "p@ss/w\\\"rd", "704073732f77227264"]
        {
            assert!(names.iter().any(|name| name == form), "{form} in {names:?}");
        }
    }
}
