//! Runs the contract suite of caches against every provider of this crate.

use std::process::ExitCode;
use std::sync::Arc;

use external_cache::{CacheClient, CacheService};
use external_contract::Resilience;
use external_resilience::metrics::Metrics;
use external_resilience::{Domain, Policy};

fn main() -> ExitCode {
    let folder = env!("CARGO_MANIFEST_DIR");
    external_contract::run(
        external_contract::cache::suite(),
        external_contract::harnesses(folder, external_cache::registry().entries(), behind),
    )
}

fn behind(service: Arc<dyn CacheService>, resilience: Resilience) -> Arc<dyn CacheService> {
    let policy = match resilience {
        Resilience::Off => Policy::off(),
        Resilience::On => CacheClient::policy(),
    };
    CacheClient::from(service).with_policy(policy).with_observer(Arc::new(Metrics::new())).into()
}
