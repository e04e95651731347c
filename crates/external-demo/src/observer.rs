//! Every external call, as the container's observer hears of it, and what the breakers did meanwhile.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use external_core::{ErrorKind, Retry};
use external_resilience::{AttemptRecord, BreakerState, CallObserver, CallRecord, Pipeline};
use serde::Serialize;
use tokio::time::Instant;

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
    gates: Mutex<BTreeMap<&'static str, Gate>>,
}

/// What a domain's default instance was asked to wait for, and whether everybody did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Gate {
    /// From when until when nobody was to begin an attempt: one each time that the service asked for it.
    closed: Vec<(Instant, Instant)>,
    /// Attempts that began all the same.
    pub(crate) passed: u64,
    /// Calls that came meanwhile and went on only afterwards: without any, that nobody began says nothing.
    pub(crate) held: u64,
}

/// An attempt that was let through just before a gate closed may be seen to begin just after.
const JUST_BEFORE: Duration = Duration::from_millis(10);

impl Gate {
    /// How often the service asked everybody to wait.
    pub(crate) fn throttled(&self) -> u64 {
        self.closed.len() as u64
    }

    /// An attempt that began then has ended now.
    fn attempt(&mut self, record: &AttemptRecord<'_>, began: Instant, now: Instant) {
        let held = |(from, until): &(Instant, Instant)| *from + JUST_BEFORE < began && began < *until;
        self.passed += u64::from(self.closed.iter().any(held));
        let throttled = record.error.filter(|error| error.kind() == ErrorKind::RateLimited);
        if let Some(Retry::After(wait)) = throttled.map(external_core::Error::retry) {
            self.closed.push((now, now + wait));
        }
    }

    /// A call that came then is over now.
    fn call(&mut self, came: Instant, now: Instant) {
        let waited = |(from, until): &(Instant, Instant)| *from <= came && came < *until && *until <= now;
        self.held += u64::from(self.closed.iter().any(waited));
    }
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

    /// What the gates did so far, by domain.
    pub(crate) fn gates(&self) -> BTreeMap<&'static str, Gate> {
        lock(&self.gates).clone()
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
        if record.instance == "default" {
            let now = Instant::now();
            let began = before(now, record.duration);
            lock(&self.gates).entry(record.operation.domain).or_default().attempt(record, began, now);
        }
    }

    fn on_call(&self, record: &CallRecord<'_>) {
        self.look(record.operation.domain);
        // A managed call is part of another one, which is counted.
        if record.managed {
            return;
        }
        if record.instance == "default" {
            let now = Instant::now();
            let came = before(now, record.duration);
            lock(&self.gates).entry(record.operation.domain).or_default().call(came, now);
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

fn before(now: Instant, duration: Duration) -> Instant {
    now.checked_sub(duration).unwrap_or(now)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
