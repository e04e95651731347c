//! Typed values and short forms.

use std::time::Duration;

use bytes::Bytes;
use external_cache::{CacheClient, Raw};
use external_contract::{Clause, clause, ensure, ensure_eq, ensure_error};
use external_core::ErrorKind;
use external_core::cache::TimeToLive;
use serde::{Deserialize, Serialize};

use super::S;
use super::faulty::{Fault, Faulty};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Profile {
    name: String,
    logins: u32,
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "cache.typed.1",
            "A typed value comes back as it was set, until it is deleted.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let key = case.name("ada");
                let ada = Profile { name: "Ada ✓".into(), logins: 3 };
                ensure_eq("a value never set", &cache.get::<Profile>(&key).await?, &None)?;
                ensure(!cache.exists(&key).await?, "no such value", "exists says there is one")?;
                cache.set(&key, &ada, MINUTE).await?;
                ensure_eq("the value", &cache.get::<Profile>(&key).await?, &Some(ada))?;
                ensure(cache.exists(&key).await?, "the value exists", "exists says no")?;
                let remaining = cache.ttl(&key).await?;
                ensure(
                    matches!(remaining, TimeToLive::Remaining(left) if left <= MINUTE),
                    "a TTL",
                    format!("{remaining:?}"),
                )?;
                ensure(
                    cache.delete(&key).await? && cache.delete(&key).await?,
                    "delete says it is gone",
                    "it says no",
                )?;
                ensure_eq("a deleted value", &cache.get::<Profile>(&key).await?, &None)?;
                let stats = cache.stats();
                ensure_eq("hits and misses", &(stats.hits, stats.misses), &(1, 2))?;
            }
        )
        .of_client(),
        clause!(
            "cache.typed.2",
            "What cannot be decoded (foreign bytes, another codec, schema or type) is a miss, and counted.",
            |case: S| {
                let cache = CacheClient::from(case.bare()?);
                let key = case.name("k");
                cache.set_bytes(&key, "{\"name\":\"plain json\"}", MINUTE).await?;
                ensure_eq("foreign bytes", &cache.get::<Profile>(&key).await?, &None)?;
                cache.clone().with_codec(Raw).set(&key, &"text".to_owned(), MINUTE).await?;
                ensure_eq("another codec", &cache.get::<String>(&key).await?, &None)?;
                cache.clone().with_schema_version(2).set(&key, &1_u32, MINUTE).await?;
                ensure_eq("another schema", &cache.get::<u32>(&key).await?, &None)?;
                cache.set(&key, &1_u32, MINUTE).await?;
                ensure_eq("another type", &cache.get::<Profile>(&key).await?, &None)?;
                ensure_eq("the same type", &cache.get::<u32>(&key).await?, &Some(1))?;
                ensure_eq("undecodable values", &cache.stats().undecodable, &4)?;
                // A loader mends it.
                cache.set_bytes(&key, "broken", MINUTE).await?;
                let loaded = cache.get_or_load(&key, MINUTE, || async { Ok::<_, String>(7_u32) }).await?;
                ensure_eq("the loaded value", &loaded, &7)?;
                ensure_eq("the mended value", &cache.get::<u32>(&key).await?, &Some(7))?;
            }
        )
        .of_client(),
        clause!("cache.typed.3", "Raw bytes and counters are stored without an envelope.", |case: S| {
            let cache = CacheClient::from(case.bare()?);
            let (raw, counter) = (case.name("raw"), case.name("counter"));
            let bytes = Bytes::from_static(b"\0\xff as they are");
            cache.set_bytes(&raw, bytes.clone(), MINUTE).await?;
            ensure_eq("the bytes", &cache.get_bytes(&raw).await?, &Some(bytes))?;
            ensure_eq("a new counter", &cache.increment(&counter, 5, MINUTE).await?, &5)?;
            ensure_eq("the counter", &cache.increment(&counter, -7, None).await?, &-2)?;
            ensure_eq("its bytes", &cache.get_bytes(&counter).await?, &Some(Bytes::from_static(b"-2")))?;
            let text = cache.clone().with_codec(Raw);
            text.set(&raw, &"text".to_owned(), None).await?;
            ensure_eq("text by the raw codec", &text.get::<String>(&raw).await?, &Some("text".to_owned()))?;
            ensure(cache.expire(&raw, MINUTE).await?, "a value to expire", "none")?;
        })
        .of_client(),
        clause!(
            "cache.typed.4",
            "A key or time to live that cannot be used is `InvalidArgument`, and nothing is sent.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?);
                let cache = CacheClient::from(faulty.clone() as std::sync::Arc<S>);
                for key in ["", "a\nb", "~ns:users", &"k".repeat(513)] {
                    ensure_error("such a key", cache.get::<u32>(key).await, ErrorKind::InvalidArgument)?;
                    ensure_error("such a key", cache.set(key, &1, None).await, ErrorKind::InvalidArgument)?;
                    ensure_error("such a key", cache.delete(key).await, ErrorKind::InvalidArgument)?;
                    let load = cache.get_or_load(key, MINUTE, || async { Ok::<_, String>(1_u32) });
                    ensure_error("such a key", load.await, ErrorKind::InvalidArgument)?;
                }
                for ttl in [Duration::ZERO, Duration::MAX] {
                    ensure_error("such a TTL", cache.set("k", &1, ttl).await, ErrorKind::InvalidArgument)?;
                    let load = cache.get_or_load("k", ttl, || async { Ok::<_, String>(1_u32) });
                    ensure_error("such a TTL", load.await, ErrorKind::InvalidArgument)?;
                }
                ensure_eq("the calls to the provider", &faulty.all_calls(), &0)?;
            }
        )
        .of_client(),
        clause!("cache.typed.5", "Batches beyond the provider's limit are split, in order.", |case: S| {
            let faulty = Faulty::over(case.bare()?);
            let cache = CacheClient::from(faulty.clone() as std::sync::Arc<S>);
            let limit = external_core::Provider::info(&*faulty)
                .capabilities()
                .get_limit("batch-keys")
                .unwrap_or(1000);
            let many = usize::try_from(limit * 2 + 1).unwrap_or(usize::MAX);
            let values: Vec<(String, u64)> =
                (0..many as u64).map(|n| (case.name(&format!("k{n}")), n)).collect();
            let keys: Vec<&String> = values.iter().map(|(key, _)| key).collect();
            cache.set_many(&values, MINUTE).await?;
            let expected: Vec<Option<u64>> = (0..many as u64).map(Some).collect();
            ensure_eq("the values", &cache.get_many::<u64>(&keys).await?, &expected)?;
            ensure_eq("the calls", &(faulty.calls("set_many"), faulty.calls("get_many")), &(3, 3))?;
            cache.delete_many(&keys).await?;
            ensure_eq("the calls", &faulty.calls("delete_many"), &3)?;
            ensure_eq("the values", &cache.get_many::<u64>(&keys).await?, &vec![None; many])?;
        })
        .of_client(),
        clause!(
            "cache.typed.6",
            "A lost answer repeats what can be repeated, and never a conditional set or an increment.",
            |case: S| {
                let faulty = Faulty::over(case.bare()?);
                let cache = CacheClient::from(faulty.clone() as std::sync::Arc<S>);
                let key = case.name("k");
                faulty.fail("set", Fault::ReplyLost, 1);
                cache.set(&key, &1_u32, MINUTE).await?;
                faulty.fail("get", Fault::ReplyLost, 1);
                ensure_eq("the value", &cache.get::<u32>(&key).await?, &Some(1))?;
                ensure_eq("the calls", &(faulty.calls("set"), faulty.calls("get")), &(2, 2))?;
                faulty.fail("set", Fault::ReplyLost, 1);
                let other = case.name("other");
                ensure_error(
                    "a conditional set",
                    cache.set_if_absent(&other, &1_u32, MINUTE).await,
                    ErrorKind::Unavailable,
                )?;
                faulty.fail("increment", Fault::ReplyLost, 1);
                let counter = case.name("counter");
                ensure_error(
                    "an increment",
                    cache.increment(&counter, 1, MINUTE).await,
                    ErrorKind::Unavailable,
                )?;
                ensure_eq("the calls", &(faulty.calls("set"), faulty.calls("increment")), &(1, 1))?;
                faulty.fail("increment", Fault::Refused, 1);
                ensure_eq("the counter", &cache.increment(&counter, 1, MINUTE).await?, &2)?;
            }
        )
        .of_client(),
    ]
}
