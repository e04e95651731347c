//! What every provider is, whatever its domain.

use std::any::Any;
use std::fmt::Debug;

use async_trait::async_trait;

use crate::{CallContext, Capabilities, Result};

/// The supertrait of every contract. What an instance shows by `Debug` is who it is, never a secret: it stands in the
/// `Debug` of whatever holds it.
#[async_trait]
pub trait Provider: Any + Debug + Send + Sync {
    /// Who this is, where it points and what it can do.
    fn info(&self) -> &ProviderInfo;

    /// One harmless round trip that proves reachability and credentials.
    ///
    /// # Errors
    ///
    /// As any call; `Unsupported` where the vendor has no harmless call.
    async fn probe(&self, cx: &CallContext) -> Result<()>;

    /// Flushes what is pending and gives connections back. The client refuses new calls before this.
    ///
    /// # Errors
    ///
    /// What could not be flushed.
    async fn close(&self) -> Result<()> {
        Ok(())
    }

    /// What this wraps: clients and wrappers answer it, so that the concrete provider can be reached.
    fn inner(&self) -> Option<&dyn Provider> {
        None
    }
}

impl dyn Provider {
    /// The concrete provider of type `T`, through any number of clients and wrappers.
    #[must_use]
    pub fn find<T: Provider>(&self) -> Option<&T> {
        let mut layer = self;
        loop {
            if let Some(found) = (layer as &dyn Any).downcast_ref::<T>() {
                return Some(found);
            }
            layer = layer.inner()?;
        }
    }
}

/// Who a provider is, where it points, what it can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInfo {
    id: &'static str,
    domain: &'static str,
    location: String,
    capabilities: Capabilities,
}

impl ProviderInfo {
    /// `location` is a URL without credentials (`s3://bucket`); a composite says `<id>:<instance>`.
    #[must_use]
    pub fn new(
        id: &'static str,
        domain: &'static str,
        location: impl Into<String>,
        capabilities: Capabilities,
    ) -> Self {
        Self { id, domain, location: location.into(), capabilities }
    }

    /// The provider's id: the product's name.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// The domain it serves.
    #[must_use]
    pub fn domain(&self) -> &'static str {
        self.domain
    }

    /// Where it points, without credentials.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// What it can do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
}
