//! The three questions an error answers: what went wrong, did it take effect, is trying again of any use.

use std::fmt;
use std::time::Duration;

/// What went wrong, in terms that a caller can act on whatever the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing named by the call does not exist.
    NotFound,
    /// The thing exists already and the call asked to create it.
    AlreadyExists,
    /// A precondition failed: someone else changed it first.
    Conflict,
    /// The request itself is wrong; the same request will always be refused.
    InvalidArgument,
    /// Credentials are missing, wrong or expired.
    Unauthenticated,
    /// Credentials are fine, but this is not allowed to them.
    PermissionDenied,
    /// Too many calls for now.
    RateLimited,
    /// An allowance that does not refill by itself within minutes is used up.
    QuotaExhausted,
    /// The payload is larger than the provider takes.
    PayloadTooLarge,
    /// The provider cannot do this at all.
    Unsupported,
    /// The service cannot be reached or says that it cannot serve now.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// An answer came that cannot be decoded, or whose checksum is wrong.
    Corrupt,
    /// The configuration is wrong.
    Configuration,
    /// The client was closed before the call.
    Closed,
    /// Something that no other kind describes.
    Unexpected,
}

impl ErrorKind {
    /// Every kind, in declaration order: the closed set of label values for logs and metrics.
    pub const ALL: &'static [Self] = &[
        Self::NotFound,
        Self::AlreadyExists,
        Self::Conflict,
        Self::InvalidArgument,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::PayloadTooLarge,
        Self::Unsupported,
        Self::Unavailable,
        Self::Timeout,
        Self::Corrupt,
        Self::Configuration,
        Self::Closed,
        Self::Unexpected,
    ];

    /// The kind in `snake_case`, as it appears in logs, metrics and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::InvalidArgument => "invalid_argument",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::PayloadTooLarge => "payload_too_large",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Corrupt => "corrupt",
            Self::Configuration => "configuration",
            Self::Closed => "closed",
            Self::Unexpected => "unexpected",
        }
    }

    /// The effect that this kind has where nothing more precise is known.
    #[must_use]
    pub const fn default_effect(self) -> Effect {
        match self {
            Self::InvalidArgument | Self::Unsupported | Self::Configuration | Self::Closed => Effect::NotSent,
            Self::NotFound
            | Self::AlreadyExists
            | Self::Conflict
            | Self::Unauthenticated
            | Self::PermissionDenied
            | Self::RateLimited
            | Self::QuotaExhausted
            | Self::PayloadTooLarge => Effect::NotApplied,
            Self::Unavailable | Self::Timeout | Self::Corrupt | Self::Unexpected => Effect::MaybeApplied,
        }
    }

    /// The retry advice that this kind has where the vendor gives none.
    #[must_use]
    pub const fn default_retry(self) -> Retry {
        match self {
            Self::RateLimited | Self::Unavailable | Self::Timeout | Self::Corrupt => Retry::Backoff,
            _ => Retry::Never,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether the failed call can have changed anything at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing that could take effect left this process.
    NotSent,
    /// It was sent, and the answer proves that it did not take effect.
    NotApplied,
    /// It was sent, and nobody here knows what became of it.
    MaybeApplied,
}

impl Effect {
    /// The effect in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::NotApplied => "not_applied",
            Self::MaybeApplied => "maybe_applied",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether trying the same call again is of any use. Whether it is *safe* is
/// [`Error::may_repeat`](super::Error::may_repeat): a caller asks both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same call will fail the same way.
    Never,
    /// It may succeed later; the caller chooses when.
    Backoff,
    /// The other end said when.
    After(Duration),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Effect, ErrorKind, Retry};

    #[test]
    fn names_are_those_of_the_variants_in_snake_case() {
        let snake = |variant: String| {
            let parts = variant.char_indices().map(|(at, c)| match c.is_uppercase() && at > 0 {
                true => format!("_{}", c.to_lowercase()),
                false => c.to_lowercase().to_string(),
            });
            parts.collect::<String>()
        };
        for kind in ErrorKind::ALL {
            assert_eq!(kind.as_str(), snake(format!("{kind:?}")));
            assert_eq!(kind.to_string(), kind.as_str());
        }
        for effect in [Effect::NotSent, Effect::NotApplied, Effect::MaybeApplied] {
            assert_eq!(effect.as_str(), snake(format!("{effect:?}")));
            assert_eq!(effect.to_string(), effect.as_str());
        }
        assert_eq!(ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect::<BTreeSet<_>>().len(), 16);
    }

    #[test]
    fn what_may_pass_by_itself_is_worth_another_try() {
        let passing =
            [ErrorKind::RateLimited, ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Corrupt];
        for kind in ErrorKind::ALL {
            let advice = if passing.contains(kind) { Retry::Backoff } else { Retry::Never };
            assert_eq!(kind.default_retry(), advice, "{kind}");
        }
    }
}
