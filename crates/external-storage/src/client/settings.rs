//! What can be set for a storage client: the table `client` of an instance.

use std::time::Duration;

use external_core::storage::ChecksumKind;
use external_core::{Error, Result};
use serde::Deserialize;

/// Settings of a [`StorageClient`](super::StorageClient). Every field has a default.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct StorageSettings {
    /// The size of an upload's first parts, in bytes; later parts of very large uploads are larger, up to half of the
    /// smaller upload budget. An upload that fits into one part is one put. Default: 8 MiB.
    pub part_bytes: u64,
    /// How many parts of one upload are sent side by side, 1 to 64. Default: 4.
    pub upload_concurrency: usize,
    /// How many bytes all uploads of this instance hold in memory together; those of all instances of one `BuildContext`
    /// hold at most its `upload_budget`. No part is larger than half of the smaller of the two, which bounds an upload: in
    /// 10,000 parts of 32 MiB it has at most 312 GiB where its size is told beforehand, and 273 GiB where it is not. Where
    /// half is less than the provider's smallest part (5 MiB for `s3`), such parts go one at a time beside what is half
    /// read. Default: 64 MiB.
    pub upload_budget_bytes: u64,
    /// How many ranges a ranged download fetches side by side, 1 to 64. Default: 4.
    pub download_concurrency: usize,
    /// The size of one such range, in bytes. Default: 8 MiB.
    pub download_part_bytes: u64,
    /// The most bytes `download` puts into memory; a larger object is `PayloadTooLarge`. Default: 256 MiB.
    pub download_bytes_max: u64,
    /// How long a body may stall before it counts as broken: the most that is waited for its next KiB. Time that the
    /// reader takes does not count. The same for the source of an upload, but only while others wait for the memory that it
    /// holds. Default: 30 s.
    #[serde(with = "external_core::config::duration")]
    #[schemars(with = "String")]
    pub idle_timeout: Duration,
    /// How often in a row a download that makes no progress is resumed, after 0.1 s, then twice as long each time, up to
    /// 6.4 s, or as long as the store asks for if `idle_timeout` allows it. Each is a call of its own, with retries of its
    /// own. Default: 3.
    pub resumes: u32,
    /// The checksum the client computes for every write, verified by the provider on write and on whole reads.
    /// Default: CRC-32C.
    pub checksum: ChecksumSetting,
}

/// Which checksum a client computes by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChecksumSetting {
    /// CRC-32C.
    #[default]
    Crc32c,
    /// SHA-256.
    Sha256,
    /// None; a checksum given with a request is still used.
    None,
}

impl ChecksumSetting {
    pub(super) fn kind(self) -> Option<ChecksumKind> {
        match self {
            Self::Crc32c => Some(ChecksumKind::Crc32c),
            Self::Sha256 => Some(ChecksumKind::Sha256),
            Self::None => None,
        }
    }
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            part_bytes: 8 << 20,
            upload_concurrency: 4,
            upload_budget_bytes: 64 << 20,
            download_concurrency: 4,
            download_part_bytes: 8 << 20,
            download_bytes_max: 256 << 20,
            idle_timeout: Duration::from_secs(30),
            resumes: 3,
            checksum: ChecksumSetting::default(),
        }
    }
}

impl StorageSettings {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the size of an upload's first parts.
    #[must_use]
    pub fn with_part_bytes(mut self, bytes: u64) -> Self {
        self.part_bytes = bytes;
        self
    }

    /// Sets how many parts are sent side by side.
    #[must_use]
    pub fn with_upload_concurrency(mut self, parts: usize) -> Self {
        self.upload_concurrency = parts;
        self
    }

    /// Sets how many bytes all uploads of the instance hold in memory together.
    #[must_use]
    pub fn with_upload_budget(mut self, bytes: u64) -> Self {
        self.upload_budget_bytes = bytes;
        self
    }

    /// Sets how a ranged download is cut, and how many ranges are fetched side by side.
    #[must_use]
    pub fn with_ranged_download(mut self, part_bytes: u64, concurrency: usize) -> Self {
        self.download_part_bytes = part_bytes;
        self.download_concurrency = concurrency;
        self
    }

    /// Sets the most bytes `download` puts into memory.
    #[must_use]
    pub fn with_download_bytes_max(mut self, bytes: u64) -> Self {
        self.download_bytes_max = bytes;
        self
    }

    /// Sets how long a body may stall.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets how often in a row a download without progress is resumed.
    #[must_use]
    pub fn with_resumes(mut self, resumes: u32) -> Self {
        self.resumes = resumes;
        self
    }

    /// Sets the checksum the client computes by itself.
    #[must_use]
    pub fn with_checksum(mut self, checksum: ChecksumSetting) -> Self {
        self.checksum = checksum;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |key: &'static str, reason: &'static str| {
            Err(Error::configuration(reason).with_context("field", key))
        };
        for (key, bytes) in [
            ("part_bytes", self.part_bytes),
            ("upload_budget_bytes", self.upload_budget_bytes),
            ("download_part_bytes", self.download_part_bytes),
        ] {
            if bytes == 0 {
                return wrong(key, "must be at least one byte");
            }
        }
        for (key, parts) in [
            ("upload_concurrency", self.upload_concurrency),
            ("download_concurrency", self.download_concurrency),
        ] {
            if !(1..=64).contains(&parts) {
                return wrong(key, "must be 1 to 64");
            }
        }
        if self.idle_timeout.is_zero() {
            return wrong("idle_timeout", "must be longer than nothing");
        }
        Ok(())
    }
}
