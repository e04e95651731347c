//! Get or load for many keys: one read, one load for all that are missing, single flight for each.

use std::any::{Any, TypeId};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use external_core::Result;
use external_core::cache::{CacheKey, GetManyRequest, SetEntry, SetManyRequest};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::flight::Landed;
use super::load::{LoadError, LoadOptions, Plan, landed, run_loader};
use super::typed::{Found, Typed};
use super::{CacheClient, Codec, user_key};

/// What one loader call brought, shared by the flights of its keys.
type Batch<T> = Shared<BoxFuture<'static, Result<Arc<HashMap<CacheKey, T>>>>>;

/// The keys that one caller's batch has to load.
#[derive(Default)]
struct Ours {
    keys: Vec<CacheKey>,
    /// Another flight landed while this caller was looking: it may have brought some of them.
    again: bool,
}

impl<C> CacheClient<C> {
    /// The cached values of these keys, and for those that are missing what `loader` makes, stored for next time.
    ///
    /// The loader is called at most once, with the missing keys that nobody else is loading already, and answers
    /// those it found; a key it leaves out has no value, which is remembered for
    /// [`LoadOptions::negative_ttl`]. Answers come in the order of the keys. The options' stale windows and soft
    /// timeout do not apply here.
    ///
    /// # Errors
    ///
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn get_or_load_many<T, F, L, E>(
        &self,
        keys: &[impl AsRef<str>],
        options: impl Into<LoadOptions>,
        loader: F,
    ) -> Result<Vec<Option<T>>>
    where
        C: Codec<T>,
        T: Clone + Send + Sync + 'static,
        F: FnOnce(Vec<String>) -> L + Send + 'static,
        L: Future<Output = std::result::Result<HashMap<String, T>, E>> + Send + 'static,
        E: Into<LoadError> + 'static,
    {
        let mut options = options.into();
        options.stale_while_revalidate = Duration::ZERO;
        options.stale_if_error = Duration::ZERO;
        let plan = Plan::new(&options)?;
        let typed = self.typed();
        let keys = keys.iter().map(|key| user_key(key.as_ref())).collect::<Result<Vec<_>>>()?;
        let seen = self.core.flights.landed();
        let mut known: HashMap<CacheKey, Option<T>> = HashMap::new();
        for (key, found) in typed.look_at(&keys).await {
            if let Found::Usable { value, stale_for: Duration::ZERO } = found {
                self.core.counters.here().hits.add();
                known.insert(key, value);
            } else {
                self.core.counters.here().misses.add();
            }
        }
        let mut missing: Vec<CacheKey> =
            keys.iter().filter(|key| !known.contains_key(*key)).cloned().collect();
        missing.sort_unstable();
        missing.dedup();
        for (key, outcome) in typed.load_all(missing, seen, plan, options, loader).await {
            known.insert(key, landed(outcome)?);
        }
        Ok(keys.iter().map(|key| known.get(key).cloned().flatten()).collect())
    }
}

impl<C> Typed<C> {
    /// Reads many; a batch that fails is a batch of misses.
    async fn look_at<T>(&self, keys: &[CacheKey]) -> Vec<(CacheKey, Found<T>)>
    where
        C: Codec<T>,
    {
        let mut found = Vec::with_capacity(keys.len());
        for batch in keys.chunks(self.core.batch_keys()) {
            let entries = self.core.forgiving(self.core.send(&GetManyRequest::new(batch.to_vec())).await);
            let entries = entries.unwrap_or_else(|| vec![None; batch.len()]);
            for (key, entry) in batch.iter().zip(entries) {
                let opened = self
                    .core
                    .forgiving(self.open(key.as_str(), entry.map(|entry| entry.value)).await)
                    .unwrap_or(Found::Nothing);
                found.push((key.clone(), opened));
            }
        }
        found
    }

