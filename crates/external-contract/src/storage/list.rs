//! What listing promises.

use std::collections::BTreeSet;

use external_core::storage::{ListRequest, PageToken, PutRequest};
use external_core::{CallContext, ErrorKind};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::S;
use super::store::Store;
use crate::{Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

/// Names whose order by bytes differs from that by path, by locale and by case.
const NAMES: [&str; 14] =
    ["a", "a!", "a-b", "a.b", "a/b", "a/b!", "a/b/c", "a0", "aa", "Z", "z", "ä", "é/x", "名"];

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("storage.list_page.1", "Pages together hold every key with the prefix exactly once, in byte order.", |case| {
            let store = Store::of(case);
            let mut expected = store.fitting(&NAMES);
            stored(&store, &expected).await?;
            expected.sort_unstable_by_key(|name| name.as_bytes());
            for limit in [None, Some(1), Some(2), Some(3), Some(14), Some(1000)] {
                let mut request = store.listing("");
                request.limit = limit;
                let what = format!("the keys listed with the limit {limit:?}");
                ensure_eq(&what, &store.names(request).await?, &expected)?;
            }
        }),
        clause!("storage.list_page.10", "Hundreds of keys are listed whole, page by page.", |case| {
            let store = Store::of(case);
            let service = case.service();
            let keys: Vec<_> = (0..350).map(|n| store.key(&format!("{:03}", n * 11 % 350))).collect::<Result<_, _>>()?;
            let puts = keys.into_iter().map(|key| async move {
                service.put(&CallContext::default(), &PutRequest::new(key, "x")).await.map(drop)
            });
            // Not all at once: each would have a connection of its own, and a busy machine shakes few hands a second.
            stream::iter(puts).buffer_unordered(16).try_collect::<()>().await?;
            let listed = store.names(store.listing("").with_limit(100)).await?;
            let expected: Vec<_> = (0..350).map(|n| format!("{n:03}")).collect();
            ensure_eq("the keys", &listed, &expected)?;
        }),
        clause!(
            "storage.list_page.2",
            "A page holds at most `limit` entries, and never more than the limit `list-page-max`.",
            |case| {
                let store = Store::of(case);
                let names = store.fitting(&NAMES);
                stored(&store, &names).await?;
                for limit in [1, 3, names.len() - 1] {
                    let page = page(&store, store.listing("").with_limit(limit)).await?;
                    let seen = page.objects.len() + page.prefixes.len();
                    ensure(seen <= limit, format!("at most {limit} entries"), format!("{seen}"))?;
                    ensure(page.next.is_some(), "a token for the rest", "none")?;
                }
                if let Some(most) = case.service().info().capabilities().get_limit("list-page-max") {
                    let page = page(&store, store.listing("").with_limit(usize::MAX)).await?;
                    let seen = page.objects.len() as u64;
                    ensure(seen <= most, format!("at most {most} entries"), format!("{seen}"))?;
                }
            }
        ),
        clause!(
            "storage.list_page.3",
            "With a delimiter, keys that contain it behind the prefix appear only as their common prefix, each once over all pages, counted as one entry.",
            |case: S| {
                let store = Store::of(case);
                let names = ["a", "a/b", "a/c", "a/d/e", "b/x", "b/y/z", "c", "d/e/f", "dd--x", "dd--y"];
                let names = store.fitting(&names);
                stored(&store, &names).await?;
                let top: Vec<_> = names.iter().copied().filter(|name| !name.contains('/')).collect();
                for limit in [1, 2, 5, 100] {
                    folded(&store, store.listing("").with_delimiter("/").with_limit(limit), &top, &["a/", "b/", "d/"]).await?;
                    folded(&store, store.listing("a/").with_delimiter("/").with_limit(limit), &["a/b", "a/c"], &["a/d/"]).await?;
                    // The fact `delimiter` names the only one a server folds by.
                    if case.fact("delimiter").is_none() {
                    folded(&store, store.listing("d").with_delimiter("--").with_limit(limit), &["d/e/f"], &["dd--"]).await?;
                    }
                }
                let page = page(&store, store.listing("").with_delimiter("/").with_limit(2)).await?;
                let seen = page.objects.len() + page.prefixes.len();
                ensure(seen <= 2, "at most 2 entries, prefixes counted", format!("{seen}"))?;
            }
        )
        .capability("list-delimiter", check!(|case| {
            refuses(case, "a listing with a delimiter", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let request = Store::on(case, service).listing("").with_delimiter("/");
                service.list_page(&case.cx(), &request).await.map(drop)
            })).await?;
        })),
        clause!("storage.list_page.4", "`start_after` leaves out its own text and all keys before it.", |case: S| {
            let store = Store::of(case);
            let names = store.fitting(&["a", "a/b", "b", "c"]);
            stored(&store, &names).await?;
            for (after, mut expected) in [
                ("", vec!["a", "a/b", "b", "c"]),
                ("a", vec!["a/b", "b", "c"]),
                ("a/", vec!["a/b", "b", "c"]),
                ("a0", vec!["b", "c"]),
                ("b", vec!["c"]),
                ("zz", vec![]),
            ] {
                expected.retain(|name| names.contains(name));
                for limit in [1, 100] {
                    let after_key = case.name(after);
                    let request = store.listing("").with_start_after(after_key).with_limit(limit);
                    let what = format!("the keys after `{after}`");
                    ensure_eq(&what, &store.names(request).await?, &expected)?;
                }
            }
        })
        .capability("list-start-after", check!(|case| {
            refuses(case, "a listing with start_after", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let request = Store::on(case, service).listing("").with_start_after("a");
                service.list_page(&case.cx(), &request).await.map(drop)
            })).await?;
        })),
        clause!(
            "storage.list_page.5",
            "A key that was there before the first page and is not touched is listed, whatever is written and deleted between pages.",
            |case| {
                let store = Store::of(case);
                let stays: Vec<_> = (0..20).map(|n| format!("k{n:02}")).collect();
                let gone: Vec<_> = (0..20).map(|n| format!("k{n:02}-gone")).collect();
                for name in stays.iter().chain(&gone) {
                    store.put(name, "x").await?;
                }
                let mut listed = BTreeSet::new();
                let mut request = store.listing("").with_limit(3);
                for round in 0.. {
                    let page = page(&store, request.clone()).await?;
                    listed.extend(page.objects.iter().map(|entry| store.bare(entry.key.as_str())));
                    // What was just listed goes, so that whoever counts offsets skips what comes next.
                    for entry in page.objects.iter().filter(|entry| entry.key.as_str().ends_with("-gone")) {
                        store.delete(&store.bare(entry.key.as_str())).await?;
                    }
                    store.put(&format!("a{round}"), "x").await?;
                    match page.next {
                        Some(token) => request = request.with_token(token),
                        None => break,
                    }
                }
                let lost: Vec<_> = stays.iter().filter(|name| !listed.contains(*name)).collect();
                ensure(lost.is_empty(), "every untouched key", format!("without {lost:?}"))?;
            }
        ),
        clause!("storage.list_page.6", "Sizes, and tokens where listed, are those head answers.", |case| {
            let store = Store::of(case);
            for (name, body) in [("a", ""), ("b", "12345"), ("c/d", "123456789")] {
                store.put(name, body).await?;
            }
            store.put("b", "123").await?;
            for entry in store.list_all(store.listing("")).await?.0 {
                let head = store.head(&store.bare(entry.key.as_str())).await?;
                ensure_eq("the size listed", &entry.size, &head.size)?;
                if let Some(token) = entry.token {
                    ensure_eq("the token listed", &token, &head.token)?;
                }
            }
        }),
        clause!("storage.list_page.7", "Nothing that matches is an empty last page.", |case| {
            let store = Store::of(case);
            store.put("k", "x").await?;
            for prefix in ["nothing", "k/", "kk", "K"] {
                let page = page(&store, store.listing(prefix)).await?;
                let empty = page.objects.is_empty() && page.prefixes.is_empty() && page.next.is_none();
                ensure(empty, format!("an empty last page for `{prefix}`"), format!("{page:?}"))?;
            }
        }),
        clause!(
            "storage.list_page.8",
            "The prefix is plain text: it may end inside a segment, and `a` matches `a`, `a/b` and `ab`.",
            |case| {
                let store = Store::of(case);
                let names = store.fitting(&["a", "a/b", "ab", "abc/d", "b", "b*", "b[1]", "%61"]);
                stored(&store, &names).await?;
                for (prefix, mut expected) in [
                    ("a", vec!["a", "a/b", "ab", "abc/d"]),
                    ("a/", vec!["a/b"]),
                    ("ab", vec!["ab", "abc/d"]),
                    ("abc/", vec!["abc/d"]),
                    ("b", vec!["b", "b*", "b[1]"]),
                    ("b*", vec!["b*"]),
                    ("b[", vec!["b[1]"]),
                    ("%6", vec!["%61"]),
                    ("A", vec![]),
                ] {
                    expected.retain(|name| names.contains(name));
                    let what = format!("the keys with the prefix `{prefix}`");
                    ensure_eq(&what, &store.names(store.listing(prefix)).await?, &expected)?;
                }
            }
        ),
        clause!(
            "storage.list_page.9",
            "A token that the provider did not give, a limit of 0 and an empty delimiter are `InvalidArgument`.",
            |case| {
                let store = Store::of(case);
                store.put("k", "x").await?;
                for (what, request) in [
                    ("a limit of 0", store.listing("").with_limit(0)),
                    ("an empty delimiter", store.listing("").with_delimiter("")),
                    ("a NUL in the prefix", ListRequest::new("a\0b")),
                    ("a token of nobody's", store.listing("").with_token(PageToken::new("\u{1}nobody's"))),
                ] {
                    let result = case.service().list_page(&case.cx(), &request).await;
                    ensure_error(what, result, ErrorKind::InvalidArgument)?;
                }
            }
        ),
    ]
}

async fn stored(store: &Store<'_>, names: &[&str]) -> Verdict {
    for name in names {
        store.put(name, "x").await?;
    }
    Ok(())
}

async fn page(store: &Store<'_>, request: ListRequest) -> Result<external_core::storage::ListPage, Finding> {
    Ok(store.service.list_page(&store.case.cx(), &request).await?)
}

async fn folded(store: &Store<'_>, request: ListRequest, objects: &[&str], prefixes: &[&str]) -> Verdict {
    let what = format!("(prefix {:?}, limit {:?})", store.bare(&request.prefix), request.limit);
    let (seen, folded) = store.list_all(request).await?;
    let seen: Vec<_> = seen.iter().map(|entry| store.bare(entry.key.as_str())).collect();
    let folded: Vec<_> = folded.iter().map(|prefix| store.bare(prefix)).collect();
    ensure_eq(&format!("the objects {what}"), &seen, &objects.to_vec())?;
    ensure_eq(&format!("the common prefixes {what}"), &folded, &prefixes.to_vec())
}
