//! A harness makes a provider for the suite: bare, behind its client, pointing nowhere.

mod nobody;
mod scan;
mod secrets;
mod target;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use external_core::{BuildContext, Provider, ProviderEntry, ProviderKind, Result, Section};

pub use scan::harnesses;
pub(crate) use secrets::{planted, secret_fields, secrets};
pub(crate) use target::{Http, Place, Target, variable};

/// What a provider is tested against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Nothing outside this process and its file system.
    Embedded,
    /// A vendor-shaped server on loopback.
    Simulator,
    /// A real server, thrown away afterwards.
    Server,
    /// The real vendor.
    Live,
}

impl Lane {
    /// As it stands in the report and in `EXTERNAL_CONTRACT_LANES`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Simulator => "simulator",
            Self::Server => "server",
            Self::Live => "live",
        }
    }
}

/// How much of the pipeline a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resilience {
    /// One attempt, no breaker, no time limits: what the suite counts requests with.
    Off,
    /// What a user gets by default.
    On,
}

/// Puts a provider behind its client.
pub type Behind<S> = fn(Arc<S>, Resilience) -> Arc<S>;

/// What is laid over every provider that a harness makes.
type Wrap<S> = Arc<dyn Fn(Arc<S>) -> Arc<S> + Send + Sync>;

/// Makes a provider from code.
type Make<S> = Arc<dyn Fn() -> Result<Arc<S>> + Send + Sync>;

pub(crate) enum Source<S: ?Sized + 'static> {
    Code(Make<S>),
    Data(ProviderEntry<S>, Box<Target>),
    /// A description that cannot be used: told as a failure.
    Broken(String),
    /// A provider that this build does not hold.
    Absent(String),
}

impl<S: ?Sized + 'static> Clone for Source<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Code(make) => Self::Code(Arc::clone(make)),
            Self::Data(entry, target) => Self::Data(*entry, target.clone()),
            Self::Broken(why) => Self::Broken(why.clone()),
            Self::Absent(why) => Self::Absent(why.clone()),
        }
    }
}

/// Makes one provider, in one lane, for the suite.
pub struct Harness<S: ?Sized + 'static> {
    pub(crate) provider: String,
    pub(crate) target: String,
    pub(crate) lane: Lane,
    pub(crate) kind: ProviderKind,
    pub(crate) source: Source<S>,
    pub(crate) client: Option<Behind<S>>,
    pub(crate) wrap: Option<Wrap<S>>,
    pub(crate) facts: BTreeMap<String, String>,
}

impl<S: ?Sized + 'static> Clone for Harness<S> {
    fn clone(&self) -> Self {
        Self {
            provider: self.provider.clone(),
            target: self.target.clone(),
            lane: self.lane,
            kind: self.kind,
            source: self.source.clone(),
            client: self.client,
            wrap: self.wrap.clone(),
            facts: self.facts.clone(),
        }
    }
}

