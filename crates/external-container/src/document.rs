//! What a configuration says, before anything is built: mode, TLS settings, instances, and the service's own tables.

use std::collections::{BTreeMap, BTreeSet};

use external_core::build::TlsSettings;
use external_core::config::{Entry, Node, Origin, Value};
use external_core::{Result, Section};
use serde::Deserialize;

use crate::source::about;

/// The name of the instance that is meant when none is named.
pub(crate) const DEFAULT: &str = "default";

/// Whether missing instances are filled in with embedded providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing is filled in: an instance that is used must be in the configuration.
    #[default]
    Production,
    /// What is missing is filled in with embedded providers, so that an empty file runs on a laptop.
    Development,
}

impl Mode {
    /// The mode as it is written in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }
}

/// One table of a domain.
#[derive(Debug, Clone)]
pub(crate) struct InstanceTable {
    pub(crate) domain: &'static str,
    pub(crate) name: String,
    /// The provider's name and where it stands; `None` if development mode is to choose.
    pub(crate) provider: Option<(String, Origin)>,
    /// Capability ids, each with its place.
    pub(crate) requires: Vec<(String, Origin)>,
    /// The client's own settings, if there is a table for them.
    pub(crate) settings: Option<Section>,
    /// The policy's table, empty if there is none.
    pub(crate) resilience: Section,
    /// What is left: the provider's own.
    pub(crate) rest: Section,
    /// Where the table stands.
    pub(crate) origin: Origin,
}

/// A whole configuration, taken apart.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) mode: Option<Mode>,
    pub(crate) tls: Option<(TlsSettings, Section)>,
    /// In the order in which they are written.
    pub(crate) instances: Vec<InstanceTable>,
    /// The tables that the service named as its own.
    pub(crate) own: BTreeMap<String, Section>,
}

impl Document {
    /// Takes a tree apart.
    ///
    /// # Errors
    ///
    /// `Configuration` with key and place of what does not fit.
    pub(crate) fn read(tree: Value, domains: &[&'static str], own: &BTreeSet<String>) -> Result<Self> {
        let mut document = Self { mode: None, tls: None, instances: Vec::new(), own: BTreeMap::new() };
        for entry in entries(tree) {
            let key = entry.key.as_str();
            if own.contains(key) {
                let section = Section::new(key, entry.value);
                document.own.insert(entry.key, section);
            } else if let Some(domain) = domains.iter().find(|domain| **domain == key) {
                document.read_domain(domain, entry)?;
            } else if key == "mode" {
                document.mode = Some(Section::new("mode", entry.value).parse()?);
            } else if key == "tls" {
                let section = Section::new("tls", entry.value);
                document.tls = Some((section.parse()?, section));
            } else {
                return Err(unknown_table(&entry, domains, own));
            }
        }
        Ok(document)
    }

    fn read_domain(&mut self, domain: &'static str, entry: Entry) -> Result<()> {
        if entry.value.as_table().is_none() {
            let found = entry.value.node.type_name();
            let reason = format!("expected tables such as [{domain}.{DEFAULT}], found {found}");
            return Err(about(domain, reason, &entry.value.origin));
        }
        for instance in entries(entry.value) {
            self.instances.push(InstanceTable::read(domain, instance)?);
        }
        Ok(())
    }
}

impl InstanceTable {
    /// The table of an instance that stands nowhere: development mode fills it in.
    pub(crate) fn absent(domain: &'static str, name: &str) -> Self {
        let path = format!("{domain}.{name}");
        Self {
            domain,
            name: name.to_owned(),
            provider: None,
            requires: Vec::new(),
            settings: None,
            resilience: Section::new(format!("{path}.resilience"), Value::default()),
            rest: Section::new(path, Value::default()),
            origin: Origin::Code,
        }
    }

