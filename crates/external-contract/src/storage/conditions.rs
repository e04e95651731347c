//! Create-only and compare-and-swap.

use external_core::storage::{Precondition, PutRequest, StorageService, VersionToken, supports};
use external_core::{Effect, ErrorKind};

use super::S;
use super::store::{Store, not_applied, side_by_side};
use crate::{Case, Clause, Verdict, check, clause, ensure_eq, refuses};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.put.4",
            "A create-only put over an existing key is `AlreadyExists` with effect `NotApplied` and changes nothing; on a free key it stores.",
            |case: S| {
                let store = Store::of(case);
                let create = |body: &'static str| {
                    store.put_request("k", body).map(|request| request.with_precondition(Precondition::Absent))
                };
                let receipt = store.send(&create("first")?).await?;
                for body in ["second", "first", ""] {
                    let refused = store.send(&create(body)?).await;
                    not_applied("a create-only put over an existing key", refused, ErrorKind::AlreadyExists)?;
                }
                store.holds("k", b"first").await?;
                ensure_eq("the token", &store.head("k").await?.token, &receipt.token)?;
                store.delete("k").await?;
                store.send(&create("third")?).await?;
                store.holds("k", b"third").await?;
            }
        )
        .capability("create-only", check!(|case| {
            refuses(case, "a create-only put", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let store = Store::on(case, service);
                store.send(&store.put_request("k", "x")?.with_precondition(Precondition::Absent)).await.map(drop)
            })).await?;
        })),
        clause!("storage.put.5", "Of concurrent create-only puts of one key exactly one stores.", |case: S| {
            for round in 0..5 {
                let name = format!("k{round}");
                race(case, &name, Precondition::Absent, ErrorKind::AlreadyExists).await?;
            }
        })
        .capability("create-only", check!(|case| {
            refuses(case, "a create-only put", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let store = Store::on(case, service);
                store.send(&store.put_request("k", "x")?.with_precondition(Precondition::Absent)).await.map(drop)
            })).await?;
        })),
        clause!(
            "storage.put.6",
            "A compare-and-swap with the token of the current content stores; with any other token, and on a free key, it is `Conflict` with effect `NotApplied` and changes nothing.",
            |case: S| {
                let store = Store::of(case);
                let swap = |name: &str, body: &'static str, token: &VersionToken| {
                    store
                        .put_request(name, body)
                        .map(|request| request.with_precondition(Precondition::Matches(token.clone())))
                };
                let first = store.put("k", "first").await?.token;
                let second = store.send(&swap("k", "second", &first)?).await?.token;
                store.holds("k", b"second").await?;
                let what = "a compare-and-swap with an old token";
                not_applied(what, store.send(&swap("k", "third", &first)?).await, ErrorKind::Conflict)?;
                store.holds("k", b"second").await?;
                ensure_eq("the token", &store.head("k").await?.token, &second)?;
                let foreign = store.put("other", "foreign").await?.token;
                let what = "a compare-and-swap with another object's token";
                not_applied(what, store.send(&swap("k", "third", &foreign)?).await, ErrorKind::Conflict)?;
                let what = "a compare-and-swap on a free key";
                not_applied(what, store.send(&swap("free", "x", &second)?).await, ErrorKind::Conflict)?;
                store.lacks("free").await?;
                store.delete("k").await?;
                let what = "a compare-and-swap on a deleted key";
                not_applied(what, store.send(&swap("k", "x", &second)?).await, ErrorKind::Conflict)?;
                store.lacks("k").await?;
            }
        )
        .capability("compare-and-swap", check!(|case| { refuses_swap(case).await?; })),
        clause!("storage.put.7", "Of concurrent compare-and-swaps with one token exactly one stores.", |case: S| {
            let store = Store::of(case);
            for round in 0..5 {
                let name = format!("k{round}");
                let token = store.put(&name, "start").await?.token;
                race(case, &name, Precondition::Matches(token), ErrorKind::Conflict).await?;
            }
        })
        .capability("compare-and-swap", check!(|case| { refuses_swap(case).await?; })),
    ]
}

/// Many writers, one of whom wins; the others are told so, and what is stored is the winner's.
async fn race(case: &Case<S>, name: &str, precondition: Precondition, loser: ErrorKind) -> Verdict {
    let service = case.shared_service();
    let key = Store::of(case).key(name)?;
    let results = side_by_side(16, |n| {
        let service = service.clone();
        let request =
            PutRequest::new(key.clone(), format!("writer {n}")).with_precondition(precondition.clone());
        async move { service.put(&external_core::CallContext::default(), &request).await }
    })
    .await?;
    let winners: Vec<_> =
        results.iter().enumerate().filter_map(|(n, result)| result.is_ok().then_some(n)).collect();
    ensure_eq("the number of writers that stored", &winners.len(), &1)?;
    for result in results.into_iter().filter(Result::is_err) {
        // A store may also answer that it is busy with the winner, which is to be asked again (S3's HTTP 409).
        if matches!(&result, Err(error) if error.kind() == ErrorKind::Unavailable && error.effect() == Effect::NotApplied)
        {
            continue;
        }
        not_applied("a write that lost the race", result, loser)?;
    }
    let winner = winners.first().copied().unwrap_or_default();
    Store::of(case).holds(name, format!("writer {winner}").as_bytes()).await
}

async fn refuses_swap(case: &Case<S>) -> Verdict {
    refuses(case, "a compare-and-swap", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let store = Store::on(case, service);
            let token = Precondition::Matches(VersionToken::new("any"));
            store.send(&store.put_request("k", "x")?.with_precondition(token)).await.map(drop)
        })
    })
    .await
}

/// Whether a service has an option that a clause needs beside its own subject.
pub(super) fn has(service: &dyn StorageService, id: &str) -> bool {
    supports(service, id).is_supported()
}