impl<S: ?Sized + Provider + 'static> Harness<S> {
    /// A provider of the embedded lane, made by code. Clauses about configuration do not apply to it.
    pub fn embedded(
        id: impl Into<String>,
        make: impl Fn() -> Result<Arc<S>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            provider: id.into(),
            target: "code".to_owned(),
            lane: Lane::Embedded,
            kind: ProviderKind::Embedded,
            source: Source::Code(Arc::new(make)),
            client: None,
            wrap: None,
            facts: BTreeMap::new(),
        }
    }

    /// The targets that a `contract.toml` describes. A text that cannot be used becomes a failing clause.
    #[must_use]
    pub fn from_toml(entry: &ProviderEntry<S>, text: &str) -> Vec<Self> {
        match target::parse(text) {
            Ok(targets) if targets.is_empty() => {
                vec![Self::broken(entry.id, "contract.toml names no target".to_owned())]
            }
            Ok(targets)
                if entry.kind == ProviderKind::Remote
                    && targets.iter().all(|target| target.proxy.is_none()) =>
            {
                let why =
                    "contract.toml: a remote provider needs a target whose requests can be counted (`proxy`)";
                vec![Self::broken(entry.id, why.to_owned())]
            }
            Ok(targets) => targets
                .into_iter()
                .map(|target| Self {
                    provider: entry.id.to_owned(),
                    target: target.name.clone(),
                    lane: target.lane,
                    kind: entry.kind,
                    facts: target.facts.clone(),
                    source: Source::Data(*entry, Box::new(target)),
                    client: None,
                    wrap: None,
                })
                .collect(),
            Err(why) => vec![Self::broken(entry.id, format!("contract.toml: {why}"))],
        }
    }

    /// How this provider is put behind its client. Without it, clauses about the client are not run.
    #[must_use]
    pub fn behind(mut self, client: Behind<S>) -> Self {
        self.client = Some(client);
        self
    }

    /// Lays this over every provider that the harness makes: a [flaw](crate::broken::Flaw), say.
    #[must_use]
    pub fn wrapped(mut self, wrap: impl Fn(Arc<S>) -> Arc<S> + Send + Sync + 'static) -> Self {
        self.wrap = Some(Arc::new(wrap));
        self
    }

    /// The provider as this harness hands it out.
    pub(crate) fn laid_over(&self, bare: Arc<S>) -> Arc<S> {
        match &self.wrap {
            Some(wrap) => wrap(bare),
            None => bare,
        }
    }

    /// Tells the suite something about the back end (see each suite for what it asks).
    #[must_use]
    pub fn with_fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.insert(name.into(), value.into());
        self
    }

    /// Says what `${name}` of a `contract.toml` stands for: the address of a back end that the test target itself started.
    /// `EXTERNAL_CONTROL` is the port by which that back end is stopped and started again.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Source::Data(_, target) = &mut self.source {
            target.variables.insert(name.into(), value.into());
        }
        self
    }

    pub(crate) fn broken(provider: &str, why: String) -> Self {
        Self::unusable(provider, Source::Broken(why))
    }

    pub(crate) fn absent(provider: &str, why: String) -> Self {
        Self::unusable(provider, Source::Absent(why))
    }

    fn unusable(provider: &str, source: Source<S>) -> Self {
        Self {
            provider: provider.to_owned(),
            target: "none".to_owned(),
            lane: Lane::Embedded,
            kind: ProviderKind::Embedded,
            source,
            client: None,
            wrap: None,
            facts: BTreeMap::new(),
        }
    }

    pub(crate) fn target(&self) -> Option<&Target> {
        match &self.source {
            Source::Data(_, target) => Some(target),
            _ => None,
        }
    }

    /// The features of its crate that a build needs to hold this provider and this target.
    pub(crate) fn features(&self) -> Vec<&str> {
        let Source::Data(entry, target) = &self.source else { return Vec::new() };
        [Some(entry.feature), target.feature.as_deref()]
            .into_iter()
            .flatten()
            .filter(|feature| !feature.is_empty())
            .collect()
    }

    /// The modules of vendor crates that are known to show secrets at TRACE.
    pub(crate) fn known_leaks(&self) -> &[String] {
        self.target().map_or(&[], |target| &target.leaks)
    }

    /// Why nothing can be tried on this harness here, if so.
    pub(crate) fn obstacle(&self) -> Option<String> {
        match &self.source {
            Source::Absent(why) => Some(why.clone()),
            Source::Data(entry, target) => target.obstacle().or_else(|| lacks_feature(entry, target)),
            Source::Code(_) | Source::Broken(_) => None,
        }
    }

    /// What the provider declares, even where its back end cannot be had: nothing is sent.
    pub(crate) fn declared(&self) -> std::result::Result<Arc<S>, String> {
        match &self.source {
            Source::Code(make) => make().map_err(|error| error.report()),
            Source::Broken(why) | Source::Absent(why) => Err(why.clone()),
            Source::Data(entry, target) => {
                let place = Place::nowhere();
                let table = match target.obstacle() {
                    None => target.table(&place, None)?,
                    Some(_) if target.missing.is_some() => target.table(&place, target.missing.as_ref())?,
                    Some(why) => return Err(why),
                };
                let context = target.context(&place).unwrap_or_else(|_| BuildContext::default());
                (entry.build)(&section(&table)?, &context).map_err(|error| error.report())
            }
        }
    }
}

/// That this build lacks the feature of a target, if the provider itself says so: any other error is for the clauses.
fn lacks_feature<S: ?Sized>(entry: &ProviderEntry<S>, target: &Target) -> Option<String> {
    let feature = target.feature.as_deref()?;
    let section = section(&target.table(&Place::nowhere(), None).ok()?).ok()?;
    let said = (entry.build)(&section, &BuildContext::default()).err()?.report();
    said.contains(&format!("feature `{feature}`"))
        .then(|| format!("this build does not hold the feature `{feature}`"))
}

/// The section of a configuration that this table is.
pub(crate) fn section(table: &toml::Table) -> std::result::Result<Section, String> {
    let value: external_core::config::Value =
        toml::Value::Table(table.clone()).try_into().map_err(|error| error.to_string())?;
    Ok(Section::from_value(value))
}

impl<S: ?Sized + 'static> fmt::Debug for Harness<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness")
            .field("provider", &self.provider)
            .field("target", &self.target)
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}
