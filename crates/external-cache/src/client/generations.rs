//! Generations: random numbers under keys of the client's own. Whoever bears an old one is gone, at once and
//! without scanning. A generation that the cache forgot is drawn anew, never reused, so nothing comes back.

use std::time::Duration;

use bytes::Bytes;
use external_core::cache::{CacheEntry, CacheKey, GetManyRequest, SetRequest, Ttl};
use external_core::{Error, Result};

use super::Core;
use super::envelope::Stamp;

/// The most tags of one value.
const MAX_TAGS: usize = 16;

/// A tag's generation is forgotten after so long without being drawn anew; values that bear it are misses then.
const TAG_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) fn generation_of(entry: Option<&CacheEntry>) -> Option<u64> {
    let text = std::str::from_utf8(&entry?.value).ok()?;
    u64::from_str_radix(text, 16).ok()
}

fn text(generation: u64) -> Bytes {
    Bytes::from(format!("{generation:016x}"))
}

fn tag_key(tag: &str) -> Result<CacheKey> {
    if tag.is_empty() {
        return Err(Error::invalid_argument("a tag must not be empty"));
    }
    CacheKey::parse(format!("~tag:{tag}"))
}

/// The keys of a value's tags.
///
/// # Errors
///
/// `InvalidArgument` for more tags than a value may bear, or one that cannot be a tag.
pub(super) fn tag_keys(tags: &[String]) -> Result<Vec<CacheKey>> {
    if tags.len() > MAX_TAGS {
        return Err(Error::invalid_argument("a value bears at most 16 tags").with_context("tags", tags.len()));
    }
    tags.iter().map(|tag| tag_key(tag)).collect()
}

impl Core {
    pub(super) fn random_number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.context.random(&mut bytes);
        // Zero stands for "not known yet" elsewhere.
        u64::from_be_bytes(bytes).max(1)
    }

    /// Puts a new generation under a key: whoever bears another one is gone.
    pub(super) async fn renew_generation(&self, key: CacheKey, ttl: Option<Ttl>) -> Result<u64> {
        let generation = self.random_number();
        let mut request = SetRequest::new(key, text(generation));
        request.ttl = ttl;
        self.send(&request).await?;
        Ok(generation)
    }

    /// The generation under a key, drawn if there is none.
    pub(super) async fn settle_generation(&self, key: &CacheKey, ttl: Option<Ttl>) -> Result<u64> {
        // Somebody else may draw one at the same time, and somebody may lose it again in between.
        for _ in 0..3 {
            let generation = self.random_number();
            let mut request = SetRequest::new(key.clone(), text(generation)).if_absent();
            request.ttl = ttl;
            if self.send(&request).await?.stored {
                return Ok(generation);
            }
            let found = self.send(&external_core::cache::GetRequest::new(key.clone())).await?;
            match generation_of(found.as_ref()) {
                Some(generation) => return Ok(generation),
                // Something else stands there; nobody can rely on it.
                None if found.is_some() => return self.renew_generation(key.clone(), ttl).await,
                None => {}
            }
        }
        Err(Error::conflict("the generation of a namespace or tag could not be settled"))
    }

    /// The present generations of tags, drawn where there are none. One exchange where all are known.
    pub(super) async fn stamps(&self, tags: &[String]) -> Result<Vec<Stamp>> {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let keys = tag_keys(tags)?;
        let found = self.send(&GetManyRequest::new(keys.clone())).await?;
        let mut stamps = Vec::with_capacity(tags.len());
        for (at, (tag, key)) in tags.iter().zip(&keys).enumerate() {
            let known = found.get(at).and_then(|entry| generation_of(entry.as_ref()));
            let generation = match known {
                Some(generation) => generation,
                None => self.settle_generation(key, Some(Ttl::new(TAG_LIFE)?)).await?,
            };
            stamps.push((tag.clone(), generation));
        }
        Ok(stamps)
    }

    /// Whether all tags still have the generations a value was made with. One exchange, none without tags.
    pub(super) async fn tags_hold(&self, stamps: &[Stamp]) -> Result<bool> {
        if stamps.is_empty() {
            return Ok(true);
        }
        let keys: Result<Vec<CacheKey>> = stamps.iter().map(|(tag, _)| tag_key(tag)).collect();
        // A name that does not parse was not written by this client.
        let Ok(keys) = keys else {
            return Ok(false);
        };
        let found = self.send(&GetManyRequest::new(keys)).await?;
        let holds =
            |(entry, (_, made)): (&Option<CacheEntry>, &Stamp)| generation_of(entry.as_ref()) == Some(*made);
        Ok(found.len() == stamps.len() && found.iter().zip(stamps).all(holds))
    }

    /// Makes every value that bears the tag a miss. One exchange, however many there are.
    pub(super) async fn invalidate_tag(&self, tag: &str) -> Result<()> {
        self.renew_generation(tag_key(tag)?, Some(Ttl::new(TAG_LIFE)?)).await.map(drop)
    }
}
