//! How a container is put together: domains first, then one source of configuration.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use external_core::config::{Origin, Value};
use external_core::{BuildContext, Error, ProviderKind, Result};
use external_resilience::{CallObserver, Domain, Registry};

use crate::assembly::{Assembly, Instance, State};
use crate::container::Container;
use crate::document::{DEFAULT, Document, Mode, check_name};
use crate::domain::{AnyDomain, Held};
use crate::schema;
use crate::source::{self, PREFIX};

/// Puts a [`Container`] together. Made by [`Container::builder`] and [`Container::development`].
#[must_use]
pub struct ContainerBuilder {
    domains: Vec<Arc<dyn AnyDomain>>,
    own: BTreeSet<String>,
    observers: Vec<Arc<dyn CallObserver>>,
    given: Vec<Instance>,
    world: BuildContext,
    mode: Option<Mode>,
}

impl ContainerBuilder {
    pub(crate) fn new(mode: Option<Mode>) -> Self {
        Self {
            domains: Vec::new(),
            own: BTreeSet::new(),
            observers: Vec::new(),
            given: Vec::new(),
            world: BuildContext::default(),
            mode,
        }
    }

    /// Registers a domain with its providers: its tables may then stand in the configuration.
    ///
    /// Providers from outside are rows like any other: `external_storage::registry().with(MY_ENTRY)`.
    pub fn domain<D: Domain>(mut self, registry: Registry<D>) -> Self {
        self.domains.push(Arc::new(registry));
        self
    }

    /// Names a top-level table as the service's own: the container leaves it alone, and
    /// [`Container::section`] reads it.
    pub fn ignore(mut self, table: impl Into<String>) -> Self {
        self.own.insert(table.into());
        self
    }

    /// Lets somebody hear of every call of every instance. May be called several times.
    pub fn observer(mut self, observer: Arc<dyn CallObserver>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Puts a client of the program's own in an instance's place, whatever the configuration says of it: for tests.
    ///
    /// Its table, if there is one, is neither checked nor built.
    pub fn with<D: Domain>(mut self, instance: impl Into<String>, client: impl Into<D>) -> Self {
        self.given.push(Instance {
            domain: D::NAME,
            name: instance.into(),
            table: None,
            kind: None,
            client: Arc::new(Held::given(client.into())),
        });
        self
    }

    /// Replaces the environment: nothing of the process's own is seen any more, neither by overrides nor by secrets.
    pub fn env<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.world = self.world.with_env(variables);
        self
    }

    /// Replaces what providers see of the world: clock, randomness, environment, secret files, upload budget.
    pub fn context(mut self, context: BuildContext) -> Self {
        self.world = context;
        self
    }

    /// Reads a file, lays environment variables over it and builds all instances.
    ///
    /// `.yaml` and `.yml` are YAML (feature `yaml`), everything else is TOML. Nothing but the file is read and no
    /// connection is opened: a client connects on first use.
    ///
    /// # Errors
    ///
    /// `Configuration`, with file, line and key wherever there is one: a file that cannot be read or parsed, an
    /// unknown table, provider or field, a missing field, a value of the wrong type, an instance that requires what
    /// its provider cannot do, instances that need each other in a ring, a variable that does not fit.
    pub fn from_file(self, path: impl AsRef<Path>) -> Result<Container> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            Error::configuration("the configuration file cannot be read")
                .with_context("file", &name)
                .with_source(error)
        })?;
        self.from_str(&name, &text)
    }

    /// The same from a text. `name` is what errors call it; its extension picks the format.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_str(self, name: &str, text: &str) -> Result<Container> {
        let tree = source::parse(name, text)?;
        self.assemble(tree)
    }

    /// The same without a file: environment variables, and what development mode fills in.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn build(self) -> Result<Container> {
        self.assemble(Value::default())
    }

    /// The JSON Schema (draft 2020-12) of a configuration file for these domains, for editors and for checks before
    /// a deployment.
    #[must_use]
    pub fn schema(&self) -> String {
        schema::schema(&self.domains, &self.own)
    }

    fn assemble(self, mut tree: Value) -> Result<Container> {
        self.check()?;
        source::overlay(&mut tree, &self.world.variables(PREFIX))?;
        let registered = self.domains.iter().map(|domain| domain.name());
        let known: Vec<&'static str> =
            registered.chain(self.given.iter().map(|given| given.domain)).collect();
        let mut document = Document::read(tree, &known, &self.own)?;
        document.instances.retain(|table| {
            !self.given.iter().any(|given| given.domain == table.domain && given.name == table.name)
        });
        let (world, tls) = match document.tls {
            Some((settings, section)) => (self.world.with_tls(settings), Some(section)),
            None => (self.world, None),
        };
        let assembly = Arc::new_cyclic(|this| Assembly {
            domains: self.domains,
            tables: document.instances.into_iter().map(Arc::new).collect(),
            own: document.own,
            tls,
            mode: self.mode.or(document.mode).unwrap_or_default(),
            world,
            observers: self.observers,
            state: Mutex::new(State { built: self.given.into_iter().map(Arc::new).collect(), closed: false }),
            this: this.clone(),
        });
        build_all(&assembly)?;
        warn_of_embedded(&assembly);
        Ok(Container::new(assembly))
    }

    /// What is wrong with the program rather than with its configuration.
    fn check(&self) -> Result<()> {
        for (at, domain) in self.domains.iter().enumerate() {
            domain.check()?;
            if self.domains[..at].iter().any(|earlier| earlier.name() == domain.name()) {
                return Err(Error::configuration("a domain is registered twice")
                    .with_context("domain", domain.name()));
            }
            if self.own.contains(domain.name()) {
                return Err(Error::configuration("a domain's own table cannot be ignored")
                    .with_context("domain", domain.name()));
            }
        }
        for (at, given) in self.given.iter().enumerate() {
            let path = format!("{}.{}", given.domain, given.name);
            check_name(&path, &given.name, &Origin::Code)?;
            if self.given[..at]
                .iter()
                .any(|earlier| earlier.domain == given.domain && earlier.name == given.name)
            {
                return Err(Error::configuration("an instance is given twice").with_context("key", path));
            }
        }
        Ok(())
    }
}

/// Builds what the configuration names and, in development mode, the default instance of every domain.
fn build_all(assembly: &Assembly) -> Result<()> {
    for table in &assembly.tables {
        assembly.instance(table.domain, &table.name, &Vec::new())?;
    }
    if assembly.mode == Mode::Development {
        for domain in &assembly.domains {
            assembly.instance(domain.name(), DEFAULT, &Vec::new())?;
        }
    }
    Ok(())
}

/// Embedded providers keep their state in the process or on the machine: in production that is seldom meant.
fn warn_of_embedded(assembly: &Assembly) {
    if assembly.mode == Mode::Development {
        return;
    }
    let state = assembly.state();
    let embedded = state.built.iter().filter(|built| built.kind == Some(ProviderKind::Embedded));
    let names: Vec<String> = embedded
        .map(|built| format!("{}.{} ({})", built.domain, built.name, built.client.provider().info().id()))
        .collect();
    if !names.is_empty() {
        tracing::warn!(
            instances = names.join(", "),
            "embedded providers outside development mode: their state stays in this process or on this machine"
        );
    }
}

impl fmt::Debug for ContainerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domains: Vec<&str> = self.domains.iter().map(|domain| domain.name()).collect();
        f.debug_struct("ContainerBuilder")
            .field("domains", &domains)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
