//! Faults that do not happen are not seen: a cache behind a plan keeps every promise it keeps without.

use std::sync::Arc;

use external_cache::{CacheService, MemoryCache, OPERATIONS};
use external_contract::{Harness, verify};
use external_resilience::faults::FaultPlan;

fn memory() -> Arc<dyn CacheService> {
    Arc::new(MemoryCache::new())
}

#[test]
fn without_a_fault_every_operation_goes_through_and_is_counted() {
    let plan = FaultPlan::new();
    let around = plan.clone();
    let suite = external_contract::cache::suite;
    let bare = verify(suite(), vec![Harness::embedded("memory", || Ok(memory()))]);
    let behind = verify(suite(), vec![Harness::embedded("memory", move || Ok(around.around(memory())))]);
    assert_eq!(behind, bare);
    assert!(behind.failed.is_empty() && behind.passed > 0, "{behind}");
    for &operation in OPERATIONS {
        assert!(plan.counts(operation).begun > 0, "{operation}");
    }
}
