//! Domains with their types erased, so that the container can hold any of them and knows none.

use std::any::{Any, TypeId};
use std::sync::Arc;

use external_core::{BuildContext, Capability, Provider, ProviderEntry, ProviderKind, Result, Section};
use external_resilience::{CallObserver, Domain, Pipeline, PolicySettings, Registry};

/// A registry, whatever its domain.
pub(crate) trait AnyDomain: Send + Sync {
    /// `storage`.
    fn name(&self) -> &'static str;
    /// The id of the embedded provider of development mode.
    fn development(&self) -> &'static str;
    /// The settings of its client that development mode fills in.
    fn development_settings(&self) -> &'static [(&'static str, &'static str)];
    /// The contract: `dyn StorageService`.
    fn contract(&self) -> TypeId;
    /// What is compiled in.
    fn rows(&self) -> Vec<Row>;
    /// Whether every provider has an id of its own.
    fn check(&self) -> Result<()>;
    /// What is compiled in under an id; an error that lists the choices if nothing is.
    fn find(&self, provider: &str) -> Result<Row>;
    /// Every capability of the domain: id and meaning.
    fn capabilities(&self) -> &'static [(&'static str, &'static str)];
    /// The JSON Schema of the client's own settings.
    fn settings_schema(&self) -> String;
    /// Makes a client over a new provider.
    fn build(&self, request: &BuildRequest<'_>) -> Result<Arc<dyn AnyClient>>;
}

/// What is compiled in, of one provider.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) kind: ProviderKind,
    pub(crate) schema: fn() -> String,
}

impl Row {
    fn of<S: ?Sized>(entry: &ProviderEntry<S>) -> Self {
        Self { id: entry.id, kind: entry.kind, schema: entry.schema }
    }
}

/// What a client is made of.
pub(crate) struct BuildRequest<'a> {
    pub(crate) instance: &'a str,
    pub(crate) provider: &'a str,
    /// The provider's part of the table.
    pub(crate) section: &'a Section,
    /// The client's part of the table, if it has one.
    pub(crate) settings: Option<&'a Section>,
    /// What is laid over the domain's policy, of which a composite has only what is not its members'.
    pub(crate) resilience: &'a Section,
    pub(crate) context: &'a BuildContext,
    pub(crate) observers: &'a [Arc<dyn CallObserver>],
}

/// A client, whatever its domain.
pub(crate) trait AnyClient: Send + Sync {
    /// The client itself: the domain's type.
    fn client(&self) -> &dyn Any;
    /// `Arc<dyn StorageService>`: the client as its contract, boxed.
    fn contract(&self) -> Box<dyn Any>;
    /// What the client drives.
    fn provider(&self) -> &dyn Provider;
    /// How it is driven.
    fn pipeline(&self) -> &Pipeline;
    /// How well it can do something.
    fn supports(&self, capability: &str) -> Capability;
}

impl<D: Domain> AnyDomain for Registry<D> {
    fn name(&self) -> &'static str {
        D::NAME
    }

    fn development(&self) -> &'static str {
        D::DEVELOPMENT
    }

    fn development_settings(&self) -> &'static [(&'static str, &'static str)] {
        D::DEVELOPMENT_SETTINGS
    }

    fn contract(&self) -> TypeId {
        TypeId::of::<D::Service>()
    }

    fn rows(&self) -> Vec<Row> {
        self.entries().iter().map(Row::of).collect()
    }

    fn check(&self) -> Result<()> {
        Self::check(self)
    }

    fn find(&self, provider: &str) -> Result<Row> {
        Self::find(self, provider).map(Row::of)
    }

    fn capabilities(&self) -> &'static [(&'static str, &'static str)] {
        D::capabilities()
    }

    fn settings_schema(&self) -> String {
        D::settings_schema()
    }

    fn build(&self, request: &BuildRequest<'_>) -> Result<Arc<dyn AnyClient>> {
        let entry = Self::find(self, request.provider)?;
        let default = match entry.kind {
            ProviderKind::Composite => D::policy().for_composite(),
            ProviderKind::Embedded | ProviderKind::Remote => D::policy(),
        };
        let policy = PolicySettings::policy(request.resilience, default, D::operations())?;
        let settings = request.settings.map(Section::parse::<D::Settings>).transpose()?.unwrap_or_default();
        let service = (entry.build)(request.section, request.context)?;
        let mut pipeline = Pipeline::new(request.instance, D::provider(&service).info(), policy);
        for observer in request.observers {
            pipeline = pipeline.with_observer(observer.clone());
        }
        let client = D::new(service.clone(), pipeline, settings, request.context)?;
        Ok(Arc::new(Held { client, service }))
    }
}

/// A client and the service it was made of.
pub(crate) struct Held<D: Domain> {
    client: D,
    service: Arc<D::Service>,
}

impl<D: Domain> Held<D> {
    /// A client that the program made itself.
    pub(crate) fn given(client: D) -> Self {
        Self { service: client.service(), client }
    }
}

impl<D: Domain> AnyClient for Held<D> {
    fn client(&self) -> &dyn Any {
        &self.client
    }

    fn contract(&self) -> Box<dyn Any> {
        Box::new(self.client.service())
    }

    fn provider(&self) -> &dyn Provider {
        D::provider(&self.service)
    }

    fn pipeline(&self) -> &Pipeline {
        self.client.pipeline()
    }

    fn supports(&self, capability: &str) -> Capability {
        D::supports(&self.service, capability)
    }
}
