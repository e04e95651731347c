//! Typed values: sealing, opening, and telling fresh from stale from unusable.

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use external_core::Result;

use super::envelope::{Envelope, Stamp, plain_payload};
use super::{Codec, Core, Encode};

/// What it takes to read and write typed values. `R` is a way to the core: owned by what outlives the call.
#[derive(Clone)]
pub(super) struct Typed<C, R = Arc<Core>> {
    pub(super) core: R,
    pub(super) codec: C,
    pub(super) schema: u16,
}

/// What a read found.
pub(super) enum Found<T> {
    /// A value, or the knowledge that there is none, and for how long it has been stale (zero: fresh).
    Usable {
        value: Option<T>,
        stale_for: Duration,
    },
    Nothing,
}

impl<C, R: Deref<Target = Core>> Typed<C, R> {
    /// The bytes to store for a value (`None`: for its absence).
    pub(super) fn seal<T: ?Sized>(
        &self,
        value: Option<&T>,
        fresh_until: Option<SystemTime>,
        tags: Vec<Stamp>,
    ) -> Result<Bytes>
    where
        C: Encode<T>,
    {
        let envelope = Envelope {
            codec: C::ID,
            schema: self.schema,
            fresh_until: fresh_until.map(unix_millis),
            tags,
            payload: value.map(|value| self.codec.encode(value)).transpose()?,
        };
        Ok(envelope.seal())
    }

    /// A fresh value, counted as hit or miss.
    pub(super) async fn fresh<T>(&self, key: &str, stored: Option<Bytes>) -> Result<Option<T>>
    where
        C: Codec<T>,
    {
        match self.at_hand(key, stored) {
            Ok(value) => Ok(value),
            // Boxed, so that what few values need is not room in every read.
            Err(sealed) => Box::pin(self.opened(key, sealed)).await,
        }
    }

    /// [`fresh`](Self::fresh), where nobody has to be asked and no clock looked at; else the bytes as they were.
    #[inline]
    pub(super) fn at_hand<T>(&self, key: &str, stored: Option<Bytes>) -> std::result::Result<Option<T>, Bytes>
    where
        C: Codec<T>,
    {
        let value = match stored {
            None => None,
            Some(stored) => self.decode(key, plain_payload(stored, C::ID, self.schema)?),
        };
        Ok(self.counted(value))
    }

    async fn opened<T>(&self, key: &str, sealed: Bytes) -> Result<Option<T>>
    where
        C: Codec<T>,
    {
        Ok(self.counted(match self.open(key, Some(sealed)).await? {
            Found::Usable { value, stale_for: Duration::ZERO } => value,
            _ => None,
        }))
    }

    #[inline]
    fn counted<T>(&self, value: Option<T>) -> Option<T> {
        let counters = self.core.counters.here();
        if value.is_some() {
            counters.hits.add();
        } else {
            counters.misses.add();
        }
        value
    }

    /// Opens what was read. Asks for the tags' generations if there are tags.
    pub(super) async fn open<T>(&self, key: &str, stored: Option<Bytes>) -> Result<Found<T>>
    where
        C: Codec<T>,
    {
        let Some(envelope) = stored.and_then(|stored| self.unseal::<T>(key, stored)) else {
            return Ok(Found::Nothing);
        };
        if !envelope.tags.is_empty() && !Box::pin(self.core.tags_hold(&envelope.tags)).await? {
            return Ok(Found::Nothing);
        }
        let value = match envelope.payload {
            None => None,
            Some(payload) => match self.decode(key, payload) {
                None => return Ok(Found::Nothing),
                value => value,
            },
        };
        let stale_for = envelope.fresh_until.map_or(Duration::ZERO, |until| {
            Duration::from_millis(unix_millis(self.core.context.now()).saturating_sub(until))
        });
        Ok(Found::Usable { value, stale_for })
    }

    /// The envelope, if it is one that this client may open.
    fn unseal<T>(&self, key: &str, stored: Bytes) -> Option<Envelope>
    where
        C: Codec<T>,
    {
        let reason = match Envelope::open(stored) {
            Some(envelope) if envelope.codec != C::ID => "another codec",
            Some(envelope) if envelope.schema != self.schema => "another schema version",
            Some(envelope) => return Some(envelope),
            None => "no envelope",
        };
        self.undecodable(key, reason);
        None
    }

    fn decode<T>(&self, key: &str, payload: Bytes) -> Option<T>
    where
        C: Codec<T>,
    {
        let value = self.codec.decode(payload).ok();
        if value.is_none() {
            self.undecodable(key, "not a value of this type");
        }
        value
    }

    fn undecodable(&self, key: &str, reason: &'static str) {
        self.core.counters.here().undecodable.add();
        tracing::debug!(key, reason, "a cached value cannot be decoded: taken as a miss");
    }
}

fn unix_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
