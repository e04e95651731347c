//! `StorageClient`: what a service holds. Validation, defaults, everything that loops or waits, and the calls into the
//! pipeline, one exchange each.

mod contract;
mod copy;
mod download;
mod facets;
mod list;
mod object;
mod refusal;
mod settings;
mod short;
mod upload;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use external_core::storage::{self, StorageService};
use external_core::{
    BuildContext, CallContext, CallOptions, Capabilities, Capability, Error, Provider, ProviderInfo, Result,
    Retry,
};
use external_resilience::{CallObserver, CloseReport, Domain, OperationPolicy, Pipeline, Policy};

pub use copy::RenameReceipt;
pub use download::DownloadRequest;
pub use list::ListItem;
pub use settings::{ChecksumSetting, StorageSettings};
use upload::Budget;
pub use upload::{UploadReceipt, UploadRequest};

/// A store of objects, behind the call pipeline. Cheap to clone; clones share everything.
///
/// Methods named after the contract (`put`, `get`, `head`, …) take a key and answer simply; their `…_with` forms take
/// the request with all options. Uploads, downloads, listings and copies span as many exchanges as they need, each of
/// which passes the pipeline by itself.
///
/// ```
/// use external_storage::{MemoryStorage, StorageClient};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let storage = StorageClient::over(MemoryStorage::default());
/// let location = storage.upload(&b"hello"[..], "notes/a.txt", "text/plain").await?;
/// assert_eq!(location, "memory://memory/notes/a.txt");
/// assert_eq!(storage.download("notes/a.txt").await?, "hello");
/// assert!(storage.delete("notes/a.txt").await?);
/// # Ok::<(), external_storage::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct StorageClient {
    inner: Arc<Inner>,
}

struct Inner {
    service: Arc<dyn StorageService>,
    pipeline: Pipeline,
    settings: StorageSettings,
    /// The service's own declaration, and what the client adds to it.
    info: ProviderInfo,
    budget: Budget,
    context: BuildContext,
}

/// How long a close may take where nobody says.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

const COPY_CAVEAT: &str = "the bytes pass through the client: one read, then one upload";

impl StorageClient {
    /// A client of `provider` with the default policy and settings.
    #[must_use]
    pub fn over(provider: impl StorageService) -> Self {
        Self::from(Arc::new(provider) as Arc<dyn StorageService>)
    }

    fn assemble(
        service: Arc<dyn StorageService>,
        pipeline: Pipeline,
        settings: StorageSettings,
        context: BuildContext,
    ) -> Self {
        let info = declare(&*service);
        let budget = Budget::new(settings.upload_budget_bytes, &context);
        Self { inner: Arc::new(Inner { service, pipeline, settings, info, budget, context }) }
    }

    /// The same client with another policy. Breaker, clean-up and counts start anew.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        let pipeline = self.inner.pipeline.clone().with_policy(policy, Self::operations());
        Self::assemble(
            self.inner.service.clone(),
            pipeline,
            self.inner.settings.clone(),
            self.inner.context.clone(),
        )
    }

    /// The same client with other settings.
    ///
    /// # Errors
    ///
    /// `Configuration` if a value is out of its range.
    pub fn with_settings(self, settings: StorageSettings) -> Result<Self> {
        settings.check()?;
        let inner = &self.inner;
        Ok(Self::assemble(inner.service.clone(), inner.pipeline.clone(), settings, inner.context.clone()))
    }

    /// The same client, heard by one more observer. Breaker, clean-up and counts start anew.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn CallObserver>) -> Self {
        let inner = &self.inner;
        let pipeline = inner.pipeline.clone().with_observer(observer);
        Self::assemble(inner.service.clone(), pipeline, inner.settings.clone(), inner.context.clone())
    }

    /// The same client, sharing the upload budget of `context`. Clients that were given none share one of their own.
    #[must_use]
    pub fn with_context(self, context: &BuildContext) -> Self {
        let inner = &self.inner;
        Self::assemble(inner.service.clone(), inner.pipeline.clone(), inner.settings.clone(), context.clone())
    }

    /// Who the provider is, where it points, what it and this client can do.
    #[must_use]
    pub fn info(&self) -> &ProviderInfo {
        &self.inner.info
    }

    /// How a capability is offered, counting what this client builds from other calls.
    #[must_use]
    pub fn supports(&self, capability: &str) -> Capability {
        storage::supports(self, capability)
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &StorageSettings {
        &self.inner.settings
    }

    /// The concrete provider, through any number of clients and wrappers.
    #[must_use]
    pub fn provider<T: Provider>(&self) -> Option<&T> {
        (self as &dyn Provider).find::<T>()
    }

    /// One harmless round trip that proves reachability and credentials.
    ///
    /// # Errors
    ///
    /// What the provider says; `Unsupported` where the vendor has no harmless call.
    pub async fn probe(&self, options: &CallOptions) -> Result<()> {
        self.inner.pipeline.probe(&*self.inner.service, &CallContext::new(options)).await
    }

    /// Refuses new calls, waits for running ones and for clean-ups, closes the provider; all within `within`.
    pub async fn close(&self, within: Duration) -> CloseReport {
        self.inner.pipeline.close(&*self.inner.service, within).await
    }

    fn service(&self) -> &dyn StorageService {
        &*self.inner.service
    }

    fn pipeline(&self) -> &Pipeline {
        &self.inner.pipeline
    }
}

