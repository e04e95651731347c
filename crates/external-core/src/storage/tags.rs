//! Reading and replacing the tags of an object: requests of the facet `tags`.

use std::collections::BTreeMap;

use super::ObjectKey;
use crate::{CallOptions, Operation, Repeat};

/// Reads the tags of an object.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GetTagsRequest {
    /// Which object.
    pub key: ObjectKey,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(GetTagsRequest);

impl GetTagsRequest {
    /// Reads the tags of `key`.
    #[must_use]
    pub fn new(key: ObjectKey) -> Self {
        Self { key, call: CallOptions::default() }
    }

    /// `storage.get_tags`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "get_tags", Repeat::Safe)
    }
}

/// Replaces the tags of an object.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PutTagsRequest {
    /// Which object.
    pub key: ObjectKey,
    /// All tags it has afterwards; empty removes them.
    pub tags: BTreeMap<String, String>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(PutTagsRequest);

impl PutTagsRequest {
    /// Gives `key` exactly `tags`.
    #[must_use]
    pub fn new(key: ObjectKey, tags: BTreeMap<String, String>) -> Self {
        Self { key, tags, call: CallOptions::default() }
    }

    /// `storage.put_tags`: `Idempotent`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "put_tags", Repeat::Idempotent)
    }
}
