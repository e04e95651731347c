//! The client's own settings: the table `client` of an instance.

use external_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

/// How a cache client treats typed values.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CacheSettings {
    /// By which share of itself the time to live of a *loaded* value is shortened at random, so that what was loaded
    /// together does not expire together. 0 to 0.5. Default 0.1.
    pub ttl_jitter: f64,
    /// The version of the schema of typed values, 0 to 65535: what another version wrote is a miss. Default 0.
    pub schema_version: u16,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { ttl_jitter: 0.1, schema_version: 0 }
    }
}

impl CacheSettings {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// By which share of itself a loaded value's time to live is shortened at random, 0 to 0.5.
    #[must_use]
    pub fn with_ttl_jitter(mut self, share: f64) -> Self {
        self.ttl_jitter = share;
        self
    }

    /// The version of the schema of typed values.
    #[must_use]
    pub fn with_schema_version(mut self, version: u16) -> Self {
        self.schema_version = version;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if (0.0..=0.5).contains(&self.ttl_jitter) {
            return Ok(());
        }
        Err(Error::configuration("the jitter of times to live is a share from 0 to 0.5")
            .with_context("field", "ttl_jitter")
            .with_context("value", self.ttl_jitter))
    }
}
