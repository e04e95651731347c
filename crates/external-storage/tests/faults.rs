//! Faults that do not happen are not seen: a store behind a plan keeps every promise it keeps without.

use std::sync::Arc;

use external_contract::{Harness, verify};
use external_resilience::faults::FaultPlan;
use external_storage::{BuildContext, MemoryConfig, OPERATIONS, Result, StorageService};

/// What memory has not.
const MISSING: &[&str] = &["presign"];

fn memory() -> Result<Arc<dyn StorageService>> {
    let store = MemoryConfig::default().with_versions().build(&BuildContext::default())?;
    Ok(Arc::new(store))
}

#[test]
fn without_a_fault_every_operation_goes_through_and_is_counted() {
    let plan = FaultPlan::new();
    let around = plan.clone();
    let suite = external_contract::storage::suite;
    let bare = verify(suite(), vec![Harness::embedded("memory", memory)]);
    let behind = verify(suite(), vec![Harness::embedded("memory", move || Ok(around.around(memory()?)))]);
    assert_eq!(behind, bare);
    assert!(behind.failed.is_empty() && behind.passed > 0, "{behind}");
    for &operation in OPERATIONS {
        let begun = plan.counts(operation).begun;
        assert_eq!(begun == 0, MISSING.contains(&operation), "{operation}: {begun} calls");
    }
}
