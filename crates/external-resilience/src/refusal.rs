//! Refusals of our own: nothing was sent, and they say nothing about the service.

use std::fmt;
use std::time::Duration;

use external_core::{Effect, Error, ErrorKind, Retry};

/// The name under which an error says which layer refused the call.
const REFUSED_BY: &str = "refused_by";

/// Which layer refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Breaker,
    Bulkhead,
    Gate,
    RateLimit,
    Deadline,
}

impl Refusal {
    pub(crate) const ALL: [Self; 5] =
        [Self::Breaker, Self::Bulkhead, Self::Gate, Self::RateLimit, Self::Deadline];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Breaker => "breaker",
            Self::Bulkhead => "bulkhead",
            Self::Gate => "gate",
            Self::RateLimit => "rate_limit",
            Self::Deadline => "deadline",
        }
    }

    /// The error; `wait` is when calling again is of use, if that is known.
    pub(crate) fn error(self, message: &'static str, wait: Option<Duration>) -> Error {
        let kind = match self {
            Self::Breaker | Self::Bulkhead => ErrorKind::Unavailable,
            Self::Gate | Self::RateLimit => ErrorKind::RateLimited,
            Self::Deadline => ErrorKind::Timeout,
        };
        Error::new(kind, message)
            .with_effect(Effect::NotSent)
            .with_retry(wait.map_or(Retry::Backoff, Retry::After))
            .with_context(REFUSED_BY, self)
    }

    /// Whether some layer, of this pipeline or of one further in, refused the call.
    pub(crate) fn is(error: &Error) -> bool {
        error.context_value(REFUSED_BY).is_some()
    }

    /// Whether coming back is of no use to the call: what could be waited for was, where the layer is. A gate that stays
    /// closed for longer than an attempt may take is what the service asked for, and a call may have the time for that.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Breaker | Self::Bulkhead | Self::RateLimit)
    }

    /// The layer that refused the call.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        let name = error.context_value(REFUSED_BY)?;
        Self::ALL.into_iter().find(|layer| layer.as_str() == name)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
