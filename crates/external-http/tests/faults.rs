//! Faults that do not happen are not seen: a transport behind a plan keeps every promise it keeps without.

#[path = "origin/mod.rs"]
mod origin;

use std::sync::Arc;

use external_contract::{Harness, verify};
use external_http::{HttpTransport, MemoryHttp, OPERATIONS, Result};
use external_resilience::faults::FaultPlan;

/// As the suite asks for it.
fn memory() -> Result<Arc<dyn HttpTransport>> {
    Ok(Arc::new(MemoryHttp::new().with_fallback(origin::asked)))
}

#[test]
fn without_a_fault_every_operation_goes_through_and_is_counted() {
    let plan = FaultPlan::new();
    let around = plan.clone();
    let suite = external_contract::http::suite;
    let bare = verify(suite(), vec![Harness::embedded("memory", memory)]);
    let behind = verify(suite(), vec![Harness::embedded("memory", move || Ok(around.around(memory()?)))]);
    assert_eq!(behind, bare);
    assert!(behind.failed.is_empty() && behind.passed > 0, "{behind}");
    for &operation in OPERATIONS {
        assert!(plan.counts(operation).begun > 0, "no {operation} was made");
    }
}
