//! What came to this process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use external_core::cache::Ttl;
use external_core::{CallContext, Error, Result};
use tokio::time::Instant;

use super::{ReplayClaim, ReplayStore};

/// What came to this process.
#[derive(Debug)]
pub struct MemoryReplays {
    most: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    messages: HashMap<String, Message>,
    by_end: BTreeSet<(Instant, String)>,
}

#[derive(Debug)]
struct Message {
    until: Instant,
    /// Who deals with it; nobody once that is done.
    held_by: Option<String>,
}

impl MemoryReplays {
    /// Remembers so many messages at most, those that are being dealt with among them. While it is full, new ones are
    /// refused: none is forgotten before its time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most: most.max(1), known: Mutex::default() }
    }

    /// What is known now.
    fn known(&self) -> MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget_ended(Instant::now());
        known
    }

    fn has_room(&self, known: &Known) -> Result<()> {
        match known.messages.len() < self.most {
            true => Ok(()),
            false => Err(Error::quota_exhausted("no room to remember one more message of a webhook")
                .with_context("most", self.most)),
        }
    }
}

impl Known {
    fn remember(&mut self, id: &str, held_by: Option<&str>, memory: Duration) {
        self.forget(id);
        let until = Instant::now() + memory.min(Ttl::MAX.get());
        self.messages.insert(id.to_owned(), Message { until, held_by: held_by.map(str::to_owned) });
        self.by_end.insert((until, id.to_owned()));
    }

    fn forget(&mut self, id: &str) {
        if let Some((id, message)) = self.messages.remove_entry(id) {
            self.by_end.remove(&(message.until, id));
        }
    }

    fn forget_ended(&mut self, now: Instant) {
        while self.by_end.first().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, id)) = self.by_end.pop_first() {
                self.messages.remove(&id);
            }
        }
    }
}

#[async_trait]
impl ReplayStore for MemoryReplays {
    async fn claim(&self, _: &CallContext, id: &str, by: &str, lease: Duration) -> Result<ReplayClaim> {
        let mut known = self.known();
        match known.messages.get(id).map(|message| message.held_by.as_deref()) {
            Some(None) => return Ok(ReplayClaim::Done),
            Some(Some(holder)) if holder != by => return Ok(ReplayClaim::Underway),
            Some(Some(_)) => return Ok(ReplayClaim::Ours),
            None => {}
        }
        self.has_room(&known)?;
        known.remember(id, Some(by), lease);
        Ok(ReplayClaim::Ours)
    }

    async fn confirm(&self, _: &CallContext, id: &str, memory: Duration) -> Result<()> {
        let mut known = self.known();
        if !known.messages.contains_key(id) {
            self.has_room(&known)?;
        }
        known.remember(id, None, memory);
        Ok(())
    }

    async fn release(&self, _: &CallContext, id: &str, by: &str) -> Result<()> {
        let mut known = self.known();
        if known.messages.get(id).is_some_and(|message| message.held_by.as_deref() == Some(by)) {
            known.forget(id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;

    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    async fn claim(replays: &MemoryReplays, id: &str, by: &str) -> Result<ReplayClaim> {
        replays.claim(&CallContext::default(), id, by, LEASE).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_is_one_callers_until_its_lease_ends_or_it_is_given_up() {
        let (replays, cx) = (MemoryReplays::new(2), CallContext::default());
        assert_eq!(claim(&replays, "a", "one").await.unwrap(), ReplayClaim::Ours);
        assert_eq!(claim(&replays, "a", "one").await.unwrap(), ReplayClaim::Ours);
        assert_eq!(claim(&replays, "a", "two").await.unwrap(), ReplayClaim::Underway);
        replays.release(&cx, "a", "two").await.unwrap();
        assert_eq!(claim(&replays, "a", "two").await.unwrap(), ReplayClaim::Underway, "it was not theirs");
        replays.release(&cx, "a", "one").await.unwrap();
        assert_eq!(claim(&replays, "a", "two").await.unwrap(), ReplayClaim::Ours);
        tokio::time::advance(LEASE).await;
        assert_eq!(claim(&replays, "a", "three").await.unwrap(), ReplayClaim::Ours);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_stays_done_for_its_time() {
        let (replays, cx) = (MemoryReplays::new(1), CallContext::default());
        claim(&replays, "a", "one").await.unwrap();
        replays.confirm(&cx, "a", 2 * LEASE).await.unwrap();
        replays.release(&cx, "a", "one").await.unwrap();
        assert_eq!(claim(&replays, "a", "one").await.unwrap(), ReplayClaim::Done);
        tokio::time::advance(LEASE).await;
        assert_eq!(claim(&replays, "a", "two").await.unwrap(), ReplayClaim::Done, "beyond the lease");
        tokio::time::advance(LEASE).await;
        assert_eq!(claim(&replays, "a", "two").await.unwrap(), ReplayClaim::Ours);
        // Who was slower than the lease has done it nevertheless.
        tokio::time::advance(LEASE).await;
        replays.confirm(&cx, "a", LEASE).await.unwrap();
        assert_eq!(claim(&replays, "a", "three").await.unwrap(), ReplayClaim::Done);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_remembered_than_there_is_room_for() {
        let (replays, cx) = (MemoryReplays::new(2), CallContext::default());
        claim(&replays, "a", "one").await.unwrap();
        claim(&replays, "b", "one").await.unwrap();
        assert_eq!(claim(&replays, "c", "one").await.unwrap_err().kind(), ErrorKind::QuotaExhausted);
        assert_eq!(
            claim(&replays, "b", "two").await.unwrap(),
            ReplayClaim::Underway,
            "what is known is known"
        );
        replays.confirm(&cx, "a", Duration::MAX).await.unwrap();
        tokio::time::advance(LEASE).await;
        claim(&replays, "c", "one").await.unwrap();
        assert_eq!(replays.confirm(&cx, "b", LEASE).await.unwrap_err().kind(), ErrorKind::QuotaExhausted);
        let known = replays.known();
        assert_eq!((known.messages.len(), known.by_end.len()), (2, 2));
    }
}
