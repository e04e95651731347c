//! Configuration of the memory provider.

use external_core::{BuildContext, Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::MemoryCache;

/// What every entry costs beside its key and value, in bytes: the room for index, expiry and version.
pub(super) const ENTRY_OVERHEAD: u64 = 128;

/// A cache in this process. Everything has a default, so an empty table is a valid configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// The room for keys, values and 128 bytes an entry, in bytes. What is used least goes first when it is full.
    /// At least 16384. Default 67108864 (64 MiB).
    pub max_bytes: u64,
    /// The most entries kept, whatever their size. At least 16. Default: bounded by `max_bytes` alone.
    pub max_entries: Option<u64>,
    /// The largest value, in bytes; at most a quarter of `max_bytes`. Default: an eighth of `max_bytes`, at most
    /// 16777216 (16 MiB).
    pub max_value_bytes: Option<u64>,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_entries: None, max_value_bytes: None }
    }
}

/// Checked sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) max_bytes: u64,
    pub(super) max_value_bytes: u64,
    pub(super) max_entries: Option<u64>,
}

impl MemoryConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The room for keys, values and 128 bytes an entry, in bytes.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The most entries kept.
    #[must_use]
    pub fn with_max_entries(mut self, entries: u64) -> Self {
        self.max_entries = Some(entries);
        self
    }

    /// The largest value, in bytes.
    #[must_use]
    pub fn with_max_value_bytes(mut self, bytes: u64) -> Self {
        self.max_value_bytes = Some(bytes);
        self
    }

    /// Makes the cache.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that is out of range.
    pub fn build(self, _: &BuildContext) -> Result<MemoryCache> {
        Ok(MemoryCache::with_sizes(self.sizes()?))
    }

    pub(super) fn sizes(&self) -> Result<Sizes> {
        let out_of_range = |field: &'static str, rule: &'static str, value: u64| {
            Err(Error::configuration(rule).with_context("field", field).with_context("value", value))
        };
        if self.max_bytes < 16 << 10 {
            return out_of_range("max_bytes", "a memory cache needs at least 16384 bytes", self.max_bytes);
        }
        let max_value_bytes = self.max_value_bytes.unwrap_or_else(|| (self.max_bytes / 8).min(16 << 20));
        if max_value_bytes == 0 || max_value_bytes > self.max_bytes / 4 {
            let rule = "the largest value of a memory cache is 1 byte to a quarter of max_bytes";
            return out_of_range("max_value_bytes", rule, max_value_bytes);
        }
        if let Some(entries) = self.max_entries.filter(|entries| *entries < 16) {
            return out_of_range("max_entries", "a memory cache keeps at least 16 entries", entries);
        }
        Ok(Sizes { max_bytes: self.max_bytes, max_value_bytes, max_entries: self.max_entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_sizes_that_cannot_work() {
        for config in [
            MemoryConfig::new().with_max_bytes(1),
            MemoryConfig::new().with_max_entries(1),
            MemoryConfig::new().with_max_value_bytes(0),
            MemoryConfig::new().with_max_bytes(1 << 20).with_max_value_bytes(1 << 19),
        ] {
            let error = config.sizes().unwrap_err();
            assert!(error.to_string().contains("memory cache"), "{error}");
        }
    }
}
