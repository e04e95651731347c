//! Serving stale: while revalidating, when the loader fails, when it is slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use external_cache::{CacheClient, CacheSettings, LoadOptions};
use external_contract::{Case, Clause, Finding, clause, ensure, ensure_eq, ensure_error, eventually, within};
use external_core::{BuildContext, Error, ErrorKind};
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::{S, client_in};

const MINUTE: Duration = Duration::from_secs(60);
/// Long before a load is given up.
const SOON: Duration = Duration::from_secs(10);

/// A client whose wall clock is set by hand, in seconds.
fn timed(case: &Case<S>) -> Result<(CacheClient, Arc<AtomicU64>), Finding> {
    let seconds = Arc::new(AtomicU64::new(1_000_000));
    let clock = seconds.clone();
    let world = BuildContext::default()
        .with_clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)));
    let settings = CacheSettings::new().with_ttl_jitter(0.0);
    Ok((client_in(case.bare()?, settings, &world)?, seconds))
}

async fn answer(value: u32) -> Result<u32, String> {
    Ok(value)
}

/// A loader that answers once the gate is open.
fn gated(
    gate: Arc<Semaphore>,
    value: u32,
) -> impl FnOnce() -> BoxFuture<'static, Result<u32, String>> + Send + 'static {
    move || {
        Box::pin(async move {
            // Nobody closes it.
            drop(gate.acquire().await);
            answer(value).await
        })
    }
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.stale.1",
            "While revalidating, a stale value is served at once and renewed by one load in the background.",
            |case: S| {
                let (cache, clock) = timed(case)?;
                let key = case.name("k");
                let options = LoadOptions::new(MINUTE).with_stale_while_revalidate(MINUTE);
                ensure_eq(
                    "the first load",
                    &cache.get_or_load(&key, options.clone(), || answer(1)).await?,
                    &1,
                )?;
                clock.fetch_add(90, Ordering::SeqCst);
                ensure_eq("a plain read of a stale value", &cache.get::<u32>(&key).await?, &None)?;
                let gate = Arc::new(Semaphore::new(0));
                for _ in 0..10 {
                    let served = cache.get_or_load(&key, options.clone(), gated(gate.clone(), 2));
                    ensure_eq("the stale value", &within("a stale read", SOON, served).await??, &1)?;
                    let tasks = cache.pipeline().cleanup().pending();
                    ensure(tasks <= 1, "one task for all callers", tasks)?;
                }
                gate.add_permits(1);
                eventually(Duration::from_secs(2), || async {
                    ensure_eq("the renewed value", &cache.get::<u32>(&key).await?, &Some(2))
                })
                .await?;
                ensure_eq("loads and stale answers", &(cache.stats().loads, cache.stats().stale), &(2, 10))?;
                clock.fetch_add(121, Ordering::SeqCst);
                ensure_eq("beyond the window", &cache.get_or_load(&key, options, || answer(3)).await?, &3)?;
            }
        )
        .of_client(),
        clause!(
            "cache.stale.2",
            "If the loader fails, a stale value within its window is served.",
            |case: S| {
                let (cache, clock) = timed(case)?;
                let key = case.name("k");
                let options = LoadOptions::new(MINUTE).with_stale_if_error(MINUTE);
                cache.get_or_load(&key, options.clone(), || answer(1)).await?;
                clock.fetch_add(90, Ordering::SeqCst);
                let failing = || async { Err::<u32, _>(Error::unavailable("down")) };
                ensure_eq("the stale value", &cache.get_or_load(&key, options.clone(), failing).await?, &1)?;
                let panicking = || async { std::panic::resume_unwind(Box::new("canary")) };
                let outcome =
                    cache.get_or_load::<u32, _, _, String>(&key, options.clone(), panicking).await?;
                ensure_eq("the stale value after a panic", &outcome, &1)?;
                ensure_eq(
                    "a loader that works",
                    &cache.get_or_load(&key, options.clone(), || answer(2)).await?,
                    &2,
                )?;
                clock.fetch_add(121, Ordering::SeqCst);
                let outcome = cache.get_or_load(&key, options, failing).await;
                ensure_error("beyond the window", outcome, ErrorKind::Unavailable)?;
            }
        )
        .of_client(),
        clause!(
            "cache.stale.3",
            "If the loader is slower than the soft timeout, a stale value is served and the load goes on.",
            |case: S| {
                let (cache, clock) = timed(case)?;
                let key = case.name("k");
                let options = LoadOptions::new(MINUTE)
                    .with_stale_if_error(MINUTE)
                    .with_soft_timeout(Duration::from_millis(30));
                let slow = || async {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    answer(2).await
                };
                // Nothing to serve instead: it waits.
                let other = case.name("other");
                ensure_eq(
                    "without a stale value",
                    &cache.get_or_load(&other, options.clone(), slow).await?,
                    &2,
                )?;
                cache.get_or_load(&key, options.clone(), || answer(1)).await?;
                clock.fetch_add(90, Ordering::SeqCst);
                // The load ends no earlier than the gate is opened.
                let gate = Arc::new(Semaphore::new(0));
                let served = cache.get_or_load(&key, options, gated(gate.clone(), 2));
                let served = within("an answer after the soft timeout", SOON, served).await??;
                ensure_eq("the stale value", &served, &1)?;
                gate.add_permits(1);
                eventually(Duration::from_secs(2), || async {
                    ensure_eq("the renewed value", &cache.get::<u32>(&key).await?, &Some(2))
                })
                .await?;
            }
        )
        .of_client(),
    ]
}
