//! Redis: gets of 100 bytes, by more and more callers at a time.
//!
//! All read the same key of the same server. Ours and redis-rs have one multiplexed connection each, fred one client,
//! deadpool-redis a pool that lends a connection to each call.

use std::time::Duration;

use bytes::Bytes;
use external_bench::{Contestant, Rounds, per_second};
use external_cache::providers::redis::RedisConfig;
use external_cache::{CacheClient, CacheService, Raw};
use external_core::BuildContext;
use fred::interfaces::{ClientLike, KeysInterface};
use redis::AsyncCommands;
use tokio::runtime::Runtime;

/// What the peers read.
const KEY: &str = "external-bench:plain";
/// What ours reads: the same bytes in an envelope of 6 bytes.
const TYPED: &str = "external-bench:typed";

pub(crate) fn measure(rounds: &mut Rounds, slice: Duration, runtime: &Runtime, url: &str) {
    let everyone = &runtime.block_on(Everyone::connect(url));
    for callers in [1, 16, 64, 256] {
        let load = Load { runtime, slice, callers };
        let name = format!("redis get, 100 B, {callers} callers");
        let peers = || [everyone.redis(load), everyone.fred(load), everyone.deadpool(load)];
        let typed = std::iter::once(everyone.typed(load)).chain(peers()).collect();
        rounds.case("cache", &format!("{name}, typed"), "gets/s", typed);
        let plain = std::iter::once(everyone.plain(load)).chain(peers()).collect();
        rounds.case("cache", &format!("{name}, bytes"), "gets/s", plain);
    }
}

#[derive(Clone, Copy)]
struct Load<'a> {
    runtime: &'a Runtime,
    slice: Duration,
    callers: usize,
}

struct Everyone {
    ours: CacheClient<Raw>,
    redis: redis::aio::MultiplexedConnection,
    fred: fred::clients::Client,
    deadpool: deadpool_redis::Pool,
}

/// One contestant: a loop of gets through a clone of its client.
macro_rules! contestant {
    ($load:ident, $name:expr, $client:expr, |$handle:ident| $get:expr) => {{
        let client = $client.clone();
        Contestant::new($name, move || {
            per_second($load.runtime, $load.callers, $load.slice, |_, until| {
                #[allow(unused_mut, reason = "only some clients are called by `&mut`")]
                let mut $handle = client.clone();
                async move {
                    let mut gets = 0;
                    while until.goes_on() {
                        let value: Option<Bytes> = $get;
                        assert_eq!(value.map_or(0, |value| value.len()), 100);
                        gets += 1;
                    }
                    gets
                }
            })
        })
    }};
}

impl Everyone {
    async fn connect(url: &str) -> Self {
        let provider = RedisConfig::new(url).build(&BuildContext::default()).expect("a provider");
        let service: std::sync::Arc<dyn CacheService> = std::sync::Arc::new(provider);
        let ours = CacheClient::from(service).with_codec(Raw);
        let client = redis::Client::open(url).expect("a URL");
        let mut redis = client.get_multiplexed_async_connection().await.expect("a connection");
        let fred =
            fred::types::Builder::from_config(fred::types::config::Config::from_url(url).expect("a URL"))
                .build()
                .expect("a client");
        fred.init().await.expect("a connection");
        let deadpool = deadpool_redis::Config::from_url(url)
            .create_pool(Some(deadpool_redis::Runtime::Tokio1))
            .expect("a pool");
        let value = Bytes::from(vec![b'v'; 100]);
        ours.set(TYPED, &value, None).await.expect("stored");
        let () = redis.set(KEY, value.to_vec()).await.expect("stored");
        Self { ours, redis, fred, deadpool }
    }

    fn typed<'a>(&self, load: Load<'a>) -> Contestant<'a> {
        contestant!(load, "ours", self.ours, |client| client.get::<Bytes>(TYPED).await.expect("answered"))
    }

    fn plain<'a>(&self, load: Load<'a>) -> Contestant<'a> {
        contestant!(load, "ours", self.ours, |client| client.get_bytes(KEY).await.expect("answered"))
    }

    fn redis<'a>(&self, load: Load<'a>) -> Contestant<'a> {
        contestant!(load, "redis-rs, multiplexed", self.redis, |client| {
            client.get::<_, Option<Vec<u8>>>(KEY).await.expect("answered").map(Bytes::from)
        })
    }

    fn fred<'a>(&self, load: Load<'a>) -> Contestant<'a> {
        contestant!(load, "fred", self.fred, |client| client.get(KEY).await.expect("answered"))
    }

    fn deadpool<'a>(&self, load: Load<'a>) -> Contestant<'a> {
        contestant!(load, "deadpool-redis, a connection each call", self.deadpool, |pool| {
            let mut connection = pool.get().await.expect("a connection");
            connection.get::<_, Option<Vec<u8>>>(KEY).await.expect("answered").map(Bytes::from)
        })
    }
}
