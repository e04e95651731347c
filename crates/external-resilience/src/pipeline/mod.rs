//! The pipeline: the fixed order of layers around every call, written once for all domains.
//!
//! The layers take the attempt as `&dyn Fn`, so that there is one copy of the state machine per result type, not
//! per method; what it costs above the plain call is one timer and two looks at the clock.

mod attempt;
mod body;
mod close;
mod hedge;
mod pace;
mod patience;
mod recorder;
mod retry;
mod timers;

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use external_core::{CallContext, Error, Operation, Provider, ProviderInfo, Repeat, Result};
use tokio::time::Instant;

pub use close::CloseReport;
pub use recorder::CallGuard;

use self::attempt::Turn;
use self::close::Running;
use self::recorder::Recorder;
use self::retry::ATTEMPTS;
use self::timers::Timers;
use crate::breaker::Breaker;
use crate::budget::Budget;
use crate::bulkhead::Bulkhead;
use crate::pacing::{Gate, RateLimit};
use crate::policy::{Limits, LimitsByOperation, Misfit, PROBE};
use crate::{BreakerChanges, BreakerState, CallObserver, Cleanup, Policy};

/// What a contract method returns: the box that `async_trait` makes.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries nothing but `'env: 'a` (implied by the reference inside), so that an attempt's closure may borrow from around the call.
#[derive(Debug, Clone, Copy)]
pub struct In<'a, 'env>(PhantomData<&'a &'env ()>);

impl In<'_, '_> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

/// An attempt: the contract's own boxed future, made anew for each.
type Attempt<'f, 'env, T> =
    dyn for<'a> Fn(&'a CallContext, In<'a, 'env>) -> BoxFuture<'a, Result<T>> + Send + Sync + 'f;

/// What the layers pass on: the call, what it may take, and how it is attempted.
struct Exchange<'a, 'env, T> {
    call: &'a Call,
    cx: &'a CallContext,
    limits: &'a Limits,
    attempt: &'a Attempt<'a, 'env, T>,
}

/// What is called, and how large a body it sends.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Call {
    /// The operation.
    pub operation: Operation,
    /// How many bytes each attempt sends: its timeout grows with them, and so does the policy's total deadline.
    pub body: u64,
}

impl Call {
    /// What a body of unknown length is taken for, in bytes: 1 GiB. So there is time for it; who sends it sees to it that a
    /// halt does not take all of that, by [`Pipeline::attempt_timeout`] for what has been sent so far.
    pub const UNKNOWN_LENGTH: u64 = 1 << 30;

    /// A call without a body worth mentioning.
    #[must_use]
    pub fn new(operation: Operation) -> Self {
        Self { operation, body: 0 }
    }

    /// A call that sends so many bytes; `None`: nobody knows how many, [`UNKNOWN_LENGTH`](Self::UNKNOWN_LENGTH).
    #[must_use]
    pub fn with_body(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.body = bytes.into().unwrap_or(Self::UNKNOWN_LENGTH);
        self
    }
}

impl From<Operation> for Call {
    fn from(operation: Operation) -> Self {
        Self::new(operation)
    }
}

/// The pipeline of one instance. Clones share everything: breaker, clean-up, records.
///
/// ```
/// use external_core::{CallContext, Capabilities, Error, Effect, Operation, ProviderInfo, Repeat};
/// use external_resilience::{Pipeline, Policy};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
/// let pipeline = Pipeline::new("default", &info, Policy::default());
/// let get = Operation::new("cache", "get", Repeat::Safe);
/// let answer = pipeline
///     .run(get, &CallContext::default(), |cx, _| {
///         let attempt = cx.attempt();
///         Box::pin(async move {
///             if attempt < 3 { Err(Error::unavailable("not yet")) } else { Ok(attempt) }
///         })
///     })
///     .await?;
/// assert_eq!(answer, 3);
/// # Ok::<(), Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Pipeline {
    inner: Arc<Inner>,
}

