//! What happened, system by system: how often the pipeline tried again, what the breaker did, and what became of calls
//! whose answer was lost.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::accounts::journal::{Entry, Event};
use crate::observer::{Breaker, Call, Gate};

/// One system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct System {
    pub(crate) domain: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) calls: u64,
    pub(crate) attempts: u64,
    /// Attempts after the first of their call.
    pub(crate) retries: u64,
    /// How often its breaker opened.
    pub(crate) openings: u32,
    /// How often its breaker closed again.
    pub(crate) recoveries: u32,
    /// How often it asked everybody to wait.
    pub(crate) throttled: u64,
    /// Attempts that began while it had.
    pub(crate) impatient: u64,
    /// Calls that came while it had, and were held.
    pub(crate) held: u64,
    /// Things done only once whose answer was lost.
    pub(crate) unknown: u64,
    /// Those of them that were looked up.
    pub(crate) reconciled: u64,
}

/// Every system that the service called: what stands behind the default instances.
pub(crate) fn systems(
    calls: &[Call],
    breakers: &BTreeMap<&'static str, Breaker>,
    gates: &BTreeMap<&'static str, Gate>,
    journal: &[Entry],
) -> Vec<System> {
    let mut systems: BTreeMap<&str, System> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.is_default) {
        let system = systems.entry(call.domain).or_insert_with(|| {
            let breaker = breakers.get(call.domain).copied().unwrap_or_default();
            let gate = gates.get(call.domain);
            let count = |wanted: fn(Event) -> bool| {
                journal.iter().filter(|entry| entry.domain == call.domain && wanted(entry.event)).count()
                    as u64
            };
            System {
                domain: call.domain,
                provider: call.provider,
                calls: 0,
                attempts: 0,
                retries: 0,
                openings: breaker.openings,
                recoveries: breaker.recoveries,
                throttled: gate.map_or(0, Gate::throttled),
                impatient: gate.map_or(0, |gate| gate.passed),
                held: gate.map_or(0, |gate| gate.held),
                unknown: count(|event| event == Event::Unknown),
                reconciled: count(|event| event != Event::Unknown),
            }
        });
        system.calls += 1;
        system.attempts += u64::from(call.attempts);
        system.retries += u64::from(call.attempts.saturating_sub(1));
    }
    systems.into_values().collect()
}
