//! The context of one call: deadline, attempt, idempotency key and the sent mark.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::CallOptions;

/// The first argument of every contract method. Clients make it from [`CallOptions`]; users never see it.
///
/// It lives on the stack, and making one allocates nothing.
///
/// **The sent mark.** A provider calls [`mark_sent`](Self::mark_sent) just before the first byte that can take
/// effect leaves: the head of an HTTP request, the final dot of a mail, the command to a cache. A timeout that
/// strikes before the mark is then known as [`NotSent`](crate::Effect::NotSent), and the call may be repeated.
/// Where that moment is in a library that takes no references, or in a task, a [`SentMark`] goes along.
#[derive(Debug)]
pub struct CallContext {
    deadline: Option<Instant>,
    started: Option<Instant>,
    attempt: u32,
    managed: bool,
    cleanup: bool,
    transfer_deadline: bool,
    sent: AtomicBool,
    /// The mark as others hold it, once anybody does.
    shared: OnceLock<SentMark>,
    idempotency_key: Option<Arc<str>>,
    metadata: Option<Arc<Vec<(String, String)>>>,
}

/// The sent mark of a context, for what outlives a borrow of it: see [`CallContext::sent_mark`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SentMark(Arc<AtomicBool>);

impl SentMark {
    /// Notes that bytes which can take effect are about to leave, as [`CallContext::mark_sent`].
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether such bytes may have left.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Default for CallContext {
    fn default() -> Self {
        Self::new(&CallOptions::new())
    }
}

impl CallContext {
    /// The context of a call with these options. Its deadline counts from now.
    #[must_use]
    pub fn new(options: &CallOptions) -> Self {
        Self {
            deadline: options.timeout().map(deadline_in),
            started: None,
            attempt: 1,
            managed: false,
            cleanup: false,
            transfer_deadline: options.has_transfer_deadline(),
            sent: AtomicBool::new(false),
            shared: OnceLock::new(),
            idempotency_key: None,
            metadata: options.shared_metadata(),
        }
    }

    /// The context of a clean-up call: a closing client lets it through.
    #[must_use]
    pub fn for_cleanup(within: Duration) -> Self {
        Self { cleanup: true, ..Self::new(&CallOptions::new().with_timeout(within)) }
    }

    /// The same context with an idempotency key, which a provider passes to the vendor.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: Option<&str>) -> Self {
        self.idempotency_key = key.map(Arc::from);
        self
    }

    /// The same context with another deadline, of a call that is one of several that must be over together. `None` leaves
    /// the one that it has.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline.or(self.deadline);
        self
    }

    /// The context of one attempt, which begins now: managed, with a mark of its own. The deadline is the earlier of the
    /// two.
    #[must_use]
    pub fn for_attempt(&self, attempt: u32, deadline: Option<Instant>) -> Self {
        self.for_attempt_at(None, attempt, deadline)
    }

    /// As [`for_attempt`](Self::for_attempt), where it is known when the attempt began.
    #[must_use]
    pub fn for_attempt_at(
        &self,
        started: impl Into<Option<Instant>>,
        attempt: u32,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            deadline: match (self.deadline, deadline) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            },
            started: started.into(),
            attempt,
            managed: true,
            cleanup: self.cleanup,
            // The deadline is the attempt's now. The body's is kept by the pipeline that made the attempt.
            transfer_deadline: false,
            sent: AtomicBool::new(false),
            shared: OnceLock::new(),
            idempotency_key: self.idempotency_key.clone(),
            metadata: self.metadata.clone(),
        }
    }

    /// The same context for work that must be able to outlive this one: a task, or a call that is finished although its
    /// caller has gone. Both have one sent mark, so what the work sends is known here for as long as anybody asks.
    #[must_use]
    pub fn detached(&self) -> Self {
        let mark = self.sent_mark();
        Self {
            deadline: self.deadline,
            started: self.started,
            attempt: self.attempt,
            managed: self.managed,
            cleanup: self.cleanup,
            transfer_deadline: self.transfer_deadline,
            sent: AtomicBool::new(mark.is_set()),
            shared: OnceLock::from(mark),
            idempotency_key: self.idempotency_key.clone(),
            metadata: self.metadata.clone(),
        }
    }

    /// When this attempt began, without a look at the clock; without a pipeline: now.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started.unwrap_or_else(Instant::now)
    }

    /// When the call must be over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the body of an answer has to be over by the deadline as well, and not its head alone.
    #[must_use]
    pub fn has_transfer_deadline(&self) -> bool {
        self.transfer_deadline
    }

    /// What is left until the deadline; zero once it has passed, `None` without one.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Which attempt this is, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The key by which the vendor recognises a repetition.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    /// The pairs for the call log.
    #[must_use]
    pub fn metadata(&self) -> &[(String, String)] {
        self.metadata.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The same pairs, for a record that outlives this context.
    #[must_use]
    pub fn shared_metadata(&self) -> Option<Arc<Vec<(String, String)>>> {
        self.metadata.clone()
    }

    /// Whether a pipeline further out owns deadline and retry already.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        self.managed
    }

    /// Whether this call cleans up after another one.
    #[must_use]
    pub fn is_cleanup(&self) -> bool {
        self.cleanup
    }

    /// Notes that bytes which can take effect are about to leave.
    pub fn mark_sent(&self) {
        self.sent.store(true, Ordering::Release);
        if let Some(shared) = self.shared.get() {
            shared.set();
        }
    }

    /// Whether such bytes may have left.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Acquire) || self.shared.get().is_some_and(SentMark::is_set)
    }

    /// This context's mark, to be set where no reference to the context can be had. The first call allocates.
    #[must_use]
    pub fn sent_mark(&self) -> SentMark {
        let mark = self.shared.get_or_init(|| SentMark(Arc::default()));
        if self.sent.load(Ordering::Acquire) {
            mark.set();
        }
        mark.clone()
    }
}

