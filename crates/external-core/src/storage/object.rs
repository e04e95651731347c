//! What a stored object is: its attributes, its tokens, its checksum, and what `head` tells about it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use super::{ForeignChecksum, ObjectKey};
use crate::{Error, Result};

/// The most bytes that names and values of user metadata have together.
pub const MAX_METADATA_BYTES: usize = 2048;
/// The most tags an object has.
pub const MAX_TAGS: usize = 10;
/// The most characters in a tag's name.
pub const MAX_TAG_NAME_CHARS: usize = 128;
/// The most characters in a tag's value.
pub const MAX_TAG_VALUE_CHARS: usize = 256;

macro_rules! opaque_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(::std::sync::Arc<str>);

        impl $name {
            /// Wraps the text a provider gave. Only the provider that gave it knows what it means.
            #[must_use]
            pub fn new(text: impl Into<::std::sync::Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text, to be stored and given back unchanged.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }
    };
}
pub(super) use opaque_text;

opaque_text! {
    /// Stands for the content an object has right now: an etag here, a generation there. Two different contents
    /// of a key never share one. It is what compare-and-swap, `if_match` and `if_none_match` take.
    VersionToken
}

opaque_text! {
    /// Names one stored version of an object on a provider that keeps old versions (facet `versions`).
    VersionId
}

/// The content headers of an object: what an HTTP server would send with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentHeaders {
    /// Media type, as in `Content-Type`. The client guesses it from the key where absent; a provider that gets
    /// none stores `application/octet-stream` or nothing.
    pub content_type: Option<String>,
    /// As in `Cache-Control`.
    pub cache_control: Option<String>,
    /// As in `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// As in `Content-Encoding`. The bytes are stored and returned as they are, never decoded.
    pub content_encoding: Option<String>,
    /// As in `Content-Language`.
    pub content_language: Option<String>,
}

/// What is stored with an object beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectAttributes {
    /// Content headers.
    pub headers: ContentHeaders,
    /// User metadata. Names are lower-case ASCII letters, digits, `-` and `_`; values are UTF-8 without control
    /// characters; at most [`MAX_METADATA_BYTES`] together.
    pub metadata: BTreeMap<String, String>,
    /// Tags, at most [`MAX_TAGS`]. On a provider without tags a non-empty map is `Unsupported`.
    pub tags: BTreeMap<String, String>,
}

impl ObjectAttributes {
    /// No attribute set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the media type.
    #[must_use]
    pub fn with_content_type(mut self, value: impl Into<String>) -> Self {
        self.headers.content_type = Some(value.into());
        self
    }

    /// Sets `Cache-Control`.
    #[must_use]
    pub fn with_cache_control(mut self, value: impl Into<String>) -> Self {
        self.headers.cache_control = Some(value.into());
        self
    }

    /// Sets `Content-Disposition`.
    #[must_use]
    pub fn with_content_disposition(mut self, value: impl Into<String>) -> Self {
        self.headers.content_disposition = Some(value.into());
        self
    }

    /// Sets `Content-Encoding`.
    #[must_use]
    pub fn with_content_encoding(mut self, value: impl Into<String>) -> Self {
        self.headers.content_encoding = Some(value.into());
        self
    }

    /// Sets `Content-Language`.
    #[must_use]
    pub fn with_content_language(mut self, value: impl Into<String>) -> Self {
        self.headers.content_language = Some(value.into());
        self
    }

    /// Adds one entry of user metadata.
    #[must_use]
    pub fn with_user_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// Adds one tag.
    #[must_use]
    pub fn with_tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// Whether every value is one that every provider can store. Clients and providers ask before they send.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` naming the first value that is not: a control character (a header would be split), a
    /// metadata name outside its alphabet, too much metadata, too many or too long tags.
    pub fn validate(&self) -> Result<()> {
        let headers = &self.headers;
        for (name, value) in [
            ("content-type", &headers.content_type),
            ("cache-control", &headers.cache_control),
            ("content-disposition", &headers.content_disposition),
            ("content-encoding", &headers.content_encoding),
            ("content-language", &headers.content_language),
        ] {
            if value.as_deref().is_some_and(|value| value.is_empty() || value.chars().any(char::is_control)) {
                return Err(Error::invalid_argument(
                    "a content header must not be empty nor contain control characters",
                )
                .with_context("header", name));
            }
        }
        self.validate_metadata()?;
        validate_tags(&self.tags)
    }

    fn validate_metadata(&self) -> Result<()> {
        let mut bytes = 0;
        for (name, value) in &self.metadata {
            let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(letter) {
                return Err(Error::invalid_argument(
                    "a metadata name consists of lower-case ASCII letters, digits, '-' and '_'",
                )
                .with_context("name", format_args!("{name:?}")));
            }
            if value.chars().any(char::is_control) {
                return Err(Error::invalid_argument("a metadata value must not contain control characters")
                    .with_context("name", name));
            }
            bytes += name.len() + value.len();
        }
        if bytes > MAX_METADATA_BYTES {
            return Err(Error::invalid_argument(
                "user metadata has at most 2048 bytes, names and values together",
            )
            .with_context("bytes", bytes));
        }
        Ok(())
    }
}

