//! Listing objects, page by page.

use std::time::SystemTime;

use super::object::opaque_text;
use super::{ObjectKey, VersionToken};
use crate::{CallOptions, Error, Operation, Repeat, Result};

opaque_text! {
    /// Where the next page begins. Valid for the same prefix and delimiter only.
    PageToken
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListRequest {
    /// Only keys that begin with this text. Default: empty, every key.
    pub prefix: String,
    /// Keys that contain this text behind the prefix are folded into one common prefix, which ends with it.
    pub delimiter: Option<String>,
    /// Only keys that come after this text in byte order count, also for common prefixes. It need not be a key.
    pub start_after: Option<String>,
    /// At most so many entries, objects and common prefixes counted together. Default and upper bound: the
    /// limit `list-page-max`, to which a larger value is lowered.
    pub limit: Option<usize>,
    /// Continues behind an earlier page.
    pub token: Option<PageToken>,
    /// Timeout and log metadata.
    pub call: CallOptions,
}

crate::call_options!(ListRequest);

impl ListRequest {
    /// Lists keys that begin with `prefix`; an empty prefix lists all.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }

    /// Folds keys behind `delimiter`.
    #[must_use]
    pub fn with_delimiter(mut self, delimiter: impl Into<String>) -> Self {
        self.delimiter = Some(delimiter.into());
        self
    }

    /// Lists only what comes after `text`.
    #[must_use]
    pub fn with_start_after(mut self, text: impl Into<String>) -> Self {
        self.start_after = Some(text.into());
        self
    }

    /// Bounds the page.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Continues behind an earlier page.
    #[must_use]
    pub fn with_token(mut self, token: PageToken) -> Self {
        self.token = Some(token);
        self
    }

    /// Whether the request makes sense on any provider.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`: a limit of 0, an empty delimiter, a NUL in prefix, delimiter or start-after.
    pub fn validate(&self) -> Result<()> {
        if self.limit == Some(0) {
            return Err(Error::invalid_argument("a page holds at least one entry").with_context("limit", 0));
        }
        if self.delimiter.as_deref() == Some("") {
            return Err(Error::invalid_argument("a delimiter must not be empty"));
        }
        let texts = [Some(&self.prefix), self.delimiter.as_ref(), self.start_after.as_ref()];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return Err(Error::invalid_argument(
                "prefix, delimiter and start-after must not contain a NUL character",
            ));
        }
        Ok(())
    }

    /// `storage.list_page`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new("storage", "list_page", Repeat::Safe)
    }
}

/// An object in a listing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ListEntry {
    /// Its key.
    pub key: ObjectKey,
    /// Its size in bytes.
    pub size: u64,
    /// Stands for the content it has, where the listing tells.
    pub token: Option<VersionToken>,
    /// When its content was stored, where the listing tells.
    pub modified: Option<SystemTime>,
}

impl ListEntry {
    /// An object of `size` bytes with nothing else known.
    #[must_use]
    pub fn new(key: ObjectKey, size: u64) -> Self {
        Self { key, size, token: None, modified: None }
    }

    /// Sets the token.
    #[must_use]
    pub fn with_token(mut self, token: VersionToken) -> Self {
        self.token = Some(token);
        self
    }

    /// Sets when it was stored.
    #[must_use]
    pub fn with_modified(mut self, modified: SystemTime) -> Self {
        self.modified = Some(modified);
        self
    }
}

/// A page. It may hold fewer entries than the limit, even none, and still not be the last.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListPage {
    /// Objects in byte order of their keys.
    pub objects: Vec<ListEntry>,
    /// Common prefixes in byte order.
    pub prefixes: Vec<String>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<PageToken>,
}

impl ListPage {
    /// A page.
    #[must_use]
    pub fn new(objects: Vec<ListEntry>, prefixes: Vec<String>, next: Option<PageToken>) -> Self {
        Self { objects, prefixes, next }
    }
}
