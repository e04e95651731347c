//! Where a key lives: as it is, or in a namespace with a generation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use external_core::cache::{CacheKey, GetManyRequest, GetRequest};
use external_core::{Error, Result};

use super::Core;
use super::generations::generation_of;

/// A key, and the namespace it belongs to.
#[derive(Clone)]
pub(super) enum Scope {
    Plain(CacheKey),
    In(Arc<Namespace>, CacheKey),
}

/// Where a value is stored, if that could be found out.
#[derive(Clone)]
pub(super) enum Place {
    At(CacheKey),
    Unknown,
}

/// A namespace: its name, and the generation last seen (0: none yet).
pub(super) struct Namespace {
    name: String,
    generation_key: CacheKey,
    last_seen: AtomicU64,
}

impl Namespace {
    pub(super) fn new(name: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
            return Err(Error::invalid_argument(
                "a namespace is 1 to 64 ASCII letters, digits, '_', '-' or '.'",
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            generation_key: CacheKey::parse(format!("~ns:{name}"))?,
            last_seen: AtomicU64::new(0),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn full_key(&self, generation: u64, key: &CacheKey) -> Result<CacheKey> {
        CacheKey::parse(format!("~ns:{}:{generation:016x}:{key}", self.name))
    }

    fn known(&self) -> Option<u64> {
        Some(self.last_seen.load(Ordering::Acquire)).filter(|generation| *generation != 0)
    }

    fn saw(&self, generation: u64) {
        self.last_seen.store(generation, Ordering::Release);
    }
}

impl Scope {
    pub(super) fn plain(key: &str) -> Result<Self> {
        super::user_key(key).map(Self::Plain)
    }

    pub(super) fn within(namespace: &Arc<Namespace>, key: &str) -> Result<Self> {
        super::user_key(key).map(|key| Self::In(namespace.clone(), key))
    }
}

impl Place {
    /// What tells flights apart: where the value will be stored, or else what it is called.
    pub(super) fn flight_key(&self, scope: &Scope) -> CacheKey {
        match (self, scope) {
            (Self::At(key), _) | (Self::Unknown, Scope::Plain(key)) => key.clone(),
            (Self::Unknown, Scope::In(namespace, key)) => {
                namespace.full_key(0, key).unwrap_or_else(|_| key.clone())
            }
        }
    }
}

impl Core {
    /// Reads a value and says where it lives. In a namespace, generation and value travel in one exchange as long
    /// as nobody cleared it since the last look.
    pub(super) async fn read(&self, scope: &Scope) -> Result<(CacheKey, Option<Bytes>)> {
        let (namespace, key) = match scope {
            Scope::Plain(key) => {
                let stored = match self.at_once(key.as_str()) {
                    Some(stored) => stored,
                    None => self.send(&GetRequest::new(key.clone())).await?.map(|entry| entry.value),
                };
                return Ok((key.clone(), stored));
            }
            Scope::In(namespace, key) => (namespace, key),
        };
        if let Some(known) = namespace.known() {
            let full = namespace.full_key(known, key)?;
            let both = vec![namespace.generation_key.clone(), full.clone()];
            let mut found = self.send(&GetManyRequest::new(both)).await?.into_iter();
            let generation = found.next().flatten();
            if generation_of(generation.as_ref()) == Some(known) {
                return Ok((full, found.next().flatten().map(|entry| entry.value)));
            }
        }
        let full = namespace.full_key(self.generation(namespace).await?, key)?;
        let entry = self.send(&GetRequest::new(full.clone())).await?;
        Ok((full, entry.map(|entry| entry.value)))
    }

    /// Where a value lives now. In a namespace that takes an exchange.
    pub(super) async fn locate(&self, scope: &Scope) -> Result<CacheKey> {
        match scope {
            Scope::Plain(key) => Ok(key.clone()),
            Scope::In(namespace, key) => namespace.full_key(self.generation(namespace).await?, key),
        }
    }

    /// The namespace's present generation, drawn if there is none.
    async fn generation(&self, namespace: &Namespace) -> Result<u64> {
        let found = self.send(&GetRequest::new(namespace.generation_key.clone())).await?;
        let generation = match generation_of(found.as_ref()) {
            Some(generation) => generation,
            None => self.settle_generation(&namespace.generation_key, None).await?,
        };
        namespace.saw(generation);
        Ok(generation)
    }

    /// Makes every value of the namespace a miss. One exchange, however many there are.
    pub(super) async fn clear(&self, namespace: &Namespace) -> Result<()> {
        let generation = self.renew_generation(namespace.generation_key.clone(), None).await?;
        namespace.saw(generation);
        Ok(())
    }
}
