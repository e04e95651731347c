//! Get or load: the cache in front of a slower source.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use external_core::cache::{CacheKey, SetRequest, Ttl};
use external_core::{Effect, Error, Result};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::flight::{Flight, FlightKey, Landed};
use super::scope::{Place, Scope};
use super::typed::{Found, Typed};
use super::{CacheClient, Codec};

/// How a value is loaded and kept.
///
/// A plain `Duration` is enough where only the time to live matters:
/// `cache.get_or_load("k", Duration::from_secs(60), loader)`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// How long a loaded value is fresh, before jitter.
    pub ttl: Duration,
    /// How long it is remembered that there is no such thing. Default: it is not.
    pub negative_ttl: Option<Duration>,
    /// For how long after its time a value is still served while one caller's loader renews it in the background.
    /// Default zero.
    pub stale_while_revalidate: Duration,
    /// For how long after its time a value is still served if the loader fails. Default zero.
    pub stale_if_error: Duration,
    /// After how long of loading a stale value is served instead, if there is one; loading goes on in the
    /// background. Default: never.
    pub soft_timeout: Option<Duration>,
    /// After how long a loader is given up. Default 30 s.
    pub hard_timeout: Duration,
    /// Tags of the value: [`CacheClient::invalidate_tag`] makes all that bear one a miss. At most 16.
    pub tags: Vec<String>,
}

impl LoadOptions {
    /// Values are fresh for `ttl`.
    #[must_use]
    pub fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            negative_ttl: None,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            soft_timeout: None,
            hard_timeout: Duration::from_secs(30),
            tags: Vec::new(),
        }
    }

    /// How long it is remembered that there is no such thing.
    #[must_use]
    pub fn with_negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }

    /// For how long after its time a value is still served while it is renewed in the background.
    #[must_use]
    pub fn with_stale_while_revalidate(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = window;
        self
    }

    /// For how long after its time a value is still served if the loader fails.
    #[must_use]
    pub fn with_stale_if_error(mut self, window: Duration) -> Self {
        self.stale_if_error = window;
        self
    }

    /// After how long of loading a stale value is served instead.
    #[must_use]
    pub fn with_soft_timeout(mut self, timeout: Duration) -> Self {
        self.soft_timeout = Some(timeout);
        self
    }

    /// After how long a loader is given up.
    #[must_use]
    pub fn with_hard_timeout(mut self, timeout: Duration) -> Self {
        self.hard_timeout = timeout;
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// For how long after its time a value is kept at all.
    fn stale_window(&self) -> Duration {
        self.stale_while_revalidate.max(self.stale_if_error)
    }
}

impl From<Duration> for LoadOptions {
    fn from(ttl: Duration) -> Self {
        Self::new(ttl)
    }
}

/// What a loader may fail with: any error, or a text.
pub type LoadError = Box<dyn std::error::Error + Send + Sync>;

impl<C> CacheClient<C> {
    /// The cached value, or else what `loader` makes, stored for next time.
    ///
    /// - Any number of callers share one load, of this and of all clones of the client. It outlives the caller that
    ///   began it, and ends with the last one that waits. (client)
    /// - If the loader fails, runs out of time or panics, all that wait get the error, and nothing is
    ///   stored. (client)
    /// - If the cache fails, the value is loaded; the failure is counted in [`stats`](Self::stats). (client)
    ///
    /// # Errors
    ///
    /// What the loader said: an [`external_core::Error`] as it is, anything else as `Unexpected` with it as source;
    /// `Timeout` after the hard timeout; `InvalidArgument` for a key, a time to live or a tag that cannot be used.
    pub async fn get_or_load<T, F, L, E>(
        &self,
        key: impl AsRef<str>,
        options: impl Into<LoadOptions>,
        loader: F,
    ) -> Result<T>
    where
        C: Codec<T>,
        T: Clone + Send + Sync + 'static,
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = std::result::Result<T, E>> + Send + 'static,
        E: Into<LoadError> + 'static,
    {
        let loader = move || async move { loader().await.map(Some) };
        let loaded = load(self.typed(), Scope::plain(key.as_ref())?, options.into(), loader).await?;
        loaded.ok_or_else(known_absent)
    }

    /// As [`get_or_load`](Self::get_or_load), for what may not exist: an absence is remembered for
    /// [`LoadOptions::negative_ttl`].
    ///
    /// # Errors
    ///
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn get_or_find<T, F, L, E>(
        &self,
        key: impl AsRef<str>,
        options: impl Into<LoadOptions>,
        loader: F,
    ) -> Result<Option<T>>
    where
        C: Codec<T>,
        T: Clone + Send + Sync + 'static,
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = std::result::Result<Option<T>, E>> + Send + 'static,
        E: Into<LoadError> + 'static,
    {
        load(self.typed(), Scope::plain(key.as_ref())?, options.into(), loader).await
    }
}

