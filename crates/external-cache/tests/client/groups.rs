//! Namespaces and tags: what is invalidated together, at bounded cost; and hearing of what others change.

use std::sync::Arc;
use std::time::Duration;

use external_cache::{CacheClient, LoadOptions};
use external_contract::{Clause, clause, ensure, ensure_eq, ensure_error, eventually, within};
use external_core::ErrorKind;
use external_core::cache::Invalidation;
use futures_util::StreamExt;
use tokio::sync::Notify;

use super::S;
use super::faulty::{Fault, Faulty};

const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.namespace.1",
            "Clearing a namespace makes all of it a miss, for everybody, and nothing else.",
            |case: S| {
                let service = case.bare()?;
                let (cache, other) = (CacheClient::from(service.clone()), CacheClient::from(service));
                let (users, groups) = (cache.namespace("users")?, cache.namespace("groups")?);
                let elsewhere = other.namespace("users")?;
                let plain = case.name("1");
                cache.set(&plain, &1_u32, MINUTE).await?;
                groups.set("1", &2_u32, MINUTE).await?;
                for n in 0..20_u32 {
                    users.set(format!("{n}"), &n, MINUTE).await?;
                }
                ensure_eq("seen by another client", &elsewhere.get::<u32>("7").await?, &Some(7))?;
                ensure_eq("it exists", &users.exists("7").await?, &true)?;
                users.clear().await?;
                for n in 0..20 {
                    ensure_eq("after the clear", &users.get::<u32>(format!("{n}")).await?, &None)?;
                }
                ensure_eq("for another client", &elsewhere.get::<u32>("7").await?, &None)?;
                ensure_eq("another namespace", &groups.get::<u32>("1").await?, &Some(2))?;
                ensure_eq("a plain key", &cache.get::<u32>(&plain).await?, &Some(1))?;
                elsewhere.set("7", &77_u32, MINUTE).await?;
                ensure_eq("set again", &users.get::<u32>("7").await?, &Some(77))?;
                users.delete("7").await?;
                ensure_eq("deleted", &elsewhere.get::<u32>("7").await?, &None)?;
            }
        )
        .of_client(),
        clause!(
            "cache.namespace.2",
            "A read is one exchange, and a clear is one however much there is.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?);
                let cache = CacheClient::from(faulty.clone() as Arc<S>);
                let users = cache.namespace("users")?;
                for n in 0..50_u32 {
                    users.set(format!("{n}"), &n, MINUTE).await?;
                }
                faulty.all_calls();
                ensure_eq("the value", &users.get::<u32>("7").await?, &Some(7))?;
                ensure_eq("the exchanges of a read", &faulty.all_calls(), &1)?;
                users.clear().await?;
                ensure_eq("the exchanges of a clear", &faulty.all_calls(), &1)?;
            }
        )
        .of_client(),
        clause!(
            "cache.namespace.3",
            "A load that was running when its namespace was cleared is not found afterwards.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let users = cache.namespace("users")?;
                let (running, cleared) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
                let (started, go_on) = (running.clone(), cleared.clone());
                let load = users.get_or_load("1", MINUTE, || async move {
                    started.notify_one();
                    go_on.notified().await;
                    Ok::<_, String>(1_u32)
                });
                let clear = async {
                    running.notified().await;
                    let outcome = users.clear().await;
                    cleared.notify_one();
                    outcome
                };
                let (loaded, cleared) = futures_util::join!(load, clear);
                cleared?;
                ensure_eq("the load itself", &loaded?, &1)?;
                ensure_eq("afterwards", &users.get::<u32>("1").await?, &None)?;
                ensure_error(
                    "a name with a colon",
                    cache.namespace("a:b").map(drop),
                    ErrorKind::InvalidArgument,
                )?;
            }
        )
        .of_client(),
        clause!("cache.namespace.4", "A generation that the cache forgot brings nothing back.", |case: S| {
            let service = case.bare()?;
            let cache = CacheClient::from(service.clone());
            let users = cache.namespace("users")?;
            users.set("1", &1_u32, MINUTE).await?;
            let generation = external_core::cache::CacheKey::parse("~ns:users")?;
            service.delete(&case.cx(), &external_core::cache::DeleteRequest::new(generation)).await?;
            ensure_eq(
                "a fresh client",
                &CacheClient::from(service).namespace("users")?.get::<u32>("1").await?,
                &None,
            )?;
            ensure_eq("the same client", &users.get::<u32>("1").await?, &None)?;
        })
        .of_client(),
        clause!(
            "cache.tags.1",
            "Invalidating a tag hits every value that bears it, and no other, in one exchange.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?);
                let cache = CacheClient::from(faulty.clone() as Arc<S>);
                let (red, blue) = (case.name("red"), case.name("blue"));
                let keys: Vec<String> = (0..10).map(|n| case.name(&format!("k{n}"))).collect();
                for key in &keys {
                    cache.set_tagged(key, &1_u32, MINUTE, &[&red, &blue]).await?;
                }
                let (only_blue, plain) = (case.name("only-blue"), case.name("plain"));
                cache.set_tagged(&only_blue, &2_u32, MINUTE, &[&blue]).await?;
                cache.set(&plain, &3_u32, MINUTE).await?;
                ensure_eq("a tagged value", &cache.get::<u32>(&keys[0]).await?, &Some(1))?;
                faulty.all_calls();
                cache.invalidate_tag(&red).await?;
                ensure_eq("the exchanges of an invalidation", &faulty.all_calls(), &1)?;
                ensure_eq("the red ones", &cache.get_many::<u32>(&keys).await?, &vec![None; 10])?;
                ensure_eq("the blue one", &cache.get::<u32>(&only_blue).await?, &Some(2))?;
                ensure_eq("the plain one", &cache.get::<u32>(&plain).await?, &Some(3))?;
            }
        )
        .of_client(),
        clause!("cache.tags.2", "An invalidation hits what was being loaded meanwhile.", |case: S| {
            let cache = CacheClient::from(case.bare()?);
            let (key, tag) = (case.name("k"), case.name("tag"));
            let (running, invalidated) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (started, go_on) = (running.clone(), invalidated.clone());
            let load = cache.get_or_load(&key, LoadOptions::new(MINUTE).with_tag(&tag), || async move {
                started.notify_one();
                go_on.notified().await;
                Ok::<_, String>(1_u32)
            });
            let invalidate = async {
                running.notified().await;
                let outcome = cache.invalidate_tag(&tag).await;
                invalidated.notify_one();
                outcome
            };
            let (loaded, invalidated) = futures_util::join!(load, invalidate);
            invalidated?;
            ensure_eq("the load itself", &loaded?, &1)?;
            ensure_eq("afterwards", &cache.get::<u32>(&key).await?, &None)?;
            let again = cache.get_or_load(&key, LoadOptions::new(MINUTE).with_tag(&tag), || async {
                Ok::<_, String>(2_u32)
            });
            ensure_eq("loaded again", &again.await?, &2)?;
            ensure_eq("and kept", &cache.get::<u32>(&key).await?, &Some(2))?;
        })
        .of_client(),
        clause!(
            "cache.invalidations.1",
            "The client hears of changes, and subscribes again when the subscription ends.",
            |case: S| {
                let service = case.bare()?;
                let faulty = Faulty::over(service.clone());
                let cache = CacheClient::from(faulty.clone() as Arc<S>);
                let mut changes = Box::pin(cache.invalidations().await?);
                let key = case.name("k");
                cache.set(&key, &1_u32, MINUTE).await?;
                let heard = within("a change", Duration::from_secs(5), changes.next()).await?;
                let keys = vec![external_core::cache::CacheKey::parse(&key)?];
                ensure_eq("the change", &heard.transpose()?, &Some(Invalidation::Keys(keys)))?;
                if case.provider_id() == "memory" {
                    // Ends the subscription; the first attempt to subscribe again fails.
                    faulty.fail("subscribe", Fault::Refused, 4);
                    service.close().await?;
                    let heard = within("a new subscription", Duration::from_secs(10), changes.next()).await?;
                    ensure_eq("what may have been missed", &heard.transpose()?, &Some(Invalidation::All))?;
                    cache.set(&key, &2_u32, MINUTE).await?;
                    let heard = within("a change", Duration::from_secs(5), changes.next()).await?;
                    ensure_eq("something", &heard.is_some(), &true)?;
                }
                eventually(Duration::from_secs(1), || async {
                    ensure_eq("the calls that run", &cache.pipeline().running(), &0)
                })
                .await?;
            }
        )
        .of_client(),
        clause!(
            "cache.invalidations.2",
            "A server that takes subscriptions and ends them at once is asked less and less often.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?);
                let cache = CacheClient::from(faulty.clone() as Arc<S>);
                faulty.hang_up(true);
                let mut changes = Box::pin(cache.invalidations().await?);
                let began = tokio::time::Instant::now();
                let mut all = async || {
                    let heard = within("a new subscription", Duration::from_secs(10), changes.next()).await?;
                    ensure_eq("what may have been missed", &heard.transpose()?, &Some(Invalidation::All))
                };
                for _ in 0..4 {
                    all().await?;
                }
                // 50, 100, 200 and 400 ms.
                let took = began.elapsed();
                ensure(took >= Duration::from_millis(750), "growing pauses", format!("{took:?}"))?;
                ensure_eq("the subscriptions", &faulty.calls("subscribe"), &5)?;
                faulty.hang_up(false);
                all().await?;
                let key = case.name("k");
                cache.set(&key, &1_u32, MINUTE).await?;
                let heard = within("a change", Duration::from_secs(5), changes.next()).await?;
                let keys = vec![external_core::cache::CacheKey::parse(&key)?];
                ensure_eq("the change", &heard.transpose()?, &Some(Invalidation::Keys(keys)))?;
            }
        )
        .of_client(),
    ]
}
