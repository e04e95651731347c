//! A secret value: cannot be printed, is compared in constant time, and comes by reference.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::build::{FileStamp, SecretFiles};
use crate::{Error, Result};

/// The name under which a secret asks a deserializer for itself, so that a [`Section`](crate::Section) can note
/// which values must be masked.
pub(crate) const NEWTYPE_NAME: &str = "$external_core::Secret";

/// Nobody means an empty secret; sent as one, it would look like a wrong one.
const EMPTY: &str =
    "a secret is empty: write it, or say where it is kept with { env = \"NAME\" } or { file = \"path\" }";

/// A secret: inline, or a reference to where it is kept.
///
/// In a configuration it is `"text"`, `{ env = "NAME" }` or `{ file = "/path" }`. A reference is bound to the
/// world by [`BuildContext::secret`](crate::BuildContext::secret); a file is read again when it changes, and
/// after [`invalidate`](Self::invalidate). Providers [`expose`](Self::expose) it at use and never keep a copy. An empty one is
/// refused as `Configuration`: where it stands, when it is bound, or when its file is read.
///
/// ```
/// use external_core::Secret;
///
/// let secret = Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// assert_eq!(secret.expose()?.as_str(), "hunter2");
/// # Ok::<(), external_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Secret(Arc<Source>);

enum Source {
    Inline(Zeroizing<String>),
    Env(String),
    File(PathBuf),
    BoundFile { path: PathBuf, files: Arc<dyn SecretFiles>, last: Mutex<Option<Read>> },
}

struct Read {
    stamp: FileStamp,
    value: Zeroizing<String>,
}

impl Secret {
    /// A secret given as it is.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(Arc::new(Source::Inline(Zeroizing::new(value.into()))))
    }

    /// A secret kept in an environment variable, looked up when it is bound.
    #[must_use]
    pub fn from_env(name: impl Into<String>) -> Self {
        Self(Arc::new(Source::Env(name.into())))
    }

    /// A secret kept in a file, whose trailing line break does not belong to it.
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Source::File(path.into())))
    }

    /// The value, wiped from memory when dropped.
    ///
    /// # Errors
    ///
    /// `Configuration` if the reference was not bound, or if the file cannot be read, is empty or is not UTF-8.
    pub fn expose(&self) -> Result<Zeroizing<String>> {
        match &*self.0 {
            Source::Inline(value) => Ok(value.clone()),
            Source::Env(name) => Err(Error::configuration("secret from the environment was not bound")
                .with_context("variable", name)),
            Source::File(path) => {
                Err(Error::configuration("secret from a file was not bound")
                    .with_context("file", path.display()))
            }
            Source::BoundFile { path, files, last } => read_again(path, files.as_ref(), last),
        }
    }

    /// Forgets what was read from a file, so that the next [`expose`](Self::expose) reads it again. Called when
    /// a call ends `Unauthenticated`.
    pub fn invalidate(&self) {
        if let Source::BoundFile { last, .. } = &*self.0 {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Compares with text in constant time (in its length, not in its content). A secret that cannot be read
    /// equals nothing.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.expose().is_ok_and(|value| value.as_bytes().ct_eq(other).into())
    }

    pub(crate) fn bind(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
        files: &Arc<dyn SecretFiles>,
    ) -> Result<Self> {
        match &*self.0 {
            Source::Inline(value) if value.is_empty() => Err(Error::configuration(EMPTY)),
            Source::Inline(_) | Source::BoundFile { .. } => Ok(self.clone()),
            Source::Env(name) => {
                env(name).filter(|value| !value.is_empty()).map(Self::new).ok_or_else(|| {
                    Error::configuration("environment variable of a secret is not set or empty")
                        .with_context("variable", name)
                })
            }
            Source::File(path) => Ok(Self(Arc::new(Source::BoundFile {
                path: path.clone(),
                files: files.clone(),
                last: Mutex::new(None),
            }))),
        }
    }
}

