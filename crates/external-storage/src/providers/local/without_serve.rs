//! In the place of signed links where the feature `serve` is off: a configuration that asks for them is an error
//! that names the feature.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use external_core::storage::{PresignRequest, PresignStorage, PresignedUrl};
use external_core::{CallContext, Capabilities, Result};
use serde::de::{Deserialize, Deserializer, Error as _};

use super::tree::Store;

/// Cannot be made: signed links need the feature `serve`.
#[derive(Debug, Clone, Copy, schemars::JsonSchema)]
pub enum ServeConfig {}

impl<'de> Deserialize<'de> for ServeConfig {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("signed links need the feature `serve` of external-storage"))
    }
}

/// There are none.
#[derive(Debug)]
pub(super) enum Links {}

pub(super) fn declare(capabilities: Capabilities) -> Capabilities {
    capabilities
}

impl Links {
    pub(super) fn new(config: ServeConfig, _: Arc<Store>) -> Result<Self> {
        match config {}
    }

    #[allow(clippy::unused_async, reason = "as where there are links")]
    pub(super) async fn address(&self) -> Result<SocketAddr> {
        match *self {}
    }

    #[allow(clippy::unused_async, reason = "as where there are links")]
    pub(super) async fn close(&self) {
        match *self {}
    }
}

#[async_trait]
impl PresignStorage for Links {
    async fn presign(&self, _: &CallContext, _: &PresignRequest) -> Result<PresignedUrl> {
        match *self {}
    }
}
