//! Faults that do not happen are not seen: a mail server behind a plan keeps every promise it keeps without.

use std::sync::Arc;

use external_contract::{Harness, verify};
use external_email::{BuildContext, EmailService, MemoryConfig, OPERATIONS, Rehearsal, Result};
use external_resilience::faults::FaultPlan;

/// What memory has not.
const MISSING: &[&str] = &["send_template"];

/// As the suite asks for it.
fn memory() -> Result<Arc<dyn EmailService>> {
    let rehearsal = Rehearsal::new()
        .with_refuse("refuse550")
        .with_defer("defer451")
        .with_lose_reply("dropafterdata")
        .with_refuse_content("datafail");
    let config = MemoryConfig::new().with_max_message_bytes(1 << 20).with_max_batch_recipients(20);
    Ok(Arc::new(config.with_rehearsal(rehearsal).build(&BuildContext::default())?))
}

#[test]
fn without_a_fault_every_operation_goes_through_and_is_counted() {
    let plan = FaultPlan::new();
    let around = plan.clone();
    let suite = external_contract::email::suite;
    let bare = verify(suite(), vec![Harness::embedded("memory", memory)]);
    let behind = verify(suite(), vec![Harness::embedded("memory", move || Ok(around.around(memory()?)))]);
    assert_eq!(behind, bare);
    assert!(behind.failed.is_empty() && behind.passed > 0, "{behind}");
    for &operation in OPERATIONS {
        let begun = plan.counts(operation).begun;
        assert_eq!(begun == 0, MISSING.contains(&operation), "{operation}: {begun} calls");
    }
}
