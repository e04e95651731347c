//! The one error type: what went wrong, whether it took effect, whether trying again is of use.
//!
//! Constructors are named by kind and take the message, since every place that makes an error has something
//! to say; provider and operation are added by the pipeline where they are absent, so that providers need not
//! repeat them at every line.

mod kind;
mod repeat;
mod report;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use kind::{Effect, ErrorKind, Retry};

use crate::Operation;

/// The result of every fallible call of the workspace.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a call to an external system, one pointer wide.
///
/// `Display` is one line and leaves the source out; [`Error::report`] prints the whole chain. No secret and no
/// payload ever enters an error.
///
/// ```
/// use external_core::{Effect, Error, ErrorKind, Operation, Repeat};
///
/// let error = Error::unavailable("connection refused").with_effect(Effect::NotSent);
/// assert_eq!(error.kind(), ErrorKind::Unavailable);
/// // Nothing was sent, so even a call that must happen once may be tried again.
/// assert!(error.may_repeat(&Operation::new("email", "send", Repeat::Once)));
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

const _: () = assert!(size_of::<Error>() == size_of::<usize>());

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    effect: Effect,
    retry: Retry,
    message: Cow<'static, str>,
    provider: Option<&'static str>,
    operation: Option<Operation>,
    vendor_code: Option<Box<str>>,
    request_id: Option<Box<str>>,
    http_status: Option<u16>,
    attempts: u32,
    elapsed: Option<Duration>,
    ended_by: Option<&'static str>,
    context: Vec<(&'static str, Box<str>)>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(message: impl Into<Cow<'static, str>>) -> Self {
            Self::new(ErrorKind::$kind, message)
        }
    )*};
}

