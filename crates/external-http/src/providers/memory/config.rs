//! Configuration of the memory provider.

use external_core::{BuildContext, Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::MemoryHttp;

/// Answers from functions of this process. Everything has a default, so an empty table is a valid configuration; without
/// routes, which only code can give, everything is 404.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// What goes before URLs without a host. Default `https://memory.invalid`.
    pub base_url: String,
    /// How many requests are remembered; older ones are forgotten first. Default 1000.
    pub keep: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { base_url: "https://memory.invalid".to_owned(), keep: 1000 }
    }
}

impl MemoryConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What goes before URLs without a host.
    #[must_use]
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// How many requests are remembered.
    #[must_use]
    pub fn with_keep(mut self, requests: usize) -> Self {
        self.keep = requests;
        self
    }

    /// Makes the transport.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that is wrong.
    pub fn build(self, context: &BuildContext) -> Result<MemoryHttp> {
        if self.keep == 0 {
            return Err(
                Error::configuration("at least one request is remembered").with_context("field", "keep")
            );
        }
        let base = super::super::base("base_url", &self.base_url)?;
        Ok(MemoryHttp::with_parts(base, self.keep, context.clone()))
    }
}
