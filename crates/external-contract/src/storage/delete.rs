//! What deleting promises.

use external_core::storage::{DeleteBatchRequest, DeleteRequest, ObjectKey, VersionToken};
use external_core::{Effect, ErrorKind};

use super::S;
use super::store::{Store, not_applied};
use crate::{Case, Clause, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("storage.delete.1", "Afterwards get and head are `NotFound` and no listing holds it.", |case| {
            let store = Store::of(case);
            store.put("k", "x").await?;
            store.put("kk", "x").await?;
            store.delete("k").await?;
            store.lacks("k").await?;
            store.holds("kk", b"x").await?;
        }),
        clause!(
            "storage.delete.2",
            "Deleting what is not there is `Ok`; `existed`, where the provider tells, is true once only.",
            |case| {
                let store = Store::of(case);
                ensure(store.delete("never").await? != Some(true), "`existed` is not true", "it is")?;
                store.put("k", "x").await?;
                let first = store.delete("k").await?;
                ensure(first != Some(false), "`existed` of what was there is not false", "it is")?;
                let second = store.delete("k").await?;
                ensure(second != Some(true), "`existed` of what is gone is not true", "it is")?;
                ensure_eq("whether the provider tells", &second.is_some(), &first.is_some())?;
            }
        ),
        clause!("storage.delete.3", "Deleting `a` leaves `a/b`, and the reverse.", |case| {
            let store = Store::of(case);
            for (gone, stays) in [("a", "a/b"), ("c/d", "c"), ("e/f/g", "e/f"), ("h/i", "h/i/j/k")] {
                store.put(gone, "gone").await?;
                store.put(stays, "stays").await?;
                store.delete(gone).await?;
                store.lacks(gone).await?;
                store.holds(stays, b"stays").await?;
            }
        }),
        clause!(
            "storage.delete.4",
            "`if_match` with another token than the current one, or on a free key, is `Conflict` and deletes nothing.",
            |case: S| {
                let store = Store::of(case);
                let delete = async |name: &str, token: &VersionToken| {
                    let request = DeleteRequest::new(store.key(name)?).with_if_match(token.clone());
                    store.service.delete(&case.cx(), &request).await
                };
                let old = store.put("k", "old").await?.token;
                let new = store.put("k", "new").await?.token;
                not_applied("a delete with an old token", delete("k", &old).await, ErrorKind::Conflict)?;
                store.holds("k", b"new").await?;
                delete("k", &new).await?;
                store.lacks("k").await?;
                not_applied("a delete on a free key", delete("k", &new).await, ErrorKind::Conflict)?;
            }
        )
        .capability("delete-if-match", check!(|case| {
            refuses(case, "a delete with if_match", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let key = Store::on(case, service).key("k")?;
                let request = DeleteRequest::new(key).with_if_match(VersionToken::new("any"));
                service.delete(&case.cx(), &request).await.map(drop)
            })).await?;
        })),
        clause!(
            "storage.delete_batch.1",
            "One result a key, in the request's order; a key that was not there is `Ok`.",
            |case: S| {
                let store = Store::of(case);
                let names = ["c", "missing", "a", "b/d", "also-missing"];
                for name in names.iter().filter(|name| !name.contains("missing")) {
                    store.put(name, "x").await?;
                }
                let keys = names.iter().map(|name| store.key(name)).collect::<Result<Vec<_>, _>>()?;
                let results = case.service().delete_batch(&case.cx(), &DeleteBatchRequest::new(keys)).await?;
                ensure_eq("the number of results", &results.len(), &names.len())?;
                for (name, result) in names.iter().zip(results) {
                    let existed = result?.existed;
                    let wrong = existed == Some(name.contains("missing"));
                    ensure(!wrong, format!("the truth about `{name}`"), format!("existed: {existed:?}"))?;
                }
            }
        )
        .capability("delete-batch", check!(|case| { refuses_batch(case).await?; })),
        clause!("storage.delete_batch.2", "All keys named are gone afterwards, and no other.", |case: S| {
            let store = Store::of(case);
            let all = store.fitting(&["a", "a/b", "ab", "b", "c d", "ü", "%41", "<x>&amp;'\"", "x+y", "x/y/z"]);
            for name in &all {
                store.put(name, "x").await?;
            }
            let mut gone = all.clone();
            gone.retain(|name| !["a/b", "ab", "b"].contains(name));
            let keys = gone.iter().map(|name| store.key(name)).collect::<Result<Vec<_>, _>>()?;
            for some in keys.chunks(4) {
                let request = DeleteBatchRequest::new(some.to_vec());
                for result in case.service().delete_batch(&case.cx(), &request).await? {
                    result?;
                }
            }
            let left = store.names(store.listing("")).await?;
            ensure_eq("what is left", &left, &vec!["a/b", "ab", "b"])?;
        })
        .capability("delete-batch", check!(|case| { refuses_batch(case).await?; })),
        clause!(
            "storage.delete_batch.3",
            "More keys than the limit `delete-batch-max` are `InvalidArgument`, and nothing is deleted.",
            |case: S| {
                let store = Store::of(case);
                let Some(limit) = case.service().info().capabilities().get_limit("delete-batch-max") else {
                    // No limit is declared, so there is nothing to exceed.
                    return Ok(());
                };
                store.put("k0", "x").await?;
                let keys = many(&store, limit)?;
                let result = case.service().delete_batch(&case.cx(), &DeleteBatchRequest::new(keys)).await;
                if case.is_about_client() && result.is_ok() {
                    // A client may send several batches.
                    return Ok(());
                }
                ensure_error("a batch above the limit", result, ErrorKind::InvalidArgument)?;
                store.holds("k0", b"x").await?;
            }
        )
        .capability("delete-batch", check!(|case| { refuses_batch(case).await?; })),
        clause!(
            "storage.delete_batch.5",
            "A key that an exchange of many cannot carry is `Unsupported` with effect `NotSent`; the others are deleted, and `delete` takes it.",
            |case: S| {
                let store = Store::of(case);
                let names = ["plain", "tab\tline\nend\r", "bell\u{7}\u{1}", "last\u{fffd}", "also plain"];
                for name in names {
                    store.put(name, "x").await?;
                }
                let keys = names.iter().map(|name| store.key(name)).collect::<Result<Vec<_>, _>>()?;
                let results = case.service().delete_batch(&case.cx(), &DeleteBatchRequest::new(keys)).await?;
                ensure_eq("the number of results", &results.len(), &names.len())?;
                for (name, result) in names.iter().zip(results) {
                    if let Err(error) = result {
                        ensure_eq(&format!("the kind for {name:?}"), &error.kind(), &ErrorKind::Unsupported)?;
                        ensure_eq(&format!("the effect for {name:?}"), &error.effect(), &Effect::NotSent)?;
                        ensure(!name.contains("plain"), "a plain key is deleted", error.to_string())?;
                        store.holds(name, b"x").await?;
                        store.delete(name).await?;
                    }
                    store.lacks(name).await?;
                }
            }
        )
        .capability("delete-batch", check!(|case| { refuses_batch(case).await?; })),
        clause!("storage.delete_batch.4", "No keys are no results.", |case: S| {
            let request = DeleteBatchRequest::new(Vec::new());
            let results = case.service().delete_batch(&case.cx(), &request).await?;
            ensure(results.is_empty(), "no result", format!("{} results", results.len()))?;
        })
        .capability("delete-batch", check!(|case| { refuses_batch(case).await?; })),
    ]
}

fn many(store: &Store<'_>, limit: u64) -> external_core::Result<Vec<ObjectKey>> {
    (0..=limit).map(|n| ObjectKey::parse(format!("{}/k{n}", store.case.namespace()))).collect()
}

async fn refuses_batch(case: &Case<S>) -> Verdict {
    refuses(case, "a batch of deletes", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let keys = vec![Store::on(case, service).key("k")?];
            service.delete_batch(&case.cx(), &DeleteBatchRequest::new(keys)).await.map(drop)
        })
    })
    .await
}
