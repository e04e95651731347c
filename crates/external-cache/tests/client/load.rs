//! Get or load: single flight and failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use external_cache::{CacheClient, CacheSettings, LoadOptions};
use external_contract::{Clause, abandon, clause, ensure, ensure_eq, ensure_error, eventually, within};
use external_core::cache::TimeToLive;
use external_core::{BuildContext, Error, ErrorKind};
use external_resilience::Domain;
use futures_util::future::join_all;
use tokio::sync::Notify;

use super::faulty::{Fault, Faulty};
use super::{S, client_in};

const MINUTE: Duration = Duration::from_secs(60);
const A_MOMENT: Duration = Duration::from_millis(50);
const SOON: Duration = Duration::from_secs(5);

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("cache.load.1", "A thousand callers are one load, and all get its value.", |case: S| {
            // A read that takes longer than its timeout is a load of its own; this is about those that do not.
            let patient = CacheClient::policy().with_attempt_timeout(MINUTE).with_total_deadline(MINUTE);
            let cache = CacheClient::from(case.bare()?).with_policy(patient);
            let key = case.name("k");
            let loads = Arc::new(AtomicUsize::new(0));
            let callers = (0..1000).map(|_| {
                let (cache, key, loads) = (cache.clone(), key.clone(), loads.clone());
                tokio::spawn(async move {
                    cache
                        .get_or_load(&key, MINUTE, move || async move {
                            tokio::time::sleep(A_MOMENT).await;
                            Ok::<_, String>(loads.fetch_add(1, Ordering::SeqCst))
                        })
                        .await
                })
            });
            for caller in join_all(callers).await {
                ensure_eq("the value", &caller.unwrap()?, &0)?;
            }
            ensure_eq("the loads", &loads.load(Ordering::SeqCst), &1)?;
            ensure_eq("the stored value", &cache.get::<usize>(&key).await?, &Some(0))?;
        })
        .of_client(),
        clause!("cache.load.2", "A load outlives the caller that began it.", |case: S| {
            let cache = CacheClient::from(case.bare()?);
            let key = case.name("k");
            let loads = Arc::new(AtomicUsize::new(0));
            let go_on = Arc::new(Notify::new());
            let load = || {
                let (cache, key, loads, go_on) = (cache.clone(), key.clone(), loads.clone(), go_on.clone());
                tokio::spawn(async move {
                    let loader = move || async move {
                        loads.fetch_add(1, Ordering::SeqCst);
                        go_on.notified().await;
                        Ok::<_, String>("loaded".to_owned())
                    };
                    cache.get_or_load(&key, MINUTE, loader).await
                })
            };
            let leader = load();
            eventually(SOON, || async { ensure_eq("the loads that began", &cache.stats().loads, &1) })
                .await?;
            let follower = load();
            eventually(SOON, || async { ensure_eq("the callers that wait", &cache.stats().misses, &2) })
                .await?;
            ensure_eq("the loads under way", &cache.stats().loading, &1)?;
            leader.abort();
            ensure(leader.await.is_err(), "the leader is gone", "it is not")?;
            go_on.notify_one();
            let value = within("the follower", SOON, follower).await?.unwrap()?;
            ensure_eq("the follower's value", &value, &"loaded".to_owned())?;
            ensure_eq("the loads", &loads.load(Ordering::SeqCst), &1)?;
        })
        .of_client(),
        clause!(
            "cache.load.3",
            "A load that nobody waits for is dropped, and the next caller begins anew.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let key = case.name("k");
                let alive = Arc::new(());
                let witness = alive.clone();
                let endless = cache.get_or_load::<u32, _, _, String>(&key, MINUTE, move || async move {
                    let _witness = witness;
                    std::future::pending().await
                });
                let gave_up = tokio::time::timeout(A_MOMENT, endless).await;
                ensure(gave_up.is_err(), "the caller gave up", "it did not")?;
                ensure_eq("who holds the loader", &Arc::strong_count(&alive), &1)?;
                ensure_eq("the loads under way", &cache.stats().loading, &0)?;
                let next = cache.get_or_load(&key, MINUTE, || async { Ok::<_, String>(2_u32) });
                ensure_eq("the next load", &within("the next load", A_MOMENT * 40, next).await??, &2)?;
            }
        )
        .of_client(),
        clause!(
            "cache.load.4",
            "A panicking loader is an error for all that wait, and nothing is stored.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let key = case.name("k");
                // The panic's own message on standard error would look like a failure of this clause.
                let callers = (0..5).map(|_| {
                    cache.get_or_load::<u32, _, _, String>(&key, MINUTE, || async {
                        tokio::time::sleep(A_MOMENT).await;
                        std::panic::resume_unwind(Box::new("canary"))
                    })
                });
                for outcome in join_all(callers).await {
                    let error = ensure_error("the load", outcome, ErrorKind::Unexpected)?;
                    ensure(!error.report().contains("canary"), "the panic's payload is not shown", &error)?;
                }
                ensure_eq("the failed loads", &cache.stats().failed_loads, &1)?;
                ensure_eq("the stored value", &cache.get::<u32>(&key).await?, &None)?;
                let next = cache.get_or_load(&key, MINUTE, || async { Ok::<_, String>(2_u32) }).await?;
                ensure_eq("the next load", &next, &2)?;
            }
        )
        .of_client(),
        clause!(
            "cache.load.5",
            "A loader's error reaches all callers: ours as it is, others as a source.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let key = case.name("k");
                let ours = cache.get_or_load::<u32, _, _, Error>(&key, MINUTE, || async {
                    Err(Error::permission_denied("not for you"))
                });
                ensure_error("a loader's own error", ours.await, ErrorKind::PermissionDenied)?;
                let other = cache.get_or_load::<u32, _, _, std::io::Error>(&key, MINUTE, || async {
                    Err(std::io::Error::other("the disk is full"))
                });
                let error = ensure_error("another error", other.await, ErrorKind::Unexpected)?;
                ensure(error.report().contains("the disk is full"), "its source is told", error.report())?;
                ensure_eq("the stored value", &cache.get::<u32>(&key).await?, &None)?;
            }
        )
        .of_client(),
        clause!(
            "cache.load.6",
            "An absence is remembered as long as the options say, and no longer.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let (key, other) = (case.name("k"), case.name("other"));
                let loads = Arc::new(AtomicUsize::new(0));
                let find = |key: String, options: LoadOptions| {
                    let loads = loads.clone();
                    cache.get_or_find::<u32, _, _, String>(key, options, move || async move {
                        loads.fetch_add(1, Ordering::SeqCst);
                        Ok(None)
                    })
                };
                for _ in 0..2 {
                    ensure_eq("the value", &find(key.clone(), LoadOptions::new(MINUTE)).await?, &None)?;
                }
                ensure_eq("the loads without memory", &loads.load(Ordering::SeqCst), &2)?;
                let options = LoadOptions::new(MINUTE).with_negative_ttl(MINUTE);
                for _ in 0..3 {
                    ensure_eq("the value", &find(key.clone(), options.clone()).await?, &None)?;
                }
                ensure_eq("the loads with memory", &loads.load(Ordering::SeqCst), &3)?;
                ensure_eq("a plain read", &cache.get::<u32>(&key).await?, &None)?;
                // Each of these two is a load: the second one comes when the memory of the first is over.
                let options = LoadOptions::new(MINUTE).with_negative_ttl(Duration::from_millis(300));
                find(other.clone(), options.clone()).await?;
                tokio::time::sleep(Duration::from_millis(400)).await;
                find(other, options).await?;
                ensure_eq("the loads after its time", &loads.load(Ordering::SeqCst), &5)?;
            }
        )
        .of_client(),
        clause!(
            "cache.load.7",
            "A loader that takes longer than the hard timeout is given up: `Timeout`.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let key = case.name("k");
                let options = LoadOptions::new(MINUTE).with_hard_timeout(A_MOMENT);
                let slow = cache.get_or_load::<u32, _, _, String>(&key, options, std::future::pending);
                let outcome = within("the load", Duration::from_secs(2), slow).await?;
                ensure_error("the load", outcome, ErrorKind::Timeout)?;
                let next = cache.get_or_load(&key, MINUTE, || async { Ok::<_, String>(2_u32) }).await?;
                ensure_eq("the next load", &next, &2)?;
            }
        )
        .of_client(),
        clause!("cache.load.8", "If the cache fails, the value is loaded all the same.", |case: S| {
            let faulty = Faulty::over(case.bare()?);
            let cache = CacheClient::from(faulty.clone() as Arc<S>);
            let key = case.name("k");
            faulty.fail("get", Fault::Denied, 1);
            faulty.fail("set", Fault::Denied, 1);
            let loaded = cache.get_or_load(&key, MINUTE, || async { Ok::<_, String>(1_u32) }).await?;
            ensure_eq("the value", &loaded, &1)?;
            let users = cache.namespace("users")?;
            faulty.fail("get", Fault::Denied, 1);
            let loaded = users.get_or_load("1", MINUTE, || async { Ok::<_, String>(2_u32) }).await?;
            ensure_eq("the value in a namespace", &loaded, &2)?;
            ensure(
                cache.stats().cache_failures >= 2,
                "failures are counted",
                format!("{:?}", cache.stats()),
            )?;
        })
        .of_client(),
        clause!(
            "cache.load.9",
            "Loaded values live a little less than asked, each by another amount.",
            |case: S| {
                let settings = CacheSettings::new().with_ttl_jitter(0.5);
                let cache = client_in(case.bare()?, settings, &BuildContext::default())?;
                let mut lives = Vec::new();
                for n in 0..20 {
                    let key = case.name(&format!("k{n}"));
                    cache.get_or_load(&key, MINUTE * 10, || async { Ok::<_, String>(1_u32) }).await?;
                    match cache.ttl(&key).await? {
                        TimeToLive::Remaining(left) => lives.push(left),
                        other => ensure(false, "a TTL", format!("{other:?}"))?,
                    }
                }
                let (least, most) = (lives.iter().min().copied(), lives.iter().max().copied());
                let (least, most) = (least.unwrap_or_default(), most.unwrap_or_default());
                ensure(
                    least >= MINUTE * 5 - A_MOMENT * 20 && most <= MINUTE * 10,
                    "5 to 10 minutes",
                    format!("{least:?} to {most:?}"),
                )?;
                ensure(most - least > MINUTE, "they differ", format!("{least:?} to {most:?}"))?;
                let key = case.name("set");
                cache.set(&key, &1, MINUTE).await?;
                let plain = cache.ttl(&key).await?;
                ensure(
                    matches!(plain, TimeToLive::Remaining(left) if left > MINUTE - A_MOMENT * 60),
                    "a plain set lives as asked",
                    format!("{plain:?}"),
                )?;
            }
        )
        .of_client(),
        clause!(
            "cache.load.10",
            "Wherever a caller is dropped, the next one is served, and nothing of the first is left.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                for polls in 1..12 {
                    let key = case.name(&format!("k{polls}"));
                    let load = || {
                        cache.get_or_load(&key, MINUTE, || async {
                            tokio::task::yield_now().await;
                            Ok::<_, String>(5_u32)
                        })
                    };
                    let _ = abandon(load(), polls).await;
                    let next = within("the next load", Duration::from_secs(5), load()).await??;
                    ensure_eq("the next load", &next, &5)?;
                }
                eventually(Duration::from_secs(2), || async {
                    ensure_eq("the calls that run", &cache.pipeline().running(), &0)?;
                    ensure_eq("the loads under way", &cache.stats().loading, &0)
                })
                .await?;
            }
        )
        .of_client(),
    ]
}
