//! The suite of caches.

mod batch;
mod counters;
mod invalidation;
mod locks;
mod model;
mod shelf;
mod swap;
mod ttl;
mod values;

use std::time::Duration;

use external_core::cache::{
    AcquireRequest, CAPABILITIES, CacheKey, CacheService, DeleteManyRequest, DeleteRequest, ExpireRequest,
    GetManyRequest, GetRequest, IncrementRequest, LockAttempt, LockCache, LockOwner, ReleaseRequest,
    SetEntry, SetManyRequest, SetRequest, Ttl, supports,
};
use external_core::{Error, Result};
use futures_util::future::BoxFuture;

use crate::{Case, ProviderCall, Suite, Verdict};

type S = dyn CacheService;

/// What the contract demands natively of the providers it knows.
const NATIVES: &[(&str, &[&str])] = &[("memory", ALL), ("redis", ALL)];

const ALL: &[&str] =
    &["conditional-set", "expire", "increment", "compare-and-swap", "batch", "locks", "invalidation"];

/// Every clause of [`CacheService`], with the common block.
#[must_use]
pub fn suite() -> Suite<dyn CacheService> {
    let calls = vec![
        ProviderCall { name: "get", run: call_get, marked: true },
        ProviderCall { name: "set", run: call_set, marked: true },
        ProviderCall { name: "get_many", run: call_get_many, marked: true },
        ProviderCall { name: "increment", run: call_increment, marked: true },
        ProviderCall { name: "delete", run: call_delete, marked: true },
    ];
    Suite::of_contract("cache", CAPABILITIES, supports, calls)
        .with_calls(
            "batch",
            vec![
                ProviderCall { name: "set_many", run: call_set_many, marked: true },
                ProviderCall { name: "delete_many", run: call_delete_many, marked: true },
            ],
        )
        .with_calls("expire", vec![ProviderCall { name: "expire", run: call_expire, marked: true }])
        .with_calls(
            "locks",
            vec![
                ProviderCall { name: "acquire", run: call_acquire, marked: true },
                ProviderCall { name: "release", run: call_release, marked: true },
            ],
        )
        .with_natives(NATIVES)
        .with_cleanup(cleanup)
        .with_all(values::clauses())
        .with_all(ttl::clauses())
        .with_all(batch::clauses())
        .with_all(counters::clauses())
        .with_all(swap::clauses())
        .with_all(locks::clauses())
        .with_all(invalidation::clauses())
        .with_all(model::clauses())
}

fn key(case: &Case<S>, marker: &str) -> Result<CacheKey> {
    CacheKey::parse(case.name(marker))
}

/// Nothing is there, unless another caller's answer comes.
fn call_get<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        match service.get(&case.cx(), &GetRequest::new(key(case, marker)?)).await? {
            None => Ok(()),
            Some(_) => Err(Error::unexpected("answered a value that was never stored")),
        }
    })
}

fn call_set<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        match service
            .set(&case.cx(), &SetRequest::new(key(case, marker)?, case.canary().to_owned()))
            .await?
            .stored
        {
            true => Ok(()),
            false => Err(Error::unexpected("an unconditional set did not store")),
        }
    })
}

fn call_get_many<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        if !supports(service, "batch").is_supported() {
            return call_get(case, service, marker).await;
        }
        let keys = vec![key(case, &format!("{marker}-many"))?];
        match service.get_many(&case.cx(), &GetManyRequest::new(keys)).await?.as_slice() {
            [None] => Ok(()),
            _ => Err(Error::unexpected("answered values that were never stored")),
        }
    })
}

/// Each marker is a counter of its own.
fn call_increment<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        if !supports(service, "increment").is_supported() {
            return call_get(case, service, marker).await;
        }
        let counter = key(case, &format!("{marker}-counter"))?;
        match service.increment(&case.cx(), &IncrementRequest::new(counter, 7)).await? {
            7 => Ok(()),
            _ => Err(Error::unexpected("a new counter did not start at zero")),
        }
    })
}

fn call_delete<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let nothing = key(case, &format!("{marker}-nothing"))?;
        match service.delete(&case.cx(), &DeleteRequest::new(nothing)).await?.existed {
            Some(true) => Err(Error::unexpected("deleted a value that was never stored")),
            _ => Ok(()),
        }
    })
}

fn call_set_many<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let entries = vec![SetEntry::new(key(case, &format!("{marker}-set"))?, case.canary().to_owned())];
        let results = service.set_many(&case.cx(), &SetManyRequest::new(entries)).await?;
        results.into_iter().collect()
    })
}

fn call_delete_many<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let nothing = vec![key(case, &format!("{marker}-nothing"))?];
        let results = service.delete_many(&case.cx(), &DeleteManyRequest::new(nothing)).await?;
        results.into_iter().try_for_each(|result| result.map(drop))
    })
}

fn call_expire<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = ExpireRequest::new(key(case, &format!("{marker}-nothing"))?, None);
        match service.expire(&case.cx(), &request).await? {
            false => Ok(()),
            true => Err(Error::unexpected("found a value that was never stored")),
        }
    })
}

/// Each marker is a lock of its own, and ends by its lease.
fn call_acquire<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let (name, owner) = (key(case, &format!("{marker}-lock"))?, LockOwner::parse("owner")?);
        let request = AcquireRequest::new(name, owner, Ttl::new(Duration::from_secs(5))?);
        match locks(service)?.acquire(&case.cx(), &request).await? {
            LockAttempt::Acquired(_) => Ok(()),
            LockAttempt::Held { .. } => Err(Error::unexpected("a new lock is held")),
        }
    })
}

fn call_release<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = ReleaseRequest::new(key(case, &format!("{marker}-free"))?, LockOwner::parse("owner")?);
        locks(service)?.release(&case.cx(), &request).await.map(drop)
    })
}

fn locks(service: &S) -> Result<&dyn LockCache> {
    service.locks().ok_or_else(|| Error::unexpected("no facet `locks`, though it is declared"))
}

/// Removes what the case named. Locks end by their lease.
fn cleanup<'a>(case: &'a Case<S>, service: &'a S) -> BoxFuture<'a, Verdict> {
    Box::pin(async move {
        if case.another()?.is_none() {
            return Ok(());
        }
        for key in case.made().iter().filter_map(|name| CacheKey::parse(name).ok()) {
            service.delete(&case.cx(), &DeleteRequest::new(key)).await?;
        }
        Ok(())
    })
}
