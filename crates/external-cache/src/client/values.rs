//! Short forms for typed values.

use std::time::Duration;

use external_core::Result;
use external_core::cache::{GetManyRequest, GetRequest, SetCondition, SetEntry, SetManyRequest, SetRequest};

use super::{CacheClient, Codec, Encode, time_to_live, user_key};

/// Typed values.
impl<C> CacheClient<C> {
    /// A fresh value of this type; `None` if there is none, or none that can be decoded.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a key that does not parse, and as any call.
    pub async fn get<T>(&self, key: impl AsRef<str>) -> Result<Option<T>>
    where
        C: Codec<T>,
    {
        let key = key.as_ref();
        let stored = match self.core.at_once(key) {
            Some(stored) => stored,
            None => self.send(&GetRequest::new(user_key(key)?)).await?.map(|entry| entry.value),
        };
        let reader = self.reader();
        match reader.at_hand(key, stored) {
            Ok(value) => Ok(value),
            Err(sealed) => reader.fresh(key, Some(sealed)).await,
        }
    }

    /// Stores a value; `ttl` is a `Duration`, or `None` for no expiry.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a key, a time to live or a value that cannot be used, `PayloadTooLarge`, and as any
    /// call.
    pub async fn set<T: ?Sized>(
        &self,
        key: impl AsRef<str>,
        value: &T,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<()>
    where
        C: Encode<T>,
    {
        self.set_if(SetCondition::Always, key, value, ttl).await.map(drop)
    }

    /// Stores a value only if its key has none. Answers whether it did.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn set_if_absent<T: ?Sized>(
        &self,
        key: impl AsRef<str>,
        value: &T,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<bool>
    where
        C: Encode<T>,
    {
        self.set_if(SetCondition::IfAbsent, key, value, ttl).await
    }

    /// Stores a value only if its key has one. Answers whether it did.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub async fn set_if_present<T: ?Sized>(
        &self,
        key: impl AsRef<str>,
        value: &T,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<bool>
    where
        C: Encode<T>,
    {
        self.set_if(SetCondition::IfPresent, key, value, ttl).await
    }

    async fn set_if<T: ?Sized>(
        &self,
        condition: SetCondition,
        key: impl AsRef<str>,
        value: &T,
        ttl: impl Into<Option<Duration>>,
    ) -> Result<bool>
    where
        C: Encode<T>,
    {
        let mut request =
            SetRequest::new(user_key(key.as_ref())?, self.reader().seal(Some(value), None, Vec::new())?);
        request.ttl = time_to_live(ttl)?;
        request.condition = condition;
        Ok(self.send(&request).await?.stored)
    }

    /// Several values, in the order of their keys and in as many exchanges as the provider's batch limit asks for.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn get_many<T>(&self, keys: &[impl AsRef<str>]) -> Result<Vec<Option<T>>>
    where
        C: Codec<T>,
    {
        let keys = keys.iter().map(|key| user_key(key.as_ref())).collect::<Result<Vec<_>>>()?;
        let typed = self.reader();
        let mut values = Vec::with_capacity(keys.len());
        for batch in keys.chunks(self.core.batch_keys()) {
            let found = self.send(&GetManyRequest::new(batch.to_vec())).await?;
            for (key, entry) in batch.iter().zip(found) {
                values.push(typed.fresh(key.as_str(), entry.map(|entry| entry.value)).await?);
            }
        }
        Ok(values)
    }

    /// Stores several values, in as many exchanges as the provider's batch limit asks for. Not atomic.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set); the first value that could not be stored.
    pub async fn set_many<T>(
        &self,
        values: &[(impl AsRef<str>, T)],
        ttl: impl Into<Option<Duration>>,
    ) -> Result<()>
    where
        C: Encode<T>,
    {
        let ttl = time_to_live(ttl)?;
        let mut entries = Vec::with_capacity(values.len());
        for (key, value) in values {
            let mut entry =
                SetEntry::new(user_key(key.as_ref())?, self.reader().seal(Some(value), None, Vec::new())?);
            entry.ttl = ttl;
            entries.push(entry);
        }
        for batch in entries.chunks(self.core.batch_keys()) {
            let results = self.send(&SetManyRequest::new(batch.to_vec())).await?;
            results.into_iter().find_map(Result::err).map_or(Ok(()), Err)?;
        }
        Ok(())
    }
}
