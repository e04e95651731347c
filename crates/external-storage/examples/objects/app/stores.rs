//! From the name in an address to a client: instances of the configuration, made by the container, and providers that a
//! place is enough for.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use external_container::Container;
use external_core::config::{Origin, Value};
use external_core::{ProviderKind, Section};
use external_storage::{BuildContext, Error, StorageClient};

use super::address::split_local;
use super::failure::{Failure, Outcome};
use super::tree::real;

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It must be there.
    Read,
    /// It is made if it is not there.
    Write,
    /// It must be there, and makes links.
    Link,
}

/// A store, and the key or prefix that an address names in it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) client: StorageClient,
    /// What tells this store from others.
    pub(super) store: String,
    pub(super) key: String,
    /// How large the object is, where a listing told it.
    pub(super) size: Option<u64>,
}

impl Place {
    /// Where on this machine its objects are, if it is a folder.
    pub(super) fn on_disk(&self) -> Option<PathBuf> {
        let info = self.client.info();
        let root = info.location().strip_prefix("local://").filter(|_| info.id() == "local")?;
        Some(real(Path::new(root)).join(&self.key))
    }

    /// Whether both may be in one store, under whatever names. Places alone do not tell: buckets of one name may be at two
    /// endpoints.
    pub(super) fn may_share_store(&self, other: &Self) -> bool {
        let (own, others) = (self.client.info(), other.client.info());
        self.store == other.store || (own.id(), own.location()) == (others.id(), others.location())
    }

    /// What went wrong there: by its address and, where that is a name from the configuration, by what it stands for.
    pub(super) fn failed(&self, error: Error) -> Failure {
        let is_instance = !self.store.contains(':');
        let place = if is_instance { format!(" ({})", self.client.info().location()) } else { String::new() };
        Failure::from(error).about(&format!("{self}{place}"))
    }
}

/// The address, as a person would write it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, key, .. } = self;
        match store.starts_with("local:") {
            true => write!(f, "{store}//{key}"),
            false => write!(f, "{}:{key}", store.trim_end_matches(':')),
        }
    }
}

/// Every store that the command uses.
pub(super) struct Stores {
    instances: Vec<String>,
    container: Option<Container>,
    opened: BTreeMap<String, StorageClient>,
}

impl Stores {
    /// Reads the configuration; opens nothing.
    pub(super) fn new(config: Option<&Path>) -> Outcome<Self> {
        let Some(path) = config else {
            return Ok(Self { instances: Vec::new(), container: None, opened: BTreeMap::new() });
        };
        let text = fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
        // What is not TOML is refused by the container, with its place.
        let document: toml::Table = text.parse().unwrap_or_default();
        let mut builder = Container::builder().domain(external_storage::registry());
        // The file may be a whole service's: cache, e-mail and its own tables are none of this program's business.
        for table in document.keys().filter(|table| !["storage", "mode", "tls"].contains(&table.as_str())) {
            builder = builder.ignore(table);
        }
        let container = builder.from_str(&path.display().to_string(), &text)?;
        let storage = document.get("storage").and_then(toml::Value::as_table);
        let instances = storage.map(|storage| storage.keys().cloned().collect()).unwrap_or_default();
        Ok(Self { instances, container: Some(container), opened: BTreeMap::new() })
    }

    /// The client of `store`, and the key.
    pub(super) fn open(&mut self, store: &str, rest: &str, purpose: Use) -> Outcome<Place> {
        let failed = |error: Error| Failure::from(error).about(&format!("{store}:{rest}"));
        if let Some(container) = self.container.as_ref().filter(|_| self.instances.iter().any(|i| i == store))
        {
            let client = container.get(store).map_err(failed)?;
            return Ok(Place { client, store: store.to_owned(), key: rest.to_owned(), size: None });
        }
        let (place, key) = match store {
            "local" => split_local(rest),
            "memory" => ("", rest),
            _ => return Err(self.unknown(store)),
        };
        let name = format!("{store}:{place}");
        if let Some(client) = self.opened.get(&format!("{name} {purpose:?}")) {
            return Ok(Place { client: client.clone(), store: name, key: key.to_owned(), size: None });
        }
        let mut value = Value::default();
        if let (Some(table), "local") = (value.as_table_mut(), store) {
            table.insert("root", Origin::Code, place.into());
            table.insert("create", Origin::Code, (purpose == Use::Write).into());
            if purpose == Use::Link {
                table.insert("serve", Origin::Code, Value::default());
            }
        }
        let registry = external_storage::registry();
        let context = BuildContext::default();
        let entry = registry.find(store).map_err(failed)?;
        let provider = (entry.build)(&Section::new(name.as_str(), value), &context).map_err(failed)?;
        let client = StorageClient::from(provider).with_context(&context);
        // One process has one memory, whatever it is used for.
        let purposes: &[Use] =
            if store == "memory" { &[Use::Read, Use::Write, Use::Link] } else { &[purpose] };
        for purpose in purposes {
            self.opened.insert(format!("{name} {purpose:?}"), client.clone());
        }
        Ok(Place { client, store: name, key: key.to_owned(), size: None })
    }

    fn unknown(&self, store: &str) -> Failure {
        let known = match (&self.container, self.instances.as_slice()) {
            (None, _) => "name a configuration with --config".to_owned(),
            (Some(_), []) => "the configuration has no table [storage.…]".to_owned(),
            (Some(_), instances) => format!("the configuration has {}", instances.join(", ")),
        };
        Failure::new(format!(
            "no store is called `{store}`: {known}. `local:FOLDER//KEY` and `memory:KEY` need none, and a file \
             whose name has a colon is `./{store}:…`"
        ))
    }

    /// Waits for clean-ups and closes everything; whether that was all done in time.
    pub(super) async fn close(&self, within: Duration) -> bool {
        let mut is_clean = true;
        if let Some(container) = &self.container {
            is_clean &= container.shutdown(within).await.is_clean();
        }
        for client in self.opened.values() {
            is_clean &= client.close(within).await.is_clean();
        }
        is_clean
    }
}

/// Whether the store lives in this process, and so do its links.
pub(super) fn is_embedded(client: &StorageClient) -> bool {
    let registry = external_storage::registry();
    registry.find(client.info().id()).is_ok_and(|entry| entry.kind == ProviderKind::Embedded)
}
