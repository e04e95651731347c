//! One record a call and one an attempt, emitted also when the call is dropped.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use external_core::{CallContext, Effect, Error, Operation, Repeat, Result, Shard};
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

use super::Inner;
use super::attempt::Attempted;
use super::retry::{CLOSED, DEADLINE};
use crate::breaker::Verdict;
use crate::policy::Limits;
use crate::{AttemptRecord, CallRecord, Outcome};

/// Why no further attempt is made: a part of the answer has been read.
const BODY: &str = "body";

/// The open record of a call. Dropped before it is finished, it says that the call was.
///
/// It borrows its pipeline; only what travels with a body owns it, for a count of owners is written by all callers.
pub(super) struct Recorder<I: Deref<Target = Inner>> {
    inner: I,
    span: Span,
    operation: Operation,
    /// Two attempts may run at a time, so that both may count.
    attempts: AtomicU32,
    started: Instant,
    /// When the attempt that succeeded began, and when it did, if the call is over with it.
    succeeded: Option<(Instant, Instant)>,
    managed: bool,
    cleanup: bool,
    /// Where the call is counted as running.
    entered: Option<Shard>,
    /// Whether it has a place in the bulkhead.
    placed: bool,
    finished: bool,
    metadata: Option<Arc<Vec<(String, String)>>>,
}

impl<I: Deref<Target = Inner>> Recorder<I> {
    pub(super) fn open(inner: I, operation: Operation, cx: &CallContext) -> Self {
        let span = tracing::info_span!(
            target: "external",
            "external.call",
            otel.name = %operation,
            otel.kind = "client",
            otel.status_code = Empty,
            external.domain = operation.domain,
            external.operation = operation.name,
            url.template = operation.template,
            external.provider = inner.provider,
            external.instance = &*inner.instance,
            external.managed = cx.is_managed(),
            external.attempts = Empty,
            external.outcome = Empty,
            external.effect = Empty,
            external.request_id = Empty,
            external.duration = Empty,
            error.type = Empty,
        );
        Self {
            span,
            operation,
            attempts: AtomicU32::new(0),
            started: Instant::now(),
            succeeded: None,
            managed: cx.is_managed(),
            cleanup: cx.is_cleanup(),
            entered: None,
            placed: false,
            finished: false,
            metadata: cx.shared_metadata(),
            inner,
        }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// How many attempts were begun.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// An attempt begins.
    pub(super) fn began(&self, number: u32) {
        // Both belong to one task: nobody counts in between.
        self.attempts.store(number.max(self.attempts()), Ordering::Relaxed);
    }

    /// An attempt is over: the call too, if it succeeded.
    pub(super) fn attempted(&mut self, attempted: Attempted) -> Result<()> {
        if attempted.result.is_ok() {
            self.succeeded = Some((attempted.began, attempted.ended));
        }
        attempted.result
    }

    /// The call has a place in the bulkhead, until its record is closed.
    pub(super) fn holds_a_place(&mut self) {
        self.placed = true;
    }

    /// Counts the call as running, unless the client was closed; clean-up may still pass.
    pub(super) fn enter(&mut self) -> Result<()> {
        let running = &self.inner.running;
        self.entered = Some(running.enter());
        if running.is_closing() && !self.cleanup {
            return Err(Error::closed("the client was closed").with_ended_by(CLOSED));
        }
        Ok(())
    }

    /// When the call must be over: what its caller says, else the policy, whose deadline leaves the time in which its body
    /// moves; in a managed call the outer pipeline's.
    pub(super) fn end_of(&self, cx: &CallContext, limits: &Limits, moving: Duration) -> Option<Instant> {
        cx.deadline().or_else(|| {
            let total = limits.total_deadline.filter(|_| !self.managed)?;
            self.started.checked_add(total.saturating_add(moving))
        })
    }

    /// The same record, open for longer than the call's borrow of its pipeline.
    pub(super) fn into_owned(mut self, inner: Arc<Inner>) -> Recorder<Arc<Inner>> {
        // What is left here is finished and counted nowhere.
        self.finished = true;
        Recorder {
            inner,
            span: std::mem::replace(&mut self.span, Span::none()),
            operation: self.operation,
            attempts: AtomicU32::new(self.attempts()),
            started: self.started,
            succeeded: self.succeeded,
            managed: self.managed,
            cleanup: self.cleanup,
            entered: self.entered.take(),
            placed: std::mem::take(&mut self.placed),
            finished: false,
            metadata: self.metadata.take(),
        }
    }

    /// The call is over with this.
    pub(super) fn finish(&mut self, result: Result<()>) -> Result<()> {
        match result {
            Ok(()) => {
                self.emit(Outcome::Ok, None);
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// The call is over with this error, which is told who failed, and after how many attempts.
    pub(super) fn fail(&mut self, mut error: Error) -> Error {
        self.succeeded = None;
        error.locate(self.inner.provider, self.operation);
        let mut error = error.with_attempts(self.attempts(), self.started.elapsed());
        // With several instances of one provider, people have to be told which one failed.
        if &*self.inner.instance != "default" && error.context_value("instance").is_none() {
            error = error.with_context("instance", &self.inner.instance);
        }
        self.emit(Outcome::Error, Some(&error));
        error
    }

    /// What counted as a success when its head came was none: breaker and budget take it back.
    fn was_no_success(&self, verdict: Verdict) {
        let (Some((began, head)), Verdict::Failure) = (self.succeeded, verdict) else {
            return;
        };
        if let Some(breaker) = &self.inner.breaker {
            breaker.take_back(began, head, Instant::now());
        }
        if let Some(budget) = &self.inner.budget {
            budget.take_back();
        }
    }

    fn emit(&mut self, outcome: Outcome, error: Option<&Error>) {
        self.finished = true;
        if self.inner.observers.is_empty() && self.span.is_disabled() {
            return;
        }
        let ended = self.succeeded.map_or_else(Instant::now, |(_, ended)| ended);
        let duration = ended.saturating_duration_since(self.started);
        if !self.span.is_disabled() {
            self.span.record("external.attempts", self.attempts());
            self.span.record("external.outcome", outcome.as_str());
            self.span.record("external.duration", duration.as_secs_f64());
            if let Some(error) = error {
                self.span.record("otel.status_code", "ERROR");
                self.span.record("error.type", error.kind().as_str());
                self.span.record("external.effect", error.effect().as_str());
                if let Some(id) = error.request_id() {
                    self.span.record("external.request_id", id);
                }
            }
        }
        let record = CallRecord {
            operation: self.operation,
            provider: self.inner.provider,
            instance: &self.inner.instance,
            attempts: self.attempts(),
            outcome,
            error,
            duration,
            managed: self.managed,
            metadata: self.metadata.as_deref().map_or(&[], Vec::as_slice),
        };
        for observer in &self.inner.observers {
            observer.on_call(&record);
        }
    }
}

impl<I: Deref<Target = Inner>> Drop for Recorder<I> {
    fn drop(&mut self) {
        // Places first: an observer that panics must not keep them.
        if let Some(bulkhead) = self.inner.bulkhead.as_ref().filter(|_| self.placed) {
            bulkhead.leave();
        }
        if let Some(shard) = self.entered {
            self.inner.running.leave(shard);
        }
        if !self.finished {
            self.succeeded = None;
            self.emit(Outcome::Dropped, None);
        }
    }
}

impl<I: Deref<Target = Inner>> fmt::Debug for Recorder<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// The open record of an attempt. Dropped before it is finished, it says that the attempt was.
pub(super) struct AttemptGuard<'a> {
    recorder: &'a Recorder<&'a Inner>,
    number: u32,
    started: Instant,
    finished: bool,
}

impl<'a> AttemptGuard<'a> {
    pub(super) fn new(recorder: &'a Recorder<&'a Inner>, number: u32, started: Instant) -> Self {
        Self { recorder, number, started, finished: false }
    }

    pub(super) fn succeed(&mut self, took: Duration) {
        self.emit(Outcome::Ok, None, took);
    }

    pub(super) fn fail(&mut self, error: &Error, took: Duration) {
        self.emit(Outcome::Error, Some(error), took);
    }

    fn emit(&mut self, outcome: Outcome, error: Option<&Error>, duration: Duration) {
        self.finished = true;
        let Recorder { inner, operation, managed, span, .. } = self.recorder;
        tracing::debug!(
            target: "external",
            parent: span,
            {
                external.attempt = self.number,
                external.outcome = outcome.as_str(),
                external.effect = error.map(|error| error.effect().as_str()),
                external.duration = duration.as_secs_f64(),
                error.type = error.map(|error| error.kind().as_str()),
                error = error.map(tracing::field::display),
            },
            "attempt"
        );
        let record = AttemptRecord {
            operation: *operation,
            provider: inner.provider,
            instance: &inner.instance,
            attempt: self.number,
            outcome,
            error,
            duration,
            managed: *managed,
        };
        for observer in &inner.observers {
            observer.on_attempt(&record);
        }
    }
}

impl Drop for AttemptGuard<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.emit(Outcome::Dropped, None, self.started.elapsed());
        }
    }
}

