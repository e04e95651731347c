//! The client that services hold: typed values and everything that loops, waits or spans several exchanges.

mod codec;
mod envelope;
mod flight;
mod generations;
mod invalidations;
mod load;
mod load_many;
mod lock;
mod namespace;
mod scope;
mod service;
mod settings;
mod stats;
mod typed;
mod values;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use external_core::cache::{
    self, CacheKey, CacheService, DeleteManyRequest, DeleteRequest, ExpireRequest, GetRequest,
    IncrementRequest, SetRequest, TimeToLive, Ttl, TtlRequest,
};
use external_core::{
    BuildContext, CallContext, CallOptions, Capability, Error, Provider, ProviderInfo, Result,
};
use external_resilience::{CallObserver, CloseReport, Domain, Pipeline, Policy};

pub use codec::{Codec, Encode, Json, Raw};
use flight::Flights;
pub use load::{LoadError, LoadOptions};
pub use lock::{LockGuard, LockOptions};
pub use namespace::CacheNamespace;
pub use service::CacheRequest;
pub use settings::CacheSettings;
pub use stats::CacheStats;
use stats::Counters;
use typed::Typed;

use crate::providers::{self, memory::MemoryCache};

/// How long closing waits for calls and clean-ups where nobody says otherwise.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// A cache, behind the call pipeline. Cloning is cheap; clones share everything.
///
/// ```
/// use std::time::Duration;
/// use external_cache::{CacheClient, providers::memory::MemoryCache};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let cache = CacheClient::over(MemoryCache::new());
/// cache.set("user:1", &"Ada".to_string(), Duration::from_secs(60)).await?;
/// assert_eq!(cache.get::<String>("user:1").await?.as_deref(), Some("Ada"));
/// assert!(cache.delete("user:1").await?);
/// # Ok::<(), external_core::Error>(()) }).unwrap();
/// ```
///
/// Typed values are written by a codec ([`Json`] unless [`with_codec`](Self::with_codec) says otherwise) into an
/// envelope that names codec and schema version. What cannot be decoded is a miss, counted in
/// [`stats`](Self::stats). [`get_bytes`](Self::get_bytes) and [`set_bytes`](Self::set_bytes) do without.
///
/// Keys that begin with `~` are the client's own (namespaces, tags) and refused.
#[derive(Clone)]
pub struct CacheClient<C = Json> {
    core: Arc<Core>,
    codec: C,
    schema: u16,
}

#[doc(hidden)]
pub struct Core {
    service: Arc<dyn CacheService>,
    /// The same one, where reading from it need not be a call.
    in_process: Option<Arc<MemoryCache>>,
    pipeline: Pipeline,
    context: BuildContext,
    settings: CacheSettings,
    counters: Counters,
    flights: Arc<Flights>,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}

impl CacheClient {
    /// A client over a provider, with the domain's default policy.
    #[must_use]
    pub fn over(provider: impl CacheService) -> Self {
        Self::from(Arc::new(provider) as Arc<dyn CacheService>)
    }

    fn assemble(
        service: Arc<dyn CacheService>,
        pipeline: Pipeline,
        settings: CacheSettings,
        context: BuildContext,
    ) -> Self {
        let schema = settings.schema_version;
        Self { core: Core::new(service, pipeline, settings, context), codec: Json, schema }
    }
}

impl Core {
    fn new(
        service: Arc<dyn CacheService>,
        pipeline: Pipeline,
        settings: CacheSettings,
        context: BuildContext,
    ) -> Arc<Self> {
        let (counters, flights) = (Counters::default(), Arc::default());
        let in_process = providers::in_process(&service);
        Arc::new(Self { service, in_process, pipeline, context, settings, counters, flights })
    }
}

