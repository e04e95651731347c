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
    AcquireRequest, CAPABILITIES, CacheKey, CacheService, CasToken, CompareAndSwapRequest, DeleteManyRequest,
    DeleteRequest, ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, LockAttempt, LockCache,
    LockOwner, ReleaseRequest, RenewOutcome, RenewRequest, SetEntry, SetManyRequest, SetRequest,
    SubscribeRequest, SwapOutcome, TimeToLive, Ttl, TtlRequest, supports,
};
use external_core::{Error, Result};
use futures_util::future::BoxFuture;

use crate::{Case, ProviderCall, Suite, Traffic, Verdict, ensure, eventually};

type S = dyn CacheService;

/// How long what the common block leaves behind lives.
const LEASE: Duration = Duration::from_secs(5);

/// The end of the names of its locks.
const LOCK: &str = "-lock";

/// What the contract demands natively of the providers it knows.
const NATIVES: &[(&str, &[&str])] = &[("memory", ALL), ("redis", ALL)];

const ALL: &[&str] =
    &["conditional-set", "expire", "increment", "compare-and-swap", "batch", "locks", "invalidation"];

/// Every clause of [`CacheService`], with the common block.
#[must_use]
pub fn suite() -> Suite<dyn CacheService> {
    let marked = |name, run| ProviderCall { name, run, traffic: Traffic::Marked };
    let calls = vec![
        marked("get", call_get),
        marked("set", call_set),
        marked("get_many", call_get_many),
        marked("increment", call_increment),
        marked("delete", call_delete),
    ];
    // Each on a connection of its own, which is told nothing about this call.
    let subscribe = ProviderCall { name: "subscribe", run: call_subscribe, traffic: Traffic::Unmarked };
    Suite::of_contract("cache", CAPABILITIES, supports, calls)
        .with_calls("batch", vec![marked("set_many", call_set_many), marked("delete_many", call_delete_many)])
        .with_calls("expire", vec![marked("expire", call_expire), marked("ttl", call_ttl)])
        .with_calls("compare-and-swap", vec![marked("compare_and_swap", call_swap)])
        .with_calls(
            "locks",
            vec![
                marked("acquire", call_acquire),
                marked("renew", call_renew),
                marked("release", call_release),
            ],
        )
        .with_calls("invalidation", vec![subscribe])
        .with_leftovers(leftovers)
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
        let ttl = Some(Ttl::new(LEASE)?);
        let request = ExpireRequest::new(key(case, &format!("{marker}-nothing"))?, ttl);
        match service.expire(&case.cx(), &request).await? {
            false => Ok(()),
            true => Err(Error::unexpected("found a value that was never stored")),
        }
    })
}

fn call_ttl<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = TtlRequest::new(key(case, &format!("{marker}-nothing"))?);
        match service.ttl(&case.cx(), &request).await? {
            TimeToLive::Missing => Ok(()),
            _ => Err(Error::unexpected("found a value that was never stored")),
        }
    })
}

/// Of nothing, with a token of the kind that the cache makes: who numbers writes tells the same bytes apart, who compares
/// bytes does not.
fn call_swap<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let token = match supports(service, "strict-compare-and-swap").is_supported() {
            true => CasToken::from_version(1),
            false => CasToken::from_bytes("old".into()),
        };
        let nothing = key(case, &format!("{marker}-nothing"))?;
        let request = CompareAndSwapRequest::new(nothing, token, case.canary().to_owned());
        match service.compare_and_swap(&case.cx(), &request).await? {
            SwapOutcome::Missing => Ok(()),
            _ => Err(Error::unexpected("found a value that was never stored")),
        }
    })
}

/// Each marker is a lock of its own, and ends by its lease.
fn call_acquire<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let name = key(case, &format!("{marker}{LOCK}"))?;
        match acquired(case, service, name).await? {
            true => Ok(()),
            false => Err(Error::unexpected("a new lock is held")),
        }
    })
}

async fn acquired(case: &Case<S>, service: &S, name: CacheKey) -> Result<bool> {
    let request = AcquireRequest::new(name, LockOwner::parse("owner")?, Ttl::new(LEASE)?);
    let attempt = locks(service)?.acquire(&case.cx(), &request).await?;
    Ok(matches!(attempt, LockAttempt::Acquired(_)))
}

fn call_renew<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let (name, owner) = (key(case, &format!("{marker}-free"))?, LockOwner::parse("owner")?);
        let request = RenewRequest::new(name, owner, Ttl::new(LEASE)?);
        match locks(service)?.renew(&case.cx(), &request).await? {
            RenewOutcome::Lost => Ok(()),
            _ => Err(Error::unexpected("a lock that nobody holds was renewed")),
        }
    })
}

fn call_release<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = ReleaseRequest::new(key(case, &format!("{marker}-free"))?, LockOwner::parse("owner")?);
        locks(service)?.release(&case.cx(), &request).await.map(drop)
    })
}

/// Listens, and stops.
fn call_subscribe<'a>(case: &'a Case<S>, service: &'a S, _: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let facet = service.invalidation();
        let facet =
            facet.ok_or_else(|| Error::unexpected("no facet `invalidation`, though it is declared"))?;
        facet.subscribe(&case.cx(), &SubscribeRequest::new()).await.map(drop)
    })
}

fn locks(service: &S) -> Result<&dyn LockCache> {
    service.locks().ok_or_else(|| Error::unexpected("no facet `locks`, though it is declared"))
}

/// Locks of abandoned calls are free once their leases have ended.
fn leftovers<'a>(case: &'a Case<S>, service: &'a S) -> BoxFuture<'a, Verdict> {
    Box::pin(async move {
        if service.locks().is_none() {
            return Ok(());
        }
        for lock in case.made().iter().filter(|name| name.ends_with(LOCK)) {
            let lock = CacheKey::parse(lock)?;
            eventually(LEASE * 3, async || {
                ensure(
                    acquired(case, service, lock.clone()).await?,
                    "a lock whose lease has ended",
                    "it is held",
                )
            })
            .await?;
        }
        Ok(())
    })
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
