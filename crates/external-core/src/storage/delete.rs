//! Deleting one object or many.

use super::{ObjectKey, VersionToken};
use crate::{CallOptions, Operation, Repeat};

/// One object to delete.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeleteRequest {
    /// Which object.
    pub key: ObjectKey,
    /// Delete only the content this token stands for; any other, also none, is `Conflict`.
    /// Capability `delete-if-match`.
    pub if_match: Option<VersionToken>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(DeleteRequest);

impl DeleteRequest {
    /// Deletes what is at `key`.
    #[must_use]
    pub fn new(key: ObjectKey) -> Self {
        Self { key, if_match: None, call: CallOptions::default() }
    }

    /// Deletes only the content `token` stands for.
    #[must_use]
    pub fn with_if_match(mut self, token: VersionToken) -> Self {
        self.if_match = Some(token);
        self
    }

    /// `storage.delete`: `Idempotent`; with `if_match` `Once`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        let repeat = if self.if_match.is_some() { Repeat::Once } else { Repeat::Idempotent };
        Operation::new("storage", "delete", repeat)
    }
}

/// Several objects to delete in one exchange.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeleteBatchRequest {
    /// Which objects; at most the limit `delete-batch-max`.
    pub keys: Vec<ObjectKey>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(DeleteBatchRequest);

impl DeleteBatchRequest {
    /// Deletes what is at `keys`.
    #[must_use]
    pub fn new(keys: Vec<ObjectKey>) -> Self {
        Self { keys, call: CallOptions::default() }
    }

    /// `storage.delete_batch`: `Idempotent`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "delete_batch", Repeat::Idempotent)
    }
}

/// The object is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// Whether there was one. `None` where the provider does not tell, or the call was repeated, so that the
    /// answer may be about the call's own first attempt.
    pub existed: Option<bool>,
}

impl Deleted {
    /// The object is gone; `existed` says whether there was one.
    #[must_use]
    pub fn new(existed: Option<bool>) -> Self {
        Self { existed }
    }
}
