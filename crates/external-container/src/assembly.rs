//! From tables to clients: each instance is built when it is first needed, those it is made of before it.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use external_core::build::Instances;
use external_core::config::{Node, Origin, Value};
use external_core::{BuildContext, Error, ProviderKind, Result, Section};
use external_resilience::CallObserver;

use crate::document::{InstanceTable, Mode, check_name};
use crate::domain::{AnyClient, AnyDomain, BuildRequest};
use crate::source::about;

/// One instance that was built, or given by the program.
pub(crate) struct Instance {
    pub(crate) domain: &'static str,
    pub(crate) name: String,
    /// What it was built from; `None` if the program gave it.
    pub(crate) table: Option<Arc<InstanceTable>>,
    /// Where its provider keeps its state; `None` if the program gave it.
    pub(crate) kind: Option<ProviderKind>,
    pub(crate) client: Arc<dyn AnyClient>,
}

/// Everything that is needed to build, and what was built so far.
pub(crate) struct Assembly {
    pub(crate) domains: Vec<Arc<dyn AnyDomain>>,
    pub(crate) tables: Vec<Arc<InstanceTable>>,
    /// The tables that the service named as its own.
    pub(crate) own: BTreeMap<String, Section>,
    /// The table `tls`, if there is one.
    pub(crate) tls: Option<Section>,
    pub(crate) mode: Mode,
    pub(crate) world: BuildContext,
    pub(crate) observers: Vec<Arc<dyn CallObserver>>,
    pub(crate) state: Mutex<State>,
    /// Itself, for the contexts that providers may keep: a provider must not keep the container alive.
    pub(crate) this: Weak<Self>,
}

/// What was built so far.
#[derive(Default)]
pub(crate) struct State {
    /// In the order of building: what an instance is made of comes before it.
    pub(crate) built: Vec<Arc<Instance>>,
    pub(crate) closed: bool,
}

/// The instances on the way from the one that was asked for to the one that is being built.
type Chain = Vec<(&'static str, String)>;

impl Assembly {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The registered domain of a name.
    pub(crate) fn domain(&self, name: &str) -> Option<&Arc<dyn AnyDomain>> {
        self.domains.iter().find(|domain| domain.name() == name)
    }

    /// An instance, built now if it was not before.
    ///
    /// # Errors
    ///
    /// `Configuration`: no such instance, a provider that is not compiled in, a field that does not fit, a
    /// capability that is required and missing, a ring. `Closed` after the shutdown.
    pub(crate) fn instance(&self, domain: &'static str, name: &str, chain: &Chain) -> Result<Arc<Instance>> {
        {
            let state = self.state();
            if state.closed {
                return Err(Error::closed("the container was shut down"));
            }
            if let Some(found) = find(&state, domain, name) {
                return Ok(found);
            }
        }
        if chain.iter().any(|(known, instance)| *known == domain && instance == name) {
            return Err(ring(chain, domain, name));
        }
        let table = self.table(domain, name)?;
        // No lock is held here: building asks for other instances.
        let built = Arc::new(self.build(&table, chain)?);
        let mut state = self.state();
        if state.closed {
            return Err(Error::closed("the container was shut down"));
        }
        if let Some(found) = find(&state, domain, name) {
            return Ok(found);
        }
        state.built.push(built.clone());
        Ok(built)
    }

    fn table(&self, domain: &'static str, name: &str) -> Result<Arc<InstanceTable>> {
        if let Some(table) = self.tables.iter().find(|table| table.domain == domain && table.name == name) {
            return Ok(table.clone());
        }
        let path = format!("{domain}.{name}");
        check_name(&path, name, &Origin::Code)?;
        let Some(registered) = self.domain(domain) else {
            let reason = format!(
                "the domain `{domain}` is not registered: add .domain(external_{domain}::registry())"
            );
            return Err(about(&path, reason, &Origin::Code));
        };
        match self.mode {
            Mode::Development => Ok(Arc::new(InstanceTable::absent(registered.name(), name))),
            Mode::Production => {
                let choices = provider_ids(registered.as_ref());
                let reason =
                    format!("no such instance: add the table [{path}] with a provider, one of {choices}");
                Err(about(&path, reason, &Origin::Code))
            }
        }
    }

    fn build(&self, table: &Arc<InstanceTable>, chain: &Chain) -> Result<Instance> {
        let path = table.path();
        let domain = self.domain(table.domain).ok_or_else(|| {
            about(path, format!("the domain `{}` is not registered", table.domain), &table.origin)
        })?;
        let filled;
        let table = match (&table.provider, self.mode, domain.development_settings()) {
            (None, Mode::Development, settings @ [_, ..]) => {
                filled = Arc::new(table.with_development_settings(settings));
                &filled
            }
            _ => table,
        };
        let (provider, provider_origin) = match (&table.provider, self.mode) {
            (Some((provider, origin)), _) => (provider.as_str(), origin),
            (None, Mode::Development) => (domain.development(), &table.origin),
            (None, Mode::Production) => {
                let reason = format!("missing field `provider`, one of {}", provider_ids(domain.as_ref()));
                return Err(about(path, reason, &table.origin));
            }
        };
        let row = domain
            .find(provider)
            .map_err(|error| located(error, &format!("{path}.provider"), provider_origin))?;
        let mut chain = chain.clone();
        chain.push((table.domain, table.name.clone()));
        let resolver = Resolver { assembly: self.this.clone(), chain };
        let client = domain
            .build(&BuildRequest {
                instance: &table.name,
                provider,
                section: &table.rest,
                settings: table.settings.as_ref(),
                resilience: &table.resilience,
                context: &self.world.clone().with_instances(Arc::new(resolver)),
                observers: &self.observers,
            })
            .map_err(|error| {
                let settings =
                    || place_of(&error, &format!("{path}.client"), table.settings.as_ref()?.value());
                let place = place_of(&error, path, table.rest.value()).or_else(settings);
                let (key, origin) = place.unwrap_or_else(|| (path.to_owned(), &table.origin));
                located(error, &key, origin)
            })?;
        check_requirements(domain.as_ref(), client.as_ref(), provider, table)?;
        Ok(Instance {
            domain: table.domain,
            name: table.name.clone(),
            table: Some(table.clone()),
            kind: Some(row.kind),
            client,
        })
    }
}

fn find(state: &State, domain: &str, name: &str) -> Option<Arc<Instance>> {
    state.built.iter().find(|built| built.domain == domain && built.name == name).cloned()
}

fn ring(chain: &Chain, domain: &'static str, name: &str) -> Error {
    let start = chain.iter().position(|(known, instance)| *known == domain && instance == name).unwrap_or(0);
    let mut names: Vec<String> =
        chain[start..].iter().map(|(domain, name)| format!("{domain}.{name}")).collect();
    names.push(format!("{domain}.{name}"));
    Error::configuration(format!("instances need each other in a ring: {}", names.join(" -> ")))
}

fn provider_ids(domain: &dyn AnyDomain) -> String {
    let rows = domain.rows();
    rows.iter().map(|row| row.id).collect::<Vec<_>>().join(", ")
}

/// Where the value stands that a provider found wrong when it was built: the field it names, or the reference to the
/// variable it names.
fn place_of<'a>(error: &Error, path: &str, section: &'a Value) -> Option<(String, &'a Origin)> {
    if let Some(field) = error.context_value("field") {
        return Some((format!("{path}.{field}"), &section.at(field)?.origin));
    }
    let variable = error.context_value("variable")?;
    let Node::Table(table) = &section.node else { return None };
    table.entries().iter().find_map(|entry| {
        let key = format!("{path}.{}", entry.key);
        match entry.value.at("env").and_then(Value::as_str) {
            Some(name) if name == variable => Some((key, &entry.value.origin)),
            _ => place_of(error, &key, &entry.value),
        }
    })
}

