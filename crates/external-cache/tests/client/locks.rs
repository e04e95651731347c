//! The lock guard.

use std::sync::Arc;
use std::time::Duration;

use external_cache::{CacheClient, LockOptions};
use external_contract::{Clause, abandon, clause, ensure, ensure_eq, ensure_error, eventually, within};
use external_core::ErrorKind;
use tokio::time::Instant;

use super::S;
use super::faulty::{Fault, Faulty};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(10);

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.lock.1",
            "A guard keeps others out until it is released; fencing numbers grow.",
            |case: S| {
                let service = case.bare()?;
                let (cache, other) = (CacheClient::from(service.clone()), CacheClient::from(service));
                let name = case.name("lock");
                let Some(guard) = cache.lock(&name, LONG).await? else {
                    return ensure(false, "the lock", "it is held");
                };
                ensure(other.lock(&name, LONG).await?.is_none(), "the lock is held", "another guard")?;
                let fencing = guard.fencing();
                ensure(guard.release().await?, "it was still held", "it was not")?;
                let again = other.lock(&name, LONG).await?;
                let later = again.as_ref().map(external_cache::LockGuard::fencing);
                ensure(later > Some(fencing), "a greater number", format!("{later:?} after {fencing}"))?;
            }
        )
        .of_client(),
        clause!(
            "cache.lock.2",
            "A dropped guard gives its lock back, and closing the client waits for that.",
            |case: S| {
                let service = case.bare()?;
                let (cache, other) = (CacheClient::from(service.clone()), CacheClient::from(service));
                let name = case.name("lock");
                drop(cache.lock(&name, LONG).await?);
                eventually(SOON, || async {
                    ensure(other.lock(&name, LONG).await?.is_some(), "a free lock", "it is held")
                })
                .await?;
                ensure_eq("what is left of clean-up", &cache.pipeline().cleanup().drain(SOON).await, &0)?;
            }
        )
        .of_client(),
        clause!("cache.lock.3", "A guard renews its lease for as long as it lives.", |case: S| {
            let service = case.bare()?;
            let (cache, other) = (CacheClient::from(service.clone()), CacheClient::from(service));
            let name = case.name("lock");
            // Long enough that a busy machine does not sleep through a renewal.
            let lease = SHORT * 5;
            let guard = cache.lock(&name, lease).await?;
            let end = Instant::now() + lease * 2;
            while Instant::now() < end {
                ensure(other.lock(&name, lease).await?.is_none(), "the lock is held", "another guard")?;
                tokio::time::sleep(SHORT / 5).await;
            }
            ensure(guard.is_some_and(|guard| !guard.is_lost()), "a lease that lives", "it was lost")?;
        })
        .of_client(),
        clause!(
            "cache.lock.4",
            "A lease that cannot be renewed is said to be lost, no later than it ends.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?);
                let cache = CacheClient::from(faulty.clone() as Arc<S>);
                let name = case.name("lock");
                let began = Instant::now();
                let Some(guard) = cache.lock(&name, SHORT).await? else {
                    return ensure(false, "the lock", "it is held");
                };
                let lives = !guard.is_lost();
                // A machine that is too slow has lost it by then.
                ensure(lives || began.elapsed() > SHORT / 2, "a lease that lives", "it was lost")?;
                faulty.fail("renew", Fault::Refused, 1000);
                within("the loss", SOON, guard.lost()).await?;
                ensure(guard.is_lost(), "the guard knows", "it does not")?;
                faulty.fail("renew", Fault::Refused, 0);
                // Without renewal the lease just ends.
                let other = case.name("other");
                let short = LockOptions::new(SHORT).without_renewal();
                if let Some(guard) = cache.lock(&other, short).await? {
                    within("its end", SOON, guard.lost()).await?;
                }
                // The guard speaks before the lease ends at the server, not after.
                let waiting = LockOptions::new(LONG).with_wait(SOON);
                ensure(cache.lock(&other, waiting).await?.is_some(), "a free lock", "it is held")?;
            }
        )
        .of_client(),
        clause!(
            "cache.lock.5",
            "A caller that waits gets the lock once it is free, and gives up in time.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let name = case.name("lock");
                let holder = cache.lock(&name, LONG).await?;
                let began = Instant::now();
                let waits = async {
                    let impatient = cache.lock(&name, LockOptions::new(LONG).with_wait(SHORT)).await;
                    (impatient, began.elapsed())
                };
                // Whoever only sleeps for as long tells how slow the machine is meanwhile.
                let sleeps = async {
                    tokio::time::sleep(SHORT * 3).await;
                    began.elapsed()
                };
                let ((impatient, took), slept) = futures_util::join!(waits, sleeps);
                ensure(impatient?.is_none(), "nothing, for it is held", "a guard")?;
                let is_slow = slept > SHORT * 4 && took < SOON;
                ensure(took <= slept || is_slow, "giving up in time", format!("{took:?}"))?;
                let free = async {
                    tokio::time::sleep(SHORT).await;
                    drop(holder);
                };
                let patient = cache.lock(&name, LockOptions::new(LONG).with_wait(Duration::from_secs(10)));
                let ((), patient) = futures_util::join!(free, patient);
                ensure(patient?.is_some(), "the lock", "none")?;
            }
        )
        .of_client(),
        clause!(
            "cache.lock.7",
            "A release that is repeated because its answer was lost still says that the lock was held.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?);
                let cache = CacheClient::from(faulty.clone() as Arc<S>);
                let name = case.name("lock");
                let Some(guard) = cache.lock(&name, LONG).await? else {
                    return ensure(false, "the lock", "it is held");
                };
                faulty.fail("release", Fault::ReplyLost, 1);
                ensure(guard.release().await?, "it was still held", "it was not")?;
                ensure_eq("the attempts", &faulty.calls("release"), &2)?;
                ensure(cache.lock(&name, LONG).await?.is_some(), "a free lock", "it is held")?;
            }
        )
        .of_client(),
        clause!(
            "cache.lock.6",
            "A lock taken for a caller that never heard of it is given back.",
            |case: S| {
                let service = case.bare()?;
                let faulty = Faulty::over(service.clone());
                let cache = CacheClient::from(faulty.clone() as Arc<S>);
                let name = case.name("lost");
                faulty.fail("acquire", Fault::ReplyLost, 1);
                ensure_error(
                    "a lost answer",
                    cache.lock(&name, LONG).await.map(drop),
                    ErrorKind::Unavailable,
                )?;
                ensure_eq("the attempts", &faulty.calls("acquire"), &1)?;
                eventually(SOON, || async {
                    ensure(cache.lock(&name, LONG).await?.is_some(), "a free lock", "it is held")
                })
                .await?;
                for polls in 1..8 {
                    let name = case.name(&format!("dropped-{polls}"));
                    drop(abandon(cache.lock(&name, LONG), polls).await);
                    eventually(SOON, || async {
                        ensure(cache.lock(&name, LONG).await?.is_some(), "a free lock", "it is held")
                    })
                    .await?;
                }
            }
        )
        .of_client(),
    ]
}