/// Travels with a streaming body: the call is over when the body is. Dropped, it says that the body was.
#[derive(Debug)]
pub struct CallGuard {
    recorder: Recorder<Arc<Inner>>,
    /// Whether an end of the body is no fault, however it comes.
    pub(super) is_endless: bool,
    /// When the body must be over, if the caller said so.
    pub(super) end: Option<Instant>,
}

impl CallGuard {
    pub(super) fn new(recorder: Recorder<Arc<Inner>>, end: Option<Instant>) -> Self {
        Self { recorder, is_endless: false, end }
    }

    /// The body ended well.
    pub fn succeed(mut self) {
        self.recorder.succeeded = None;
        self.recorder.emit(Outcome::Ok, None);
    }

    /// The body ended with an error, which is given back with provider, operation and attempts. There is no other attempt:
    /// whoever reads has seen a part of this one's answer.
    #[must_use]
    pub fn fail(mut self, error: Error) -> Error {
        if !self.is_endless {
            self.recorder.was_no_success(Verdict::of(&error));
        }
        self.recorder.fail(error.with_ended_by(BODY))
    }

    /// The body was still on its way when its caller's time was over. That says nothing about the service: it may have been a
    /// large one, and what does not flow stalls.
    pub(super) fn out_of_time(mut self) -> Error {
        let error = Error::timeout("the body was not over by the deadline of its call");
        let error = match self.recorder.operation.repeat {
            Repeat::Safe => error.with_effect(Effect::NotApplied),
            _ => error,
        };
        self.recorder.fail(error.with_ended_by(DEADLINE))
    }
}
