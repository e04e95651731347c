//! What can be set for the server that answers signed links.

use external_core::Secret;
use serde::Deserialize;

/// The HTTP server that answers signed links.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServeConfig {
    /// The address to listen on, bound when the first link is made. Port 0 takes a free one.
    /// Default: `127.0.0.1:0`.
    #[serde(default = "loopback")]
    pub bind: String,
    /// What links begin with, if clients reach the server under another name: `https://files.example.org`. Default:
    /// `http://` and the bound address.
    #[serde(default)]
    pub public_url: Option<String>,
    /// The key that links are signed with, at least 16 bytes. Default: a random one, so that links end with the process.
    #[serde(default)]
    pub key: Option<Secret>,
    /// The most bytes in one upload through a link. Default: 5 GiB.
    #[serde(default = "five_gib")]
    pub upload_bytes_max: u64,
}

fn loopback() -> String {
    "127.0.0.1:0".to_owned()
}

fn five_gib() -> u64 {
    5 << 30
}

impl ServeConfig {
    /// Listens on `bind` with a random key.
    #[must_use]
    pub fn new(bind: impl Into<String>) -> Self {
        Self { bind: bind.into(), public_url: None, key: None, upload_bytes_max: five_gib() }
    }

    /// Sets what links begin with.
    #[must_use]
    pub fn with_public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Sets the key that links are signed with.
    #[must_use]
    pub fn with_key(mut self, key: Secret) -> Self {
        self.key = Some(key);
        self
    }
}