/// An error that does not know its place gets one: key and origin.
fn located(error: Error, key: &str, origin: &Origin) -> Error {
    if error.context_value("key").is_some() {
        return error;
    }
    let error = error.with_context("key", key);
    match origin {
        Origin::Code => error,
        origin => error.with_context("at", origin),
    }
}

fn check_requirements(
    domain: &dyn AnyDomain,
    client: &dyn AnyClient,
    provider: &str,
    table: &InstanceTable,
) -> Result<()> {
    let key = format!("{}.requires", table.path());
    for (capability, origin) in &table.requires {
        if domain.capabilities().iter().all(|(id, _)| id != capability) {
            let known: Vec<&str> = domain.capabilities().iter().map(|(id, _)| *id).collect();
            let reason =
                format!("unknown capability `{}`: known are {}", capability.escape_debug(), known.join(", "));
            return Err(about(&key, reason, origin));
        }
        if !client.supports(capability).is_supported() {
            let reason = format!(
                "the provider `{provider}` does not support `{capability}`, which this instance requires"
            );
            return Err(about(&key, reason, origin));
        }
    }
    Ok(())
}

/// What a provider's [`BuildContext`] finds other instances with.
struct Resolver {
    assembly: Weak<Assembly>,
    chain: Chain,
}

impl Instances for Resolver {
    fn resolve(&self, contract: TypeId, contract_name: &'static str, instance: &str) -> Result<Box<dyn Any>> {
        let gone = || Error::closed("the container is gone").with_context("instance", instance);
        let assembly = self.assembly.upgrade().ok_or_else(gone)?;
        let domain =
            assembly.domains.iter().find(|domain| domain.contract() == contract).ok_or_else(|| {
                Error::configuration("no registered domain has this contract")
                    .with_context("contract", contract_name)
                    .with_context("instance", instance)
            })?;
        Ok(assembly.instance(domain.name(), instance, &self.chain)?.client.contract())
    }
}
