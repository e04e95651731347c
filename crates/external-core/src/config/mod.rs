//! Configuration as a located tree: every value knows where it came from, so every error can say so.
//!
//! The container makes the tree from files and environment variables; a provider sees its part as a
//! [`Section`] and deserialises it into its own struct.

mod de;
pub mod duration;
mod value;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

pub use value::{Entry, Node, Origin, Table, Value};

use crate::{Error, Result};

/// One table of the configuration, with the dotted path that leads to it.
#[derive(Clone)]
pub struct Section {
    value: Value,
    path: Arc<str>,
    secrets: Arc<Mutex<BTreeSet<String>>>,
    reader: Option<Arc<Reader>>,
}

/// What looks at whatever is parsed.
type Reader = dyn Fn(&dyn fmt::Debug) + Send + Sync;

impl Section {
    /// A section made of a value. `path` is what errors call it (`storage.avatars`).
    #[must_use]
    pub fn new(path: impl Into<Arc<str>>, value: Value) -> Self {
        Self { value, path: path.into(), secrets: Arc::default(), reader: None }
    }

    /// A section without a path: in tests, and for providers built by hand.
    #[must_use]
    pub fn from_value(value: Value) -> Self {
        Self::new("", value)
    }

    /// An empty table.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_value(Value::default())
    }

    /// Shows to `reader` whatever is parsed from this section, before anybody judges it: tests search it for secrets.
    #[must_use]
    pub fn shown_to(mut self, reader: impl Fn(&dyn fmt::Debug) + Send + Sync + 'static) -> Self {
        self.reader = Some(Arc::new(reader));
        self
    }

    /// The dotted path of this section.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tree.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Deserialises the section.
    ///
    /// ```
    /// use external_core::{Section, config::Value};
    ///
    /// #[derive(Debug, serde::Deserialize)]
    /// #[serde(deny_unknown_fields)]
    /// struct Config {
    ///     bucket: String,
    /// }
    ///
    /// let value: Value = toml::from_str("bukket = 'a'")?;
    /// let error = Section::new("storage.avatars", value).parse::<Config>().unwrap_err();
    /// assert!(error.to_string().contains("unknown field `bukket`"));
    /// assert!(error.to_string().contains("storage.avatars.bukket"));
    /// # Ok::<(), toml::de::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Configuration` with the dotted key and the place of the value that does not fit.
    pub fn parse<T: DeserializeOwned + fmt::Debug>(&self) -> Result<T> {
        let notes = de::Notes::default();
        let parsed = T::deserialize(de::ValueDeserializer::new(&self.value, &self.path, &notes));
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).extend(notes.into_secrets());
        let parsed = parsed.map_err(|error| error.into_error(&self.path, &self.value))?;
        if let Some(reader) = &self.reader {
            reader(&parsed);
        }
        Ok(parsed)
    }

    /// The dotted paths that were asked for as a [`Secret`](crate::Secret) so far: whoever prints the
    /// configuration masks these.
    #[must_use]
    pub fn secret_paths(&self) -> BTreeSet<String> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An error about a value that parsed but makes no sense: names key and place. `key` is relative and may be
    /// dotted.
    #[must_use]
    pub fn invalid(&self, key: &str, reason: impl fmt::Display) -> Error {
        let origin = self.value.at(key).map_or(&self.value.origin, |value| &value.origin);
        located(&join(&self.path, key), origin, &reason.to_string())
    }
}

/// Which section it is; what stands in it may be a secret, and it knows which only once it was parsed.
impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").field("path", &self.path).finish_non_exhaustive()
    }
}

fn join(path: &str, key: &str) -> String {
    match (path, key) {
        ("", key) => key.to_owned(),
        (path, "") => path.to_owned(),
        (path, key) => format!("{path}.{key}"),
    }
}

