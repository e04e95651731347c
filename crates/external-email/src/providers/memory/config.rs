//! Configuration of the provider `memory`.

use std::sync::Arc;

use external_core::email::EmailService;
use external_core::{BuildContext, Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::MemoryEmail;
use crate::rehearsal::Rehearsal;

/// `provider = "memory"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MemoryConfig {
    /// How many mails are kept; older ones are forgotten. At least 1. Default: 10,000.
    pub keep: usize,
    /// Limit `recipients` of one mail. Default: 100.
    pub max_recipients: u64,
    /// Limit `message-bytes` of one mail. Default: 25 MiB.
    pub max_message_bytes: u64,
    /// Limit `batch-recipients` of one batch. Default: 1,000.
    pub max_batch_recipients: u64,
    /// Addresses that are answered by script, for tests. Default: none.
    pub rehearse: Rehearsal,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            keep: 10_000,
            max_recipients: 100,
            max_message_bytes: 25 << 20,
            max_batch_recipients: 1000,
            rehearse: Rehearsal::default(),
        }
    }
}

impl MemoryConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces how many mails are kept.
    #[must_use]
    pub fn with_keep(mut self, mails: usize) -> Self {
        self.keep = mails;
        self
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

    /// Makes the provider, with the clock and randomness of `context`.
    ///
    /// # Errors
    ///
    /// `Configuration` if `keep` or a limit is zero.
    pub fn build(self, context: &BuildContext) -> Result<MemoryEmail> {
        let numbers = [self.max_recipients, self.max_message_bytes, self.max_batch_recipients];
        if self.keep == 0 || numbers.contains(&0) {
            return Err(Error::configuration(
                "`keep` and the limits of the memory provider must be at least 1",
            ));
        }
        Ok(MemoryEmail::assemble(self, context))
    }

    pub(super) fn build_service(self, context: &BuildContext) -> Result<Arc<dyn EmailService>> {
        Ok(Arc::new(self.build(context)?))
    }
}