struct Inner {
    instance: Arc<str>,
    provider: &'static str,
    domain: &'static str,
    policy: Policy,
    limits: LimitsByOperation,
    breaker: Option<Breaker>,
    bulkhead: Option<Bulkhead>,
    gate: Option<Gate>,
    rate_limit: Option<RateLimit>,
    budget: Option<Budget>,
    observers: Vec<Arc<dyn CallObserver>>,
    cleanup: Cleanup,
    jitter: Mutex<fastrand::Rng>,
    running: Running,
    timers: Timers,
}

impl Pipeline {
    /// The pipeline of an instance: `instance` is its name in the configuration, `info` that of its provider. Values of the
    /// policy that are out of range are held to the nearest within; [`Policy::checked`] tells of them.
    #[must_use]
    pub fn new(instance: impl Into<Arc<str>>, info: &ProviderInfo, policy: Policy) -> Self {
        let jitter = fastrand::Rng::new();
        Self::assemble(instance.into(), info.id(), info.domain(), policy, Vec::new(), jitter)
    }

    /// The same settings, heard by one more observer. To be called before the pipeline is shared: breaker,
    /// clean-up and counts start anew.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn CallObserver>) -> Self {
        let inner = &self.inner;
        let observers = inner.observers.iter().cloned().chain([observer]).collect();
        let policy = inner.policy.clone();
        Self::assemble(inner.instance.clone(), inner.provider, inner.domain, policy, observers, self.jitter())
    }

    /// The same instance and observers under another policy; breaker, clean-up and counts start anew. What
    /// [`Policy::checked`] would refuse is logged as a warning, operations that are not among these too.
    #[must_use]
    pub fn with_policy(self, policy: Policy, operations: &[&str]) -> Self {
        let inner = &self.inner;
        if let Some(Misfit { key, reason }) = policy.misfit(operations) {
            let (domain, instance) = (inner.domain, &*inner.instance);
            tracing::warn!(target: "external", domain, instance, key, reason, "a policy makes no sense");
        }
        let observers = inner.observers.clone();
        Self::assemble(inner.instance.clone(), inner.provider, inner.domain, policy, observers, self.jitter())
    }

    /// The same instance with waits that a seed decides, so that a test can be repeated; they follow from it after
    /// [`with_observer`](Self::with_observer) and [`with_policy`](Self::with_policy) too. To be called before the pipeline is
    /// shared: clones have the same.
    #[must_use]
    pub fn with_jitter_seed(self, seed: u64) -> Self {
        *self.inner.jitter.lock().unwrap_or_else(PoisonError::into_inner) = fastrand::Rng::with_seed(seed);
        self
    }

    /// For another pipeline: it follows from this one's, so that a seed is not lost.
    fn jitter(&self) -> fastrand::Rng {
        self.inner.jitter.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }

    fn assemble(
        instance: Arc<str>,
        provider: &'static str,
        domain: &'static str,
        mut policy: Policy,
        observers: Vec<Arc<dyn CallObserver>>,
        jitter: fastrand::Rng,
    ) -> Self {
        policy.put_in_range();
        let inner = Inner {
            instance,
            provider,
            domain,
            limits: LimitsByOperation::new(&policy),
            breaker: policy.breaker.map(Breaker::new),
            bulkhead: policy.bulkhead.map(Bulkhead::new),
            gate: policy.retry_after_gate.then(|| Gate::new(policy.retry_after_cap)),
            rate_limit: policy.rate_limit.map(RateLimit::new),
            budget: policy.retry.budget.map(Budget::new),
            policy,
            observers,
            cleanup: Cleanup::default(),
            jitter: Mutex::new(jitter),
            running: Running::default(),
            timers: Timers::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Passes one call through all layers. The closure makes one attempt, and may be called several times.
    ///
    /// # Errors
    ///
    /// The last attempt's error, with provider, operation, the number of attempts and what ended them; its effect is
    /// `MaybeApplied` if that of any attempt was. Besides: `Closed` after [`close`](Self::close), `Timeout` at a
    /// deadline, and refusals of our own, all with effect `NotSent` and `refused_by` in their context: `Unavailable`
    /// while the circuit is open or the bulkhead is full, `RateLimited` where the service or the rate limit asks for a
    /// longer wait than there is time for, `Timeout` where the deadline leaves no time for an attempt at all.
    pub fn run<'env, T, F>(
        &self,
        call: impl Into<Call>,
        cx: &CallContext,
        attempt: F,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Send,
        F: for<'a> Fn(&'a CallContext, In<'a, 'env>) -> BoxFuture<'a, Result<T>> + Send + Sync,
    {
        // What is known now is kept once: a call's room is what many calls at a time have in common with a slow one.
        let call = call.into();
        async move {
            let mut recorder = Recorder::open(&*self.inner, call.operation, cx);
            let mut answer = None;
            let limits = self.inner.limits.of(call.operation.name);
            let exchange = Exchange { call: &call, cx, limits, attempt: &attempt };
            let result = self.repeat(&mut recorder, &exchange, &mut answer).await;
            recorder.finish(result)?;
            answered(answer)
        }
    }

    /// As [`run`](Self::run), for an answer whose body still streams: the guard travels with the body, and the
    /// call's record is closed by it.
    ///
    /// The total deadline ends at the head, unless the call
    /// [says otherwise](external_core::CallOptions::with_transfer_deadline): then the guard knows it, and a body that it is put
    /// [around](CallGuard::around) ends by it. In a managed call that is for the outer pipeline to do. What stalls in
    /// mid-body is the body's own idle timeout.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_streaming<'env, T, F>(
        &self,
        call: impl Into<Call>,
        cx: &CallContext,
        attempt: F,
    ) -> Result<(T, CallGuard)>
    where
        T: Send,
        F: for<'a> Fn(&'a CallContext, In<'a, 'env>) -> BoxFuture<'a, Result<T>> + Send + Sync,
    {
        let call = call.into();
        let mut recorder = Recorder::open(&*self.inner, call.operation, cx);
        let mut head = None;
        let limits = self.inner.limits.of(call.operation.name);
        let exchange = Exchange { call: &call, cx, limits, attempt: &attempt };
        match self.repeat(&mut recorder, &exchange, &mut head).await {
            Ok(()) => {
                let head = answered(head)?;
                let end = match cx.has_transfer_deadline() {
                    true => recorder.end_of(cx, limits, self.inner.policy.time_to_move(call.body)),
                    false => None,
                };
                Ok((head, CallGuard::new(recorder.into_owned(self.inner.clone()), end)))
            }
            Err(error) => Err(recorder.fail(error)),
        }
    }

    /// Probes the provider: one attempt outside the breaker, within the times of the operation `probe`, and recorded as that.
    ///
    /// # Errors
    ///
    /// The probe's.
    pub async fn probe(&self, provider: &dyn Provider, cx: &CallContext) -> Result<()> {
        let probe = Operation::new(self.inner.domain, PROBE, Repeat::Safe);
        let mut recorder = Recorder::open(&*self.inner, probe, cx);
        let answered = match recorder.enter() {
            Ok(()) => {
                let (call, limits) = (Call::new(probe), self.inner.limits.of(probe.name));
                let (started, end) = (recorder.started(), recorder.end_of(cx, limits, Duration::ZERO));
                let mut turn = Turn { number: 1, started, end, permit: None, sent: false };
                let exchange = Exchange { call: &call, cx, limits, attempt: &|cx, _| provider.probe(cx) };
                let attempted = self.attempt(&recorder, &exchange, &mut turn, &mut None).await;
                recorder.attempted(attempted).map_err(|error| error.with_ended_by(ATTEMPTS))
            }
            Err(closed) => Err(closed),
        };
        recorder.finish(answered)
    }

    /// Whether nothing could be seen of the layers by a call that neither waits nor fails: nobody hears of calls or limits
    /// them, the circuit is closed, and the client was not. Such a call, a read of this process's own memory, may go without
    /// them: they take many times longer than it does.
    #[must_use]
    #[inline]
    pub fn is_transparent(&self) -> bool {
        let inner = &self.inner;
        inner.observers.is_empty()
            && inner.bulkhead.is_none()
            && inner.rate_limit.is_none()
            && inner.gate.as_ref().is_none_or(Gate::is_surely_open)
            && !inner.running.is_closing()
            && inner.breaker.as_ref().is_none_or(Breaker::is_closed)
            && !tracing::span_enabled!(target: "external", tracing::Level::INFO)
            && !tracing::event_enabled!(target: "external", tracing::Level::DEBUG)
    }

    /// The clean-up work of this instance.
    #[must_use]
    pub fn cleanup(&self) -> &Cleanup {
        &self.inner.cleanup
    }

    /// The policy its calls follow, with every value in its range.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// How long an attempt of this operation may take that sends so many bytes; `None`: as long as its call.
    #[must_use]
    pub fn attempt_timeout(&self, operation: &str, body: u64) -> Option<Duration> {
        let Inner { limits, policy, .. } = &*self.inner;
        let timeout = limits.of(operation).attempt_timeout?;
        Some(timeout.saturating_add(policy.time_to_move(body)))
    }

    /// When the bodies of calls that begin now and belong together must be over, those of a download that is resumed: none of
    /// them has a time of its own. `None` unless the caller
    /// [asked for it](external_core::CallOptions::with_transfer_deadline), and where nothing is bounded.
    #[must_use]
    pub fn transfer_deadline(&self, operation: &str, cx: &CallContext) -> Option<Instant> {
        if !cx.has_transfer_deadline() {
            return None;
        }
        let total = || self.inner.limits.of(operation).total_deadline;
        cx.deadline().or_else(|| Instant::now().checked_add(total()?))
    }

    /// The domain: `"storage"`.
    #[must_use]
    pub fn domain(&self) -> &'static str {
        self.inner.domain
    }

    /// The provider's id.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.inner.provider
    }

    /// The instance's name.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.inner.instance
    }

    /// What the breaker is doing; `None` without one.
    #[must_use]
    pub fn breaker_state(&self) -> Option<BreakerState> {
        self.inner.breaker.as_ref().map(Breaker::state)
    }

    /// Tells of every change of the breaker from now on; `None` without one.
    #[must_use]
    pub fn breaker_changes(&self) -> Option<BreakerChanges> {
        self.inner.breaker.as_ref().map(Breaker::changes)
    }

    /// What calls run into at the moment: who waits, and what is left of the retry budget.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        let Inner { bulkhead, budget, gate, running, .. } = &*self.inner;
        Pressure {
            running: running.count(),
            bulkhead_running: bulkhead.as_ref().map_or(0, Bulkhead::running),
            bulkhead_waiting: bulkhead.as_ref().map_or(0, Bulkhead::waiting),
            retries_left: budget.as_ref().map(Budget::retries_left),
            gate_closed_until: gate.as_ref().and_then(|gate| gate.closed_until(Instant::now())),
        }
    }

    /// Opens the circuit for good: all calls are refused until [`reset_breaker`](Self::reset_breaker). Answers whether there
    /// is a breaker; without one nothing is refused.
    pub fn isolate(&self) -> bool {
        self.inner.breaker.as_ref().inspect(|breaker| breaker.isolate()).is_some()
    }

    /// Closes the circuit and forgets what was seen.
    pub fn reset_breaker(&self) {
        if let Some(breaker) = &self.inner.breaker {
            breaker.reset();
        }
    }

    /// Opens the Retry-After gate, whatever the service asked for: for a hint that was wrong. Calls that begin from now on do
    /// not wait for it; those that wait already go on waiting.
    pub fn open_gate(&self) {
        if let Some(gate) = &self.inner.gate {
            gate.open();
        }
    }
}

/// What lies in the slot of a call that succeeded.
fn answered<T>(answer: Option<T>) -> Result<T> {
    answer.ok_or_else(|| Error::unexpected("a call ended well, and nothing was answered"))
}

/// What calls of an instance run into at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pressure {
    /// Calls that are running, streaming bodies included.
    pub running: u64,
    /// Those of them that have a place in the bulkhead.
    pub bulkhead_running: u32,
    /// Those that wait for one.
    pub bulkhead_waiting: u32,
    /// Retries that the budget would pay for; `None` without one.
    pub retries_left: Option<u64>,
    /// Until when the service has asked everybody to wait, if it has.
    pub gate_closed_until: Option<Instant>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("domain", &self.inner.domain)
            .field("provider", &self.inner.provider)
            .field("instance", &self.inner.instance)
            .field("breaker", &self.breaker_state())
            .finish_non_exhaustive()
    }
}
