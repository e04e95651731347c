//! Keys of cached values and names of locks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{Error, Result};

/// The key of a value, or the name of a lock: 1 to 512 bytes of UTF-8 without control characters.
///
/// The rule is the same on every provider. Any two different keys are two keys: nothing is trimmed, folded or
/// normalised. A provider whose vendor takes less (Memcached: 250 bytes, no blanks) encodes or hashes.
///
/// Cloning is cheap and copies nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey(Arc<str>);

impl CacheKey {
    /// The longest key, in bytes.
    pub const MAX_BYTES: usize = 512;

    /// Parses a key.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it is empty, longer than [`MAX_BYTES`](Self::MAX_BYTES), or holds a control character.
    pub fn parse(key: impl AsRef<str>) -> Result<Self> {
        let key = key.as_ref();
        if key.is_empty() {
            return Err(Error::invalid_argument("a cache key must not be empty"));
        }
        if key.len() > Self::MAX_BYTES {
            return Err(
                Error::invalid_argument("a cache key has at most 512 bytes").with_context("bytes", key.len())
            );
        }
        // Most keys are plain ASCII, which is seen at once, without telling characters apart.
        let plain = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !plain && let Some((at, _)) = key.char_indices().find(|(_, c)| c.is_control()) {
            return Err(Error::invalid_argument("a cache key must not hold control characters")
                .with_context("at_byte", at));
        }
        Ok(Self(Arc::from(key)))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl AsRef<str> for CacheKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for CacheKey {
    type Err = Error;

    fn from_str(key: &str) -> Result<Self> {
        Self::parse(key)
    }
}

impl TryFrom<&str> for CacheKey {
    type Error = Error;

    fn try_from(key: &str) -> Result<Self> {
        Self::parse(key)
    }
}

impl TryFrom<String> for CacheKey {
    type Error = Error;

    fn try_from(key: String) -> Result<Self> {
        Self::parse(key)
    }
}

impl TryFrom<&String> for CacheKey {
    type Error = Error;

    fn try_from(key: &String) -> Result<Self> {
        Self::parse(key)
    }
}

impl TryFrom<&Self> for CacheKey {
    type Error = Error;

    fn try_from(key: &Self) -> Result<Self> {
        Ok(key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn takes_what_the_rule_allows() {
        let longest = "k".repeat(512);
        for key in ["a", "a b", "user:1/é", "键", "%41", "..", longest.as_str()] {
            assert_eq!(CacheKey::parse(key).unwrap().as_str(), key);
        }
    }

    #[test]
    fn refuses_the_rest() {
        let long = "k".repeat(513);
        for key in ["", "a\0", "a\r\nSET b", "\u{7f}", "\u{85}", long.as_str()] {
            assert_eq!(CacheKey::parse(key).unwrap_err().kind(), ErrorKind::InvalidArgument, "{key:?}");
        }
    }
}
