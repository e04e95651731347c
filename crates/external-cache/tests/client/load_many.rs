//! Get or load for many keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_cache::{CacheClient, LoadOptions};
use external_contract::{Clause, clause, ensure, ensure_eq, ensure_error};
use external_core::ErrorKind;
use external_core::cache::TimeToLive;

use super::S;
use super::faulty::Faulty;

const MINUTE: Duration = Duration::from_secs(60);

/// What loaders were asked for, call by call.
type Asked = Arc<Mutex<Vec<Vec<String>>>>;

async fn lengths(keys: Vec<String>, asked: Asked) -> Result<HashMap<String, usize>, String> {
    asked.lock().unwrap().push(keys.clone());
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(keys.into_iter().filter(|key| !key.ends_with("absent")).map(|key| (key.clone(), key.len())).collect())
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.load_many.1",
            "One load brings all that is missing, answers come in order, and an absence is remembered.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let asked = Asked::default();
                let (here, one, absent) = (case.name("here"), case.name("one"), case.name("absent"));
                cache.set(&here, &1_usize, MINUTE).await?;
                let options = LoadOptions::new(MINUTE).with_negative_ttl(MINUTE);
                for _ in 0..2 {
                    let keys = [&one, &here, &absent, &one];
                    let asked = asked.clone();
                    let loaded = cache
                        .get_or_load_many(&keys, options.clone(), move |keys| lengths(keys, asked))
                        .await?;
                    ensure_eq(
                        "the values",
                        &loaded,
                        &vec![Some(one.len()), Some(1), None, Some(one.len())],
                    )?;
                }
                let mut missing = vec![one, absent];
                missing.sort();
                ensure_eq("what was loaded", &*asked.lock().unwrap(), &vec![missing])?;
            }
        )
        .of_client(),
        clause!(
            "cache.load_many.2",
            "A key that somebody else is loading is not loaded again.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let asked = Asked::default();
                let keys: Vec<String> = (0..6).map(|n| case.name(&format!("k{n}"))).collect();
                let load = |keys: &[String]| {
                    let (cache, keys, asked) = (cache.clone(), keys.to_vec(), asked.clone());
                    async move {
                        cache
                            .get_or_load_many(&keys, MINUTE, move |keys| lengths(keys, asked))
                            .await
                    }
                };
                let single = cache.get_or_load(&keys[5], MINUTE, || async {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Ok::<_, String>(42_usize)
                });
                let (single, first, second) = futures_util::join!(single, load(&keys[..4]), load(&keys[2..]));
                ensure_eq("the single load", &single?, &42)?;
                ensure_eq("the first four", &first?.len(), &4)?;
                let second = second?;
                ensure_eq("what the single load brought", &second[3], &Some(42))?;
                ensure_eq("the second four", &second.iter().flatten().count(), &4)?;
                let mut loaded: Vec<String> = asked.lock().unwrap().concat();
                let all = loaded.len();
                loaded.sort();
                loaded.dedup();
                ensure_eq("keys loaded twice", &(all - loaded.len()), &0)?;
            }
        )
        .of_client(),
        clause!(
            "cache.load_many.5",
            "What somebody else loaded while this caller was looking is not loaded again.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?);
                let cache = CacheClient::from(faulty.clone() as Arc<S>);
                let keys = [case.name("theirs"), case.name("ours")];
                let asked = Asked::default();
                let log = asked.clone();
                let answer = faulty.hold("get_many");
                let many = cache.get_or_load_many(&keys, MINUTE, move |keys| lengths(keys, log));
                let single = async {
                    // The other caller has read, and does not know it yet.
                    answer.held.notified().await;
                    let loaded =
                        cache.get_or_load(&keys[0], MINUTE, || async { Ok::<_, String>(42_usize) }).await;
                    answer.go_on.notify_one();
                    loaded
                };
                let (many, single) = futures_util::join!(many, single);
                ensure_eq("the single load", &single?, &42)?;
                ensure_eq("the values", &many?, &vec![Some(42), Some(keys[1].len())])?;
                ensure_eq("what was loaded", &*asked.lock().unwrap(), &vec![vec![keys[1].clone()]])?;
            }
        )
        .of_client(),
        clause!(
            "cache.load_many.4",
            "What is loaded together expires apart, and never later than asked, stale windows or not.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let keys: Vec<String> = (0..40).map(|n| case.name(&format!("k{n}"))).collect();
                let options = LoadOptions::new(MINUTE * 10).with_stale_if_error(MINUTE * 60);
                let asked = Asked::default();
                cache.get_or_load_many(&keys, options, move |keys| lengths(keys, asked)).await?;
                let mut lives = Vec::new();
                for key in &keys {
                    match cache.ttl(key).await? {
                        TimeToLive::Remaining(left) => lives.push(left),
                        other => ensure(false, "a TTL", format!("{other:?}"))?,
                    }
                }
                let (least, most) = (lives.iter().min().copied(), lives.iter().max().copied());
                let (least, most) = (least.unwrap_or_default(), most.unwrap_or_default());
                let seen = format!("{least:?} to {most:?}");
                ensure(least > MINUTE * 8 && most <= MINUTE * 10, "9 to 10 minutes", &seen)?;
                ensure(most - least > Duration::from_secs(10), "they differ", &seen)?;
            }
        )
        .of_client(),
        clause!(
            "cache.load_many.3",
            "If the load fails, all that wait for it get the error.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let keys = [case.name("a"), case.name("b")];
                let failing = |_| async { Err::<HashMap<String, u32>, _>("the source is gone") };
                ensure_error(
                    "the load",
                    cache.get_or_load_many(&keys, MINUTE, failing).await,
                    ErrorKind::Unexpected,
                )?;
                let panicking = |_| async { std::panic::resume_unwind(Box::new("canary")) };
                let outcome = cache
                    .get_or_load_many::<u32, _, _, String>(&keys, MINUTE, panicking)
                    .await;
                ensure_error("the load", outcome, ErrorKind::Unexpected)?;
                ensure_eq(
                    "the stored values",
                    &cache.get_many::<u32>(&keys).await?,
                    &vec![None, None],
                )?;
            }
        )
        .of_client(),
    ]
}