fn located(path: &str, origin: &Origin, reason: &str) -> Error {
    let error = Error::configuration(reason.to_owned());
    let error = if path.is_empty() { error } else { error.with_context("key", path) };
    match origin {
        Origin::Code => error,
        origin => error.with_context("at", origin),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::Secret;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[allow(dead_code, reason = "only its parsing matters")]
        url: String,
        #[allow(dead_code, reason = "only its parsing matters")]
        password: Option<Secret>,
        #[serde(default, with = "duration::option")]
        timeout: Option<std::time::Duration>,
        #[serde(default)]
        nodes: Vec<u16>,
    }

    fn section(text: &str) -> Section {
        Section::new("cache.default", toml::from_str(text).unwrap())
    }

    #[test]
    fn parses_and_notes_secrets() {
        let section = section("url = 'x'\npassword = { env = 'P' }\ntimeout = '1500ms'\nnodes = [1, 2]");
        let config: Config = section.parse().unwrap();
        assert_eq!(config.timeout, Some(std::time::Duration::from_millis(1500)));
        assert_eq!(config.nodes, [1, 2]);
        assert_eq!(section.secret_paths().into_iter().collect::<Vec<_>>(), ["cache.default.password"]);
    }

    #[test]
    fn debug_shows_no_value() {
        assert_eq!(
            format!("{:?}", section("password = 'canary'")),
            "Section { path: \"cache.default\", .. }"
        );
    }

    #[test]
    fn errors_name_the_innermost_key() {
        let message = |text| section(text).parse::<Config>().unwrap_err().to_string();
        assert!(message("url = 'x'\nnodes = [1, 'two']").contains("cache.default.nodes[1]"));
        assert!(message("password = 'x'").contains("missing field `url`"));
        assert!(message("url = 'x'\ntimeout = 'soon'").contains("cache.default.timeout"));
        assert!(message("url = 'x'\nurll = 'x'").contains("unknown field `urll`"));
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code, reason = "only its parsing matters")]
    enum Mode {
        Plain,
        Deep { level: u8 },
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only its parsing matters")]
    struct Fields {
        number: Option<u16>,
        flag: Option<bool>,
        ratio: Option<f64>,
        name: Option<String>,
        mode: Option<Mode>,
        list: Option<Vec<u8>>,
        #[serde(default, with = "duration::option")]
        timeout: Option<std::time::Duration>,
        from: Option<crate::email::Mailbox>,
        address: Option<std::net::IpAddr>,
    }

    fn refused(text: &str) -> String {
        section(text).parse::<Fields>().unwrap_err().report()
    }

    /// Whatever was put into a wrong field may be a password.
    #[test]
    fn a_value_that_does_not_fit_is_not_repeated() {
        for field in ["number", "flag", "ratio", "mode", "list", "timeout", "from", "address"] {
            let said = refused(&format!("{field} = 'canary'"));
            assert!(!said.contains("canary") && said.contains(&format!("cache.default.{field}")), "{said}");
        }
        for wrong in [
            "number = 748596",
            "number = -748596",
            "number = 748596.5",
            "flag = 748596",
            "name = 748596",
            "mode = 748596",
            "mode = { deep = 748596 }",
            "mode = { deep = { level = 748596 } }",
            "list = [748596]",
            "timeout = 748596",
            "timeout = '748596'",
        ] {
            let said = refused(wrong);
            assert!(!said.contains("748596") && said.contains("cache.default."), "{said}");
        }
        assert!(refused("mode = 'canary'").contains("expected `plain` or `deep`"));
    }

    #[test]
    fn what_is_expected_is_told() {
        let said = refused("timeout = 5");
        assert!(said.contains("a duration such as \"250ms\", \"5s\" or \"2m\""), "{said}");
        for wrong in ["name = { env = 'NAME' }", "timeout = { env = 'T' }", "number = { file = '/n' }"] {
            assert!(refused(wrong).contains("only secrets are taken from { env } or { file }"), "{wrong}");
        }
        assert!(!refused("name = { environment = 'NAME' }").contains("secrets"));
        // The error of a mail address has a kind of its own.
        let said = refused("from = 'no address'");
        assert!(said.starts_with("configuration: not a mail address"), "{said}");
    }
}
