//! Calls whose answer was lost: what they were, and what was found out about them.

use std::sync::{Mutex, PoisonError};

use external_core::Error;

/// Everything whose outcome was unknown for a while, in the order in which it happened.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Vec<Entry>>);

/// One thing that happened to a call whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The system: `storage`, `cache`, `email`.
    pub(crate) domain: &'static str,
    pub(crate) event: Event,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The answer was lost: it may have taken effect or not.
    Unknown,
    /// It was looked up: it had taken effect, and was not done again.
    FoundDone,
    /// It was looked up: it had not taken effect, and is done again.
    FoundUndone,
}

impl Journal {
    /// The answer to something was lost.
    pub(crate) fn unknown(&self, who: &str, what: &str, error: &Error) {
        let domain = error.operation().map_or("unknown", |operation| operation.domain);
        self.add(domain, Event::Unknown);
        println!("          {who}: {what}: OUTCOME UNKNOWN: {}", error.message());
    }

    /// It was found out what had become of it.
    pub(crate) fn reconciled(&self, who: &str, domain: &'static str, event: Event, how: &str) {
        self.add(domain, event);
        println!("          {who}: reconciled: {how}");
    }

    /// Everything so far.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, domain: &'static str, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Entry { domain, event });
    }
}
