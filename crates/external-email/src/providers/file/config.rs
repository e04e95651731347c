//! Configuration of the provider `file`.

use std::path::PathBuf;

use external_core::{BuildContext, Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::FileEmail;
use crate::rehearsal::Rehearsal;

/// `provider = "file"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FileConfig {
    /// The folder that gets one `.eml` file a mail. Made when the first mail is sent.
    pub path: PathBuf,
    /// Limit `recipients` of one mail. Default: 100.
    #[serde(default = "default_recipients")]
    pub max_recipients: u64,
    /// Limit `message-bytes` of one mail. Default: 25 MiB.
    #[serde(default = "default_bytes")]
    pub max_message_bytes: u64,
    /// Limit `batch-recipients` of one batch. Default: 1,000.
    #[serde(default = "default_batch")]
    pub max_batch_recipients: u64,
    /// Addresses that are answered by script, for tests. Default: none.
    #[serde(default)]
    pub rehearse: Rehearsal,
}

fn default_recipients() -> u64 {
    100
}

fn default_bytes() -> u64 {
    25 << 20
}

fn default_batch() -> u64 {
    1000
}

impl FileConfig {
    /// Mails go into this folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_recipients: default_recipients(),
            max_message_bytes: default_bytes(),
            max_batch_recipients: default_batch(),
            rehearse: Rehearsal::default(),
        }
    }

    /// Replaces the limit of recipients.
    #[must_use]
    pub fn with_max_recipients(mut self, recipients: u64) -> Self {
        self.max_recipients = recipients;
        self
    }

    /// Replaces the limit of bytes.
    #[must_use]
    pub fn with_max_message_bytes(mut self, bytes: u64) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Replaces the limit of a batch.
    #[must_use]
    pub fn with_max_batch_recipients(mut self, recipients: u64) -> Self {
        self.max_batch_recipients = recipients;
        self
    }

    /// Replaces the script.
    #[must_use]
    pub fn with_rehearsal(mut self, rehearsal: Rehearsal) -> Self {
        self.rehearse = rehearsal;
        self
    }

    /// Makes the provider, with the clock and randomness of `context`. Touches no disk.
    ///
    /// # Errors
    ///
    /// `Configuration` if the path is empty or a limit is zero.
    pub fn build(self, context: &BuildContext) -> Result<FileEmail> {
        if self.path.as_os_str().is_empty() {
            return Err(Error::configuration("`path` of the file provider is empty"));
        }
        if [self.max_recipients, self.max_message_bytes, self.max_batch_recipients].contains(&0) {
            return Err(Error::configuration("the limits of the file provider must be at least 1"));
        }
        Ok(FileEmail::assemble(self, context))
    }
}
