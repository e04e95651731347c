//! What a clause concludes, and the checks that clauses are written with.

use std::fmt::{self, Debug, Display};
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use external_core::{Error, ErrorKind};
use futures_util::future::poll_fn;
use tokio::time::Instant;

use crate::watch;

/// What a clause concludes. `Ok` is a pass.
pub type Verdict = Result<(), Finding>;

/// Why a clause did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The promise is broken.
    Failed {
        /// What the contract promises at this point.
        expected: String,
        /// What was seen instead.
        seen: String,
    },
    /// The clause could not be tried here; the text says why.
    NotRun(String),
}

impl Finding {
    /// A provider that does not come about.
    #[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
    pub(crate) fn cannot_build(error: Error) -> Self {
        Self::failed("the provider can be built", error.report())
    }

    /// The promise is broken.
    pub fn failed(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::Failed { expected: expected.into(), seen: seen.into() }
    }

    /// The clause could not be tried here.
    pub fn not_run(reason: impl Into<String>) -> Self {
        Self::NotRun(reason.into())
    }

    /// Says what was being done when this was found.
    #[must_use]
    pub fn while_(self, what: impl Display) -> Self {
        match self {
            Self::Failed { expected, seen } => Self::Failed { expected: format!("{what}: {expected}"), seen },
            Self::NotRun(reason) => Self::NotRun(format!("{what}: {reason}")),
        }
    }
}

impl Finding {
    /// Tells how a failure can be repeated where something was drawn.
    pub(crate) fn with_seed(self, seed: u64) -> Self {
        match self {
            Self::Failed { expected, seen } => Self::Failed {
                expected,
                seen: format!("{seen}\nseed:     {seed} (EXTERNAL_CONTRACT_SEED={seed} repeats it)"),
            },
            not_run @ Self::NotRun(_) => not_run,
        }
    }

    /// Tells what the call said beside what was looked at: why it did not come that far.
    pub(crate) fn with_said(self, error: Option<&Error>) -> Self {
        match (self, error) {
            (Self::Failed { expected, seen }, Some(error)) => {
                Self::Failed { expected, seen: format!("{seen}\nsaid:     {}", described(error)) }
            }
            (finding, _) => finding,
        }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { expected, seen } => write!(f, "expected: {expected}\nseen:     {seen}"),
            Self::NotRun(reason) => write!(f, "not run: {reason}"),
        }
    }
}

/// A call that a clause needs and that fails is a failure of the clause.
impl From<Error> for Finding {
    fn from(error: Error) -> Self {
        Self::failed("the call succeeds", described(&error))
    }
}

/// Checks a fact.
///
/// # Errors
///
/// A failure that holds both texts, if the fact does not hold.
pub fn ensure(holds: bool, expected: impl Display, seen: impl Display) -> Verdict {
    if holds { Ok(()) } else { Err(Finding::failed(expected.to_string(), seen.to_string())) }
}

/// Checks that two values are equal.
///
/// # Errors
///
/// A failure that shows both values (shortened), if they differ.
pub fn ensure_eq<T, U>(what: &str, seen: &T, expected: &U) -> Verdict
where
    T: PartialEq<U> + Debug + ?Sized,
    U: Debug + ?Sized,
{
    if seen == expected {
        return Ok(());
    }
    Err(Finding::failed(format!("{what} is {}", shortened(expected)), shortened(seen)))
}

/// Checks that a call is refused with this kind, and hands the error out for further checks.
///
/// # Errors
///
/// A failure if the call succeeded or failed in another way.
pub fn ensure_error<T>(
    what: &str,
    result: external_core::Result<T>,
    kind: ErrorKind,
) -> Result<Error, Finding> {
    match result {
        Ok(_) => Err(Finding::failed(format!("{what} fails with {kind:?}"), "it succeeded")),
        Err(error) if error.kind() == kind => {
            watch::saw_error(&error);
            Ok(error)
        }
        Err(error) => Err(Finding::failed(format!("{what} fails with {kind:?}"), described(&error))),
    }
}

/// Waits for something that must happen soon.
///
/// # Errors
///
/// A failure if `limit` passes first.
pub async fn within<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> Result<T, Finding> {
    let started = Instant::now();
    tokio::time::timeout(limit, future).await.map_err(|_| {
        Finding::failed(
            format!("{what} ends within {limit:?}"),
            format!("still waiting after {:?}", started.elapsed()),
        )
    })
}

/// Tries a check again and again until it passes.
///
/// # Errors
///
/// The last failure, once `limit` has passed.
pub async fn eventually<F>(limit: Duration, mut check: impl FnMut() -> F) -> Verdict
where
    F: Future<Output = Verdict>,
{
    let started = Instant::now();
    loop {
        match check().await {
            Ok(()) => return Ok(()),
            Err(finding) if started.elapsed() >= limit => {
                return Err(finding.while_(format_args!("after waiting {limit:?}")));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Polls a future `polls` times and then drops it: a caller that goes away. `Some` if it was done before. A future
/// that was not polled so often within two seconds, since nothing wakes it, is dropped as well.
pub async fn abandon<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut polled = 0;
    let polling = poll_fn(|cx| {
        polled += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if polled >= polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    tokio::time::timeout(Duration::from_secs(2), polling).await.unwrap_or_default()
}

/// Every error that a clause meets is told here, or handed out by [`ensure_error`]: so it is searched for secrets. A clause that
/// looks at an error in another way shows it to [`watch::saw_error`] itself.
fn described(error: &Error) -> String {
    watch::saw_error(error);
    format!("{:?}, {:?}: {}", error.kind(), error.effect(), error.report())
}

fn shortened<T: Debug + ?Sized>(value: &T) -> String {
    const MOST: usize = 600;
    let mut text = format!("{value:?}");
    if text.len() > MOST {
        let mut end = MOST;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let whole = text.len();
        text.truncate(end);
        text.push_str(&format!("… ({whole} characters)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn abandons_after_the_given_number_of_polls() {
        assert_eq!(abandon(async { 1 }, 1).await, Some(1));
        assert_eq!(abandon(std::future::pending::<()>(), 1).await, None);
        let twice = async {
            tokio::task::yield_now().await;
            2
        };
        assert_eq!(abandon(twice, 2).await, Some(2));
    }

    #[test]
    fn shows_long_values_shortened() {
        let Err(Finding::Failed { seen, .. }) = ensure_eq("it", &"é".repeat(999), &String::new()) else {
            panic!("they differ")
        };
        assert!(seen.len() < 700, "{seen}");
    }
}
