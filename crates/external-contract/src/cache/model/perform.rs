//! Does what a step says on the provider, in a place of its own.

use std::time::Duration;

use external_core::cache::{
    AcquireRequest, CacheEntry, CacheKey, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest, Deleted,
    ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, LockAttempt, LockCache, LockOwner,
    ReleaseRequest, RenewRequest, SetEntry, SetManyRequest, SetRequest, Ttl, TtlRequest,
};
use external_core::{Error, Result};

use super::super::S;
use super::Step;
use super::reference::{Answer, Found, Reference};
use crate::Case;

/// Where the keys of one program lie.
pub(super) struct Place<'a> {
    case: &'a Case<S>,
    folder: String,
}

impl<'a> Place<'a> {
    pub(super) fn new(case: &'a Case<S>, number: u64) -> Self {
        Self { case, folder: format!("{number}/") }
    }

    /// A refused call is an answer.
    pub(super) async fn perform(&self, step: &Step, reference: &Reference) -> Answer {
        let call = match step {
            Step::Acquire { .. } | Step::Renew { .. } | Step::Release { .. } => self.lock(step).await,
            step => self.value(step, reference).await,
        };
        call.unwrap_or_else(|error| Answer::Refused(error.into()))
    }

    fn key(&self, name: &str) -> Result<CacheKey> {
        CacheKey::parse(self.case.name(&format!("{}{name}", self.folder)))
    }

    fn keys(&self, names: &[&str]) -> Result<Vec<CacheKey>> {
        names.iter().map(|name| self.key(name)).collect()
    }

    async fn value(&self, step: &Step, reference: &Reference) -> Result<Answer> {
        let (service, cx) = (self.case.service(), self.case.cx());
        let ttl = |ttl: &Option<Duration>| ttl.map(Ttl::new).transpose();
        match step {
            Step::Get { key } => {
                let entry = service.get(&cx, &GetRequest::new(self.key(key)?)).await?;
                Ok(Answer::Value(entry.map(found)))
            }
            Step::GetMany { keys } => {
                let entries = service.get_many(&cx, &GetManyRequest::new(self.keys(keys)?)).await?;
                Ok(Answer::Values(entries.into_iter().map(|entry| entry.map(found)).collect()))
            }
            Step::Ttl { key } => Ok(Answer::Ttl(service.ttl(&cx, &TtlRequest::new(self.key(key)?)).await?)),
            Step::Set { key, value, ttl: lives, condition } => {
                let mut request = SetRequest::new(self.key(key)?, *value);
                (request.ttl, request.condition) = (ttl(lives)?, *condition);
                Ok(Answer::Stored(service.set(&cx, &request).await?.stored))
            }
            Step::SetMany { entries } => {
                let entry = |(key, value, lives): &(&'static str, &'static str, Option<Duration>)| {
                    let mut entry = SetEntry::new(self.key(key)?, *value);
                    entry.ttl = ttl(lives)?;
                    Ok(entry)
                };
                let entries = entries.iter().map(entry).collect::<Result<_>>()?;
                let results = service.set_many(&cx, &SetManyRequest::new(entries)).await?;
                Ok(Answer::StoredEach(results.into_iter().collect::<Result<Vec<()>>>()?.len()))
            }
            Step::Delete { key } => {
                Ok(Answer::Existed(service.delete(&cx, &DeleteRequest::new(self.key(key)?)).await?.existed))
            }
            Step::DeleteMany { keys } => {
                let results = service.delete_many(&cx, &DeleteManyRequest::new(self.keys(keys)?)).await?;
                let existed = |result: Result<Deleted>| result.map(|deleted| deleted.existed);
                Ok(Answer::ExistedEach(results.into_iter().map(existed).collect::<Result<_>>()?))
            }
            Step::Expire { key, ttl: lives } => {
                let request = ExpireRequest::new(self.key(key)?, ttl(lives)?);
                Ok(Answer::Expires(service.expire(&cx, &request).await?))
            }
            Step::Increment { key, delta, ttl: lives } => {
                let mut request = IncrementRequest::new(self.key(key)?, *delta);
                request.ttl = ttl(lives)?;
                Ok(Answer::Counter(service.increment(&cx, &request).await?))
            }
            Step::Swap { key, back, value, ttl: lives, strict } => {
                let Some(token) = reference.token(key, *back) else { return Ok(Answer::Nothing) };
                let mut request = CompareAndSwapRequest::new(self.key(key)?, token.clone(), *value);
                (request.ttl, request.strict) = (ttl(lives)?, *strict);
                Ok(Answer::Swap(service.compare_and_swap(&cx, &request).await?))
            }
            _ => Ok(Answer::Nothing),
        }
    }

    async fn lock(&self, step: &Step) -> Result<Answer> {
        let cx = self.case.cx();
        let facet = self.case.service().locks();
        let locks: &dyn LockCache =
            facet.ok_or_else(|| Error::unexpected("no facet `locks`, though declared"))?;
        // Longer than a program takes, and over soon after the suite.
        let lease = Ttl::new(Duration::from_secs(120))?;
        match step {
            Step::Acquire { name, owner } => {
                let request = AcquireRequest::new(self.key(name)?, LockOwner::parse(owner)?, lease);
                Ok(match locks.acquire(&cx, &request).await? {
                    LockAttempt::Acquired(lease) => Answer::Acquired(lease.fencing),
                    LockAttempt::Held { .. } => Answer::Held,
                })
            }
            Step::Renew { name, owner } => {
                let request = RenewRequest::new(self.key(name)?, LockOwner::parse(owner)?, lease);
                Ok(Answer::Renewed(locks.renew(&cx, &request).await?))
            }
            Step::Release { name, owner } => {
                let request = ReleaseRequest::new(self.key(name)?, LockOwner::parse(owner)?);
                Ok(Answer::Released(locks.release(&cx, &request).await?))
            }
            _ => Ok(Answer::Nothing),
        }
    }
}

fn found(entry: CacheEntry) -> Found {
    let token = entry.token();
    Found { value: entry.value, token }
}
