//! The provider `faulty`: another instance of the configuration, with faults put around its calls.
//!
//! ```toml
//! [email.default]
//! provider = "faulty"
//! inner = "outbox"      # the instance [email.outbox]
//! lost_answers = 2      # of the first 10 calls that change something, chosen by `seed`
//! throttled = 1         # others of them, refused with the request to wait
//! seed = 7
//! ```

use std::sync::Arc;
use std::time::Duration;

use external_core::cache::CacheService;
use external_core::email::EmailService;
use external_core::storage::StorageService;
use external_core::{BuildContext, Error, ErrorKind, ProviderEntry, ProviderKind, Result, Retry, Section};
use external_resilience::faults::{Calls, Contract, Fault, FaultPlan, Faults};
use serde::Deserialize;

/// The row of the storage table.
pub(crate) const STORAGE: ProviderEntry<dyn StorageService> = ProviderEntry {
    id: ID,
    feature: "",
    kind: ProviderKind::Composite,
    build: |section, context| Ok(Arc::new(build::<dyn StorageService>(section, context)?)),
    schema,
};

/// The row of the cache table.
pub(crate) const CACHE: ProviderEntry<dyn CacheService> = ProviderEntry {
    id: ID,
    feature: "",
    kind: ProviderKind::Composite,
    build: |section, context| Ok(Arc::new(build::<dyn CacheService>(section, context)?)),
    schema,
};

/// The row of the e-mail table.
pub(crate) const EMAIL: ProviderEntry<dyn EmailService> = ProviderEntry {
    id: ID,
    feature: "",
    kind: ProviderKind::Composite,
    build: |section, context| Ok(Arc::new(build::<dyn EmailService>(section, context)?)),
    schema,
};

const ID: &str = "faulty";
/// Faults are among so many first calls that change something.
const AMONG: u64 = 10;
/// How long a call that is throttled, and so everybody, is asked to wait: long enough for others to come, also on a slow machine.
const WAIT: Duration = Duration::from_millis(500);

/// The table of an instance.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The name of the instance of the same domain that does the work.
    inner: String,
    /// How many answers are lost. 0 to 10, default 0.
    #[serde(default)]
    lost_answers: usize,
    /// How many others are refused, with nothing done, and everybody is asked to wait. 0 to 10, default 0.
    #[serde(default)]
    throttled: usize,
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
            "lost_answers": count(AMONG),
            "throttled": count(AMONG),
            "seed": count(u64::MAX),
        },
    })
    .to_string()
}

fn build<S: Contract + ?Sized>(section: &Section, context: &BuildContext) -> Result<Faults<S>> {
    let config: Config = section.parse()?;
    let mut order: Vec<u64> = (1..=AMONG).collect();
    let Config { lost_answers, throttled, .. } = config;
    if lost_answers.saturating_add(throttled) > order.len() {
        return Err(section.invalid("lost_answers", "at most 10 answers can be lost or throttled"));
    }
    fastrand::Rng::with_seed(config.seed).shuffle(&mut order);
    let plan = FaultPlan::seeded(config.seed);
    let mut order = order.into_iter();
    for n in order.by_ref().take(lost_answers) {
        plan.nth(Calls::Changes, n, Fault::lost(ErrorKind::Unavailable));
    }
    for n in order.take(throttled) {
        let slow_down =
            Error::rate_limited("too many calls, by an injected fault").with_retry(Retry::After(WAIT));
        plan.nth(Calls::Changes, n, Fault::error(slow_down));
    }
    Ok(Faults::new(context.resolve::<S>(&config.inner)?, plan).with_id(ID))
}
