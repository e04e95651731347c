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
    pub(super) event: Word,
    pub(super) data: Text,
    pub(super) id: Word,
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

/// Bytes that are UTF-8, in the chunk that they came with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text(Bytes);

impl Text {
    /// Replaces what is no UTF-8.
    pub(super) fn decode(bytes: Bytes) -> Self {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Self(bytes),
            Err(_) => Self(String::from_utf8_lossy(&bytes).into_owned().into()),
        }
    }

    fn as_str(&self) -> &str {
        looked_at(&self.0)
    }
}

/// So many bytes are a type or an id, nearly always.
const SHORT: usize = 22;

/// A type or an id. A short one is held here: to share its chunk, and to give it back, takes longer than to copy it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Word {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Bytes),
}

impl Word {
    /// Replaces what is no UTF-8. `share` is asked for the same text where it is long.
    pub(super) fn decode(text: &[u8], share: impl FnOnce() -> Bytes) -> Self {
        match std::str::from_utf8(text) {
            Ok(_) => Self::short(text).unwrap_or_else(|| Self::Long(share())),
            Err(_) => {
                let replaced = String::from_utf8_lossy(text).into_owned();
                Self::short(replaced.as_bytes()).unwrap_or_else(|| Self::Long(replaced.into()))
            }
        }
    }

    fn short(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; SHORT];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self::Short { length: u8::try_from(text.len()).ok()?, bytes })
    }

    /// Gives the chunk back that it lies in.
    pub(super) fn leave_chunk(&mut self) {
        if let Self::Long(bytes) = self {
            *bytes = Bytes::copy_from_slice(&bytes[..]);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Short { length: 0, .. })
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Short { length, bytes } => looked_at(&bytes[..usize::from(*length)]),
            Self::Long(bytes) => looked_at(bytes),
        }
    }
}

impl Default for Word {
    fn default() -> Self {
        Self::Short { length: 0, bytes: [0; SHORT] }
    }
}

/// Looked at again, since that is faster than it matters and the alternative is unsafe.
fn looked_at(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_same_wherever_it_is_held() {
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 300] {
            let text = "x".repeat(length);
            let shared = Bytes::from(text.clone());
            let word = Word::decode(text.as_bytes(), || shared.clone());
            assert_eq!((word.as_str(), word.is_empty()), (text.as_str(), length == 0));
            assert!(word == Word::decode(text.as_bytes(), || Bytes::from(text.clone())));
            assert_eq!(matches!(word, Word::Long(_)), length > SHORT);
        }
    }

    #[test]
    fn what_is_no_text_in_a_word_is_replaced_though_it_becomes_longer() {
        for length in [1, SHORT / 3, SHORT / 3 + 1, SHORT, 100] {
            let word = Word::decode(&vec![0xFF; length], Bytes::new);
            assert_eq!(word.as_str(), "\u{fffd}".repeat(length));
        }
    }
}
