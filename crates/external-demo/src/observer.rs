//! Every external call, as the container's observer hears of it, and what the breakers did meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use external_resilience::{AttemptRecord, BreakerState, CallObserver, CallRecord, Pipeline};
use serde::Serialize;

/// One external call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    pub(crate) domain: &'static str,
    pub(crate) provider: &'static str,
    /// Whether the instance is the default one: the one that the service uses.
    #[serde(skip)]
    pub(crate) is_default: bool,
    pub(crate) operation: &'static str,
    /// How many attempts were made; 0 if the call was refused before the first.
    pub(crate) attempts: u32,
    /// `ok`, `error` or `dropped`.
    pub(crate) outcome: &'static str,
    /// Milliseconds, waits included.
    pub(crate) ms: f64,
}

/// All calls, in the order in which they ended, and the breakers.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    calls: Mutex<Vec<Call>>,
    breakers: Mutex<BTreeMap<&'static str, Watched>>,
}

/// The breaker of a domain's default instance.
#[derive(Debug)]
struct Watched {
    pipeline: Pipeline,
    is_closed: bool,
    seen: Breaker,
}

/// How often a breaker opened, and how often it closed again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Breaker {
    pub(crate) openings: u32,
    pub(crate) recoveries: u32,
}

impl Calls {
    /// What was heard so far.
    pub(crate) fn heard(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// What the breakers did so far, by domain.
    pub(crate) fn breakers(&self) -> BTreeMap<&'static str, Breaker> {
        lock(&self.breakers).iter().map(|(domain, watched)| (*domain, watched.seen)).collect()
    }

    /// Watches the breaker of a domain's default instance from now on.
    pub(crate) fn watch(&self, domain: &'static str, pipeline: Pipeline) {
        let watched = Watched { pipeline, is_closed: true, seen: Breaker::default() };
        lock(&self.breakers).insert(domain, watched);
    }

    /// Looks at a breaker. It changes only when an attempt ends, so no change is missed by looking after each.
    fn look(&self, domain: &str) {
        if let Some(watched) = lock(&self.breakers).get_mut(domain) {
            let is_closed = matches!(watched.pipeline.breaker_state(), None | Some(BreakerState::Closed));
            match (watched.is_closed, is_closed) {
                (true, false) => watched.seen.openings += 1,
                (false, true) => watched.seen.recoveries += 1,
                _ => {}
            }
            watched.is_closed = is_closed;
        }
    }
}

impl CallObserver for Calls {
    fn on_attempt(&self, record: &AttemptRecord<'_>) {
        self.look(record.operation.domain);
    }

    fn on_call(&self, record: &CallRecord<'_>) {
        self.look(record.operation.domain);
        // A managed call is part of another one, which is counted.
        if record.managed {
            return;
        }
        lock(&self.calls).push(Call {
            domain: record.operation.domain,
            provider: record.provider,
            is_default: record.instance == "default",
            operation: record.operation.name,
            attempts: record.attempts,
            outcome: record.outcome.as_str(),
            ms: record.duration.as_secs_f64() * 1000.0,
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
