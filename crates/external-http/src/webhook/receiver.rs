//! The receiver: size, signature, age, and whether it came before.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use external_core::{BuildContext, CallContext, CallOptions, Error, ErrorKind, Result};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::delivery::Claim;
use super::scheme::refused;
use super::{Delivery, ReplayClaim, ReplayStore, WebhookScheme};

/// How long a vendor waits for an answer, about: what a request needs from elsewhere is had by then or not at all.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Takes requests of one webhook, whatever the framework: the head and the bytes of the body.
#[derive(Debug, Clone)]
pub struct WebhookReceiver {
    scheme: Arc<dyn WebhookScheme>,
    context: BuildContext,
    body_limit: usize,
    tolerance: Duration,
    replays: Option<Arc<dyn ReplayStore>>,
    replay_memory: Duration,
    lease: Duration,
}

impl WebhookReceiver {
    /// Believes what this scheme proves, by the context's clock.
    #[must_use]
    pub fn new(scheme: impl WebhookScheme + 'static, context: &BuildContext) -> Self {
        Self {
            tolerance: scheme.tolerance(),
            scheme: Arc::new(scheme),
            context: context.clone(),
            body_limit: 1 << 20,
            replays: None,
            replay_memory: Duration::from_secs(24 * 3600),
            lease: Duration::from_secs(30),
        }
    }

    /// The largest body, in bytes. Default: 1 MiB. A framework reads the body before it comes here: give it the same limit.
    #[must_use]
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// How far the time that was signed may be from now, both ways. Default: what the scheme says, most often five minutes.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Remembers what came, and takes it once. Without a store a request can be repeated by whoever saw it, within the
    /// tolerance, and forever where no time is signed.
    #[must_use]
    pub fn with_replays(mut self, replays: Arc<dyn ReplayStore>) -> Self {
        self.replays = Some(replays);
        self
    }

    /// How long it is remembered. Default: a day, about as long as vendors go on sending. At least twice the tolerance.
    #[must_use]
    pub fn with_replay_memory(mut self, memory: Duration) -> Self {
        self.replay_memory = memory;
        self
    }

    /// How long dealing with a request may take until it is taken once more, because whoever had it must have ended.
    /// Default: 30 seconds, as long as vendors wait for an answer at most. A millisecond at least.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(1));
        self
    }

    /// The largest body, in bytes.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.body_limit
    }

    /// Takes a request, to be [confirmed](Delivery::confirm) once it was dealt with.
    ///
    /// # Errors
    ///
    /// By the table of the [module](super); [`answer_status`] says what to answer.
    pub async fn receive(&self, parts: &Parts, body: Bytes) -> Result<Delivery> {
        if body.len() > self.body_limit {
            return Err(Error::payload_too_large("the body of a webhook is beyond its limit")
                .with_context("limit", self.body_limit)
                .with_context("bytes", body.len()));
        }
        let cx = CallContext::new(&CallOptions::new().with_timeout(PATIENCE));
        let authentic = self.scheme.verify(&cx, parts, &body).await?;
        if let Some(sent_at) = authentic.sent_at {
            self.check_age(sent_at)?;
        }
        let claim = self.claim(&cx, authentic.replay_id).await?;
        Ok(Delivery::new(Verified { body, sent_at: authentic.sent_at }, claim))
    }

    async fn claim(&self, cx: &CallContext, id: String) -> Result<Option<Claim>> {
        let Some(replays) = &self.replays else { return Ok(None) };
        let by = self.context.random_id();
        match replays.claim(cx, &id, &by, self.lease).await? {
            ReplayClaim::Ours => {
                // A time from the future is good for twice the tolerance.
                let memory = self.replay_memory.max(self.tolerance.saturating_mul(2));
                Ok(Some(Claim::new(Arc::clone(replays), id, by, memory)))
            }
            ReplayClaim::Done => Err(Error::already_exists("this message of a webhook was dealt with")),
            ReplayClaim::Underway => Err(Error::conflict("this message of a webhook is being dealt with")),
        }
    }

    fn check_age(&self, sent_at: SystemTime) -> Result<()> {
        let (distance, why) = match self.context.now().duration_since(sent_at) {
            Ok(age) => (age, "the request of a webhook is too old"),
            Err(ahead) => {
                (ahead.duration(), "the request of a webhook comes from the future: look at the clock")
            }
        };
        if distance <= self.tolerance {
            return Ok(());
        }
        Err(refused(why)
            .with_context("seconds", distance.as_secs())
            .with_context("tolerance", self.tolerance.as_secs()))
    }
}

/// A request that is proven to come from the vendor: made by nobody but the receiver. The header fields beside it are not
/// proven.
#[derive(Clone)]
pub struct Verified {
    body: Bytes,
    sent_at: Option<SystemTime>,
}

impl Verified {
    /// The body, byte for byte as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// When it was signed, if the signature says so.
    #[must_use]
    pub fn sent_at(&self) -> Option<SystemTime> {
        self.sent_at
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// `Corrupt` for anything else; the error does not show it.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::corrupt("the body of a webhook is not the JSON that was expected")
                .with_context("line", error.line())
                .with_context("column", error.column())
        })
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("bytes", &self.body.len())
            .field("sent_at", &self.sent_at)
            .finish_non_exhaustive()
    }
}

/// What to answer to a request that was not taken, or could not be dealt with.
///
/// Vendors send again what is answered 503: right for what may go better then, and for what somebody else still deals with.
/// A success ends it: right for what was dealt with before. A body that cannot be read is no more readable the next time; it
/// gets 400. [SNS](https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html) gives up at that and puts the
/// message into its dead-letter queue; who repeats whatever is no success goes on for their time, in which the reader may
/// be mended.
#[must_use]
pub fn answer_status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::AlreadyExists => StatusCode::OK,
        ErrorKind::Corrupt => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
