//! Faults on purpose, for tests: around any service of any domain, by script or by chance that a seed repeats.
//!
//! A [`FaultPlan`] says what goes wrong and counts what reached the service; [`FaultPlan::around`] puts it around a
//! service, which keeps its contract and is handed to a client like any other. What the client's pipeline makes of the
//! faults is the client's own doing: that is what a test looks at.
//!
//! ```
//! use external_core::{CallContext, Effect, ErrorKind, Operation, Repeat};
//! use external_resilience::faults::{Fault, FaultPlan};
//! # use external_core::{Capabilities, ProviderInfo};
//! # use external_resilience::{Pipeline, Policy};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! # let info = ProviderInfo::new("memory", "cache", "memory:", Capabilities::new());
//! # let pipeline = Pipeline::new("default", &info, Policy::default());
//! const ADD: Operation = Operation::new("cache", "increment", Repeat::Once);
//! let plan = FaultPlan::new();
//! // The first call finds nobody; of the second the answer is lost.
//! plan.script("increment", [
//!     Fault::fail(ErrorKind::Unavailable, Effect::NotSent),
//!     Fault::lost(ErrorKind::Unavailable),
//! ]);
//!
//! // Any call can be put through a plan; a service of a domain is by `plan.around(service)`.
//! let answer = pipeline
//!     .run(ADD, &CallContext::default(), |cx, _| Box::pin(plan.call(cx, ADD, async { Ok(1) })))
//!     .await;
//! // Nothing was sent by the first attempt, so there was a second; that one may have counted, so there was no third.
//! assert_eq!(answer.unwrap_err().effect(), Effect::MaybeApplied);
//! let counts = plan.counts("increment");
//! assert_eq!((counts.arrived, counts.begun, counts.applied), (2, 1, 1));
//! # });
//! ```

mod cache;
mod draw;
mod email;
mod fault;
mod http;
mod plan;
mod storage;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use external_core::{CallContext, Operation, Provider, ProviderInfo, Repeat, Result, async_trait};

pub use fault::Fault;
pub use plan::{Calls, Counts, FaultPlan};

use crate::policy::PROBE;

/// A contract that faults can be put around: `dyn StorageService`. Who has a contract of their own implements this for
/// it, and the contract for [`Faults`] of it, each method through [`FaultPlan::call`].
pub trait Contract: Send + Sync + 'static {
    /// The service as a provider: generic code cannot upcast an unsized type by itself.
    fn as_provider(&self) -> &dyn Provider;

    /// The service with faults around it, as the contract.
    fn with_faults(faults: Faults<Self>) -> Arc<Self>;
}

/// A service of the contract `S` with faults around its calls, those of its facets included. To its callers it is the
/// service itself: it says the same of itself and can do the same.
pub struct Faults<S: ?Sized> {
    inner: Arc<S>,
    info: ProviderInfo,
    plan: FaultPlan,
}

impl<S: Contract + ?Sized> Faults<S> {
    /// Puts the faults of `plan` around a service. [`FaultPlan::around`] is the same and answers the contract.
    #[must_use]
    pub fn new(inner: Arc<S>, plan: FaultPlan) -> Self {
        let info = inner.as_provider().info().clone();
        Self { inner, info, plan }
    }

    /// The same under a provider id of its own, where reports are to tell it from the service.
    #[must_use]
    pub fn with_id(mut self, id: &'static str) -> Self {
        let info = &self.info;
        self.info = ProviderInfo::new(id, info.domain(), info.location(), info.capabilities().clone());
        self
    }

    /// What goes wrong.
    #[must_use]
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// The service inside.
    #[must_use]
    pub fn service(&self) -> &Arc<S> {
        &self.inner
    }
}

#[async_trait]
impl<S: Contract + ?Sized> Provider for Faults<S> {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    /// Meets faults as the operation `probe`.
    async fn probe(&self, cx: &CallContext) -> Result<()> {
        let probe = Operation::new(self.info.domain(), PROBE, Repeat::Safe);
        self.plan.call(cx, probe, self.inner.as_provider().probe(cx)).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.as_provider().close().await
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some(self.inner.as_provider())
    }
}

impl<S: ?Sized> fmt::Debug for Faults<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults")
            .field("service", &self.info.location())
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