/// Only `get_or_find` stores an absence, and may have done so under a key that `get_or_load` asks for.
pub(super) fn known_absent() -> Error {
    Error::not_found("the cache knows that there is no such value")
}

/// The whole of it, for plain keys and for those in a namespace.
pub(super) async fn load<C, T, F, L, E>(
    typed: Typed<C>,
    scope: Scope,
    options: LoadOptions,
    loader: F,
) -> Result<Option<T>>
where
    C: Codec<T>,
    T: Clone + Send + Sync + 'static,
    F: FnOnce() -> L + Send + 'static,
    L: Future<Output = std::result::Result<Option<T>, E>> + Send + 'static,
    E: Into<LoadError> + 'static,
{
    let plan = Plan::new(&options)?;
    let core = typed.core.clone();
    let seen = core.flights.landed();
    let (place, found) = typed.look(&scope).await?;
    let stale = match found {
        Found::Usable { value, stale_for: Duration::ZERO } => {
            core.counters.here().hits.add();
            return Ok(value);
        }
        Found::Usable { value, stale_for } if stale_for <= options.stale_window() => Some((value, stale_for)),
        _ => None,
    };
    core.counters.here().misses.add();
    let key: FlightKey = (place.flight_key(&scope), TypeId::of::<(T, C)>());
    let (soft_timeout, revalidate) = (options.soft_timeout, options.stale_while_revalidate);
    let flight = core.flights.join_or_begin(key, || {
        let again = (core.flights.landed() != seen).then_some(scope);
        fly(typed, place, again, plan, options, loader).boxed()
    });
    let Some((value, stale_for)) = stale else {
        return landed(flight.await);
    };
    if stale_for > revalidate {
        // Old enough to wait for a new one, good enough if none comes.
        let outcome = match soft_timeout {
            None => flight.await,
            Some(soft) => match tokio::time::timeout(soft, flight.clone()).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    core.in_background(flight);
                    Err(Error::timeout("the loader is slow"))
                }
            },
        };
        if outcome.is_ok() {
            return landed(outcome);
        }
    } else {
        core.in_background(flight);
    }
    core.counters.here().stale.add();
    Ok(value)
}

/// How long a value is kept: checked, with its tags, before anything is read or loaded.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    ttl: Duration,
    stale_window: Duration,
    pub(super) absent: Option<Ttl>,
}

impl Plan {
    pub(super) fn new(options: &LoadOptions) -> Result<Self> {
        let stale_window = options.stale_window();
        // Later a tag that cannot be used would look like a cache that fails, and nothing would ever be stored.
        super::generations::tag_keys(&options.tags)?;
        Ttl::new(options.ttl.saturating_add(stale_window))?;
        Ok(Self {
            ttl: Ttl::new(options.ttl)?.get(),
            stale_window,
            absent: options.negative_ttl.map(Ttl::new).transpose()?,
        })
    }

    /// For how long one value is fresh, by chance a little less than planned, and for how long it is kept.
    pub(super) fn draw(&self, core: &super::Core) -> Result<(Duration, Ttl)> {
        let fresh = self.ttl.mul_f64(1.0 - core.jitter());
        let keep = Ttl::new((fresh + self.stale_window).max(Duration::from_millis(1)))?;
        Ok((fresh, keep))
    }
}

/// One flight: loads and stores. The tags' generations are taken before the loader runs, so that an invalidation
/// while it runs hits what it makes.
async fn fly<C, T, F, L, E>(
    typed: Typed<C>,
    place: Place,
    again: Option<Scope>,
    plan: Plan,
    options: LoadOptions,
    loader: F,
) -> Landed
where
    C: Codec<T>,
    T: Clone + Send + Sync + 'static,
    F: FnOnce() -> L + Send + 'static,
    L: Future<Output = std::result::Result<Option<T>, E>> + Send + 'static,
    E: Into<LoadError> + 'static,
{
    // Another flight landed while this caller was looking: it may have brought the value.
    if let Some(scope) = again
        && let (_, Found::Usable { value, stale_for: Duration::ZERO }) = typed.look::<T>(&scope).await?
    {
        return Ok(Arc::new(value));
    }
    let core = &typed.core;
    let stamps = core.forgiving(core.stamps(&options.tags).await);
    let value = run_loader(core, options.hard_timeout, loader).await?;
    // Without the tags' generations the value could not be invalidated, so it is not kept.
    if let (Place::At(key), Some(stamps)) = (place, stamps) {
        core.forgiving(typed.keep(key, value.as_ref(), plan, stamps).await);
    }
    Ok(Arc::new(value))
}

