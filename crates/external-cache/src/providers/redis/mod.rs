//! A Redis server (6.0 or later), standalone, plain or over TLS, with or without an ACL user.
//!
//! - One connection carries all calls; it is made on first use, and made anew by the next call once it broke.
//!   Nothing is repeated here: that is the pipeline's.
//! - Values are stored as they are, under `<namespace>:<key>`, so other programs can read them. TTLs have
//!   milliseconds.
//! - Compare-and-swap compares **bytes** (a script on the server), so a value that was changed and changed back
//!   counts as unchanged: the option `strict` is unsupported.
//! - Locks live as long as the server's memory: with an eviction policy other than `noeviction` a full server may
//!   drop them, and without persistence a restart does. The fencing number still grows then, by the server's clock.
//! - Invalidation needs RESP3 and the right to `CLIENT TRACKING`.
//!
//! Cluster and Sentinel are not spoken yet: a node of a cluster answers `MOVED`, which is `Configuration` here.
mod address;
mod bounded;
mod commands;
mod config;
mod connection;
mod error;
mod invalidation;
mod link;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use ::redis::{cmd, pipe};
use async_trait::async_trait;
use external_core::cache::{
    AcquireRequest, CacheEntry, CacheService, CompareAndSwapRequest, DOMAIN, DeleteManyRequest,
    DeleteRequest, Deleted, ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, InvalidationCache,
    InvalidationStream, LockAttempt, LockCache, ReleaseOutcome, ReleaseRequest, RenewOutcome, RenewRequest,
    SetManyRequest, SetReceipt, SetRequest, SubscribeRequest, SwapOutcome, TimeToLive, TtlRequest,
};
use external_core::{
    CallContext, Capabilities, Error, Provider, ProviderEntry, ProviderInfo, ProviderKind, Result,
};

use commands::Names;
pub use config::RedisConfig;
use connection::{Connector, Endpoint};

/// The row of the provider table.
pub(crate) const ENTRY: ProviderEntry<dyn CacheService> = ProviderEntry {
    id: "redis",
    feature: "redis",
    kind: ProviderKind::Remote,
    build: |section, context| Ok(Arc::new(section.parse::<RedisConfig>()?.build(context)?)),
    schema: super::schema::<RedisConfig>,
};

/// The most keys in one batch: the server does nothing else meanwhile.
const BATCH_KEYS: usize = 1000;

/// A cache in a Redis server.
pub struct RedisCache {
    info: ProviderInfo,
    names: Arc<Names>,
    max_value_bytes: u64,
    connector: Connector,
}

impl RedisCache {
    fn new(endpoint: Endpoint, prefix: String, max_value_bytes: u64) -> Self {
        let capabilities = Capabilities::new()
            .all_native(&[
                "conditional-set",
                "expire",
                "increment",
                "compare-and-swap",
                "batch",
                "locks",
                "invalidation",
            ])
            .unsupported("strict-compare-and-swap")
            .limit("value-bytes", max_value_bytes)
            .limit("batch-keys", BATCH_KEYS as u64)
            .limit("ttl-granularity-ms", 1);
        Self {
            info: ProviderInfo::new("redis", DOMAIN, endpoint.location(), capabilities),
            names: Arc::new(Names::new(prefix)),
            max_value_bytes,
            connector: Connector::new(endpoint),
        }
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache").field("location", &self.info.location()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for RedisCache {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    /// <https://redis.io/docs/latest/commands/ping/>
    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.connector.ask(cx, cmd("PING")).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.connector.close();
        Ok(())
    }
}

