//! What only the cache client has, as clauses over every provider of this crate and over one that fails on demand.
#![allow(clippy::unwrap_used, reason = "a poisoned lock or a panicked task is a failed clause")]

#[path = "client/faulty.rs"]
mod faulty;
#[path = "client/groups.rs"]
mod groups;
#[path = "client/load.rs"]
mod load;
#[path = "client/load_many.rs"]
mod load_many;
#[path = "client/locks.rs"]
mod locks;
#[path = "client/stale.rs"]
mod stale;
#[path = "client/typed.rs"]
mod typed;

use std::process::ExitCode;
use std::sync::Arc;

use external_cache::{CacheClient, CacheService, CacheSettings};
use external_contract::{Resilience, Suite};
use external_core::BuildContext;
use external_resilience::{Domain, Pipeline, Policy};

type S = dyn CacheService;

fn main() -> ExitCode {
    let suite = Suite::of_client("cache")
        .with_all(typed::clauses())
        .with_all(load::clauses())
        .with_all(stale::clauses())
        .with_all(load_many::clauses())
        .with_all(groups::clauses())
        .with_all(locks::clauses());
    let folder = env!("CARGO_MANIFEST_DIR");
    external_contract::run(
        suite,
        external_contract::harnesses(folder, external_cache::registry().entries(), behind),
    )
}

fn behind(service: Arc<S>, resilience: Resilience) -> Arc<S> {
    match resilience {
        Resilience::Off => CacheClient::from(service).with_policy(Policy::off()).into(),
        Resilience::On => CacheClient::from(service).into(),
    }
}

/// A client with settings and a world of its own.
fn client_in(
    service: Arc<S>,
    settings: CacheSettings,
    world: &BuildContext,
) -> external_core::Result<CacheClient> {
    let pipeline = Pipeline::new("test", service.info(), CacheClient::policy());
    CacheClient::new(service, pipeline, settings, world)
}