    /// Joins the flights that are under way, and begins one for the rest together. `seen` flights had landed before
    /// the keys were looked at.
    async fn load_all<T, F, L, E>(
        &self,
        missing: Vec<CacheKey>,
        seen: u64,
        plan: Plan,
        options: LoadOptions,
        loader: F,
    ) -> Vec<(CacheKey, Landed)>
    where
        C: Codec<T>,
        T: Clone + Send + Sync + 'static,
        F: FnOnce(Vec<String>) -> L + Send + 'static,
        L: Future<Output = std::result::Result<HashMap<String, T>, E>> + Send + 'static,
        E: Into<LoadError> + 'static,
    {
        // Filled while flights begin, all of them at once; emptied when the batch runs, which is after that.
        let ours: Arc<Mutex<Ours>> = Arc::default();
        let batch: Batch<T> = {
            let (typed, ours) = (self.clone(), ours.clone());
            async move {
                let ours = std::mem::take(&mut *ours.lock().unwrap_or_else(PoisonError::into_inner));
                typed.load_batch(ours, plan, options, loader).await.map(Arc::new)
            }
            .boxed()
            .shared()
        };
        let keys = missing.iter().map(|key| (key.clone(), TypeId::of::<(T, C)>()));
        let flights = self.core.flights.join_or_begin_all(keys, |(key, _)| {
            let mut ours = ours.lock().unwrap_or_else(PoisonError::into_inner);
            ours.again |= self.core.flights.landed() != seen;
            ours.keys.push(key.clone());
            let (batch, key) = (batch.clone(), key.clone());
            async move {
                let loaded = batch.await?;
                Ok(Arc::new(loaded.get(&key).cloned()) as Arc<dyn Any + Send + Sync>)
            }
            .boxed()
        });
        let mut outcomes = Vec::with_capacity(flights.len());
        for (key, flight) in missing.into_iter().zip(flights) {
            outcomes.push((key, flight.await));
        }
        outcomes
    }

    async fn load_batch<T, F, L, E>(
        self,
        ours: Ours,
        plan: Plan,
        options: LoadOptions,
        loader: F,
    ) -> Result<HashMap<CacheKey, T>>
    where
        C: Codec<T>,
        T: Clone + Send + Sync + 'static,
        F: FnOnce(Vec<String>) -> L + Send + 'static,
        L: Future<Output = std::result::Result<HashMap<String, T>, E>> + Send + 'static,
        E: Into<LoadError> + 'static,
    {
        let Ours { mut keys, again } = ours;
        let mut values = HashMap::with_capacity(keys.len());
        if again {
            let mut brought = HashSet::new();
            for (key, found) in self.look_at(&keys).await {
                if let Found::Usable { value, stale_for: Duration::ZERO } = found {
                    brought.insert(key.clone());
                    values.extend(value.map(|value| (key, value)));
                }
            }
            keys.retain(|key| !brought.contains(key));
            if keys.is_empty() {
                return Ok(values);
            }
        }
        let stamps = self.core.forgiving(self.core.stamps(&options.tags).await);
        let names: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
        let mut loaded = run_loader(&self.core, options.hard_timeout, move || loader(names)).await?;
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            let value = loaded.remove(key.as_str());
            // Each draws its own, so that what is loaded together does not expire together.
            let ttl = if value.is_some() { Some(plan.draw(&self.core)?.1) } else { plan.absent };
            if let (Some(ttl), Some(stamps)) = (ttl, &stamps) {
                let sealed = self.core.forgiving(self.seal(value.as_ref(), None, stamps.clone()));
                entries.extend(sealed.map(|sealed| SetEntry::new(key.clone(), sealed).with_ttl(ttl)));
            }
            values.extend(value.map(|value| (key, value)));
        }
        for batch in entries.chunks(self.core.batch_keys()) {
            let stored = self.core.forgiving(self.core.send(&SetManyRequest::new(batch.to_vec())).await);
            for failed in stored.into_iter().flatten().filter(Result::is_err) {
                self.core.forgiving(failed);
            }
        }
        Ok(values)
    }
}
