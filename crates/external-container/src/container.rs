//! The container: named clients, their health, their end.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use external_core::{Error, Result, Section};
use external_resilience::Domain;

use crate::assembly::Assembly;
use crate::builder::ContainerBuilder;
use crate::document::{DEFAULT, Mode};
use crate::explain;
use crate::health::Health;
use crate::schema;
use crate::shutdown::ShutdownReport;

/// The clients of one configuration. Cheap to clone; all clones are the same container.
///
/// ```
/// use external_cache::CacheClient;
/// use external_container::Container;
///
/// # tokio_test(async {
/// let container = Container::builder()
///     .domain(external_cache::registry())
///     .from_str("service.toml", "
///         [cache.sessions]
///         provider = 'memory'
///     ")?;
/// let sessions: CacheClient = container.get("sessions")?;
/// sessions.set("k", &"v".to_owned(), std::time::Duration::from_secs(60)).await?;
/// assert!(container.shutdown(std::time::Duration::from_secs(5)).await.is_clean());
/// # Ok::<(), external_core::Error>(()) });
/// # fn tokio_test<F: Future<Output = external_core::Result<()>>>(f: F) {
/// #     tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(f).unwrap();
/// # }
/// ```
#[derive(Clone)]
pub struct Container {
    assembly: Arc<Assembly>,
}

impl Container {
    /// Puts a container together from domains and one source of configuration.
    pub fn builder() -> ContainerBuilder {
        ContainerBuilder::new(None)
    }

    /// The same in development mode, whatever the configuration says: what is missing is filled in with embedded
    /// providers, so that an empty configuration runs on a laptop.
    ///
    /// ```
    /// use external_cache::CacheClient;
    /// use external_container::Container;
    ///
    /// let container = Container::development().domain(external_cache::registry()).build()?;
    /// let cache: CacheClient = container.get("sessions")?;
    /// # Ok::<(), external_core::Error>(())
    /// ```
    pub fn development() -> ContainerBuilder {
        ContainerBuilder::new(Some(Mode::Development))
    }

    pub(crate) fn new(assembly: Arc<Assembly>) -> Self {
        Self { assembly }
    }

    /// The client of a named instance: `container.get::<StorageClient>("avatars")`. All its clones share breaker,
    /// limits and connections.
    ///
    /// In development mode an instance that is not in the configuration is made here.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the table to add, or the domain to register. `Closed` after the shutdown.
    pub fn get<D: Domain>(&self, instance: &str) -> Result<D> {
        let found = self.assembly.instance(D::NAME, instance, &Vec::new())?;
        found.client.client().downcast_ref::<D>().cloned().ok_or_else(|| {
            Error::configuration("the domain of this name has another client type")
                .with_context("domain", D::NAME)
                .with_context("asked for", std::any::type_name::<D>())
        })
    }

    /// The client of the default instance, `[storage.default]`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn get_default<D: Domain>(&self) -> Result<D> {
        self.get(DEFAULT)
    }

    /// A table that the service named as its own with [`ContainerBuilder::ignore`], environment variables laid
    /// over it; empty if it is not in the configuration. Its [`parse`](Section::parse) names key and place of what
    /// does not fit.
    ///
    /// ```
    /// use external_container::Container;
    ///
    /// #[derive(Debug, serde::Deserialize)]
    /// struct App {
    ///     greeting: String,
    /// }
    ///
    /// let container = Container::builder()
    ///     .ignore("app")
    ///     .env([("EXTERNAL__APP__GREETING", "Guten Tag")])
    ///     .from_str("service.toml", "[app]\ngreeting = 'Hello'")?;
    /// let app: App = container.section("app").parse()?;
    /// assert_eq!(app.greeting, "Guten Tag");
    /// # Ok::<(), external_core::Error>(())
    /// ```
    #[must_use]
    pub fn section(&self, table: &str) -> Section {
        let own = self.assembly.own.get(table).cloned();
        own.unwrap_or_else(|| Section::new(table, external_core::config::Value::default()))
    }

    /// Whether missing instances are filled in.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.assembly.mode
    }

    /// Probes all instances side by side, together within the deadline.
    ///
    /// Probes are calls that observers hear of; breakers neither see nor stop them. After the shutdown every instance
    /// is down.
    pub async fn health(&self, within: Duration) -> Health {
        let built = self.assembly.state().built.clone();
        Health::probe(&built, within).await
    }

    /// Closes all instances, those built last first: each refuses new calls, lets the running ones end, cleans up
    /// and gives its connections back, all together within the deadline. Answers what was left.
    ///
    /// Clients that are still held answer `Closed` from then on, and so does [`get`](Self::get). A second call has
    /// nothing to do.
    pub async fn shutdown(&self, within: Duration) -> ShutdownReport {
        let built = {
            let mut state = self.assembly.state();
            if mem::replace(&mut state.closed, true) { Vec::new() } else { state.built.clone() }
        };
        ShutdownReport::close(built, within).await
    }

    /// The resolved configuration with the place each value came from, for people. Secrets are masked; the
    /// service's own tables are named and not shown, since nobody knows what is secret in them.
    #[must_use]
    pub fn explain(&self) -> String {
        explain::explain(&self.assembly)
    }

    /// The JSON Schema of the configuration file; see [`ContainerBuilder::schema`].
    #[must_use]
    pub fn schema(&self) -> String {
        schema::schema(&self.assembly.domains, &self.assembly.own.keys().cloned().collect())
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.assembly.state();
        let built: Vec<String> =
            state.built.iter().map(|built| format!("{}.{}", built.domain, built.name)).collect();
        f.debug_struct("Container")
            .field("mode", &self.assembly.mode)
            .field("instances", &built)
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}
