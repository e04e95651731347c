//! What can be wrong in any domain: what a provider says of itself, and how it bears many calls and its end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use external_core::{Capabilities, Error, Provider, ProviderInfo, Result};
use tokio::sync::Semaphore;

super::flaws! {
    UnknownCapability: "It declares a capability that the contract does not know." ["common.4.1"];
    EmptyCaveat: "It emulates something and does not say what is lost." ["common.4.1"];
    DeclaresLess: "It declares less than the contract demands of it." ["common.4.2"];
    ServesElsewhere: "It says that it serves another domain." ["common.4.4"];
    TellsPassword: "Its location holds a password." ["common.4.4"];
    LeaksPermits: "A dropped call never gives back its place among the calls side by side." ["common.5.2"];
    BreaksUnderLoad: "It fails beyond a few dozen calls side by side." ["common.9.1"];
    ForgetsCallsOnClose: "Closing leaves the calls that are under way without an answer." ["common.9.2"];
    RefusesSecondClose: "Closing it twice is an error." ["common.9.3"];
    HangsOnClose: "Closing it never ends." ["common.9.3", "common.9.5"];
}

/// What every call of a flawed provider passes.
#[derive(Debug)]
pub(super) struct Gate {
    wrong: Option<Wrong>,
    permits: Semaphore,
    inside: AtomicUsize,
    closed: AtomicBool,
}

/// A call that is under way.
pub(super) struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(super) fn new(wrong: Option<Wrong>) -> Self {
        Self {
            wrong,
            permits: Semaphore::new(40),
            inside: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) async fn enter(&self) -> Result<Inside<'_>> {
        let before = self.inside.fetch_add(1, Ordering::Relaxed);
        let inside = Inside(self);
        match self.wrong {
            Some(Wrong::LeaksPermits) => {
                self.permits.acquire().await.map_err(|_| Error::closed("the gate"))?.forget();
                tokio::task::yield_now().await;
                self.permits.add_permits(1);
            }
            Some(Wrong::BreaksUnderLoad) => {
                tokio::task::yield_now().await;
                if before > 40 {
                    return Err(Error::unavailable("too many calls at once"));
                }
            }
            Some(Wrong::ForgetsCallsOnClose) => {
                for _ in 0..4 {
                    tokio::task::yield_now().await;
                }
                if self.closed.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
            }
            _ => {}
        }
        Ok(inside)
    }

    pub(super) async fn close(&self, right: &(impl Provider + ?Sized)) -> Result<()> {
        let before = self.closed.swap(true, Ordering::Relaxed);
        match self.wrong {
            Some(Wrong::HangsOnClose) => std::future::pending().await,
            Some(Wrong::RefusesSecondClose) if before => Err(Error::unexpected("closed already")),
            _ => right.close().await,
        }
    }

    /// What the provider says of itself.
    pub(super) fn info(&self, right: &ProviderInfo) -> ProviderInfo {
        let mut capabilities: Capabilities = right.capabilities().clone();
        let (mut domain, mut location) = (right.domain(), right.location().to_owned());
        match self.wrong {
            Some(Wrong::UnknownCapability) => capabilities = capabilities.native("time-travel"),
            Some(Wrong::EmptyCaveat) => {
                let first = right.capabilities().iter().next();
                if let Some((id, _)) = first {
                    capabilities = capabilities.emulated(id, " ");
                }
            }
            Some(Wrong::DeclaresLess) => {
                let all: Vec<_> = right.capabilities().iter().map(|(id, _)| id).collect();
                capabilities = all.into_iter().fold(capabilities, Capabilities::unsupported);
            }
            Some(Wrong::ServesElsewhere) => domain = "elsewhere",
            Some(Wrong::TellsPassword) => location = "scheme://user:password@host/".to_owned(),
            _ => {}
        }
        ProviderInfo::new(right.id(), domain, location, capabilities)
    }
}
