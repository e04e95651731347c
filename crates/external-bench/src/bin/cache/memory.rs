//! The cache in this process: what a hit, a miss and a write cost one caller.
//!
//! The peers are libraries that know neither errors, deadlines, records nor other backends; they are the floor. Each
//! holds 100,000 values of 100 bytes; reads go round 1,000 of them, so that no reader finds its value in the fastest
//! cache of the processor each time.

use std::time::Duration;

use bytes::Bytes;
use external_bench::{Contestant, Rounds, nanoseconds, nanoseconds_async};
use external_cache::providers::memory::MemoryCache;
use external_cache::{CacheClient, Raw};
use external_core::cache::CacheKey;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

const VALUES: usize = 100_000;
const READ: usize = 1000;
const TTL: Duration = Duration::from_secs(3600);

/// 100 bytes as JSON, about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Profile {
    id: u64,
    name: String,
    email: String,
    active: bool,
}

impl Profile {
    fn new(id: u64) -> Self {
        Self { id, name: "Ada Lovelace".into(), email: "ada.lovelace@example.org".into(), active: true }
    }
}

/// Everyone's caches, filled alike.
struct Filled {
    ours: CacheClient<Raw>,
    lasting: CacheClient<Raw>,
    typed: CacheClient,
    quick: quick_cache::sync::Cache<String, Bytes>,
    moka: moka::sync::Cache<String, Bytes>,
    moka_typed: moka::sync::Cache<String, Profile>,
    keys: Vec<String>,
    parsed: Vec<CacheKey>,
    absent: Vec<String>,
}

impl Filled {
    async fn new() -> Self {
        let keys: Vec<String> = (0..VALUES).map(|n| format!("user:{n:08}")).collect();
        let filled = Self {
            ours: CacheClient::over(MemoryCache::new()).with_codec(Raw),
            lasting: CacheClient::over(MemoryCache::new()).with_codec(Raw),
            typed: CacheClient::over(MemoryCache::new()),
            quick: quick_cache::sync::Cache::new(VALUES * 2),
            moka: moka::sync::Cache::builder().max_capacity(VALUES as u64 * 2).time_to_live(TTL).build(),
            moka_typed: moka::sync::Cache::builder()
                .max_capacity(VALUES as u64 * 2)
                .time_to_live(TTL)
                .build(),
            parsed: keys.iter().take(READ).map(|key| CacheKey::parse(key).expect("a key")).collect(),
            absent: (0..READ).map(|n| format!("none:{n:08}")).collect(),
            keys,
        };
        for (id, key) in filled.keys.iter().enumerate() {
            let (value, profile) = (value(), Profile::new(id as u64));
            filled.ours.set(key, &value, TTL).await.expect("stored");
            filled.lasting.set(key, &value, None).await.expect("stored");
            filled.typed.set(key, &profile, TTL).await.expect("stored");
            filled.quick.insert(key.clone(), value.clone());
            filled.moka.insert(key.clone(), value);
            filled.moka_typed.insert(key.clone(), profile);
        }
        filled
    }
}

fn value() -> Bytes {
    Bytes::from(vec![b'v'; 100])
}

/// The numbers 0 to [`READ`], round and round.
fn round() -> impl FnMut() -> usize {
    let mut at = 0;
    move || {
        at = (at + 1) % READ;
        at
    }
}

pub(crate) fn measure(rounds: &mut Rounds, slice: Duration, runtime: &Runtime) {
    let filled = &runtime.block_on(Filled::new());
    hits(rounds, slice, runtime, filled);
    misses(rounds, slice, runtime, filled);
    sets(rounds, slice, runtime, filled);
}

fn ours<'a, T>(runtime: &'a Runtime, slice: Duration, work: impl AsyncFn(usize) -> T + 'a) -> Contestant<'a> {
    Contestant::new("ours", move || {
        let mut next = round();
        runtime.block_on(nanoseconds_async(slice, async || work(next()).await))
    })
}

fn peer<'a, T>(name: &str, slice: Duration, work: impl Fn(usize) -> T + 'a) -> Contestant<'a> {
    Contestant::new(name, move || {
        let mut next = round();
        nanoseconds(slice, || work(next()))
    })
}

fn hits(rounds: &mut Rounds, slice: Duration, runtime: &Runtime, filled: &Filled) {
    let Filled { ours: client, lasting, typed, quick, moka, moka_typed, keys, parsed, .. } = filled;
    let quick_hit = || {
        peer("quick_cache (the library beneath, no expiry)", slice, |at| {
            quick.get(keys[at].as_str()).expect("a hit")
        })
    };
    let moka_hit = || peer("moka", slice, |at| moka.get(keys[at].as_str()).expect("a hit"));
    let work = async |at: usize| client.get::<Bytes>(&keys[at]).await.expect("answered").expect("a hit");
    rounds.case(
        "cache",
        "memory hit, 100 B, client",
        "ns",
        vec![ours(runtime, slice, work), quick_hit(), moka_hit()],
    );
    let work = async |at: usize| lasting.get::<Bytes>(&keys[at]).await.expect("answered").expect("a hit");
    rounds.case(
        "cache",
        "memory hit, 100 B that never expires, client",
        "ns",
        vec![ours(runtime, slice, work), quick_hit()],
    );
    let memory = client.provider::<MemoryCache>().expect("the memory cache");
    let peek = peer("ours", slice, |at| memory.peek(&parsed[at]).expect("a hit"));
    rounds.case("cache", "memory hit, 100 B, provider's peek", "ns", vec![peek, quick_hit(), moka_hit()]);
    let work = async |at: usize| typed.get::<Profile>(&keys[at]).await.expect("answered").expect("a hit");
    let json: Vec<Bytes> =
        (0..READ).map(|id| serde_json::to_vec(&Profile::new(id as u64)).expect("JSON").into()).collect();
    let decoded = peer("quick_cache and serde_json", slice, |at| {
        let hit = quick.get(keys[at].as_str()).expect("a hit");
        std::hint::black_box(hit);
        serde_json::from_slice::<Profile>(&json[at]).expect("a profile")
    });
    let cloned =
        peer("moka, the value itself cloned", slice, |at| moka_typed.get(keys[at].as_str()).expect("a hit"));
    rounds.case(
        "cache",
        "memory hit, JSON of 4 fields, client",
        "ns",
        vec![ours(runtime, slice, work), decoded, cloned],
    );
}

fn misses(rounds: &mut Rounds, slice: Duration, runtime: &Runtime, filled: &Filled) {
    let Filled { ours: client, quick, moka, absent, .. } = filled;
    let work = async |at: usize| client.get::<Bytes>(&absent[at]).await.expect("answered").is_some();
    let contestants = vec![
        ours(runtime, slice, work),
        peer("quick_cache (the library beneath, no expiry)", slice, |at| quick.get(absent[at].as_str())),
        peer("moka", slice, |at| moka.get(absent[at].as_str())),
    ];
    rounds.case("cache", "memory miss, client", "ns", contestants);
}

fn sets(rounds: &mut Rounds, slice: Duration, runtime: &Runtime, filled: &Filled) {
    let Filled { ours: client, quick, moka, keys, .. } = filled;
    let value = &value();
    let work = async |at: usize| client.set(&keys[at], value, TTL).await.expect("stored");
    let contestants = vec![
        ours(runtime, slice, work),
        peer("quick_cache (the library beneath, no expiry)", slice, |at| {
            quick.insert(keys[at].clone(), value.clone());
        }),
        peer("moka", slice, |at| moka.insert(keys[at].clone(), value.clone())),
    ];
    rounds.case("cache", "memory set, 100 B, client", "ns", contestants);
}
