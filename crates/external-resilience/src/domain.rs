//! How a service becomes a client: what generic code, above all the container, needs to know of a domain.

use std::fmt::Debug;
use std::sync::Arc;

use external_core::{BuildContext, Capability, Provider, Result};
use serde::de::DeserializeOwned;

use crate::{Pipeline, Policy};

/// A kind of external system, implemented by its client type (`StorageClient`).
pub trait Domain: Clone + Send + Sync + 'static {
    /// The contract: `dyn StorageService`.
    type Service: ?Sized + Send + Sync + 'static;

    /// The client's own configuration, the table `client` of an instance: a part size, a sender, a namespace.
    type Settings: DeserializeOwned + Default + Debug;

    /// The domain's name, which is also its table in the configuration: `"storage"`.
    const NAME: &'static str;

    /// The embedded provider that development mode fills in.
    const DEVELOPMENT: &'static str;

    /// Settings of the client, names and texts, that development mode fills in together with that provider, where the table
    /// says nothing of them. Default: none.
    const DEVELOPMENT_SETTINGS: &'static [(&'static str, &'static str)] = &[];

    /// The policy of an instance that configures none.
    fn policy() -> Policy;

    /// Puts the client around a service.
    ///
    /// # Errors
    ///
    /// `Configuration` if the settings make no sense, or need what the service has not.
    fn new(
        service: Arc<Self::Service>,
        pipeline: Pipeline,
        settings: Self::Settings,
        context: &BuildContext,
    ) -> Result<Self>;

    /// The client as its contract, so that it can stand wherever the contract is wanted.
    fn service(&self) -> Arc<Self::Service>;

    /// The pipeline its calls pass.
    fn pipeline(&self) -> &Pipeline;

    /// The service as a provider: generic code cannot upcast an unsized type by itself.
    fn provider(service: &Self::Service) -> &dyn Provider;

    /// Whether a service can do something: facets by accessor, options by its declaration.
    fn supports(service: &Self::Service, capability: &str) -> Capability;

    /// Every capability id of the domain, with its meaning.
    fn capabilities() -> &'static [(&'static str, &'static str)];

    /// The names of the domain's operations: a policy may say something for each, and for no other.
    fn operations() -> &'static [&'static str];

    /// The JSON Schema of [`Self::Settings`].
    fn settings_schema() -> String;
}
