//! A cache at the other end of a wire, for what is counted, severed and given back there, where no server can be had: each call
//! is an exchange, and what it answers is known to the memory cache of its namespace.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use external_cache::{
    CacheEntry, CacheService, CompareAndSwapRequest, DOMAIN, DeleteManyRequest, DeleteRequest, Deleted,
    ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, InvalidationCache, InvalidationStream,
    LockCache, MemoryCache, SetManyRequest, SetReceipt, SetRequest, SubscribeRequest, SwapOutcome,
    TimeToLive, TtlRequest,
};
use external_contract::{Behind, Harness};
use external_core::{CallContext, Error, Provider, ProviderEntry, ProviderInfo, ProviderKind, Result};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ENTRY: ProviderEntry<dyn CacheService> = ProviderEntry {
    id: "wired",
    feature: "",
    kind: ProviderKind::Remote,
    build: |section, _| Ok(Arc::new(Wired::new(section.parse()?))),
    schema: || r#"{"properties":{"address":{},"namespace":{}}}"#.to_owned(),
};

/// The cache, with a server that was started for it.
pub(crate) fn harnesses(behind: Behind<dyn CacheService>) -> Vec<Harness<dyn CacheService>> {
    let text = format!(
        "[[target]]\nname = \"plain\"\nlane = \"embedded\"\nproxy = \"address\"\n\
         config = {{ address = \"{}\", namespace = \"${{NAMESPACE}}\" }}\n",
        server(),
    );
    Harness::from_toml(&ENTRY, &text).into_iter().map(|harness| harness.behind(behind)).collect()
}

/// Answers a line with a line, as long as the process lives; answers where.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut writer = stream.try_clone().unwrap();
                let said = BufReader::new(stream).lines().map_while(std::result::Result::ok);
                said.map_while(|_| writer.write_all(b"done\n").ok()).for_each(drop);
            });
        }
    });
    address
}

/// What each namespace holds.
static NAMESPACES: Mutex<BTreeMap<String, Arc<MemoryCache>>> = Mutex::new(BTreeMap::new());

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    address: String,
    namespace: String,
}

#[derive(Debug)]
struct Wired {
    info: ProviderInfo,
    address: String,
    right: Arc<MemoryCache>,
    idle: Mutex<Vec<TcpStream>>,
}

impl Wired {
    fn new(Config { address, namespace }: Config) -> Self {
        let right = NAMESPACES.lock().unwrap().entry(namespace).or_default().clone();
        let capabilities = right.info().capabilities().clone();
        let info = ProviderInfo::new("wired", DOMAIN, format!("wired://{address}"), capabilities);
        Self { info, address, right, idle: Mutex::default() }
    }

    async fn dial(&self) -> Result<TcpStream> {
        TcpStream::connect(&self.address).await.map_err(broken)
    }

    /// What the call answers, after an exchange.
    async fn after_exchange<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = call.await?;
        let idle = self.idle.lock().unwrap().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.dial().await?,
        };
        exchange(&mut connection).await?;
        self.idle.lock().unwrap().push(connection);
        Ok(answer)
    }
}

async fn exchange(connection: &mut TcpStream) -> Result<()> {
    connection.write_all(b"do\n").await.map_err(broken)?;
    connection.read_exact(&mut [0; b"done\n".len()]).await.map_err(broken)?;
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broken(error: std::io::Error) -> Error {
    Error::unavailable("the connection broke").with_source(error)
}

#[async_trait]
impl Provider for Wired {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        self.after_exchange(async { Ok(()) }).await
    }

    async fn close(&self) -> Result<()> {
        self.idle.lock().unwrap().clear();
        Ok(())
    }
}

#[async_trait]
impl CacheService for Wired {
    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        self.after_exchange(self.right.get(cx, request)).await
    }

    async fn set(&self, cx: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        self.after_exchange(self.right.set(cx, request)).await
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.after_exchange(self.right.delete(cx, request)).await
    }

    async fn get_many(&self, cx: &CallContext, request: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        self.after_exchange(self.right.get_many(cx, request)).await
    }

    async fn set_many(&self, cx: &CallContext, request: &SetManyRequest) -> Result<Vec<Result<()>>> {
        self.after_exchange(self.right.set_many(cx, request)).await
    }

    async fn delete_many(
        &self,
        cx: &CallContext,
        request: &DeleteManyRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        self.after_exchange(self.right.delete_many(cx, request)).await
    }

    async fn expire(&self, cx: &CallContext, request: &ExpireRequest) -> Result<bool> {
        self.after_exchange(self.right.expire(cx, request)).await
    }

    async fn ttl(&self, cx: &CallContext, request: &TtlRequest) -> Result<TimeToLive> {
        self.after_exchange(self.right.ttl(cx, request)).await
    }

    async fn increment(&self, cx: &CallContext, request: &IncrementRequest) -> Result<i64> {
        self.after_exchange(self.right.increment(cx, request)).await
    }

    async fn compare_and_swap(
        &self,
        cx: &CallContext,
        request: &CompareAndSwapRequest,
    ) -> Result<SwapOutcome> {
        self.after_exchange(self.right.compare_and_swap(cx, request)).await
    }

    fn locks(&self) -> Option<&dyn LockCache> {
        self.right.locks()
    }

    fn invalidation(&self) -> Option<&dyn InvalidationCache> {
        Some(self)
    }
}

#[async_trait]
impl InvalidationCache for Wired {
    /// On a connection of its own, which it ends with.
    async fn subscribe(&self, cx: &CallContext, request: &SubscribeRequest) -> Result<InvalidationStream> {
        let heard = self.right.subscribe(cx, request).await?;
        let mut connection = self.dial().await?;
        exchange(&mut connection).await?;
        Ok(Box::pin(stream::unfold(Some((heard, connection)), |open| async move {
            let (mut heard, mut connection) = open?;
            tokio::select! {
                biased;
                Some(change) = heard.next() => Some((change, Some((heard, connection)))),
                // Nothing is said but the end.
                _ = connection.read_u8() => Some((Err(Error::unavailable("the connection ended")), None)),
            }
        })))
    }
}