/// What the service declares, and copy, which the client can build from reading and writing.
fn declare(service: &dyn StorageService) -> ProviderInfo {
    let info = service.info();
    let mut capabilities = info.capabilities().clone();
    let emulate = |capabilities: Capabilities, id: &'static str| {
        if storage::supports(service, id).is_supported() {
            capabilities
        } else {
            capabilities.emulated(id, COPY_CAVEAT)
        }
    };
    capabilities = emulate(capabilities, "copy");
    // What the destination's precondition needs is what a put's does.
    for (id, needs) in [("copy-create-only", "create-only"), ("copy-compare-and-swap", "compare-and-swap")] {
        if service.copier().is_none() && storage::supports(service, needs).is_supported() {
            capabilities = emulate(capabilities, id);
        }
    }
    ProviderInfo::new(info.id(), info.domain(), info.location(), capabilities)
}

impl From<Arc<dyn StorageService>> for StorageClient {
    fn from(service: Arc<dyn StorageService>) -> Self {
        let pipeline = Pipeline::new("default", service.info(), <Self as Domain>::policy());
        Self::assemble(service, pipeline, StorageSettings::default(), without_context())
    }
}

/// What clients are built from that nobody gave a context: one in the process, so that they share its upload budget.
fn without_context() -> BuildContext {
    static CONTEXT: OnceLock<BuildContext> = OnceLock::new();
    CONTEXT.get_or_init(BuildContext::default).clone()
}

/// How long a loop around calls waits before its next round: as long as it would by itself, or as long as it was asked to if
/// that is longer. `None`: another round is of no use.
fn pause(error: &Error, own: Duration) -> Option<Duration> {
    match error.retry() {
        Retry::Never => None,
        Retry::Backoff => Some(own),
        Retry::After(hint) => Some(own.max(hint)),
    }
}

impl From<StorageClient> for Arc<dyn StorageService> {
    fn from(client: StorageClient) -> Self {
        Arc::new(client)
    }
}

impl fmt::Debug for StorageClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageClient")
            .field("location", &self.inner.info.location())
            .field("pipeline", &self.inner.pipeline)
            .finish_non_exhaustive()
    }
}

impl Domain for StorageClient {
    type Service = dyn StorageService;
    type Settings = StorageSettings;

    const NAME: &'static str = "storage";
    const DEVELOPMENT: &'static str = "memory";

    /// The general defaults, but for calls that move many bytes or make the vendor assemble them: `put` and `put_part`
    /// end after ten minutes at the latest, `complete_multipart`, `copy` and `restore_version` have a minute for each attempt and three in all.
    fn policy() -> Policy {
        let moving = OperationPolicy::new().with_total_deadline(Duration::from_secs(600));
        let assembling = OperationPolicy::new()
            .with_total_deadline(Duration::from_secs(180))
            .with_attempt_timeout(Duration::from_secs(60));
        Policy::default()
            .with_operation("put", moving)
            .with_operation("put_part", moving)
            .with_operation("complete_multipart", assembling)
            .with_operation("copy", assembling)
            .with_operation("restore_version", assembling)
    }

    fn new(
        service: Arc<dyn StorageService>,
        pipeline: Pipeline,
        settings: StorageSettings,
        context: &BuildContext,
    ) -> Result<Self> {
        settings.check()?;
        Ok(Self::assemble(service, pipeline, settings, context.clone()))
    }

    fn service(&self) -> Arc<dyn StorageService> {
        Arc::new(self.clone())
    }

    fn pipeline(&self) -> &Pipeline {
        &self.inner.pipeline
    }

    fn provider(service: &dyn StorageService) -> &dyn Provider {
        service
    }

    fn supports(service: &dyn StorageService, capability: &str) -> Capability {
        storage::supports(service, capability)
    }

    fn capabilities() -> &'static [(&'static str, &'static str)] {
        storage::CAPABILITIES
    }

    fn operations() -> &'static [&'static str] {
        storage::OPERATIONS
    }

    fn settings_schema() -> String {
        crate::providers::schema::<StorageSettings>()
    }
}
