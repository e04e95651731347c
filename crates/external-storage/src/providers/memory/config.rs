//! What can be set for a memory store.

use serde::Deserialize;

/// Configuration of [`MemoryStorage`](super::MemoryStorage). Every field has a default.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// The name in the store's location, `memory://<name>`. Default: `memory`.
    pub name: String,
    /// Whether old versions are kept, so that the facet `versions` is there. Default: no.
    pub versioned: bool,
    /// The most bytes all objects, versions and parts have together; a write beyond is `QuotaExhausted`.
    /// Default: 1 GiB.
    pub capacity_bytes: u64,
    /// The most bytes in one put. Default: 128 MiB.
    pub put_bytes_max: u64,
    /// The fewest bytes in a part that is not the last. Default: 1.
    pub part_bytes_min: u64,
    /// The most bytes in a part. Default: 128 MiB.
    pub part_bytes_max: u64,
    /// The highest part number. Default: 10 000.
    pub parts_max: u32,
    /// The most entries on one page. Default: 1000.
    pub list_page_max: usize,
    /// The most keys in one `delete_batch`. Default: 1000.
    pub delete_batch_max: usize,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            name: "memory".to_owned(),
            versioned: false,
            capacity_bytes: 1 << 30,
            put_bytes_max: 128 << 20,
            part_bytes_min: 1,
            part_bytes_max: 128 << 20,
            parts_max: 10_000,
            list_page_max: 1000,
            delete_batch_max: 1000,
        }
    }
}

impl MemoryConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name in the location.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Keeps old versions.
    #[must_use]
    pub fn with_versions(mut self) -> Self {
        self.versioned = true;
        self
    }

    /// Sets the most bytes of everything together.
    #[must_use]
    pub fn with_capacity(mut self, bytes: u64) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// Sets the most bytes in one put.
    #[must_use]
    pub fn with_put_bytes_max(mut self, bytes: u64) -> Self {
        self.put_bytes_max = bytes;
        self
    }

    /// Sets the sizes a part may have, and the highest part number.
    #[must_use]
    pub fn with_parts(mut self, bytes_min: u64, bytes_max: u64, parts_max: u32) -> Self {
        self.part_bytes_min = bytes_min;
        self.part_bytes_max = bytes_max;
        self.parts_max = parts_max;
        self
    }

    /// Sets the most entries on one page and the most keys in one `delete_batch`.
    #[must_use]
    pub fn with_page_sizes(mut self, list_page_max: usize, delete_batch_max: usize) -> Self {
        self.list_page_max = list_page_max;
        self.delete_batch_max = delete_batch_max;
        self
    }
}
