//! The frame of every flawed provider: the right one, what is wrong with it, and what its flaws remember.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use external_core::{CallContext, Capabilities, Provider, ProviderInfo, Result, async_trait};

use super::any_domain::{self, Gate};

/// A right provider of the contract `S` with one of its domain's flaws `W` over it, or one that any provider may have. A
/// domain implements its contract for it, and in it what is wrong; flaws remember `M`.
pub(super) struct Wrapped<S: ?Sized, W, M> {
    pub(super) right: Arc<S>,
    pub(super) wrong: Option<W>,
    pub(super) info: ProviderInfo,
    pub(super) gate: Gate,
    seen: Mutex<M>,
}

impl<S: ?Sized + Provider, W: Copy + PartialEq, M: Default> Wrapped<S, W, M> {
    pub(super) fn new(right: Arc<S>, wrong: Option<W>, common: Option<any_domain::Wrong>) -> Self {
        let gate = Gate::new(common);
        let info = gate.info(right.info());
        Self { right, wrong, info, gate, seen: Mutex::default() }
    }

    /// The same provider, which declares something else.
    pub(super) fn declaring(mut self, change: impl FnOnce(Capabilities) -> Capabilities) -> Self {
        let info = &self.info;
        let capabilities = change(info.capabilities().clone());
        self.info = ProviderInfo::new(info.id(), info.domain(), info.location(), capabilities);
        self
    }

    pub(super) fn is(&self, wrong: W) -> bool {
        self.wrong == Some(wrong)
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, M> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<S, W, M> Provider for Wrapped<S, W, M>
where
    S: ?Sized + Provider + 'static,
    W: fmt::Debug + Send + Sync + 'static,
    M: Send + 'static,
{
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.right.probe(cx).await
    }

    async fn close(&self) -> Result<()> {
        self.gate.close(&*self.right).await
    }
}

impl<S: ?Sized, W: fmt::Debug, M> fmt::Debug for Wrapped<S, W, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapped")
            .field("wrong", &self.wrong)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
