//! Reads that go without a call: nobody must be able to tell, except by the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use external_core::ErrorKind;
use external_resilience::CallRecord;

use super::*;
use crate::providers::memory::MemoryCache;

#[derive(Default)]
struct Heard(AtomicU64);

impl CallObserver for Heard {
    fn on_call(&self, _: &CallRecord<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

async fn filled(cache: CacheClient) -> CacheClient {
    cache.set("a", &7_u32, Duration::from_secs(60)).await.unwrap();
    cache
}

#[test]
fn an_unheard_read_of_memory_is_no_call_and_any_other_is() {
    runtime().block_on(async {
        let cache = filled(CacheClient::over(MemoryCache::new())).await;
        assert!(cache.core.at_once("a").unwrap().is_some());
        assert!(cache.core.at_once("b").unwrap().is_none());
        for key in ["", "~a", "\u{e9}", "a\n", &"k".repeat(513)] {
            assert!(cache.core.at_once(key).is_none(), "{key:?}");
        }
        // A client in between may know more than the memory behind it.
        let service: Arc<dyn CacheService> = cache.clone().into();
        assert!(CacheClient::from(service).core.at_once("a").is_none());
    });
}

#[test]
fn observers_hear_of_each_read() {
    runtime().block_on(async {
        let heard = Arc::new(Heard::default());
        let cache = filled(CacheClient::over(MemoryCache::new()).with_observer(heard.clone())).await;
        assert_eq!(cache.get::<u32>("a").await.unwrap(), Some(7));
        assert_eq!(cache.get::<u32>("b").await.unwrap(), None);
        assert!(cache.get_bytes("a").await.unwrap().is_some());
        assert_eq!(heard.0.load(Ordering::Relaxed), 4);
    });
}

#[test]
fn a_closed_client_and_an_isolated_one_refuse_reads() {
    runtime().block_on(async {
        let cache = filled(CacheClient::over(MemoryCache::new())).await;
        cache.pipeline().isolate();
        assert_eq!(cache.get::<u32>("a").await.unwrap_err().kind(), ErrorKind::Unavailable);
        cache.pipeline().reset_breaker();
        assert_eq!(cache.get::<u32>("a").await.unwrap(), Some(7));
        cache.close(Duration::from_secs(1)).await;
        assert_eq!(cache.get::<u32>("a").await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(cache.get_bytes("a").await.unwrap_err().kind(), ErrorKind::Closed);
    });
}

#[test]
fn what_expired_is_a_miss_and_both_are_counted() {
    runtime().block_on(async {
        let cache = filled(CacheClient::over(MemoryCache::new())).await;
        assert_eq!(cache.get::<u32>("a").await.unwrap(), Some(7));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(cache.get::<u32>("a").await.unwrap(), None);
        assert_eq!((cache.stats().hits, cache.stats().misses), (1, 1));
    });
}
