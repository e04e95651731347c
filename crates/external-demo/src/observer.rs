//! Every external call, as the container's observer hears of it.

use std::sync::{Mutex, PoisonError};

use external_resilience::{CallObserver, CallRecord};
use serde::Serialize;

/// One external call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    pub(crate) domain: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) operation: &'static str,
    /// How many attempts were made; 0 if the call was refused before the first.
    pub(crate) attempts: u32,
    /// `ok`, `error` or `dropped`.
    pub(crate) outcome: &'static str,
    /// Milliseconds, waits included.
    pub(crate) ms: f64,
}

/// All calls, in the order in which they ended.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<Vec<Call>>);

impl Calls {
    /// What was heard so far.
    pub(crate) fn heard(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl CallObserver for Calls {
    fn on_call(&self, record: &CallRecord<'_>) {
        // A managed call is part of another one, which is counted.
        if record.managed {
            return;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Call {
            domain: record.operation.domain,
            provider: record.provider,
            operation: record.operation.name,
            attempts: record.attempts,
            outcome: record.outcome.as_str(),
            ms: record.duration.as_secs_f64() * 1000.0,
        });
    }
}
