//! TLS settings: data only. What is made of them lives in `external-net`.

use std::path::PathBuf;

use serde::Deserialize;

use crate::Secret;

/// How a TLS peer is verified, and who we say we are. Verification itself cannot be switched off.
///
/// Files are read when a connection is made, so that renewed certificates are taken up.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TlsSettings {
    /// A PEM file with certificate authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the authorities of `ca_file` are the only ones trusted. Default: no.
    pub only_ca_file: bool,
    /// A PEM file with the client's certificate chain.
    pub client_certificate: Option<PathBuf>,
    /// The client's private key, as PEM text.
    pub client_key: Option<Secret>,
}

impl TlsSettings {
    /// The system's authorities, no client certificate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities of this PEM file too.
    #[must_use]
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Trusts the authorities of this PEM file and nobody else.
    #[must_use]
    pub fn with_only_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.only_ca_file = true;
        self.with_ca_file(path)
    }

    /// Presents this certificate chain (a PEM file) with this private key (PEM text).
    #[must_use]
    pub fn with_client_certificate(mut self, chain: impl Into<PathBuf>, key: Secret) -> Self {
        self.client_certificate = Some(chain.into());
        self.client_key = Some(key);
        self
    }
}