/// A deadline so far off that the clock cannot hold it is a deadline in a hundred years.
fn deadline_in(timeout: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    Instant::now() + timeout.min(CENTURY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_attempt_has_its_own_mark_and_the_earlier_deadline() {
        let call = CallContext::new(&CallOptions::new().with_timeout(Duration::from_secs(1)));
        let attempt = call.for_attempt(2, Some(Instant::now() + Duration::from_secs(5)));
        attempt.mark_sent();
        assert!(attempt.was_sent() && attempt.is_managed());
        assert!(!call.was_sent() && !call.is_managed());
        let end = Some(Instant::now() + Duration::from_secs(1));
        assert_eq!((attempt.deadline(), call.deadline()), (end, end));
        assert_eq!(attempt.attempt(), 2);
    }

    #[test]
    fn a_mark_that_went_along_is_the_mark_of_its_context() {
        let call = CallContext::default();
        let (mark, detached) = (call.sent_mark(), call.detached());
        assert!(!call.was_sent() && !mark.is_set() && !detached.was_sent());
        mark.set();
        assert!(call.was_sent() && detached.was_sent());

        let call = CallContext::default();
        let (mark, detached) = (call.sent_mark(), call.detached());
        detached.mark_sent();
        assert!(call.was_sent() && mark.is_set());

        let call = CallContext::default();
        call.mark_sent();
        assert!(call.sent_mark().is_set() && call.detached().was_sent());
        assert!(!call.for_attempt(2, None).was_sent(), "an attempt has a mark of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_detached_is_the_same_call() {
        let options = CallOptions::new().with_timeout(Duration::from_secs(1)).with_metadata("tenant", "7");
        let call = CallContext::new(&options).with_idempotency_key(Some("order-1"));
        let attempt = call.for_attempt_at(Instant::now(), 2, None);
        tokio::time::advance(Duration::from_millis(300)).await;
        let detached = attempt.detached();
        assert_eq!((detached.deadline(), detached.started()), (attempt.deadline(), attempt.started()));
        assert_eq!((detached.attempt(), detached.idempotency_key()), (2, Some("order-1")));
        assert_eq!(detached.metadata(), attempt.metadata());
        assert!(detached.is_managed() && !call.detached().is_managed());
        assert!(CallContext::for_cleanup(Duration::from_secs(1)).detached().is_cleanup());
    }

    #[tokio::test(start_paused = true)]
    async fn a_bodys_deadline_is_the_calls_and_no_attempts() {
        let options = CallOptions::new().with_transfer_deadline();
        let end = Instant::now() + Duration::from_secs(7);
        let call = CallContext::new(&options).with_deadline(Some(end)).with_deadline(None);
        assert_eq!((call.deadline(), call.has_transfer_deadline()), (Some(end), true));
        assert!(call.detached().has_transfer_deadline());
        let attempt = call.for_attempt(1, Some(Instant::now() + Duration::from_secs(1)));
        assert!(!attempt.has_transfer_deadline(), "an attempt's end is none of its body's");
        assert!(!CallContext::default().has_transfer_deadline());
    }

    #[tokio::test]
    async fn an_endless_timeout_does_not_overflow() {
        let call = CallContext::new(&CallOptions::new().with_timeout(Duration::MAX));
        assert!(call.remaining() > Some(Duration::from_secs(99 * 365 * 24 * 3600)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_carries_what_its_call_was_told() {
        let options = CallOptions::new().with_metadata("tenant", "7");
        let call = CallContext::new(&options).with_idempotency_key(Some("order-1"));
        let began = Instant::now();
        let attempt = call.for_attempt_at(began, 1, None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((attempt.started(), call.started()), (began, Instant::now()));
        let pairs = [("tenant".to_owned(), "7".to_owned())];
        for cx in [&call, &attempt] {
            assert_eq!(cx.idempotency_key(), Some("order-1"));
            assert_eq!(cx.metadata(), pairs);
            assert_eq!(cx.shared_metadata().unwrap().as_slice(), pairs);
            assert!(!cx.is_cleanup());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clean_up_is_known_and_bounded() {
        let cleanup = CallContext::for_cleanup(Duration::from_secs(5));
        assert!(cleanup.is_cleanup() && cleanup.for_attempt(1, None).is_cleanup());
        assert_eq!(cleanup.remaining(), Some(Duration::from_secs(5)));
    }
}
