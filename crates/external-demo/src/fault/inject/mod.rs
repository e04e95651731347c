//! The provider `faulty`: another instance of the configuration, with faults put around its calls.
//!
//! ```toml
//! [email.default]
//! provider = "faulty"
//! inner = "outbox"      # the instance [email.outbox]
//! lost_answers = 2      # of the first 10 calls that change something, chosen by `seed`
//! seed = 7
//! ```

mod cache;
mod email;
mod storage;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use external_cache::CacheClient;
use external_core::cache::CacheService;
use external_core::email::EmailService;
use external_core::storage::StorageService;
use external_core::{
    BuildContext, CallContext, Effect, Error, Provider, ProviderEntry, ProviderInfo, ProviderKind, Result,
    Section,
};
use external_email::EmailClient;
use external_resilience::Domain;
use external_storage::StorageClient;
use serde::Deserialize;

/// The row of the storage table.
pub(crate) const STORAGE: ProviderEntry<dyn StorageService> = ProviderEntry {
    id: ID,
    feature: "",
    kind: ProviderKind::Composite,
    build: |section, context| {
        Ok(Arc::new(Faults::build(section, context, <StorageClient as Domain>::provider)?))
    },
    schema,
};

/// The row of the cache table.
pub(crate) const CACHE: ProviderEntry<dyn CacheService> = ProviderEntry {
    id: ID,
    feature: "",
    kind: ProviderKind::Composite,
    build: |section, context| {
        Ok(Arc::new(Faults::build(section, context, <CacheClient as Domain>::provider)?))
    },
    schema,
};

/// The row of the e-mail table.
pub(crate) const EMAIL: ProviderEntry<dyn EmailService> = ProviderEntry {
    id: ID,
    feature: "",
    kind: ProviderKind::Composite,
    build: |section, context| {
        Ok(Arc::new(Faults::build(section, context, <EmailClient as Domain>::provider)?))
    },
    schema,
};

const ID: &str = "faulty";
/// Answers are lost among so many first calls that change something.
const AMONG: usize = 10;

/// The table of an instance.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The name of the instance of the same domain that does the work.
    inner: String,
    /// How many answers are lost. 0 to 10, default 0.
    #[serde(default)]
    lost_answers: usize,
    /// Chooses which. Default 0.
    #[serde(default)]
    seed: u64,
}

fn schema() -> String {
    let count = |most: u64| serde_json::json!({ "type": "integer", "minimum": 0, "maximum": most });
    serde_json::json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["inner"],
        "properties": {
            "inner": { "type": "string" },
            "lost_answers": count(AMONG as u64),
            "seed": count(u64::MAX),
        },
    })
    .to_string()
}

/// Takes a system down and brings it back. Clones are the same switch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Switch(Arc<AtomicBool>);

impl Switch {
    pub(crate) fn set_down(&self, is_down: bool) {
        self.0.store(is_down, Ordering::SeqCst);
    }

    fn is_down(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A service of the contract `S`, and the faults around its calls. Facets are handed through as they are: the demo
/// calls none that could be repeated wrongly.
pub(crate) struct Faults<S: ?Sized> {
    inner: Arc<S>,
    /// The same as a provider: an unsized `S` cannot be upcast.
    provider: fn(&S) -> &dyn Provider,
    info: ProviderInfo,
    switch: Switch,
    /// Which of the calls that change something lose their answer, counted from 0.
    lost: BTreeSet<usize>,
    changes: AtomicUsize,
}

impl<S: ?Sized + 'static> Faults<S> {
    fn build(section: &Section, context: &BuildContext, provider: fn(&S) -> &dyn Provider) -> Result<Self> {
        let config: Config = section.parse()?;
        if config.lost_answers > AMONG {
            return Err(section.invalid("lost_answers", "at most 10 answers can be lost"));
        }
        let inner = context.resolve::<S>(&config.inner)?;
        let told = provider(&inner).info();
        let info = ProviderInfo::new(ID, told.domain(), told.location(), told.capabilities().clone());
        let mut order: Vec<usize> = (0..AMONG).collect();
        fastrand::Rng::with_seed(config.seed).shuffle(&mut order);
        let lost = order.into_iter().take(config.lost_answers).collect();
        Ok(Self { inner, provider, info, switch: Switch::default(), lost, changes: AtomicUsize::new(0) })
    }

    /// What takes it down.
    pub(crate) fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// A call that changes nothing.
    async fn read<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.around(false, call).await
    }

    /// A call that changes something: its answer may be lost after it took effect.
    async fn change<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.around(true, call).await
    }

    async fn around<T>(&self, changes: bool, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.switch.is_down() {
            return Err(Error::unavailable("the system is down (injected)").with_effect(Effect::NotSent));
        }
        let is_lost = changes && self.lost.contains(&self.changes.fetch_add(1, Ordering::SeqCst));
        let answer = call.await?;
        // A system that goes down while it works has done the work, and nobody hears of it.
        if is_lost || self.switch.is_down() {
            return Err(
                Error::unavailable("the answer was lost (injected)").with_effect(Effect::MaybeApplied)
            );
        }
        Ok(answer)
    }
}

#[async_trait]
impl<S: ?Sized + Send + Sync + 'static> Provider for Faults<S> {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.read((self.provider)(&self.inner).probe(cx)).await
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some((self.provider)(&self.inner))
    }
}
