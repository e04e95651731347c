//! Namespaces: keys that can be cleared together, at once and without scanning.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use external_core::Result;
use external_core::cache::{DeleteRequest, SetRequest, TimeToLive, TtlRequest};

use super::load::{LoadError, LoadOptions, load};
use super::scope::{Namespace, Scope};
use super::{CacheClient, Codec, Encode, Json, time_to_live};

/// Keys that can be cleared together, made by [`CacheClient::namespace`].
///
/// A namespace has a generation, a random number that is part of every stored key; [`clear`](Self::clear) draws
/// another one. A read is one exchange, as generation and value travel together; a write, and the first read after
/// a clear, take one more. What a clear left behind ends by its own time to live, so give values one.
#[derive(Clone)]
pub struct CacheNamespace<C = Json> {
    client: CacheClient<C>,
    namespace: Arc<Namespace>,
}

impl<C: Clone> CacheClient<C> {
    /// The namespace of this name: 1 to 64 ASCII letters, digits, `_`, `-` or `.`. Keep it: it remembers the
    /// generation it saw last.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for another name.
    pub fn namespace(&self, name: impl AsRef<str>) -> Result<CacheNamespace<C>> {
        Ok(CacheNamespace { client: self.clone(), namespace: Arc::new(Namespace::new(name.as_ref())?) })
    }
}

impl<C: Clone> CacheNamespace<C> {
    /// Makes every value of the namespace a miss, for everybody and at once. One exchange, however many there are.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn clear(&self) -> Result<()> {
        self.client.core.clear(&self.namespace).await
    }

    /// A fresh value of this type; `None` if there is none, or none that can be decoded.
    ///
    /// # Errors
    ///
    /// As [`CacheClient::get`].
    pub async fn get<T>(&self, key: impl AsRef<str>) -> Result<Option<T>>
    where
        C: Codec<T>,
    {
        let (key, stored) = self.client.core.read(&self.scope(key)?).await?;
        self.client.typed().fresh(key.as_str(), stored).await
    }

    /// Stores a value.
    ///
    /// # Errors
    ///
    /// As [`CacheClient::set`].
    pub async fn set<T: ?Sized>(
        &self,
        key: impl AsRef<str>,
        value: &T,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<()>
    where
        C: Encode<T>,
    {
        let ttl = time_to_live(ttl)?;
        let sealed = self.client.typed().seal(Some(value), None, Vec::new())?;
        let mut request = SetRequest::new(self.client.core.locate(&self.scope(key)?).await?, sealed);
        request.ttl = ttl;
        self.client.send(&request).await.map(drop)
    }

    /// Deletes a value: `true` once it is gone.
    ///
    /// # Errors
    ///
    /// As [`CacheClient::delete`].
    pub async fn delete(&self, key: impl AsRef<str>) -> Result<bool> {
        let key = self.client.core.locate(&self.scope(key)?).await?;
        self.client.send(&DeleteRequest::new(key)).await?;
        Ok(true)
    }

    /// Whether there is a value, without reading it.
    ///
    /// # Errors
    ///
    /// As [`CacheClient::exists`].
    pub async fn exists(&self, key: impl AsRef<str>) -> Result<bool> {
        let key = self.client.core.locate(&self.scope(key)?).await?;
        Ok(self.client.send(&TtlRequest::new(key)).await? != TimeToLive::Missing)
    }

    /// As [`CacheClient::get_or_load`], within the namespace. A load that was running when the namespace was
    /// cleared is not stored where anybody would find it.
    ///
    /// # Errors
    ///
    /// As [`CacheClient::get_or_load`].
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
        let loaded = load(self.client.typed(), self.scope(key)?, options.into(), loader).await?;
        loaded.ok_or_else(super::load::known_absent)
    }

    /// As [`CacheClient::get_or_find`], within the namespace.
    ///
    /// # Errors
    ///
    /// As [`CacheClient::get_or_load`].
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
        load(self.client.typed(), self.scope(key)?, options.into(), loader).await
    }

    fn scope(&self, key: impl AsRef<str>) -> Result<Scope> {
        Scope::within(&self.namespace, key.as_ref())
    }
}

/// Tags: values that can be invalidated together, whatever their keys.
impl<C> CacheClient<C> {
    /// Stores a value that bears tags, at most 16. Reading it takes one exchange more than an untagged one.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set); `InvalidArgument` for a tag that is empty or does not fit a key.
    pub async fn set_tagged<T: ?Sized>(
        &self,
        key: impl AsRef<str>,
        value: &T,
        ttl: impl Into<Option<Duration>>,
        tags: &[impl AsRef<str>],
    ) -> Result<()>
    where
        C: Encode<T>,
    {
        let key = super::user_key(key.as_ref())?;
        let ttl = time_to_live(ttl)?;
        let tags: Vec<String> = tags.iter().map(|tag| tag.as_ref().to_owned()).collect();
        let stamps = self.core.stamps(&tags).await?;
        let mut request = SetRequest::new(key, self.typed().seal(Some(value), None, stamps)?);
        request.ttl = ttl;
        self.send(&request).await.map(drop)
    }

    /// Makes every value that bears the tag a miss, for everybody and at once. One exchange, however many there
    /// are. What is being loaded meanwhile is hit as well.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a tag that is empty or does not fit a key, and as any call.
    pub async fn invalidate_tag(&self, tag: impl AsRef<str>) -> Result<()> {
        self.core.invalidate_tag(tag.as_ref()).await
    }
}

impl<C> fmt::Debug for CacheNamespace<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheNamespace").field("name", &self.namespace.name()).finish_non_exhaustive()
    }
}
