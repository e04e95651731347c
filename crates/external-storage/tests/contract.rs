//! Runs the contract suite of object storage against every provider of this crate.

use std::process::ExitCode;
use std::sync::Arc;

use external_contract::Resilience;
use external_resilience::metrics::Metrics;
use external_storage::{Domain, Policy, StorageClient, StorageService};

fn main() -> ExitCode {
    let folder = env!("CARGO_MANIFEST_DIR");
    external_contract::run(
        external_contract::storage::suite(),
        external_contract::harnesses(folder, external_storage::registry().entries(), behind),
    )
}

fn behind(service: Arc<dyn StorageService>, resilience: Resilience) -> Arc<dyn StorageService> {
    let policy = match resilience {
        Resilience::Off => Policy::off(),
        Resilience::On => StorageClient::policy(),
    };
    StorageClient::from(service).with_policy(policy).with_observer(Arc::new(Metrics::new())).into()
}
