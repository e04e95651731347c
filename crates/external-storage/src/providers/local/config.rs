//! What can be set for a folder of objects.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::serve::ServeConfig;

/// Configuration of [`LocalStorage`](super::LocalStorage).
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LocalConfig {
    /// The folder that holds the objects. A relative path counts from the process's working folder.
    pub root: PathBuf,
    /// Whether the folder is made on first use if it is not there; else that is an error. Default: yes.
    #[serde(default = "yes")]
    pub create: bool,
    /// Whether a write is on the disk when it is answered (`fsync` of file and folder), so that it survives a power
    /// failure. Without it writes are faster, and a crash of the machine may lose the last ones. Default: yes.
    #[serde(default = "yes")]
    pub durable: bool,
    /// Where an object's metadata is kept. Default: with the file.
    #[serde(default)]
    pub metadata: MetadataPlace,
    /// How long an upload that is neither completed nor aborted is kept once no part of it comes any more. The first write
    /// of a store takes away those that have been left for longer. Default: `7d`.
    #[serde(default = "a_week", with = "external_core::config::duration")]
    #[schemars(with = "String")]
    pub upload_lifetime: Duration,
    /// Signed links to the objects, answered by an HTTP server in this process. Without it links are unsupported.
    /// Needs the feature `serve`.
    #[serde(default)]
    pub serve: Option<ServeConfig>,
}

/// Where an object's content type, metadata, tags and checksum are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MetadataPlace {
    /// In an extended attribute of the file (`user.external`), so that it moves and is copied with it; in a sidecar
    /// where the file system has none or they do not fit.
    #[default]
    WithFile,
    /// In a sidecar below `.external/meta`, found by the file's identity. It does not survive copying the folder.
    Sidecar,
}

fn a_week() -> Duration {
    Duration::from_secs(7 * 24 * 3600)
}

fn yes() -> bool {
    true
}

impl LocalConfig {
    /// Objects below `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            create: true,
            durable: true,
            metadata: MetadataPlace::default(),
            upload_lifetime: a_week(),
            serve: None,
        }
    }

    /// Takes a root that is not there for an error, instead of making it.
    #[must_use]
    pub fn without_create(mut self) -> Self {
        self.create = false;
        self
    }

    /// Answers writes before they are on the disk.
    #[must_use]
    pub fn without_durability(mut self) -> Self {
        self.durable = false;
        self
    }

    /// Sets where metadata is kept.
    #[must_use]
    pub fn with_metadata_place(mut self, place: MetadataPlace) -> Self {
        self.metadata = place;
        self
    }

    /// Sets how long an upload is kept that nobody goes on with.
    #[must_use]
    pub fn with_upload_lifetime(mut self, lifetime: Duration) -> Self {
        self.upload_lifetime = lifetime;
        self
    }

    /// Makes links.
    #[must_use]
    pub fn with_serve(mut self, serve: ServeConfig) -> Self {
        self.serve = Some(serve);
        self
    }
}
