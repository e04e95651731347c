//! What a server sent.

use std::fmt;

use bytes::Bytes;
use external_core::Result;
use serde::de::DeserializeOwned;

use crate::json_lines::decoded;

/// One event. Cloning is cheap. Its data lies in the chunk that it came with where it was whole there: who keeps many
/// small events for long keeps those chunks.
#[derive(Clone, PartialEq, Eq)]
pub struct SseEvent {
    pub(super) event: Text,
    pub(super) data: Text,
    pub(super) id: Text,
}

impl SseEvent {
    /// Its type; `message` where the server named none.
    #[must_use]
    pub fn event(&self) -> &str {
        match self.event.as_str() {
            "" => "message",
            named => named,
        }
    }

    /// Its data, lines separated by a line feed. What was no UTF-8 is U+FFFD.
    #[must_use]
    pub fn data(&self) -> &str {
        self.data.as_str()
    }

    /// Its data as bytes, which are UTF-8.
    #[must_use]
    pub fn into_data(self) -> Bytes {
        self.data.0
    }

    /// The last id that the server told, with this event or before it; empty if it told none.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Its data as JSON.
    ///
    /// # Errors
    ///
    /// `Corrupt` if it is none, or not that of a `T`. The error does not hold it.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        decoded(&self.data.0)
    }
}

impl fmt::Debug for SseEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseEvent").field("data", &self.data.0.len()).finish_non_exhaustive()
    }
}

/// Bytes that are UTF-8.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Text(Bytes);

impl Text {
    /// Replaces what is no UTF-8.
    pub(super) fn decode(bytes: Bytes) -> Self {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Self(bytes),
            Err(_) => Self(String::from_utf8_lossy(&bytes).into_owned().into()),
        }
    }

    /// The same, without the chunk that it lies in.
    pub(super) fn copied(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    pub(super) fn as_str(&self) -> &str {
        // Looked at again, since that is faster than it matters and the alternative is unsafe.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