/// Runs a loader to its end or its time limit; a panic is an error.
pub(super) async fn run_loader<T, F, L, E>(core: &super::Core, within: Duration, loader: F) -> Result<T>
where
    F: FnOnce() -> L,
    L: Future<Output = std::result::Result<T, E>>,
    E: Into<LoadError>,
{
    core.counters.here().loads.add();
    let running = std::panic::AssertUnwindSafe(async { loader().await }).catch_unwind();
    let outcome = match tokio::time::timeout(within, running).await {
        Ok(Ok(loaded)) => loaded.map_err(|error| failed(error.into())),
        Ok(Err(_)) => Err(super::flight::panicked()),
        Err(_) => Err(Error::timeout("the loader took too long").with_effect(Effect::NotApplied)),
    };
    outcome.inspect_err(|_| core.counters.here().failed_loads.add())
}

fn failed(error: LoadError) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => *ours,
        Err(error) => Error::unexpected("the loader failed")
            .with_effect(Effect::NotApplied)
            .with_source(LoaderFailure(error)),
    }
}

/// A loader's own error, as a source.
#[derive(Debug)]
struct LoaderFailure(LoadError);

impl fmt::Display for LoaderFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for LoaderFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

pub(super) fn landed<T: Clone + 'static>(outcome: Landed) -> Result<Option<T>> {
    match outcome?.downcast_ref::<Option<T>>() {
        Some(value) => Ok(value.clone()),
        // The table's key holds the type.
        None => Err(Error::unexpected("a load of another type")),
    }
}

impl<C> Typed<C> {
    /// Reads. A cache that fails is a miss here; only a request that cannot be right is an error.
    pub(super) async fn look<T>(&self, scope: &Scope) -> Result<(Place, Found<T>)>
    where
        C: Codec<T>,
    {
        let core = &self.core;
        let (key, stored) = match core.read(scope).await {
            Ok(read) => read,
            Err(error) if error.kind() == external_core::ErrorKind::InvalidArgument => return Err(error),
            Err(error) => {
                core.forgiving::<()>(Err(error));
                return Ok((Place::Unknown, Found::Nothing));
            }
        };
        let found = core.forgiving(self.open(key.as_str(), stored).await).unwrap_or(Found::Nothing);
        Ok((Place::At(key), found))
    }

    /// Stores what was loaded.
    async fn keep<T>(
        &self,
        key: CacheKey,
        value: Option<&T>,
        plan: Plan,
        stamps: Vec<super::envelope::Stamp>,
    ) -> Result<()>
    where
        C: Codec<T>,
    {
        let (fresh, keep) = plan.draw(&self.core)?;
        let (ttl, fresh_until) = match (value, plan.absent) {
            (Some(_), _) if plan.stale_window.is_zero() => (keep, None),
            (Some(_), _) => (keep, Some(self.core.context.now() + fresh)),
            (None, Some(ttl)) => (ttl, None),
            (None, None) => return Ok(()),
        };
        let sealed = self.seal(value, fresh_until, stamps)?;
        self.core.send(&SetRequest::new(key, sealed).with_ttl(ttl)).await.map(drop)
    }
}

impl super::Core {
    /// The share by which a loaded value's life is shortened this time.
    fn jitter(&self) -> f64 {
        // 32 random bits, as a share of one.
        let share = (self.random_number() >> 32) as f64 / f64::from(u32::MAX);
        share * self.settings.ttl_jitter
    }

    /// Counts a failure of the cache and goes on without it.
    pub(super) fn forgiving<T>(&self, outcome: Result<T>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.counters.here().cache_failures.add();
                tracing::debug!(%error, "the cache failed: going on without it");
                None
            }
        }
    }

    /// Lets a flight go on without a caller; closing the client waits for it.
    fn in_background(&self, flight: Flight) {
        if !flight.is_first_to_leave() {
            return;
        }
        let flight: BoxFuture<'static, ()> = async move {
            let _ = flight.await;
        }
        .boxed();
        self.pipeline.cleanup().spawn(flight);
    }
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;

    use super::*;

    #[test]
    fn tags_that_no_value_can_bear_are_refused_before_anything_is_read() {
        let options = || LoadOptions::new(Duration::from_secs(1));
        let many = |count| (0..count).fold(options(), |options, n| options.with_tag(format!("t{n}")));
        assert!(Plan::new(&many(16)).is_ok());
        for wrong in [many(17), options().with_tag("")] {
            assert_eq!(Plan::new(&wrong).err().map(|error| error.kind()), Some(ErrorKind::InvalidArgument));
        }
    }
}
