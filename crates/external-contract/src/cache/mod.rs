//! The suite of caches.

mod batch;
mod counters;
mod invalidation;
mod locks;
mod shelf;
mod swap;
mod ttl;
mod values;

use external_core::cache::{
    CAPABILITIES, CacheKey, CacheService, DeleteRequest, GetManyRequest, GetRequest, IncrementRequest,
    SetRequest, supports,
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
        .with_natives(NATIVES)
        .with_cleanup(cleanup)
        .with_all(values::clauses())
        .with_all(ttl::clauses())
        .with_all(batch::clauses())
        .with_all(counters::clauses())
        .with_all(swap::clauses())
        .with_all(locks::clauses())
        .with_all(invalidation::clauses())
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
        match service.set(&case.cx(), &SetRequest::new(key(case, marker)?, "value")).await?.stored {
            true => Ok(()),
            false => Err(Error::unexpected("an unconditional set did not store")),
        }
    })
}

fn call_get_many<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
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