impl<C> CacheClient<C> {
    /// The same cache under another policy. Breaker, clean-up and counts start anew.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        let Core { service, pipeline, context, settings, .. } = &*self.core;
        let pipeline = pipeline.clone().with_policy(policy, CacheClient::operations());
        let core = Core::new(service.clone(), pipeline, settings.clone(), context.clone());
        Self { core, ..self }
    }

    /// The same cache, heard by one more observer. Breaker, clean-up and counts start anew.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn CallObserver>) -> Self {
        let Core { service, pipeline, context, settings, .. } = &*self.core;
        let pipeline = pipeline.clone().with_observer(observer);
        let core = Core::new(service.clone(), pipeline, settings.clone(), context.clone());
        Self { core, ..self }
    }

    /// The same cache with another codec for typed values.
    #[must_use]
    pub fn with_codec<D>(self, codec: D) -> CacheClient<D> {
        CacheClient { core: self.core, codec, schema: self.schema }
    }

    /// The same cache with another schema version: what others wrote is a miss.
    #[must_use]
    pub fn with_schema_version(mut self, version: u16) -> Self {
        self.schema = version;
        self
    }

    /// What was seen of typed values so far.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.core.counters.read(self.core.flights.under_way())
    }

    /// Who the provider is, where it points and what it can do.
    #[must_use]
    pub fn info(&self) -> &ProviderInfo {
        self.core.service.info()
    }

    /// How well the provider does one of [`cache::CAPABILITIES`].
    #[must_use]
    pub fn supports(&self, capability: &str) -> Capability {
        cache::supports(&*self.core.service, capability)
    }

    /// One harmless round trip that proves reachability and credentials.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn probe(&self, options: &CallOptions) -> Result<()> {
        self.core.pipeline.probe(&*self.core.service, &CallContext::new(options)).await
    }

    /// Refuses new calls, waits at most `within` for running ones, loads in the background and locks to be given
    /// back, then closes the provider. Says what was left.
    pub async fn close(&self, within: Duration) -> CloseReport {
        self.core.pipeline.close(&*self.core.service, within).await
    }

    /// The concrete provider, if it is a `T`.
    #[must_use]
    pub fn provider<T: Provider>(&self) -> Option<&T> {
        let provider: &dyn Provider = &*self.core.service;
        provider.find::<T>()
    }

    /// The pipeline its calls pass.
    #[must_use]
    pub fn pipeline(&self) -> &Pipeline {
        &self.core.pipeline
    }

    /// Sends a request of the contract with all its options: conditions, timeout, metadata.
    ///
    /// ```
    /// # use external_cache::{CacheClient, providers::memory::MemoryCache};
    /// use external_core::cache::{CacheKey, SetRequest};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let cache = CacheClient::over(MemoryCache::new());
    /// let request = SetRequest::new(CacheKey::parse("seen:42")?, "1").if_absent();
    /// assert!(cache.send(&request).await?.stored);
    /// # Ok::<(), external_core::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As the method of [`CacheService`] that the request belongs to; `Unsupported` where the provider lacks the
    /// facet.
    pub async fn send<R: CacheRequest>(&self, request: &R) -> Result<R::Answer> {
        self.core.send(request).await
    }

    /// Whether there is a value, without reading it: be it fresh, stale or unreadable.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a key that does not parse, and as any call.
    pub async fn exists(&self, key: impl AsRef<str>) -> Result<bool> {
        let request = TtlRequest::new(user_key(key.as_ref())?);
        Ok(self.send(&request).await? != TimeToLive::Missing)
    }

    /// Deletes a value: `true` once it is gone, whether or not there was one.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a key that does not parse, and as any call.
    pub async fn delete(&self, key: impl AsRef<str>) -> Result<bool> {
        self.send(&DeleteRequest::new(user_key(key.as_ref())?)).await?;
        Ok(true)
    }

    /// Deletes several values, in as many exchanges as the provider's batch limit asks for.
    ///
    /// # Errors
    ///
    /// As [`delete`](Self::delete); the first key that could not be deleted.
    pub async fn delete_many<K: AsRef<str>>(&self, keys: &[K]) -> Result<()> {
        let keys = keys.iter().map(|key| user_key(key.as_ref())).collect::<Result<Vec<_>>>()?;
        for batch in keys.chunks(self.core.batch_keys()) {
            let results = self.send(&DeleteManyRequest::new(batch.to_vec())).await?;
            results.into_iter().find_map(Result::err).map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// The value as it is stored, without codec and envelope.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a key that does not parse, and as any call.
    pub async fn get_bytes(&self, key: impl AsRef<str>) -> Result<Option<Bytes>> {
        Ok(match self.core.at_once(key.as_ref()) {
            Some(stored) => stored,
            None => self.send(&GetRequest::new(user_key(key.as_ref())?)).await?.map(|entry| entry.value),
        })
    }

    /// Stores bytes as they are, without codec and envelope.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a key or a time to live that does not parse, `PayloadTooLarge`, and as any call.
    pub async fn set_bytes(
        &self,
        key: impl AsRef<str>,
        value: impl Into<Bytes>,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<()> {
        let mut request = SetRequest::new(user_key(key.as_ref())?, value);
        request.ttl = time_to_live(ttl)?;
        self.send(&request).await.map(drop)
    }

    /// Adds to a counter and answers its new value; `ttl` is given to a counter that this call creates.
    ///
    /// # Errors
    ///
    /// `Conflict` if the value is no counter or would leave the range of `i64`, and as any call.
    pub async fn increment(
        &self,
        key: impl AsRef<str>,
        delta: i64,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<i64> {
        let mut request = IncrementRequest::new(user_key(key.as_ref())?, delta);
        request.ttl = time_to_live(ttl)?;
        self.send(&request).await
    }

    /// Changes how long a value lives; `None`: it no longer expires. Answers whether there was one.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a key or a time to live that does not parse, and as any call.
    pub async fn expire(&self, key: impl AsRef<str>, ttl: impl Into<Option<Duration>>) -> Result<bool> {
        self.send(&ExpireRequest::new(user_key(key.as_ref())?, time_to_live(ttl)?)).await
    }

    /// How long a value will still live.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a key that does not parse, and as any call.
    pub async fn ttl(&self, key: impl AsRef<str>) -> Result<TimeToLive> {
        self.send(&TtlRequest::new(user_key(key.as_ref())?)).await
    }

    fn typed(&self) -> Typed<C>
    where
        C: Clone,
    {
        Typed { core: self.core.clone(), codec: self.codec.clone(), schema: self.schema }
    }

    /// As [`typed`](Self::typed), for reading on the spot.
    #[inline]
    fn reader(&self) -> Typed<C, &Core>
    where
        C: Clone,
    {
        Typed { core: &self.core, codec: self.codec.clone(), schema: self.schema }
    }
}

impl Core {
    /// What a read of `key` finds, where that takes neither time nor a request that anybody could hear of. `None`:
    /// the read has to be a call. It does not tell what is wrong with a key, so any that may be wrong is a call too.
    #[inline]
    fn at_once(&self, key: &str) -> Option<Option<Bytes>> {
        let memory = self.in_process.as_deref()?;
        if key.starts_with('~') || !self.pipeline.is_transparent() {
            return None;
        }
        let found = memory.peek_named(key);
        // What has a value is a key.
        let is_key = || {
            (1..=CacheKey::MAX_BYTES).contains(&key.len())
                && key.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        };
        (found.is_some() || is_key()).then_some(found)
    }

    fn batch_keys(&self) -> usize {
        let limit = self.service.info().capabilities().get_limit("batch-keys").unwrap_or(1000);
        usize::try_from(limit).unwrap_or(usize::MAX).max(1)
    }
}

/// A key of the service's own.
fn user_key(key: &str) -> Result<CacheKey> {
    if key.starts_with('~') {
        return Err(Error::invalid_argument("keys that begin with `~` are the client's own"));
    }
    CacheKey::parse(key)
}

fn time_to_live(ttl: impl Into<Option<Duration>>) -> Result<Option<Ttl>> {
    ttl.into().map(Ttl::new).transpose()
}

impl From<Arc<dyn CacheService>> for CacheClient {
    fn from(service: Arc<dyn CacheService>) -> Self {
        let pipeline = Pipeline::new("default", service.info(), <Self as Domain>::policy());
        Self::assemble(service, pipeline, CacheSettings::default(), BuildContext::default())
    }
}

impl<C> fmt::Debug for CacheClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheClient").field("pipeline", &self.core.pipeline).finish_non_exhaustive()
    }
}

impl Domain for CacheClient {
    type Service = dyn CacheService;
    type Settings = CacheSettings;

    const NAME: &'static str = cache::DOMAIN;
    const DEVELOPMENT: &'static str = "memory";

    /// A cache that is slow is of no use: 5 s in all, 1 s an attempt, three attempts 20 ms to 500 ms apart.
    fn policy() -> Policy {
        Policy::default()
            .with_total_deadline(Duration::from_secs(5))
            .with_attempt_timeout(Duration::from_secs(1))
            .with_backoff(Duration::from_millis(20), Duration::from_millis(500))
    }

    fn new(
        service: Arc<dyn CacheService>,
        pipeline: Pipeline,
        settings: CacheSettings,
        context: &BuildContext,
    ) -> Result<Self> {
        settings.check()?;
        Ok(Self::assemble(service, pipeline, settings, context.clone()))
    }

    fn service(&self) -> Arc<dyn CacheService> {
        self.clone().into()
    }

    fn pipeline(&self) -> &Pipeline {
        &self.core.pipeline
    }

    fn provider(service: &dyn CacheService) -> &dyn Provider {
        service
    }

    fn supports(service: &dyn CacheService, capability: &str) -> Capability {
        cache::supports(service, capability)
    }

    fn capabilities() -> &'static [(&'static str, &'static str)] {
        cache::CAPABILITIES
    }

    fn operations() -> &'static [&'static str] {
        cache::OPERATIONS
    }

    fn settings_schema() -> String {
        providers::schema::<CacheSettings>()
    }
}

#[cfg(test)]
mod tests;
