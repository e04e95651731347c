//! The call pipeline: what a production caller otherwise writes again and again around every call.
//!
//! Every client method passes its call through [`Pipeline::run`], which applies, from the outside in:
//!
//! 1. **call record**: one span and one [`CallRecord`] per call, also for a call that is dropped;
//! 2. **total deadline**: no layer sleeps past it;
//! 3. **bulkhead**: so many calls at a time, so many in the queue; a place is kept until a streamed body ends;
//! 4. **retry**: only if [`Error::may_repeat`](external_core::Error::may_repeat) says that repeating is safe and
//!    [`Error::retry`](external_core::Error::retry) that it is of use; exponential backoff with full jitter; retries of
//!    all callers are paid from one **budget**; **hedging** of calls that change nothing, off by default;
//! 5. **Retry-After gate** and **rate limit**, shared by all callers and met before every attempt, one after the other: the
//!    longer of backoff and gate, then a place of the limit, which nobody holds while they wait for anything else; the gate is
//!    looked at again after every wait;
//! 6. **circuit breaker**: calls are refused at once while the service is known to be down, and take no place of the rate
//!    limit then;
//! 7. **attempt timeout**: grows with the body; its effect comes from the sent mark;
//! 8. **attempt record**.
//!
//! The order is fixed, so it cannot be wrong. A call meets one retry layer however clients are nested: an
//! attempt's context is *managed*, and an inner pipeline leaves deadline and retry to the outer one.
//!
//! A [`Domain`] is how a service becomes a client, and a [`Registry`] lists its providers; the container builds
//! on both without knowing any domain.
//!
//! The feature `faults` is for tests: it puts faults around any service, by script or by chance (`faults`).
#![forbid(unsafe_code)]

mod breaker;
mod budget;
mod bulkhead;
mod cleanup;
mod clock;
mod domain;
#[cfg(feature = "faults")]
pub mod faults;
#[cfg(feature = "metrics")]
pub mod metrics;
mod pacing;
mod permits;
mod pipeline;
mod policy;
mod record;
mod refusal;
mod registry;

pub use breaker::{BreakerChanges, BreakerState};
pub use cleanup::Cleanup;
pub use domain::Domain;
// Its types stand in every signature here: one dependency is enough.
pub use external_core;
pub use pipeline::{BoxFuture, Call, CallGuard, CloseReport, In, Pipeline, Pressure};
pub use policy::{
    BreakerPolicy, BudgetPolicy, BulkheadPolicy, OperationPolicy, Policy, PolicySettings, RateLimitPolicy,
    RetryPolicy,
};
pub use record::{AttemptRecord, CallObserver, CallRecord, Outcome};
pub use registry::{KnownProvider, Registry};

/// The examples of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