#[async_trait]
impl CacheService for RedisCache {
    /// <https://redis.io/docs/latest/commands/get/>
    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        commands::entry(self.connector.ask(cx, self.names.on_key("GET", &request.key)).await?)
    }

    async fn set(&self, cx: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        super::check_value(request.value.len(), self.max_value_bytes)?;
        let answer = self.connector.ask(cx, self.names.set(request)).await?;
        Ok(SetReceipt::new(commands::done(&answer)?))
    }

    /// <https://redis.io/docs/latest/commands/del/>
    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        let answer = self.connector.ask(cx, self.names.on_key("DEL", &request.key)).await?;
        Ok(Deleted::observed(cx, commands::integer(&answer)? > 0))
    }

    /// <https://redis.io/docs/latest/commands/mget/>
    async fn get_many(&self, cx: &CallContext, request: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        super::check_batch(request.keys.len(), BATCH_KEYS)?;
        if request.keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = cmd("MGET");
        for key in &request.keys {
            command.arg(self.names.key(key));
        }
        match self.connector.ask(cx, command).await? {
            ::redis::Value::Array(values) if values.len() == request.keys.len() => {
                values.into_iter().map(commands::entry).collect()
            }
            _ => Err(error::malformed()),
        }
    }

    async fn set_many(&self, cx: &CallContext, request: &SetManyRequest) -> Result<Vec<Result<()>>> {
        super::check_batch(request.entries.len(), BATCH_KEYS)?;
        let mut results: Vec<Result<()>> = Vec::with_capacity(request.entries.len());
        let mut commands = pipe();
        for entry in &request.entries {
            let fits = super::check_value(entry.value.len(), self.max_value_bytes);
            if fits.is_ok() {
                commands.add_command(self.names.plain_set(&entry.key, &entry.value, entry.ttl));
            }
            results.push(fits);
        }
        if commands.is_empty() {
            return Ok(results);
        }
        let answers = self.connector.ask_all(cx, &commands).await?;
        let sent = results.iter_mut().filter(|result| result.is_ok());
        for (result, answer) in sent.zip(answers) {
            *result = answer.and_then(|answer| commands::done(&answer)).map(drop);
        }
        Ok(results)
    }

    async fn delete_many(
        &self,
        cx: &CallContext,
        request: &DeleteManyRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        super::check_batch(request.keys.len(), BATCH_KEYS)?;
        if request.keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = pipe();
        for key in &request.keys {
            commands.add_command(self.names.on_key("DEL", key));
        }
        let answers = self.connector.ask_all(cx, &commands).await?;
        let deleted = |answer: Result<_>| Ok(Deleted::observed(cx, commands::integer(&answer?)? > 0));
        Ok(answers.into_iter().map(deleted).collect())
    }

    /// <https://redis.io/docs/latest/commands/pexpire/>, <https://redis.io/docs/latest/commands/persist/>
    async fn expire(&self, cx: &CallContext, request: &ExpireRequest) -> Result<bool> {
        let Some(ttl) = request.ttl else {
            // PERSIST alone does not tell a missing value from one without expiry.
            let persist = self.names.on_key("PERSIST", &request.key);
            let present = self.names.on_key("EXISTS", &request.key);
            let last = self.transaction(cx, [persist, present]).await?;
            return Ok(commands::integer(&last)? > 0);
        };
        let mut command = self.names.on_key("PEXPIRE", &request.key);
        command.arg(ttl.as_millis_ceil());
        Ok(commands::integer(&self.connector.ask(cx, command).await?)? > 0)
    }

    async fn ttl(&self, cx: &CallContext, request: &TtlRequest) -> Result<TimeToLive> {
        commands::time_to_live(&self.connector.ask(cx, self.names.on_key("PTTL", &request.key)).await?)
    }

    /// <https://redis.io/docs/latest/commands/incrby/>
    async fn increment(&self, cx: &CallContext, request: &IncrementRequest) -> Result<i64> {
        let mut add = self.names.on_key("INCRBY", &request.key);
        add.arg(request.delta);
        let answer = match request.ttl {
            None => self.connector.ask(cx, add).await?,
            Some(ttl) => {
                // A counter that is not there begins at zero with its TTL; one that is keeps its own.
                let mut begin =
                    self.names.plain_set(&request.key, &bytes::Bytes::from_static(b"0"), Some(ttl));
                begin.arg("NX");
                self.transaction(cx, [begin, add]).await?
            }
        };
        commands::integer(&answer)
    }

    async fn compare_and_swap(
        &self,
        cx: &CallContext,
        request: &CompareAndSwapRequest,
    ) -> Result<SwapOutcome> {
        if request.strict {
            return Err(Error::unsupported("strict-compare-and-swap"));
        }
        super::check_value(request.value.len(), self.max_value_bytes)?;
        let Some(read) = request.token.bytes() else {
            return Err(super::foreign_token());
        };
        commands::swap_outcome(&self.connector.ask(cx, self.names.compare_and_swap(request, read)).await?)
    }

    fn locks(&self) -> Option<&dyn LockCache> {
        Some(self)
    }

    fn invalidation(&self) -> Option<&dyn InvalidationCache> {
        Some(self)
    }
}

impl RedisCache {
    /// Commands that take effect together, in one write. Answers what the last of them answered.
    /// <https://redis.io/docs/latest/develop/using-commands/transactions/>
    async fn transaction(&self, cx: &CallContext, steps: [::redis::Cmd; 2]) -> Result<::redis::Value> {
        let mut commands = pipe();
        commands.cmd("MULTI");
        for step in steps {
            commands.add_command(step);
        }
        commands.cmd("EXEC");
        let mut answers = self.connector.ask_all(cx, &commands).await?;
        let executed = answers.pop().ok_or_else(error::malformed)?;
        // A command that was refused when it was queued says why; EXEC then only says that it gave up.
        answers.into_iter().find_map(Result::err).map_or(Ok(()), Err)?;
        match executed? {
            ::redis::Value::Array(results) => match results.into_iter().last() {
                Some(::redis::Value::ServerError(refusal)) => Err(error::answered(&refusal).0),
                Some(last) => Ok(last),
                None => Err(error::malformed()),
            },
            _ => Err(error::malformed()),
        }
    }
}

#[async_trait]
impl LockCache for RedisCache {
    async fn acquire(&self, cx: &CallContext, request: &AcquireRequest) -> Result<LockAttempt> {
        commands::lock_attempt(self.connector.ask(cx, self.names.acquire(request)).await?)
    }

    async fn renew(&self, cx: &CallContext, request: &RenewRequest) -> Result<RenewOutcome> {
        match commands::integer(&self.connector.ask(cx, self.names.renew(request)).await?)? {
            0 => Ok(RenewOutcome::Lost),
            _ => Ok(RenewOutcome::Renewed),
        }
    }

    async fn release(&self, cx: &CallContext, request: &ReleaseRequest) -> Result<ReleaseOutcome> {
        let answer = self.connector.ask(cx, self.names.release(request)).await?;
        Ok(ReleaseOutcome::observed(cx, commands::integer(&answer)? > 0))
    }
}

#[async_trait]
impl InvalidationCache for RedisCache {
    async fn subscribe(&self, cx: &CallContext, _: &SubscribeRequest) -> Result<InvalidationStream> {
        invalidation::listen(&self.connector, &self.names, cx).await
    }
}
