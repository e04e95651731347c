//! Moments to come. The clock cannot hold every duration, and neither a policy made in code nor what a service asks for
//! has a bound.

use std::time::Duration;

use tokio::time::Instant;

/// Nobody waits for longer.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// So long after a moment, a day at most.
pub(crate) fn later(now: Instant, wait: Duration) -> Instant {
    now + wait.min(LONGEST)
}
