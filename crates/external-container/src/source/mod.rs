//! From text and environment variables to one located tree.

mod environment;
mod place;
mod toml;

use std::path::Path;

use external_core::config::{Node, Origin, Value};
use external_core::{Error, Result};

use crate::yaml;

pub(crate) use environment::{PREFIX, overlay};

/// Parses a configuration text. The extension of its name picks the format; TOML if it has none that is known.
///
/// # Errors
///
/// `Configuration` with file, line and column of what cannot be parsed.
pub(crate) fn parse(name: &str, text: &str) -> Result<Value> {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let tree = match extension {
        Some("yaml" | "yml") => yaml::parse(name, text)?,
        _ => toml::parse(name, text)?,
    };
    match &tree.node {
        Node::Table(_) => Ok(tree),
        node => {
            let found = node.type_name();
            Err(at(format!("the configuration must be a table of tables, found {found}"), &tree.origin))
        }
    }
}

/// An error at a place.
pub(crate) fn at(reason: impl Into<std::borrow::Cow<'static, str>>, origin: &Origin) -> Error {
    Error::configuration(reason).with_context("at", origin)
}

/// An error about a key at a place.
pub(crate) fn about(key: &str, reason: impl Into<std::borrow::Cow<'static, str>>, origin: &Origin) -> Error {
    let error = Error::configuration(reason).with_context("key", key);
    match origin {
        Origin::Code => error,
        origin => error.with_context("at", origin),
    }
}