fn read_again(path: &Path, files: &dyn SecretFiles, last: &Mutex<Option<Read>>) -> Result<Zeroizing<String>> {
    let unreadable = |error: std::io::Error| {
        Error::configuration("secret file cannot be read")
            .with_context("file", path.display())
            .with_source(error)
    };
    let stamp = files.stamp(path).map_err(unreadable)?;
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(read) = last.as_ref().filter(|read| read.stamp == stamp) {
        return Ok(read.value.clone());
    }
    let bytes = Zeroizing::new(files.read(path).map_err(unreadable)?);
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Error::configuration("secret file is not UTF-8").with_context("file", path.display()))?;
    let value = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if value.is_empty() {
        return Err(Error::configuration("secret file is empty").with_context("file", path.display()));
    }
    *last = Some(Read { stamp, value: value.clone() });
    Ok(value)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Source::Inline(_) => f.write_str("Secret(***)"),
            Source::Env(name) => write!(f, "Secret(env {name})"),
            Source::File(path) | Source::BoundFile { path, .. } => {
                write!(f, "Secret(file {})", path.display())
            }
        }
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NEWTYPE_NAME, SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret: text, { env = \"NAME\" } or { file = \"path\" }")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Secret, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Secret, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Secret, E> {
        if value.is_empty() { Err(E::custom(EMPTY)) } else { Ok(Secret::new(value)) }
    }

    // A number here is a secret written without quotes: the message must not repeat it.
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom("a secret must be text: put it in quotes"))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Secret, E> {
        self.visit_i64(0)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Secret, E> {
        self.visit_i64(0)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Secret, E> {
        self.visit_i64(0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let secret = match map.next_key::<String>()?.as_deref() {
            Some("env") => Secret::from_env(map.next_value::<String>()?),
            Some("file") => Secret::from_file(map.next_value::<String>()?),
            Some(other) => return Err(de::Error::unknown_field(other, &["env", "file"])),
            None => return Err(de::Error::custom("a secret reference needs `env` or `file`")),
        };
        match map.next_key::<String>()? {
            None => Ok(secret),
            Some(_) => Err(de::Error::custom("a secret reference has `env` or `file`, not more")),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let reference = |name: &str| {
            schemars::json_schema!({
                "type": "object",
                "properties": { name: { "type": "string" } },
                "required": [name],
                "additionalProperties": false
            })
        };
        schemars::json_schema!({
            "description": "A secret: text, or a reference to where it is kept.",
            "oneOf": [{ "type": "string", "minLength": 1 }, reference("env"), reference("file")]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_inline_or_by_reference() {
        let parse = serde_json::from_str::<Secret>;
        assert_eq!(format!("{:?}", parse("\"a\"").unwrap()), "Secret(***)");
        assert_eq!(format!("{:?}", parse("{\"env\":\"A\"}").unwrap()), "Secret(env A)");
        assert_eq!(format!("{:?}", parse("{\"file\":\"/a\"}").unwrap()), "Secret(file /a)");
        assert!(parse("{\"vault\":\"x\"}").unwrap_err().to_string().contains("vault"));
        assert!(!parse("12345").unwrap_err().to_string().contains("12345"));
    }

    #[test]
    fn an_empty_one_is_refused_wherever_it_comes_from() {
        let parsed = serde_json::from_str::<Secret>("\"\"").unwrap_err();
        assert!(parsed.to_string().contains("a secret is empty"), "{parsed}");
        let world = crate::BuildContext::default();
        let bound = world.secret(&Secret::new("")).unwrap_err();
        assert_eq!(bound.kind(), crate::ErrorKind::Configuration);
        assert!(bound.to_string().contains("a secret is empty"), "{bound}");
        assert!(world.secret(&Secret::new(" ")).is_ok());
    }

    #[test]
    fn compares_content() {
        assert!(Secret::new("abc").matches(b"abc"));
        for other in ["abd", "ab", "abcd", ""] {
            assert!(!Secret::new("abc").matches(other.as_bytes()), "{other}");
        }
        assert!(!Secret::from_env("X").matches(b""));
    }
}