impl Error {
    /// An error of the given kind, with the kind's usual effect and retry advice.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            effect: kind.default_effect(),
            retry: kind.default_retry(),
            message: message.into(),
            provider: None,
            operation: None,
            vendor_code: None,
            request_id: None,
            http_status: None,
            attempts: 0,
            elapsed: None,
            ended_by: None,
            context: Vec::new(),
            source: None,
        }))
    }

    constructors! {
        /// The thing named by the call does not exist.
        not_found => NotFound;
        /// The thing exists already and the call asked to create it.
        already_exists => AlreadyExists;
        /// A precondition failed.
        conflict => Conflict;
        /// The request itself is wrong.
        invalid_argument => InvalidArgument;
        /// Credentials are missing, wrong or expired.
        unauthenticated => Unauthenticated;
        /// Not allowed to these credentials.
        permission_denied => PermissionDenied;
        /// Too many calls for now.
        rate_limited => RateLimited;
        /// An allowance is used up.
        quota_exhausted => QuotaExhausted;
        /// The payload is larger than the provider takes.
        payload_too_large => PayloadTooLarge;
        /// The service cannot be reached or cannot serve now.
        unavailable => Unavailable;
        /// No answer in time.
        timeout => Timeout;
        /// The answer cannot be decoded, or its checksum is wrong.
        corrupt => Corrupt;
        /// The configuration is wrong.
        configuration => Configuration;
        /// The client was closed before the call.
        closed => Closed;
        /// Something that no other kind describes.
        unexpected => Unexpected;
    }

    /// The provider lacks a capability; `capability` is its id (`"presign"`).
    #[must_use]
    pub fn unsupported(capability: &'static str) -> Self {
        Self::new(ErrorKind::Unsupported, format!("not supported: {capability}"))
            .with_context("capability", capability)
    }

    /// Replaces the effect.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.0.effect = effect;
        self
    }

    /// Replaces the retry advice.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Names the provider that failed, by its id.
    #[must_use]
    pub fn with_provider(mut self, provider: &'static str) -> Self {
        self.0.provider = Some(provider);
        self
    }

    /// Names the operation that failed.
    #[must_use]
    pub fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation = Some(operation);
        self
    }

    /// Keeps the vendor's own code for this failure (`"SlowDown"`, `"5.1.1"`, `"WRONGPASS"`).
    #[must_use]
    pub fn with_vendor_code(mut self, code: impl Into<String>) -> Self {
        self.0.vendor_code = Some(code.into().into_boxed_str());
        self
    }

    /// Keeps the HTTP status of the answer.
    #[must_use]
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.0.http_status = Some(status);
        self
    }

    /// Keeps the vendor's id of this request, which its support will ask for.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.request_id = Some(id.into().into_boxed_str());
        self
    }

    /// Adds a fact that helps to find the cause. Never a secret, never a payload.
    #[must_use]
    pub fn with_context(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((name, value.to_string().into_boxed_str()));
        self
    }

    /// Keeps the underlying error. It must not carry secrets: it is printed by [`Error::report`].
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Records how many attempts were made and how long they took in all.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32, elapsed: Duration) -> Self {
        self.0.attempts = attempts;
        self.0.elapsed = Some(elapsed);
        self
    }

    /// Says why no further attempt was made: a word of the pipeline (`"attempts"`, `"deadline"`, `"not_safe"`).
    #[must_use]
    pub fn with_ended_by(mut self, reason: &'static str) -> Self {
        self.0.ended_by = Some(reason);
        self
    }

    /// Names provider and operation where they are still unknown, in place: the pipeline's hot path.
    pub fn locate(&mut self, provider: &'static str, operation: Operation) {
        self.0.provider.get_or_insert(provider);
        self.0.operation.get_or_insert(operation);
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the call can have taken effect.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// Whether trying again is of use.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// What happened, without kind, provider and operation.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The provider's id, once known.
    #[must_use]
    pub fn provider(&self) -> Option<&'static str> {
        self.0.provider
    }

    /// The operation, once known.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The vendor's own code.
    #[must_use]
    pub fn vendor_code(&self) -> Option<&str> {
        self.0.vendor_code.as_deref()
    }

    /// The HTTP status of the answer.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// The vendor's id of the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How many attempts were made; 0 where the error did not pass a pipeline or was refused before the first.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// How long all attempts took, waits included; `None` where the error did not pass a pipeline.
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.0.elapsed
    }

    /// Why no further attempt was made, a word of the pipeline; `None` where the error did not pass one.
    #[must_use]
    pub fn ended_by(&self) -> Option<&'static str> {
        self.0.ended_by
    }

    /// The first cause of this type, however deep it lies.
    ///
    /// ```
    /// let error = external_core::Error::unavailable("gone").with_source(std::io::Error::other("reset"));
    /// assert!(error.find_source::<std::io::Error>().is_some());
    /// ```
    #[must_use]
    pub fn find_source<T: StdError + 'static>(&self) -> Option<&T> {
        let mut source = self.source();
        while let Some(cause) = source {
            if let Some(found) = cause.downcast_ref() {
                return Some(found);
            }
            source = cause.source();
        }
        None
    }

    /// The facts added on the way, in the order they were added.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(name, value)| (*name, &**value))
    }

    /// The value of one fact.
    #[must_use]
    pub fn context_value(&self, name: &str) -> Option<&str> {
        self.context().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Repeat;

    const PUT: Operation = Operation::new("storage", "put", Repeat::Once);

    #[test]
    fn what_nobody_told_is_not_known() {
        let error = Error::not_found("no object");
        assert_eq!((error.message(), error.attempts(), error.elapsed()), ("no object", 0, None));
        assert_eq!((error.provider(), error.operation(), error.vendor_code()), (None, None, None));
        assert_eq!((error.http_status(), error.request_id(), error.context().count()), (None, None, 0));
        assert!(error.source().is_none() && error.ended_by().is_none());
    }

    #[test]
    fn what_was_told_is_kept() {
        let error = Error::unavailable("the store failed")
            .with_effect(Effect::NotApplied)
            .with_retry(Retry::After(Duration::from_secs(7)))
            .with_provider("s3")
            .with_operation(PUT)
            .with_vendor_code("SlowDown")
            .with_http_status(503)
            .with_request_id("R1")
            .with_context("key", "a")
            .with_context("bytes", 3)
            .with_source(std::io::Error::other("reset"))
            .with_attempts(3, Duration::from_secs(2))
            .with_ended_by("budget");
        assert_eq!(
            (error.effect(), error.retry()),
            (Effect::NotApplied, Retry::After(Duration::from_secs(7)))
        );
        assert_eq!((error.provider(), error.operation()), (Some("s3"), Some(PUT)));
        assert_eq!((error.vendor_code(), error.http_status()), (Some("SlowDown"), Some(503)));
        assert_eq!((error.request_id(), error.attempts()), (Some("R1"), 3));
        assert_eq!((error.elapsed(), error.ended_by()), (Some(Duration::from_secs(2)), Some("budget")));
        assert_eq!(error.context().collect::<Vec<_>>(), [("key", "a"), ("bytes", "3")]);
        assert_eq!((error.context_value("bytes"), error.context_value("size")), (Some("3"), None));
        assert_eq!(error.source().unwrap().to_string(), "reset");
        assert_eq!(Error::unsupported("presign").context_value("capability"), Some("presign"));
    }

    #[test]
    fn who_knows_better_is_not_corrected() {
        let get = Operation::new("storage", "get", Repeat::Safe);
        let mut error = Error::timeout("no answer");
        error.locate("s3", PUT);
        error.locate("local", get);
        assert_eq!((error.provider(), error.operation()), (Some("s3"), Some(PUT)));
    }
}
