//! In the place of YAML where the feature `yaml` is off: an error that names it.

use external_core::config::Value;
use external_core::{Error, Result};

/// Refuses the document.
pub(crate) fn parse(name: &str, _: &str) -> Result<Value> {
    Err(Error::configuration("YAML needs the feature `yaml` of external-container")
        .with_context("file", name))
}
