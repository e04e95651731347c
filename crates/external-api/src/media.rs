//! Media types, as far as all clients look at them.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The media type that header fields tell, without its parameters; empty where they tell none.
pub(crate) fn of(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map_or("", essence)
}

/// A media type without its parameters (RFC 9110, 8.3.1).
pub(crate) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
