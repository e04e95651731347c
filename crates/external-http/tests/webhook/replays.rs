//! What came before, in a cache: while it answers, while its answers are lost, while it is down.

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
use external_http::webhook::{
    CacheReplays, HeaderScheme, ReplayClaim, ReplayStore, SignedPart, WebhookKey, WebhookReceiver,
    answer_status,
};
use external_http::{Effect, Error, ErrorKind, Provider, Result};

use super::{NOW, context, post};

#[tokio::test]
async fn one_of_many_that_share_a_cache_gets_a_message() {
    let cache = Arc::new(Shelf::default());
    let (one, other, elsewhere) = (store(&cache, "hook:"), store(&cache, "hook:"), store(&cache, "other:"));
    assert_eq!(claim(&one, "one").await.unwrap(), ReplayClaim::Ours);
    assert_eq!(claim(&one, "one").await.unwrap(), ReplayClaim::Ours);
    assert_eq!(claim(&other, "two").await.unwrap(), ReplayClaim::Underway);
    assert_eq!(claim(&elsewhere, "three").await.unwrap(), ReplayClaim::Ours);
    let cx = CallContext::default();
    other.release(&cx, ID, "two").await.unwrap();
    assert_eq!(claim(&other, "two").await.unwrap(), ReplayClaim::Underway, "it was not theirs");
    one.release(&cx, ID, "one").await.unwrap();
    assert_eq!(claim(&other, "two").await.unwrap(), ReplayClaim::Ours);
    other.confirm(&cx, ID, MEMORY).await.unwrap();
    other.release(&cx, ID, "two").await.unwrap();
    assert_eq!(claim(&one, "one").await.unwrap(), ReplayClaim::Done);
    assert_eq!(cache.ttl_of(&format!("hook:{ID}")), Some(MEMORY));
    assert_eq!(cache.ttl_of(&format!("other:{ID}")), Some(LEASE));
}

#[tokio::test]
async fn an_answer_that_is_lost_does_not_lose_the_message() {
    let cache = Arc::new(Shelf::default());
    let store = store(&cache, "hook:");
    cache.is(State::LosingAnswers);
    assert_eq!(claim(&store, "one").await.unwrap(), ReplayClaim::Ours, "it was stored, by this caller");
    assert_eq!(claim(&store, "two").await.unwrap(), ReplayClaim::Underway, "it was stored, by another one");
}

/// In both orders: the store fails while it is asked, and while it is told.
#[tokio::test]
async fn whatever_fails_in_a_cache_no_message_is_taken_twice_or_lost() {
    let cache = Arc::new(Shelf::default());
    let receiver = {
        let scheme =
            HeaderScheme::new("x-signature", [SignedPart::Body], [WebhookKey::hmac_sha256("k".into())]);
        WebhookReceiver::new(scheme.unwrap(), &context(NOW)).with_replays(Arc::new(store(&cache, "hook:")))
    };
    let (parts, body) = post(&[("x-signature", "rdhTsQP7zJNqGU+esV4pxP8Ir25H1dG8pPICGOMeT/8=")], "{}");
    let receive = async || receiver.receive(&parts, body.clone()).await;

    // The claim is stored, and neither its answer nor what stands there is told.
    cache.is(State::Mute);
    let error = receive().await.unwrap_err();
    assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::Timeout, 503));
    cache.is(State::Well);
    let error = receive().await.unwrap_err();
    assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::Conflict, 503));
    cache.end_leases();
    let delivery = receive().await.unwrap();

    // What is done is done, though nobody could write it down: the vendor is answered so, and a forger gains no more than
    // what the lease leaves.
    cache.is(State::Down);
    assert_eq!(delivery.confirm().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(receive().await.unwrap_err().kind(), ErrorKind::Unavailable);
    cache.is(State::Well);
    assert_eq!(receive().await.unwrap_err().kind(), ErrorKind::Conflict);

    // What could not be given up is taken after the lease.
    cache.end_leases();
    let delivery = receive().await.unwrap();
    cache.is(State::Down);
    assert_eq!(delivery.release().await.unwrap_err().kind(), ErrorKind::Unavailable);
    cache.is(State::Well);
    assert_eq!(receive().await.unwrap_err().kind(), ErrorKind::Conflict);
    cache.end_leases();
    receive().await.unwrap().confirm().await.unwrap();
    cache.end_leases();
    let error = receive().await.unwrap_err();
    assert_eq!((error.kind(), answer_status(&error).as_u16()), (ErrorKind::AlreadyExists, 200));
}

#[test]
fn a_prefix_leaves_room_for_an_id() {
    let made = |prefix: String| CacheReplays::new(Arc::new(Shelf::default()), prefix);
    made("x".repeat(448)).unwrap();
    for prefix in ["x".repeat(449), "a\n".to_owned()] {
        assert_eq!(made(prefix).unwrap_err().kind(), ErrorKind::Configuration);
    }
}

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const LEASE: Duration = Duration::from_secs(30);
const MEMORY: Duration = Duration::from_secs(600);

fn store(cache: &Arc<Shelf>, prefix: &str) -> CacheReplays {
    CacheReplays::new(cache.clone(), prefix).unwrap()
}

async fn claim(store: &CacheReplays, by: &str) -> Result<ReplayClaim> {
    store.claim(&CallContext::default(), ID, by, LEASE).await
}

/// As much of a cache as is needed here.
#[derive(Debug)]
struct Shelf {
    info: ProviderInfo,
    values: Mutex<HashMap<String, (Bytes, Option<Duration>)>>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    /// What is set is stored, and not answered.
    LosingAnswers,
    /// As before, and nothing can be read.
    Mute,
    Down,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            info: ProviderInfo::new("shelf", "cache", "shelf", Capabilities::default()),
            values: Mutex::default(),
            state: Mutex::new(State::Well),
        }
    }
}

impl Shelf {
    fn is(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }

    /// Lets the time of all leases pass, and of nothing that is remembered.
    fn end_leases(&self) {
        self.values.lock().unwrap().retain(|_, (_, ttl)| ttl.is_none_or(|ttl| ttl > LEASE));
    }

    fn ttl_of(&self, key: &str) -> Option<Duration> {
        self.values.lock().unwrap().get(key).and_then(|(_, ttl)| *ttl)
    }

    fn answers(&self, silent_while: &[State]) -> Result<()> {
        match *self.state.lock().unwrap() {
            State::Down => Err(Error::unavailable("down").with_effect(Effect::NotSent)),
            state if silent_while.contains(&state) => {
                Err(Error::timeout("no answer").with_effect(Effect::MaybeApplied))
            }
            _ => Ok(()),
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
        self.answers(&[State::Mute])?;
        let found = self.values.lock().unwrap().get(request.key.as_str()).cloned();
        Ok(found.map(|(value, _)| CacheEntry::of_bytes(value)))
    }

    async fn set(&self, _: &CallContext, request: &SetRequest) -> Result<SetReceipt> {
        self.answers(&[])?;
        let mut values = self.values.lock().unwrap();
        let stored = request.condition == SetCondition::Always || !values.contains_key(request.key.as_str());
        if stored {
            let value = (request.value.clone(), request.ttl.map(Duration::from));
            values.insert(request.key.as_str().to_owned(), value);
        }
        self.answers(&[State::LosingAnswers, State::Mute]).map(|()| SetReceipt::new(stored))
    }

    async fn delete(&self, _: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.answers(&[])?;
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
