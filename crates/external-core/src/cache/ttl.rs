//! Times to live.

use std::time::Duration;

use crate::{Error, Result};

/// How long a value or a lease lives: more than zero, at most ten years.
///
/// A provider rounds it **up** to its granularity (limit `ttl-granularity-ms`), so nothing ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(Duration);

impl Ttl {
    /// The longest: ten years of 365 days.
    pub const MAX: Self = Self(Duration::from_secs(10 * 365 * 24 * 3600));

    /// Takes a duration.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for zero ("expire now" is `delete`) and for more than [`MAX`](Self::MAX).
    pub fn new(duration: Duration) -> Result<Self> {
        if duration.is_zero() {
            return Err(Error::invalid_argument("a time to live of zero: use delete, or no time to live"));
        }
        if duration > Self::MAX.0 {
            return Err(Error::invalid_argument("a time to live is at most ten years")
                .with_context("seconds", duration.as_secs()));
        }
        Ok(Self(duration))
    }

    /// The duration.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }

    /// Whole milliseconds, rounded up: at least 1.
    #[must_use]
    pub fn as_millis_ceil(self) -> u64 {
        let millis = self.0.as_nanos().div_ceil(1_000_000);
        u64::try_from(millis).unwrap_or(u64::MAX)
    }

    /// Whole seconds, rounded up: at least 1.
    #[must_use]
    pub fn as_secs_ceil(self) -> u64 {
        self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0)
    }
}

impl TryFrom<Duration> for Ttl {
    type Error = Error;

    fn try_from(duration: Duration) -> Result<Self> {
        Self::new(duration)
    }
}

impl From<Ttl> for Duration {
    fn from(ttl: Ttl) -> Self {
        ttl.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_zero_and_more_than_ten_years() {
        assert!(Ttl::new(Duration::ZERO).is_err());
        assert!(Ttl::new(Ttl::MAX.get()).is_ok());
        assert!(Ttl::new(Ttl::MAX.get() + Duration::from_nanos(1)).is_err());
    }

    #[test]
    fn rounds_up() {
        let ttl = Ttl::new(Duration::from_nanos(1)).unwrap();
        assert_eq!((ttl.as_millis_ceil(), ttl.as_secs_ceil()), (1, 1));
        let ttl = Ttl::new(Duration::from_millis(2000)).unwrap();
        assert_eq!((ttl.as_millis_ceil(), ttl.as_secs_ceil()), (2000, 2));
    }
}
