//! What came before, in a cache: one that answers, one whose answers are lost, one that is down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use external_http::external_core::cache::{
    CacheEntry, CacheService, CompareAndSwapRequest, DeleteManyRequest, DeleteRequest, Deleted,
    ExpireRequest, GetManyRequest, GetRequest, IncrementRequest, SetCondition, SetManyRequest, SetReceipt,
    SetRequest, SwapOutcome, TimeToLive, TtlRequest,
};
use external_http::external_core::{CallContext, Capabilities, ProviderInfo};
use external_http::webhook::{CacheReplays, ReplayStore};
use external_http::{BuildContext, Effect, Error, ErrorKind, Provider, Result};

#[tokio::test]
async fn one_of_many_that_share_a_cache_is_told_that_it_is_new() {
    let cache = Arc::new(Shelf::default());
    let store = |prefix: &str| CacheReplays::new(cache.clone(), prefix, &BuildContext::default()).unwrap();
    let (one, other, elsewhere) = (store("hook:"), store("hook:"), store("other:"));
    assert!(remember(&one).await.unwrap());
    assert!(!remember(&one).await.unwrap());
    assert!(!remember(&other).await.unwrap());
    assert!(remember(&elsewhere).await.unwrap());
    let ttls: Vec<_> = cache.ttls.lock().unwrap().clone();
    assert!(ttls.iter().all(|ttl| *ttl == Some(MEMORY)), "{ttls:?}");
    one.forget(&CallContext::default(), ID).await.unwrap();
    assert!(remember(&other).await.unwrap());
}

#[tokio::test]
async fn an_answer_that_is_lost_does_not_lose_the_message() {
    let cache = Arc::new(Shelf { loses_answers: true, ..Shelf::default() });
    let store = CacheReplays::new(cache, "hook:", &BuildContext::default()).unwrap();
    assert!(remember(&store).await.unwrap(), "it was stored, by this caller");
    assert!(!remember(&store).await.unwrap(), "it was stored, by another one");
}

#[tokio::test]
async fn a_cache_that_is_down_is_no_permission() {
    let cache = Arc::new(Shelf { is_down: true, ..Shelf::default() });
    let store = CacheReplays::new(cache, "hook:", &BuildContext::default()).unwrap();
    assert_eq!(remember(&store).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn a_prefix_leaves_room_for_an_id() {
    let made =
        |prefix: String| CacheReplays::new(Arc::new(Shelf::default()), prefix, &BuildContext::default());
    made("x".repeat(448)).unwrap();
    for prefix in ["x".repeat(449), "a\n".to_owned()] {
        assert_eq!(made(prefix).unwrap_err().kind(), ErrorKind::Configuration);
    }
}

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const MEMORY: Duration = Duration::from_secs(600);

async fn remember(store: &CacheReplays) -> Result<bool> {
    store.remember(&CallContext::default(), ID, MEMORY).await
}

/// As much of a cache as is needed here.
#[derive(Debug)]
struct Shelf {
    info: ProviderInfo,
    values: Mutex<HashMap<String, Bytes>>,
    ttls: Mutex<Vec<Option<Duration>>>,
    loses_answers: bool,
    is_down: bool,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            info: ProviderInfo::new("shelf", "cache", "shelf", Capabilities::default()),
            values: Mutex::default(),
            ttls: Mutex::default(),
            loses_answers: false,
            is_down: false,
        }
    }
}

#[async_trait]
impl Provider for Shelf {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

const NOT_HERE: &str = "not on this shelf";

#[async_trait]
impl CacheService for Shelf {
    async fn get(&self, _: &CallContext, request: &GetRequest) -> Result<Option<CacheEntry>> {
        let found = self.values.lock().unwrap().get(request.key.as_str()).cloned();
        Ok(found.map(CacheEntry::of_bytes))
    }

    async fn set(&self, _: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        if self.is_down {
            return Err(Error::unavailable("down").with_effect(Effect::NotSent));
        }
        assert_eq!(request.condition, SetCondition::IfAbsent);
        self.ttls.lock().unwrap().push(request.ttl.map(Duration::from));
        let mut values = self.values.lock().unwrap();
        let stored = !values.contains_key(request.key.as_str());
        if stored {
            values.insert(request.key.as_str().to_owned(), request.value.clone());
        }
        match self.loses_answers {
            true => Err(Error::timeout("no answer").with_effect(Effect::MaybeApplied)),
            false => Ok(SetReceipt::new(stored)),
        }
    }

    async fn delete(&self, _: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        let existed = self.values.lock().unwrap().remove(request.key.as_str()).is_some();
        Ok(Deleted::new(Some(existed)))
    }

    async fn get_many(&self, _: &CallContext, _: &GetManyRequest) -> Result<Vec<Option<CacheEntry>>> {
        Err(Error::unsupported(NOT_HERE))
    }

    async fn set_many(&self, _: &CallContext, _: &SetManyRequest) -> Result<Vec<Result<()>>> {
        Err(Error::unsupported(NOT_HERE))
    }

    async fn delete_many(&self, _: &CallContext, _: &DeleteManyRequest) -> Result<Vec<Result<Deleted>>> {
        Err(Error::unsupported(NOT_HERE))
    }

    async fn expire(&self, _: &CallContext, _: &ExpireRequest) -> Result<bool> {
        Err(Error::unsupported(NOT_HERE))
    }

    async fn ttl(&self, _: &CallContext, _: &TtlRequest) -> Result<TimeToLive> {
        Err(Error::unsupported(NOT_HERE))
    }

    async fn increment(&self, _: &CallContext, _: &IncrementRequest) -> Result<i64> {
        Err(Error::unsupported(NOT_HERE))
    }

    async fn compare_and_swap(&self, _: &CallContext, _: &CompareAndSwapRequest) -> Result<SwapOutcome> {
        Err(Error::unsupported(NOT_HERE))
    }
}
