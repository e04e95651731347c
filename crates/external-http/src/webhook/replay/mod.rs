//! What came before: claimed by whoever deals with it, remembered once that is done.

mod cache;
mod memory;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
pub use cache::CacheReplays;
use external_core::{CallContext, Result};
pub use memory::MemoryReplays;

/// What a claim came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayClaim {
    /// It is the caller's to deal with, until it is confirmed or released, or its lease ends.
    Ours,
    /// Somebody else deals with it now.
    Underway,
    /// It was dealt with.
    Done,
}

/// Remembers which messages came, in two steps: a claim, which ends by itself, and the word that the message was dealt
/// with. So none is lost with whoever fails between them.
#[async_trait]
pub trait ReplayStore: fmt::Debug + Send + Sync {
    /// Claims the message `id` in the name of `by` for as long as `lease`. Of any number of names side by side one gets it.
    /// A name that asks again holds what it held.
    ///
    /// # Errors
    ///
    /// What keeps that from being known: the message is then not taken. A claim that was made all the same ends with its
    /// lease.
    async fn claim(&self, cx: &CallContext, id: &str, by: &str, lease: Duration) -> Result<ReplayClaim>;

    /// Remembers for so long that the message was dealt with, whatever became of the claim.
    ///
    /// # Errors
    ///
    /// What keeps it from being remembered.
    async fn confirm(&self, cx: &CallContext, id: &str, memory: Duration) -> Result<()>;

    /// Gives up the claim of `by`. What is not theirs, or was dealt with, stays as it is.
    ///
    /// # Errors
    ///
    /// What keeps it from being given up: it then ends with its lease.
    async fn release(&self, cx: &CallContext, id: &str, by: &str) -> Result<()>;
}