    /// The same table with these settings of the client where it says nothing of them.
    pub(crate) fn with_development_settings(&self, settings: &[(&str, &str)]) -> Self {
        let mut value = self.settings.as_ref().map_or_else(Value::default, |said| said.value().clone());
        if let Some(table) = value.as_table_mut() {
            for (name, text) in settings {
                if table.get(name).is_none() {
                    let value = Value::new(Node::String((*text).to_owned()), Origin::Development);
                    table.insert(*name, Origin::Development, value);
                }
            }
        }
        Self { settings: Some(Section::new(format!("{}.client", self.path()), value)), ..self.clone() }
    }

    fn read(domain: &'static str, entry: Entry) -> Result<Self> {
        let Entry { key: name, key_origin, value: mut content } = entry;
        let path = format!("{domain}.{name}");
        check_name(&path, &name, &key_origin)?;
        let origin = content.origin.clone();
        let found = content.node.type_name();
        let Some(table) = content.as_table_mut() else {
            let reason = match &content.node {
                // `[storage]` with the fields right beneath it is the mistake that everybody makes once.
                Node::String(_) if name == "provider" => {
                    format!("an instance needs a name: write [{domain}.{DEFAULT}] instead of [{domain}]")
                }
                _ => format!("expected the table of an instance, found {found}"),
            };
            return Err(about(&path, reason, &origin));
        };
        let provider = table.remove("provider");
        let requires = table.remove("requires");
        let settings =
            table.remove("client").map(|entry| Section::new(format!("{path}.client"), entry.value));
        let resilience = table.remove("resilience").map(|entry| entry.value).unwrap_or_default();
        Ok(Self {
            domain,
            name,
            provider: provider.map(|entry| text(&format!("{path}.provider"), entry.value)).transpose()?,
            requires: requires
                .map(|entry| texts(&format!("{path}.requires"), entry.value))
                .transpose()?
                .unwrap_or_default(),
            settings,
            resilience: Section::new(format!("{path}.resilience"), resilience),
            rest: Section::new(path, content),
            origin,
        })
    }

    /// `storage.avatars`.
    pub(crate) fn path(&self) -> &str {
        self.rest.path()
    }
}

/// Checks that a name matches `[a-z][a-z0-9_]*`, so that every instance can be named by an environment variable.
///
/// # Errors
///
/// `Configuration` with key and place.
pub(crate) fn check_name(path: &str, name: &str, origin: &Origin) -> Result<()> {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase());
    if first && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        return Ok(());
    }
    let reason =
        format!("the name of an instance must match [a-z][a-z0-9_]*, `{}` does not", name.escape_debug());
    Err(about(path, reason, origin))
}

fn entries(value: Value) -> Vec<Entry> {
    match value.node {
        Node::Table(table) => table.entries().to_vec(),
        _ => Vec::new(),
    }
}

fn text(path: &str, value: Value) -> Result<(String, Origin)> {
    let found = value.node.type_name();
    match value.node {
        Node::String(text) => Ok((text, value.origin)),
        _ => Err(about(path, format!("expected a string, found {found}"), &value.origin)),
    }
}

fn texts(path: &str, value: Value) -> Result<Vec<(String, Origin)>> {
    let found = value.node.type_name();
    match value.node {
        Node::Array(items) => {
            let items = items.into_iter().enumerate();
            items.map(|(at, item)| text(&format!("{path}[{at}]"), item)).collect()
        }
        _ => Err(about(path, format!("expected an array of capability names, found {found}"), &value.origin)),
    }
}

fn unknown_table(entry: &Entry, domains: &[&'static str], own: &BTreeSet<String>) -> external_core::Error {
    let own = own.iter().map(String::as_str);
    let known: Vec<&str> = domains.iter().copied().chain(["mode", "tls"]).chain(own).collect();
    let reason = format!(
        "unknown top-level key `{}`: known are {}; a table of the service's own is named by .ignore(..)",
        entry.key,
        known.join(", "),
    );
    about(&entry.key, reason, &entry.key_origin)
}
