//! `ObjectKey`: the name of an object, valid on every provider once it exists.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The longest key in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;

/// The name of an object inside its store. Cheap to clone.
///
/// A key is 1 to 1024 bytes of UTF-8 without a NUL, does not begin with `/`, and none of its segments (the
/// text between slashes) is empty, `.` or `..`; a key that ends in `/` therefore is none. What is refused
/// here is refused alike for every provider, and everything else round-trips through every provider.
///
/// - Every key that parses can be put, read, listed and deleted under that very name: non-ASCII text,
///   control characters, spaces, `%`, `\`, a leading dot, `a` beside `a/b`, segments of 255 bytes and more.
///   (storage.key.1)
/// - What is no key is refused when it is parsed, alike for every provider. (storage.key.3)
/// - Keys that differ in letter case or in Unicode normalisation are different objects. (storage.key.2)
///
/// ```
/// use external_core::storage::ObjectKey;
///
/// let key = ObjectKey::parse("portraits/ada.png")?;
/// assert_eq!(key.as_str(), "portraits/ada.png");
/// assert!(ObjectKey::parse("portraits/../secret").is_err());
/// # Ok::<(), external_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// Parses `text` as a key.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` naming the rule that `text` breaks.
    pub fn parse(text: impl AsRef<str>) -> Result<Self> {
        let text = text.as_ref();
        match broken_rule(text) {
            None => Ok(Self(Arc::from(text))),
            Some(rule) => Err(Error::invalid_argument(rule).with_context("key", Excerpt(text))),
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text after the last slash: `ada.png` of `portraits/ada.png`.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("an object key must not be empty")
    } else if text.len() > MAX_KEY_BYTES {
        Some("an object key has at most 1024 bytes")
    } else if text.contains('\0') {
        Some("an object key must not contain a NUL character")
    } else if text.starts_with('/') {
        Some("an object key must not begin with '/'")
    } else if text.ends_with('/') {
        Some("an object key must not end with '/'")
    } else if text.split('/').any(str::is_empty) {
        Some("an object key must not have an empty segment ('//')")
    } else if text.split('/').any(|segment| segment == "." || segment == "..") {
        Some("an object key must not have a segment '.' or '..'")
    } else {
        None
    }
}

/// The beginning of a refused key: enough to recognise it, too little to flood a log.
struct Excerpt<'a>(&'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.char_indices().nth(80).map_or(self.0, |(end, _)| &self.0[..end]);
        write!(f, "{shown:?}")?;
        if shown.len() < self.0.len() {
            write!(f, " and {} more bytes", self.0.len() - shown.len())
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectKey({:?})", &*self.0)
    }
}

impl AsRef<str> for ObjectKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ObjectKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(text)
    }
}

impl TryFrom<&str> for ObjectKey {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> Self {
        key.0.as_ref().to_owned()
    }
}

/// What a client's method takes where it wants a key: text, parsed at the door, or a key.
pub trait IntoKey {
    /// The key.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if it is text that is no [`ObjectKey`].
    fn into_key(self) -> Result<ObjectKey>;
}

impl IntoKey for ObjectKey {
    fn into_key(self) -> Result<ObjectKey> {
        Ok(self)
    }
}

impl IntoKey for &ObjectKey {
    fn into_key(self) -> Result<ObjectKey> {
        Ok(self.clone())
    }
}

impl IntoKey for &str {
    fn into_key(self) -> Result<ObjectKey> {
        ObjectKey::parse(self)
    }
}

impl IntoKey for String {
    fn into_key(self) -> Result<ObjectKey> {
        ObjectKey::parse(self)
    }
}

impl IntoKey for &String {
    fn into_key(self) -> Result<ObjectKey> {
        ObjectKey::parse(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_the_rule_names() {
        let long = "k".repeat(1025);
        for text in ["", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b", "../a", "a/..", "a\0b", "/", &long]
        {
            let error = ObjectKey::parse(text).expect_err(text);
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument, "{text:?}");
        }
    }

    #[test]
    fn accepts_everything_else() {
        let long = "k".repeat(1024);
        for text in [
            "a",
            "a/b",
            ".hidden",
            "a/...",
            "..a/b..",
            "a\\..\\b",
            "sp ace",
            "\n",
            "%2e%2e",
            "ключ/鍵",
            &long,
        ] {
            assert_eq!(ObjectKey::parse(text).expect(text).as_str(), text);
        }
    }

    #[test]
    fn error_shows_the_beginning_only() {
        let error = ObjectKey::parse(format!("/{}", "x".repeat(5000))).expect_err("leading slash");
        assert!(format!("{error} {error:?}").len() < 1000);
    }
}
