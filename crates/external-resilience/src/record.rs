//! What is known about a call once it is over, and who wants to hear it.

use std::time::Duration;

use external_core::{Error, Operation};

/// How a call or an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With a result.
    Ok,
    /// With an error.
    Error,
    /// The caller dropped it.
    Dropped,
}

impl Outcome {
    /// The outcome in lower case: a label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Dropped => "dropped",
        }
    }
}

/// One attempt: one exchange with the provider, as far as it went.
#[derive(Debug)]
#[non_exhaustive]
pub struct AttemptRecord<'a> {
    /// What was called.
    pub operation: Operation,
    /// The provider's id.
    pub provider: &'static str,
    /// The instance's name in the configuration.
    pub instance: &'a str,
    /// Which attempt of the call this was, counted from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The error, if it ended with one.
    pub error: Option<&'a Error>,
    /// How long it took.
    pub duration: Duration,
    /// Whether an outer pipeline owns this call's retries.
    pub managed: bool,
}

/// One call, with everything it took.
#[derive(Debug)]
#[non_exhaustive]
pub struct CallRecord<'a> {
    /// What was called.
    pub operation: Operation,
    /// The provider's id.
    pub provider: &'static str,
    /// The instance's name in the configuration.
    pub instance: &'a str,
    /// How many attempts were made; 0 if the call was refused before the first.
    pub attempts: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The error, if it ended with one.
    pub error: Option<&'a Error>,
    /// How long it took, waits included; for a streamed body until the body's end.
    pub duration: Duration,
    /// Whether an outer pipeline owns this call: count the unmanaged ones.
    pub managed: bool,
    /// The pairs that the caller gave for the log.
    pub metadata: &'a [(String, String)],
}

/// Hears of every call and every attempt, also of those that were dropped.
///
/// It is called on the caller's task, and from `Drop`: it must be quick and must not block.
pub trait CallObserver: Send + Sync {
    /// An attempt is over.
    fn on_attempt(&self, _record: &AttemptRecord<'_>) {}

    /// A call is over.
    fn on_call(&self, _record: &CallRecord<'_>) {}
}