/// Whether every provider with tags can store `tags`.
///
/// # Errors
///
/// `InvalidArgument`: more than ten, an empty or too long name, a too long value, a character that is none of letters
/// and digits of any script, space and `+-=._:/@`: what
/// [S3 allows](https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html), the others likewise.
pub fn validate_tags(tags: &BTreeMap<String, String>) -> Result<()> {
    if tags.len() > MAX_TAGS {
        return Err(Error::invalid_argument("an object has at most 10 tags").with_context("tags", tags.len()));
    }
    for (name, value) in tags {
        let chars = name.chars().count();
        let fits = (1..=MAX_TAG_NAME_CHARS).contains(&chars) && value.chars().count() <= MAX_TAG_VALUE_CHARS;
        let plain = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
        if !fits || !name.chars().chain(value.chars()).all(plain) {
            return Err(Error::invalid_argument(
                "a tag has a name of 1 to 128 characters and a value of at most 256: letters, digits, space and +-=._:/@",
            )
            .with_context("tag", format_args!("{:?}", name.chars().take(40).collect::<String>())));
        }
    }
    Ok(())
}

/// Which checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChecksumKind {
    /// CRC-32C (Castagnoli): fast, finds damage.
    Crc32c,
    /// SHA-256: slow, finds forgery too.
    Sha256,
}

/// The checksum of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checksum {
    /// CRC-32C (Castagnoli).
    Crc32c(u32),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Checksum {
    /// Which checksum it is.
    #[must_use]
    pub fn kind(&self) -> ChecksumKind {
        match self {
            Self::Crc32c(_) => ChecksumKind::Crc32c,
            Self::Sha256(_) => ChecksumKind::Sha256,
        }
    }
}

/// `crc32c:` or `sha256:` and lower-case hexadecimal digits.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crc32c(value) => write!(f, "crc32c:{value:08x}"),
            Self::Sha256(value) => {
                f.write_str("sha256:")?;
                value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checksum({self})")
    }
}

/// The reverse of `Display`.
impl std::str::FromStr for Checksum {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || {
            Error::invalid_argument("not a checksum: expected 'crc32c:' or 'sha256:' and hexadecimal digits")
        };
        let (kind, digits) = text.split_once(':').ok_or_else(refused)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(refused());
        }
        match (kind, digits.len()) {
            ("crc32c", 8) => u32::from_str_radix(digits, 16).map(Self::Crc32c).map_err(|_| refused()),
            ("sha256", 64) => {
                let mut bytes = [0; 32];
                for (index, byte) in bytes.iter_mut().enumerate() {
                    let pair = digits.get(index * 2..index * 2 + 2).ok_or_else(refused)?;
                    *byte = u8::from_str_radix(pair, 16).map_err(|_| refused())?;
                }
                Ok(Self::Sha256(bytes))
            }
            _ => Err(refused()),
        }
    }
}

/// What is known of an object without reading it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// Its key.
    pub key: ObjectKey,
    /// Its size in bytes.
    pub size: u64,
    /// Stands for the content it has now.
    pub token: VersionToken,
    /// Which stored version this is, where the provider keeps versions.
    pub version: Option<VersionId>,
    /// When this content was stored, in the provider's resolution.
    pub modified: Option<SystemTime>,
    /// Its content headers.
    pub headers: ContentHeaders,
    /// Its user metadata.
    pub metadata: BTreeMap<String, String>,
    /// The checksum of the whole object, if one was given when it was stored.
    pub checksum: Option<Checksum>,
    /// The checksum of the whole object where its writer left one of another kind only.
    pub foreign_checksum: Option<ForeignChecksum>,
}

impl ObjectInfo {
    /// An object of `size` bytes with nothing else known.
    #[must_use]
    pub fn new(key: ObjectKey, size: u64, token: VersionToken) -> Self {
        Self {
            key,
            size,
            token,
            version: None,
            modified: None,
            headers: ContentHeaders::default(),
            metadata: BTreeMap::new(),
            checksum: None,
            foreign_checksum: None,
        }
    }

    /// Sets the stored version.
    #[must_use]
    pub fn with_version(mut self, version: VersionId) -> Self {
        self.version = Some(version);
        self
    }

    /// Sets when it was stored.
    #[must_use]
    pub fn with_modified(mut self, modified: SystemTime) -> Self {
        self.modified = Some(modified);
        self
    }

    /// Sets the content headers.
    #[must_use]
    pub fn with_headers(mut self, headers: ContentHeaders) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the user metadata.
    #[must_use]
    pub fn with_user_metadata(mut self, metadata: BTreeMap<String, String>) -> Self {
        self.metadata = metadata;
        self
    }

    /// Sets the checksum.
    #[must_use]
    pub fn with_checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// Sets the checksum of a kind that the contract has no name for.
    #[must_use]
    pub fn with_foreign_checksum(mut self, checksum: ForeignChecksum) -> Self {
        self.foreign_checksum = Some(checksum);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_text_round_trips() {
        for checksum in [Checksum::Crc32c(7), Checksum::Sha256([0xab; 32])] {
            assert_eq!(checksum.to_string().parse::<Checksum>().expect("own text"), checksum);
        }
        for text in ["", "crc32c:", "crc32c:+0000007", "md5:00", "sha256:00", "crc32c:0000000ä"] {
            assert!(text.parse::<Checksum>().is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_header_injection() {
        let attributes = ObjectAttributes::new().with_content_type("text/plain\r\nx: y");
        assert!(attributes.validate().is_err());
        assert!(ObjectAttributes::new().with_user_metadata("a", "b\nc").validate().is_err());
        assert!(ObjectAttributes::new().with_user_metadata("A", "b").validate().is_err());
        assert!(ObjectAttributes::new().with_tag("", "b").validate().is_err());
        assert!(ObjectAttributes::new().with_tag("a&b", "c").validate().is_err());
        assert!(ObjectAttributes::new().with_tag("städte", "Zürich: a=b").validate().is_ok());
        assert!(ObjectAttributes::new().with_user_metadata("name", "Ada 鍵").validate().is_ok());
    }
}
