//! What hearing of changes promises.

use std::collections::BTreeSet;
use std::time::Duration;

use external_core::ErrorKind;
use external_core::cache::{
    DeleteManyRequest, Invalidation, InvalidationStream, SetEntry, SetManyRequest, SubscribeRequest, supports,
};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::S;
use super::shelf::Shelf;
use crate::{
    Case, Clause, Finding, Proxied, Verdict, check, clause, ensure, ensure_eq, ensure_error, eventually,
    within,
};

const LONG: Duration = Duration::from_secs(10);

async fn subscribe(case: &Case<S>, service: &S) -> Result<InvalidationStream, Finding> {
    let facet = service
        .invalidation()
        .ok_or_else(|| Finding::failed("the facet `invalidation`, which is declared", "no facet"))?;
    Ok(facet.subscribe(&case.cx(), &SubscribeRequest::new()).await?)
}

/// Reads until all these names were heard; answers every name heard on the way.
async fn hear(
    case: &Case<S>,
    stream: &mut InvalidationStream,
    names: &[&str],
) -> Result<BTreeSet<String>, Finding> {
    let mut heard = BTreeSet::new();
    let missing = |heard: &BTreeSet<String>| {
        names
            .iter()
            .filter(|name| !heard.contains(&case.name(name)))
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    while !missing(&heard).is_empty() {
        match timeout(LONG, stream.next()).await {
            Ok(Some(Ok(Invalidation::Keys(keys)))) => {
                heard.extend(keys.iter().map(|key| key.as_str().to_owned()));
            }
            Ok(Some(Ok(other))) => {
                return Err(Finding::failed("the names of what changed", format!("{other:?}")));
            }
            Ok(Some(Err(error))) => return Err(error.into()),
            Ok(None) => return Err(Finding::failed("a stream that goes on", "its end")),
            Err(_) => {
                let missing = missing(&heard);
                return Err(Finding::failed(
                    format!("to hear of {names:?}"),
                    format!("nothing of {missing:?}"),
                ));
            }
        }
    }
    Ok(heard)
}

/// Makes every kind of change, each to a key of its own; answers the keys.
async fn change(shelf: &Shelf<'_>) -> Result<Vec<&'static str>, Finding> {
    let mut changed = vec!["set", "delete"];
    shelf.set("set", "new").await?;
    shelf.delete("delete").await?;
    if supports(shelf.service, "batch").is_supported() {
        let entries =
            vec![SetEntry::new(shelf.key("set_many_1")?, "v"), SetEntry::new(shelf.key("set_many_2")?, "v")];
        shelf.service.set_many(&shelf.case.cx(), &SetManyRequest::new(entries)).await?;
        let keys = vec![shelf.key("delete_many_1")?, shelf.key("delete_many_2")?];
        shelf.service.delete_many(&shelf.case.cx(), &DeleteManyRequest::new(keys)).await?;
        changed.extend(["set_many_1", "set_many_2", "delete_many_1", "delete_many_2"]);
    }
    if supports(shelf.service, "increment").is_supported() {
        shelf.increment("increment", 1).await?;
        changed.push("increment");
    }
    if supports(shelf.service, "compare-and-swap").is_supported() {
        let token = shelf.token("swap").await?;
        shelf.swap("swap", &token, "new").await?;
        changed.push("swap");
    }
    Ok(changed)
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.subscribe.1",
            "Every change made after this returned is heard: set, set_many, delete, delete_many, increment, compare-and-swap; through the same instance and through any other on the same keys.",
            |case: S| {
                let shelf = Shelf::of(case);
                let other = case.another()?;
                for writer in [Some(shelf), other.as_deref().map(|other| Shelf::on(case, other))].into_iter().flatten() {
                    for name in ["set", "delete", "delete_many_1", "delete_many_2", "swap"] {
                        shelf.set(name, "old").await?;
                    }
                    let mut stream = subscribe(case, case.service()).await?;
                    let changed = change(&writer).await?;
                    hear(case, &mut stream, &changed).await?;
                    // The second change of a key is heard as well, though nobody read it in between.
                    for round in 0..3 {
                        writer.set("again", format!("{round}")).await?;
                        hear(case, &mut stream, &["again"]).await?;
                    }
                }
            }
        )
        .capability("invalidation", check!(|case| { no_facet(case)?; })),
        clause!("cache.subscribe.2", "Only changed keys are named; reading changes nothing.", |case: S| {
            let shelf = Shelf::of(case);
            shelf.set("read", "v").await?;
            shelf.set("silent", "v").await?;
            // Whatever is still on its way from before has come once this is heard.
            let mut stream = subscribe(case, case.service()).await?;
            shelf.set("first", "v").await?;
            hear(case, &mut stream, &["first"]).await?;
            shelf.get("read").await?;
            shelf.get("never").await?;
            if supports(case.service(), "expire").is_supported() {
                shelf.ttl("read").await?;
            }
            shelf.set("last", "v").await?;
            let heard = hear(case, &mut stream, &["last"]).await?;
            ensure_eq("what was heard", &heard, &BTreeSet::from([case.name("last")]))?;
        })
        .capability("invalidation", check!(|case| { no_facet(case)?; })),
        clause!("cache.subscribe.3", "Changes of another namespace are not heard.", |case: S| {
            let elsewhere = case.elsewhere()?;
            let mut stream = subscribe(case, case.service()).await?;
            Shelf::on(case, &*elsewhere).set("foreign", "v").await?;
            Shelf::of(case).set("own", "v").await?;
            let heard = hear(case, &mut stream, &["own"]).await?;
            ensure(!heard.contains(&case.name("foreign")), "nothing of another namespace", format!("{heard:?}"))?;
        })
        .needs_configuration()
        .capability("invalidation", check!(|case| { no_facet(case)?; })),
        clause!(
            "cache.subscribe.4",
            "When its connection ends the stream yields one `Unavailable` and ends; it does not reconnect by itself, since whatever happened meanwhile would be missed silently.",
            |case: S| {
                let Proxied { service, proxy } = case.proxied().await?;
                let mut stream = subscribe(case, &*service).await?;
                let shelf = Shelf::on(case, &*service);
                shelf.set("before", "v").await?;
                hear(case, &mut stream, &["before"]).await?;
                proxy.sever();
                // What was on its way may still come.
                let end = within("the end of the stream", LONG, async {
                    loop {
                        match stream.next().await {
                            Some(Ok(_)) => {}
                            end => return end,
                        }
                    }
                })
                .await?;
                match end {
                    Some(result) => drop(ensure_error("the stream", result, ErrorKind::Unavailable)?),
                    None => return Err(Finding::failed("`Unavailable` before the end", "a silent end")),
                }
                let after = within("the end after the error", LONG, stream.next()).await?;
                ensure(after.is_none(), "the end after the error", format!("{after:?}"))?;
            }
        )
        .needs_proxy()
        .capability("invalidation", check!(|case| { no_facet(case)?; })),
        clause!("cache.subscribe.5", "Dropping the stream gives its connection back.", |case: S| {
            let Proxied { service, proxy } = case.proxied().await?;
            let shelf = Shelf::on(case, &*service);
            shelf.set("warm", "v").await?;
            let before = proxy.open_connections();
            for _ in 0..5 {
                let mut stream = subscribe(case, &*service).await?;
                shelf.set("k", "v").await?;
                hear(case, &mut stream, &["k"]).await?;
                drop(stream);
            }
            eventually(LONG, async || {
                let now = proxy.open_connections();
                ensure(now <= before, format!("at most {before} open connections"), now)
            })
            .await?;
            shelf.holds("k", b"v").await?;
        })
        .needs_proxy()
        .capability("invalidation", check!(|case| { no_facet(case)?; })),
    ]
}

fn no_facet(case: &Case<S>) -> Verdict {
    ensure(case.service().invalidation().is_none(), "no facet `invalidation`", "one")
}
