//! What the calls with many keys promise.

use std::time::Duration;

use bytes::Bytes;
use external_core::cache::{CacheKey, DeleteManyRequest, GetManyRequest, SetEntry, SetManyRequest, Ttl};
use external_core::{Effect, ErrorKind, Result};
use tokio::time::Instant;

use super::S;
use super::shelf::Shelf;
use super::values::beyond_the_limit;
use crate::{
    Attempt, Case, Clause, Proxied, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses,
};

async fn get_many(shelf: &Shelf<'_>, names: &[&str]) -> Result<Vec<Option<Bytes>>> {
    let keys = names.iter().map(|name| shelf.key(name)).collect::<Result<_>>()?;
    let entries = shelf.service.get_many(&shelf.case.cx(), &GetManyRequest::new(keys)).await?;
    Ok(entries.into_iter().map(|entry| entry.map(|entry| entry.value)).collect())
}

async fn set_many(shelf: &Shelf<'_>, entries: Vec<SetEntry>) -> Result<Vec<Result<()>>> {
    shelf.service.set_many(&shelf.case.cx(), &SetManyRequest::new(entries)).await
}

async fn delete_many(shelf: &Shelf<'_>, names: &[&str]) -> Result<Vec<Option<bool>>> {
    let keys = names.iter().map(|name| shelf.key(name)).collect::<Result<_>>()?;
    let results = shelf.service.delete_many(&shelf.case.cx(), &DeleteManyRequest::new(keys)).await?;
    results.into_iter().map(|result| result.map(|deleted| deleted.existed)).collect()
}

fn values(texts: &[Option<&'static str>]) -> Vec<Option<Bytes>> {
    texts.iter().map(|text| text.map(|text| Bytes::from_static(text.as_bytes()))).collect()
}

/// One key more than the limit allows.
fn too_many(case: &Case<S>) -> Result<Vec<CacheKey>> {
    let limit = case.service().info().capabilities().get_limit("batch-keys").unwrap_or_default();
    (0..=limit).map(|n| CacheKey::parse(format!("{}/{n}", case.namespace()))).collect()
}

fn is_limited(case: &Case<S>) -> bool {
    let limit = case.service().info().capabilities().get_limit("batch-keys");
    limit.is_some_and(|limit| limit <= 1_000_000)
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    [reading(), writing(), deleting()].into_iter().flatten().collect()
}

fn reading() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.get_many.1",
            "One answer a key, in the order asked; `None` where there is no value; a key asked twice is answered twice.",
            |case: S| {
                let shelf = Shelf::of(case);
                for (name, value) in [("a", "1"), ("b", "2"), ("c", "")] {
                    shelf.set(name, value).await?;
                }
                let seen = get_many(&shelf, &["c", "never", "a", "b", "a", "never"]).await?;
                let expected = values(&[Some(""), None, Some("1"), Some("2"), Some("1"), None]);
                ensure_eq("the values", &seen, &expected)?;
            }
        )
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
        clause!("cache.get_many.2", "No key is an empty answer, and nothing is sent.", |case: S| {
            let seen = get_many(&Shelf::of(case), &[]).await?;
            ensure(seen.is_empty(), "an empty answer", format!("{seen:?}"))?;
            sends_nothing(case, |case, service| Box::pin(async move {
                get_many(&Shelf::on(case, service), &[]).await.map(drop)
            })).await?;
        })
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
        clause!(
            "cache.get_many.3",
            "More keys than the limit `batch-keys` are `InvalidArgument` before anything is sent.",
            |case: S| {
                if is_limited(case) && !may_split(case) {
                    refuses(case, "too many keys", ErrorKind::InvalidArgument, |case, service| Box::pin(async move {
                        let request = GetManyRequest::new(too_many(case)?);
                        service.get_many(&case.cx(), &request).await.map(drop)
                    })).await?;
                }
            }
        )
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
        clause!("cache.get_many.4", "Its tokens are as good as those of `get`.", |case: S| {
            let shelf = Shelf::of(case);
            if !external_core::cache::supports(case.service(), "compare-and-swap").is_supported() {
                return Ok(());
            }
            shelf.set("a", "1").await?;
            shelf.set("b", "1").await?;
            let keys = vec![shelf.key("a")?, shelf.key("b")?];
            let entries = case.service().get_many(&case.cx(), &GetManyRequest::new(keys)).await?;
            shelf.set("b", "2").await?;
            let expected = [external_core::cache::SwapOutcome::Swapped, external_core::cache::SwapOutcome::Changed];
            for ((name, entry), expected) in ["a", "b"].into_iter().zip(entries).zip(expected) {
                let token = entry.map(|entry| entry.token()).ok_or_else(|| crate::Finding::failed("a value", "none"))?;
                ensure_eq(&format!("the swap of `{name}`"), &shelf.swap(name, &token, "new").await?, &expected)?;
            }
        })
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
        clause!("cache.get_many.5", "It is one exchange, however many keys.", |case: S| {
            one_exchange(case, |case, service| Box::pin(async move {
                get_many(&Shelf::on(case, service), &NAMES).await.map(drop)
            })).await?;
        })
        .needs_proxy()
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
    ]
}

