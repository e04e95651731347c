//! A request of a webhook while it is dealt with.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use external_core::{CallContext, CallOptions, Result};

use super::receiver::PATIENCE;
use super::{ReplayStore, Verified};

/// A request that was taken, or what was read from it, and the duty to deal with it.
///
/// [`confirm`](Self::confirm) it when that is done, before the vendor is told so: from then on a repetition is known as one.
/// Whatever else happens to it, it counts as not dealt with, and is taken when the vendor sends it again: at once where it
/// was [released](Self::release) or dropped (an early return, a panic, a caller who hangs up), and after the receiver's
/// lease where the process ended or the store did not answer. So a message may be dealt with twice, and is not lost.
///
/// Without a store of what came before there is nothing to confirm, and everything is taken.
#[must_use = "what is not confirmed counts as not dealt with"]
pub struct Delivery<T = Verified> {
    content: T,
    claim: Option<Claim>,
}

impl<T> Delivery<T> {
    pub(super) fn new(content: T, claim: Option<Claim>) -> Self {
        Self { content, claim }
    }

    /// It was dealt with.
    ///
    /// # Errors
    ///
    /// What the store says. The work is done nevertheless: answer the vendor so, since who is told a failure sends again,
    /// and after the lease is taken.
    pub async fn confirm(mut self) -> Result<()> {
        match self.take() {
            Some(held) => held.confirm().await,
            None => Ok(()),
        }
    }

    /// It was not dealt with, and is taken when the vendor sends it again. Dropping it says the same, and does not wait for
    /// the store.
    ///
    /// # Errors
    ///
    /// What the store says: it is taken after the lease.
    pub async fn release(mut self) -> Result<()> {
        match self.take() {
            Some(held) => held.release().await,
            None => Ok(()),
        }
    }

    fn take(&mut self) -> Option<Held> {
        self.claim.as_mut()?.held.take()
    }

    /// The same request, read: as JSON, as a [message of SNS](super::SnsMessage::of), as a vendor's events.
    ///
    /// # Errors
    ///
    /// What `read` says; the request is then released.
    pub fn read<U>(self, read: impl FnOnce(&T) -> Result<U>) -> Result<Delivery<U>> {
        let content = read(&self.content)?;
        Ok(Delivery { content, claim: self.claim })
    }
}

impl<T> Deref for Delivery<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.content
    }
}

impl<T: fmt::Debug> fmt::Debug for Delivery<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("content", &self.content)
            .field("is_claimed", &self.claim.is_some())
            .finish()
    }
}

/// A claim in a store, given up when it is dropped.
pub(super) struct Claim {
    held: Option<Held>,
}

impl Claim {
    pub(super) fn new(store: Arc<dyn ReplayStore>, id: String, by: String, memory: Duration) -> Self {
        Self { held: Some(Held { store, id, by, memory }) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        // Without a runtime, and where it fails, the lease ends it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(held.release().await) });
        }
    }
}

struct Held {
    store: Arc<dyn ReplayStore>,
    id: String,
    by: String,
    memory: Duration,
}

impl Held {
    async fn confirm(self) -> Result<()> {
        self.store.confirm(&context(), &self.id, self.memory).await
    }

    async fn release(self) -> Result<()> {
        self.store.release(&context(), &self.id, &self.by).await
    }
}

fn context() -> CallContext {
    CallContext::new(&CallOptions::new().with_timeout(PATIENCE))
}
