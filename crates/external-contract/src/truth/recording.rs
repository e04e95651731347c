//! A recording: what an SDK was given and what came of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::Finding;

/// What an SDK was given and what came of it.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Recording {
    /// Whose SDK it was.
    pub vendor: String,
    /// What it was asked for.
    #[serde(default)]
    pub operation: String,
    /// What was recorded.
    pub kind: Kind,
    /// Credentials, times, nonces, endpoint, arguments.
    #[serde(default)]
    pub inputs: Value,
    /// The most telling request.
    pub request: Option<RecordedRequest>,
    /// The answer to it.
    pub response: Option<RecordedAnswer>,
    /// All requests and answers, where there was more than one.
    #[serde(default)]
    exchanges: Vec<Exchange>,
    /// The body of a callback, where it was text.
    pub payload_utf8: Option<String>,
    /// Header fields of a callback, their names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Keys that the verifier was given.
    #[serde(default)]
    pub keys: Value,
    /// Whether the verifier accepted the callback.
    pub expected: Option<Recorded>,
    /// What was computed.
    #[serde(default)]
    pub output: Value,
}

/// What was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A request that was made, and the answer.
    Request,
    /// A callback that was verified.
    Verify,
    /// A value that was computed without HTTP.
    Derived,
    /// No recording: keys that others refer to.
    Keys,
}

/// What a verifier said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Recorded {
    /// The callback is the vendor's.
    Accept,
    /// It is not, or nobody can tell.
    Reject,
}

#[derive(Debug, Clone, Deserialize)]
struct Exchange {
    request: RecordedRequest,
    response: RecordedAnswer,
}

/// A request as it was on the wire.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// `POST`.
    pub method: String,
    /// `https`.
    pub scheme: String,
    /// The host, with its port if that is not the scheme's.
    pub host: String,
    /// The path, percent-encoded.
    pub path: String,
    /// The pairs of the query, decoded, in their order.
    #[serde(default)]
    pub query: Vec<(String, String)>,
    /// Header fields, their names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(flatten)]
    body: Body,
}

/// An answer as it was on the wire.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct RecordedAnswer {
    /// The status.
    pub status: u16,
    /// Header fields, their names in lower case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(flatten)]
    body: Body,
}

#[derive(Debug, Clone, Deserialize)]
struct Body {
    body_utf8: Option<String>,
    body_base64: Option<String>,
    /// The text, where the body was compressed.
    body_decoded_utf8: Option<String>,
}

impl Body {
    fn bytes(&self) -> Result<Bytes, Finding> {
        if let Some(text) = self.body_decoded_utf8.as_ref().or(self.body_utf8.as_ref()) {
            return Ok(Bytes::copy_from_slice(text.as_bytes()));
        }
        let encoded = self.body_base64.as_deref().unwrap_or_default();
        STANDARD.decode(encoded).map(Bytes::from).map_err(|_| unreadable("a body that is not base64"))
    }
}

impl RecordedRequest {
    /// The body, decompressed.
    ///
    /// # Errors
    ///
    /// A failure if the recording holds none that can be read.
    pub fn body(&self) -> Result<Bytes, Finding> {
        self.body.bytes()
    }
}

impl RecordedAnswer {
    /// The body, decompressed.
    ///
    /// # Errors
    ///
    /// A failure if the recording holds none that can be read.
    pub fn body(&self) -> Result<Bytes, Finding> {
        self.body.bytes()
    }
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// A failure that names the file and says what is wrong with it.
    pub fn read(file: &Path) -> Result<Self, Finding> {
        let text = fs::read(file).map_err(|error| unreadable(format!("{}: {error}", file.display())))?;
        serde_json::from_slice(&text).map_err(|error| unreadable(format!("{}: {error}", file.display())))
    }

    /// The requests that the SDK made and what each was answered, in their order.
    #[must_use]
    pub fn exchanges(&self) -> Vec<(&RecordedRequest, Option<&RecordedAnswer>)> {
        match self.exchanges.as_slice() {
            [] => self.request.iter().map(|request| (request, self.response.as_ref())).collect(),
            exchanges => {
                exchanges.iter().map(|exchange| (&exchange.request, Some(&exchange.response))).collect()
            }
        }
    }

    /// A text among the inputs.
    ///
    /// # Errors
    ///
    /// A failure if the recording has none of this name.
    pub fn input(&self, name: &str) -> Result<&str, Finding> {
        let value = self.inputs.get(name).and_then(Value::as_str);
        value.ok_or_else(|| unreadable(format!("no text `{name}` among the inputs")))
    }

    /// An argument of the call, if it was given: of any type.
    #[must_use]
    pub fn argument(&self, name: &str) -> Option<&Value> {
        self.inputs.get("arguments")?.get(name).filter(|value| !value.is_null())
    }

    /// A key that the verifier was given.
    ///
    /// # Errors
    ///
    /// A failure if the recording has none of this name.
    pub fn key(&self, name: &str) -> Result<&str, Finding> {
        let value = self.keys.get(name).and_then(Value::as_str);
        value.ok_or_else(|| unreadable(format!("no text `{name}` among the keys")))
    }
}

pub(super) fn unreadable(seen: impl Into<String>) -> Finding {
    Finding::failed("a recording that can be read", seen)
}