fn writing() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.set_many.1",
            "One result an entry, in their order; each value gets its own TTL, or none.",
            |case: S| {
                let shelf = Shelf::of(case);
                shelf.set_for("c", "old", Duration::from_secs(60)).await?;
                let ttl = shelf.short();
                let entries = vec![
                    SetEntry::new(shelf.key("a")?, "1"),
                    SetEntry::new(shelf.key("b")?, "2").with_ttl(Ttl::new(ttl)?),
                    SetEntry::new(shelf.key("c")?, "3"),
                    SetEntry::new(shelf.key("d")?, "4").with_ttl(Ttl::new(Duration::from_secs(600))?),
                ];
                let began = Instant::now();
                let results = set_many(&shelf, entries).await?;
                let stored = Instant::now();
                ensure_eq("the number of results", &results.len(), &4)?;
                results.into_iter().collect::<Result<Vec<()>>>()?;
                shelf.ends_in_time("b", ttl, began, stored).await?;
                for (name, value) in [("a", b"1"), ("c", b"3"), ("d", b"4")] {
                    shelf.holds(name, value).await?;
                }
                if external_core::cache::supports(case.service(), "expire").is_supported() {
                    let endless = external_core::cache::TimeToLive::Unlimited;
                    ensure_eq("what remains of `a`", &shelf.ttl("a").await?, &endless)?;
                    ensure_eq("what remains of `c`", &shelf.ttl("c").await?, &endless)?;
                }
            }
        )
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
        clause!("cache.set_many.2", "Of two entries of the same key the later one stays.", |case: S| {
            let shelf = Shelf::of(case);
            let entries = ["1", "2", "3"].map(|value| shelf.key("k").map(|key| SetEntry::new(key, value)));
            let results = set_many(&shelf, entries.into_iter().collect::<Result<_>>()?).await?;
            ensure_eq("the number of results", &results.len(), &3)?;
            shelf.holds("k", b"3").await?;
        })
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
        clause!(
            "cache.set_many.3",
            "A value that is too large fails alone, with `PayloadTooLarge`; the others are stored.",
            |case: S| {
                let shelf = Shelf::of(case);
                let Some(more) = beyond_the_limit(case) else { return Ok(()) };
                shelf.set("b", "old").await?;
                let entries = vec![
                    SetEntry::new(shelf.key("a")?, "1"),
                    SetEntry::new(shelf.key("b")?, more),
                    SetEntry::new(shelf.key("c")?, "3"),
                ];
                let mut results = set_many(&shelf, entries).await?;
                ensure_eq("the number of results", &results.len(), &3)?;
                let second = results.remove(1);
                let error = ensure_error("the value that is too large", second, ErrorKind::PayloadTooLarge)?;
                ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
                results.into_iter().collect::<Result<Vec<()>>>()?;
                for (name, value) in [("a", &b"1"[..]), ("b", b"old"), ("c", b"3")] {
                    shelf.holds(name, value).await?;
                }
            }
        )
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
        clause!(
            "cache.set_many.4",
            "No entry is an empty answer and nothing is sent; more than the limit `batch-keys` are `InvalidArgument` before anything is sent.",
            |case: S| {
                let seen = set_many(&Shelf::of(case), Vec::new()).await?;
                ensure(seen.is_empty(), "an empty answer", format!("{seen:?}"))?;
                sends_nothing(case, |case, service| Box::pin(async move {
                    set_many(&Shelf::on(case, service), Vec::new()).await.map(drop)
                })).await?;
                if is_limited(case) && !may_split(case) {
                    refuses(case, "too many entries", ErrorKind::InvalidArgument, |case, service| Box::pin(async move {
                        let entries = too_many(case)?.into_iter().map(|key| SetEntry::new(key, "v")).collect();
                        set_many(&Shelf::on(case, service), entries).await.map(drop)
                    })).await?;
                }
            }
        )
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
        clause!("cache.set_many.5", "It is one exchange, however many entries.", |case: S| {
            one_exchange(case, |case, service| Box::pin(async move {
                let shelf = Shelf::on(case, service);
                let entries = NAMES.iter().map(|name| shelf.key(name).map(|key| SetEntry::new(key, "v")));
                set_many(&shelf, entries.collect::<Result<_>>()?).await.map(drop)
            })).await?;
        })
        .needs_proxy()
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
    ]
}

