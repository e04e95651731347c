//! What compare-and-swap promises.

use std::time::Duration;

use bytes::Bytes;
use external_core::cache::{CasToken, CompareAndSwapRequest, SwapOutcome, Ttl};
use external_core::{CallContext, ErrorKind};
use tokio::time::Instant;

use super::S;
use super::shelf::{Shelf, side_by_side};
use super::values::beyond_the_limit;
use crate::{Attempt, Case, Clause, Verdict, check, clause, ensure, ensure_eq, refuses};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.compare_and_swap.1",
            "With the token of the present value it is `Swapped`: the new value and its TTL (or none) replace the old ones.",
            |case: S| {
                let shelf = Shelf::of(case);
                let ttl = shelf.short();
                shelf.set_for("endless", "old", Duration::from_secs(600)).await?;
                let token = shelf.token("endless").await?;
                ensure_eq("the outcome", &shelf.swap("endless", &token, "new").await?, &SwapOutcome::Swapped)?;
                shelf.holds("endless", b"new").await?;
                if external_core::cache::supports(case.service(), "expire").is_supported() {
                    let seen = shelf.ttl("endless").await?;
                    ensure_eq("what remains", &seen, &external_core::cache::TimeToLive::Unlimited)?;
                }
                shelf.set("ending", "old").await?;
                let token = shelf.token("ending").await?;
                let request = CompareAndSwapRequest::new(shelf.key("ending")?, token, "new").with_ttl(Ttl::new(ttl)?);
                let began = Instant::now();
                let outcome = case.service().compare_and_swap(&case.cx(), &request).await?;
                ensure_eq("the outcome", &outcome, &SwapOutcome::Swapped)?;
                shelf.ends_in_time("ending", ttl, began, Instant::now()).await?;
                shelf.set("empty", "").await?;
                let token = shelf.token("empty").await?;
                ensure_eq("the outcome", &shelf.swap("empty", &token, "new").await?, &SwapOutcome::Swapped)?;
            }
        )
        .capability("compare-and-swap", check!(|case| { refuses_swap(case).await?; })),
        clause!(
            "cache.compare_and_swap.2",
            "Once other bytes were written (by `set`, `increment`, a swap) it is `Changed`, and value and expiry stay as they are.",
            |case: S| {
                let shelf = Shelf::of(case);
                let increments = external_core::cache::supports(case.service(), "increment").is_supported();
                for by in ["set", "increment", "swap"] {
                    shelf.set("k", "1").await?;
                    let token = shelf.token("k").await?;
                    match by {
                        "increment" if increments => drop(shelf.increment("k", 1).await?),
                        "swap" => drop(shelf.swap("k", &token, "2").await?),
                        _ => shelf.set("k", "2").await?,
                    }
                    let outcome = shelf.swap("k", &token, "lost").await?;
                    ensure_eq(&format!("the outcome after a {by}"), &outcome, &SwapOutcome::Changed)?;
                    shelf.holds("k", b"2").await?;
                }
                let ttl = shelf.short();
                shelf.set("ending", "old").await?;
                let token = shelf.token("ending").await?;
                let began = Instant::now();
                shelf.set_for("ending", "new", ttl).await?;
                let stored = Instant::now();
                let outcome = shelf.swap("ending", &token, "lost").await?;
                ensure(outcome != SwapOutcome::Swapped, "no swap", format!("{outcome:?}"))?;
                shelf.ends_in_time("ending", ttl, began, stored).await?;
            }
        )
        .capability("compare-and-swap", check!(|case| { refuses_swap(case).await?; })),
        clause!(
            "cache.compare_and_swap.3",
            "Where there is no value any more it is `Missing`, and nothing is created.",
            |case: S| {
                let shelf = Shelf::of(case);
                shelf.set("k", "v").await?;
                let token = shelf.token("k").await?;
                shelf.delete("k").await?;
                ensure_eq("the outcome", &shelf.swap("k", &token, "new").await?, &SwapOutcome::Missing)?;
                shelf.lacks("k").await?;
                let began = Instant::now();
                shelf.set_for("ended", "v", shelf.short()).await?;
                let stored = Instant::now();
                if let Some(entry) = shelf.entry("ended").await? {
                    shelf.ends_in_time("ended", shelf.short(), began, stored).await?;
                    let outcome = shelf.swap("ended", &entry.token(), "new").await?;
                    ensure_eq("the outcome", &outcome, &SwapOutcome::Missing)?;
                    shelf.lacks("ended").await?;
                }
            }
        )
        .capability("compare-and-swap", check!(|case| { refuses_swap(case).await?; })),
        clause!(
            "cache.compare_and_swap.4",
            "Of any number of swaps to different values with the same token, side by side, exactly one is `Swapped`.",
            |case: S| {
                let shelf = Shelf::of(case);
                let service = case.shared_service();
                for round in 0..10 {
                    let name = format!("k{round}");
                    shelf.set(&name, "start").await?;
                    let (key, token) = (shelf.key(&name)?, shelf.token(&name).await?);
                    let results = side_by_side(16, |n| {
                        let service = service.clone();
                        let request = CompareAndSwapRequest::new(key.clone(), token.clone(), format!("writer {n}"));
                        async move { service.compare_and_swap(&CallContext::default(), &request).await }
                    })
                    .await?;
                    let mut winners = Vec::new();
                    for (n, result) in results.into_iter().enumerate() {
                        match result? {
                            SwapOutcome::Swapped => winners.push(n),
                            outcome => ensure_eq("the outcome of the others", &outcome, &SwapOutcome::Changed)?,
                        }
                    }
                    ensure_eq("the number of swaps", &winners.len(), &1)?;
                    let winner = winners.first().copied().unwrap_or_default();
                    shelf.holds(&name, format!("writer {winner}").as_bytes()).await?;
                }
            }
        )
        .capability("compare-and-swap", check!(|case| { refuses_swap(case).await?; })),
        clause!(
            "cache.compare_and_swap.5",
            "`strict` counts a write of the very same bytes, and a delete followed by one, as a change; where the provider cannot, it is `Unsupported` before anything is sent.",
            |case: S| {
                let shelf = Shelf::of(case);
                for by in ["set", "delete and set", "nothing"] {
                    shelf.set("k", "same").await?;
                    let token = shelf.token("k").await?;
                    if by == "delete and set" {
                        shelf.delete("k").await?;
                    }
                    if by != "nothing" {
                        shelf.set("k", "same").await?;
                    }
                    let request = CompareAndSwapRequest::new(shelf.key("k")?, token, "new").strict();
                    let outcome = case.service().compare_and_swap(&case.cx(), &request).await?;
                    let expected = if by == "nothing" { SwapOutcome::Swapped } else { SwapOutcome::Changed };
                    ensure_eq(&format!("the outcome after {by}"), &outcome, &expected)?;
                }
            }
        )
        .capability("strict-compare-and-swap", check!(|case| {
            refuses(case, "a strict swap", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let shelf = Shelf::on(case, service);
                // Whatever kind of token the provider makes: `strict` is looked at first.
                let token = CasToken::from_bytes(Bytes::from_static(b"v"));
                let request = CompareAndSwapRequest::new(shelf.key("k")?, token, "new").strict();
                service.compare_and_swap(&case.cx(), &request).await.map(drop)
            })).await?;
        })),
        clause!(
            "cache.compare_and_swap.6",
            "A value larger than the limit `value-bytes` is `PayloadTooLarge` before anything is sent.",
            |case: S| {
                let shelf = Shelf::of(case);
                if beyond_the_limit(case).is_none() {
                    return Ok(());
                }
                shelf.set("k", "old").await?;
                let attempt: Attempt<S> = match shelf.token("k").await?.version() {
                    Some(_) => |case, service| Box::pin(oversized(case, service, CasToken::from_version(1))),
                    None => |case, service| {
                        Box::pin(oversized(case, service, CasToken::from_bytes(Bytes::from_static(b"old"))))
                    },
                };
                refuses(case, "a swap beyond the limit", ErrorKind::PayloadTooLarge, attempt).await?;
                shelf.holds("k", b"old").await?;
            }
        )
        .capability("compare-and-swap", check!(|case| { refuses_swap(case).await?; })),
        clause!(
            "cache.compare_and_swap.7",
            "A token that another kind of provider made is `InvalidArgument` before anything is sent.",
            |case: S| {
                let shelf = Shelf::of(case);
                shelf.set("k", "v").await?;
                let attempt: Attempt<S> = match shelf.token("k").await?.version() {
                    Some(_) => |case, service| Box::pin(foreign(case, service, CasToken::from_bytes(Bytes::from_static(b"v")))),
                    None => |case, service| Box::pin(foreign(case, service, CasToken::from_version(1))),
                };
                refuses(case, "a swap with a foreign token", ErrorKind::InvalidArgument, attempt).await?;
                shelf.holds("k", b"v").await?;
            }
        )
        .capability("compare-and-swap", check!(|case| { refuses_swap(case).await?; })),
    ]
}

async fn oversized(case: &Case<S>, service: &S, token: CasToken) -> external_core::Result<()> {
    let value = beyond_the_limit(case).unwrap_or_default();
    let request = CompareAndSwapRequest::new(Shelf::on(case, service).key("k")?, token, value);
    service.compare_and_swap(&case.cx(), &request).await.map(drop)
}

async fn foreign(case: &Case<S>, service: &S, token: CasToken) -> external_core::Result<()> {
    Shelf::on(case, service).swap("k", &token, "lost").await.map(drop)
}

async fn refuses_swap(case: &Case<S>) -> Verdict {
    refuses(case, "a swap", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let token = CasToken::from_bytes(Bytes::from_static(b"v"));
            Shelf::on(case, service).swap("k", &token, "new").await.map(drop)
        })
    })
    .await
}
