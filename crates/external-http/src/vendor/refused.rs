//! What a vendor said beside a status from 400 up.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use external_core::http::HttpRefusal;
use external_core::{Effect, Error, ErrorKind, Retry};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

/// As much of a vendor's words as an error shows.
const SHOWN: usize = 200;

/// A refusal, for a vendor's table of errors.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused<'a> {
    /// The status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: &'a HeaderMap,
    /// The body, 1 MiB of it at most; what broke off or stalled is cut.
    pub body: &'a Bytes,
    /// When it was refused.
    pub now: SystemTime,
    request_id: Option<&'a str>,
}

impl<'a> Refused<'a> {
    pub(super) fn new(
        status: StatusCode,
        said: &'a HttpRefusal,
        request_id: Option<&'a str>,
        now: SystemTime,
    ) -> Self {
        Self { status, headers: &said.headers, body: &said.body, now, request_id }
    }

    /// The value of a header field, if it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as the vendor's shape of errors; the shape's default where it is none.
    #[must_use]
    pub fn json<T: DeserializeOwned + Default>(&self) -> T {
        serde_json::from_slice(self.body).unwrap_or_default()
    }

    /// An error of another kind than the status is. It was not applied, and trying again is of no use.
    #[must_use]
    pub fn error(&self, kind: ErrorKind, message: &'static str) -> Error {
        let error = Error::new(kind, message)
            .with_effect(Effect::NotApplied)
            .with_retry(Retry::Never)
            .with_http_status(self.status.as_u16());
        match self.request_id {
            Some(id) => error.with_request_id(id),
            None => error,
        }
    }

    /// How long to wait, where a header field tells the second since 1970 in which the vendor takes requests again; `None`
    /// where it tells none, or one that is over: that says nothing about the next moment.
    #[must_use]
    pub fn wait_until(&self, header: &str) -> Option<Duration> {
        let seconds = self.header(header)?.trim().parse().ok()?;
        let reset = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        reset.duration_since(self.now).ok()
    }
}

/// A vendor's words as an error may show them: without addresses and control characters, and not too long.
#[must_use]
pub fn shown(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words = words.map(|word| if word.contains('@') { "<address>" } else { word });
    let mut shown = words.collect::<Vec<_>>().join(" ");
    shown.truncate(shown.floor_char_boundary(SHOWN));
    shown
}

/// A vendor's name of a field as an error may show it; `None` for what may be anything else.
#[must_use]
pub fn shown_field(field: &str) -> Option<&str> {
    let is_path = !field.is_empty()
        && field.len() <= 100
        && field.bytes().all(|b| b.is_ascii_alphanumeric() || b"._[]-".contains(&b));
    is_path.then_some(field)
}
