//! JSON from answers: where it is wrong is told, what stands there is not.

use external_core::{Error, Result, Retry};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::media;

/// Longer names of members are no names that anybody chose.
const LONGEST_NAME: usize = 64;

/// Decodes an answer. An empty one is `null`, which `()` and `Option` take.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // RFC 8259, 8.1: a reader may skip it.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let bytes = if bytes.trim_ascii().is_empty() { &b"null"[..] } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        // What is wrong is read a second time, to learn where.
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let place = serde_path_to_error::deserialize::<_, T>(&mut reader).err();
        corrupt(error.classify(), place.as_ref().map(serde_path_to_error::Error::path))
            .with_context("line", error.line())
            .with_context("column", error.column())
    })
}

/// Decodes a value that was read before.
pub(super) fn decode_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| corrupt(Category::Data, Some(error.path())))
}

/// Whether this is the media type of JSON, or of something written in it.
pub(super) fn is_media_type(content_type: &str) -> bool {
    let subtype = media::essence(content_type).split_once('/').map_or("", |(_, subtype)| subtype);
    let suffix = subtype.rsplit_once('+').map_or(subtype, |(_, suffix)| suffix);
    suffix.eq_ignore_ascii_case("json")
}

fn corrupt(category: Category, path: Option<&serde_path_to_error::Path>) -> Error {
    let error = match category {
        Category::Eof => Error::corrupt("the answer's JSON ends too early"),
        Category::Syntax | Category::Io => Error::corrupt("the answer is no JSON"),
        // The same request would be answered the same.
        Category::Data => {
            Error::corrupt("the answer's JSON is not what was expected").with_retry(Retry::Never)
        }
    };
    match path.map(shown).filter(|path| !path.is_empty()) {
        Some(path) => error.with_context("path", path),
        None => error,
    }
}

/// `orders[3].price`
fn shown(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                let is_name = key.len() <= LONGEST_NAME && key.bytes().all(|byte| byte.is_ascii_graphic());
                let dot = if text.is_empty() { "" } else { "." };
                text.push_str(dot);
                text.push_str(if is_name { key } else { "…" });
            }
            Segment::Unknown => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "what is read tells nothing here")]
    struct Order {
        id: u32,
        lines: Vec<Line>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code, reason = "what is read tells nothing here")]
    struct Line {
        price: u32,
        state: State,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum State {
        Open,
    }

    fn refused(text: &[u8]) -> Error {
        let error = decode::<Order>(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        error
    }

    #[test]
    fn the_place_is_told_and_no_value() {
        for (text, path) in [
            (r#"{"id": "s3cret", "lines": []}"#, Some("id")),
            (
                r#"{"id": 1, "lines": [{"price": 1, "state": "open"}, {"price": "s3cret"}]}"#,
                Some("lines[1].price"),
            ),
            (r#"{"id": 1, "lines": [{"price": 1, "state": "s3cret"}]}"#, Some("lines[0].state")),
            (r#"{"id": 1}"#, None),
            (r#""s3cret""#, None),
        ] {
            let error = refused(text.as_bytes());
            assert_eq!(error.context_value("path"), path, "{text}");
            assert_eq!(error.retry(), Retry::Never);
            assert!(!error.report().contains("s3cret"), "{}", error.report());
        }
    }

    #[test]
    fn what_is_no_json_is_corrupt() {
        let deep = "[".repeat(100_000);
        for text in [
            &b"<html>busy</html>"[..],
            b"{\"id\": 1, \"lines\": [{\"pri",
            b"{\"id\": \"\xFF\xFE\"}",
            b"\xFF\xFE",
            b"{\"id\": 1, \"lines\": []} and more",
            b"{\"id\": 1e400, \"lines\": []}",
            b"{\"id\": 99999999999999999999, \"lines\": []}",
            b"nul",
            deep.as_bytes(),
        ] {
            refused(text);
        }
        assert!(decode::<serde_json::Value>(deep.as_bytes()).is_err());
    }

    #[test]
    fn nothing_is_null_and_a_mark_of_order_is_skipped() {
        assert!(decode::<()>(b"").is_ok() && decode::<Option<Order>>(b" \n").unwrap().is_none());
        assert_eq!(decode::<Vec<u8>>(b"\xEF\xBB\xBF[1]").unwrap(), [1]);
    }

    #[test]
    fn media_types_of_json_are_known() {
        for text in
            ["application/json", "Application/JSON; charset=utf-8", "application/hal+json", "text/json"]
        {
            assert!(is_media_type(text), "{text}");
        }
        for text in ["text/html", "application/jsonl", "application/xml", "json", "", "text/plain; a=/json"] {
            assert!(!is_media_type(text), "{text}");
        }
    }
}