fn deleting() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.delete_many.1",
            "One result a key, in the order asked, each saying whether there was a value.",
            |case: S| {
                let shelf = Shelf::of(case);
                for name in ["a", "b", "stays"] {
                    shelf.set(name, "v").await?;
                }
                let seen = delete_many(&shelf, &["never", "b", "a"]).await?;
                ensure_eq("whether there was one", &seen, &vec![Some(false), Some(true), Some(true)])?;
                shelf.lacks("a").await?;
                shelf.lacks("b").await?;
                shelf.holds("stays", b"v").await?;
            }
        )
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
        clause!(
            "cache.delete_many.2",
            "No key is an empty answer and nothing is sent; more than the limit `batch-keys` are `InvalidArgument` before anything is sent.",
            |case: S| {
                let seen = delete_many(&Shelf::of(case), &[]).await?;
                ensure(seen.is_empty(), "an empty answer", format!("{seen:?}"))?;
                sends_nothing(case, |case, service| Box::pin(async move {
                    delete_many(&Shelf::on(case, service), &[]).await.map(drop)
                })).await?;
                if is_limited(case) && !may_split(case) {
                    refuses(case, "too many keys", ErrorKind::InvalidArgument, |case, service| Box::pin(async move {
                        let request = DeleteManyRequest::new(too_many(case)?);
                        service.delete_many(&case.cx(), &request).await.map(drop)
                    })).await?;
                }
            }
        )
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
        clause!("cache.delete_many.3", "It is one exchange, however many keys.", |case: S| {
            one_exchange(case, |case, service| Box::pin(async move {
                delete_many(&Shelf::on(case, service), &NAMES).await.map(drop)
            })).await?;
        })
        .needs_proxy()
        .capability("batch", check!(|case| { refuses_batch(case).await?; })),
    ]
}

const NAMES: [&str; 20] =
    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"];

/// A client sends what is too much for one batch in several.
fn may_split(case: &Case<S>) -> bool {
    case.is_about_client()
}

/// Counts what a call sends on a connection that is in use already.
async fn one_exchange(case: &Case<S>, call: Attempt<S>) -> Verdict {
    let Proxied { service, proxy } = case.proxied().await?;
    Shelf::on(case, &*service).set("warm", "v").await?;
    let before = proxy.turns();
    call(case, &*service).await?;
    ensure_eq("the number of exchanges", &(proxy.turns() - before), &1)
}

async fn sends_nothing(case: &Case<S>, call: Attempt<S>) -> Verdict {
    if !case.has_proxy() {
        return Ok(());
    }
    let Proxied { service, proxy } = case.proxied().await?;
    call(case, &*service).await?;
    ensure_eq("the number of bytes sent", &proxy.bytes(), &0)
}

async fn refuses_batch(case: &Case<S>) -> Verdict {
    let what = "a call with many keys";
    refuses(case, what, ErrorKind::Unsupported, |case, service| {
        Box::pin(async move { get_many(&Shelf::on(case, service), &NAMES).await.map(drop) })
    })
    .await?;
    refuses(case, what, ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let shelf = Shelf::on(case, service);
            set_many(&shelf, vec![SetEntry::new(shelf.key("k")?, "v")]).await.map(drop)
        })
    })
    .await?;
    refuses(case, what, ErrorKind::Unsupported, |case, service| {
        Box::pin(async move { delete_many(&Shelf::on(case, service), &NAMES).await.map(drop) })
    })
    .await
}
