//! Copies whose bytes pass through a client: through which one, for how long, and with whose tags. Under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "client/faulty.rs"]
#[allow(dead_code, reason = "the clauses about the client use the rest")]
mod faulty;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use external_storage::{
    CopyRequest, Effect, ErrorKind, MemoryStorage, ObjectAttributes, PutRequest, StorageClient,
    StorageService,
};
use faulty::{Fault, Faulty};
use tokio::time::{Instant, sleep};

type S = dyn StorageService;

fn content() -> Bytes {
    vec![7; 5000].into()
}

/// A store with an object at `from`.
async fn store() -> Arc<S> {
    let store: Arc<S> = Arc::new(MemoryStorage::default());
    StorageClient::from(store.clone()).put("from", content()).await.unwrap();
    store
}

#[tokio::test(start_paused = true)]
async fn of_several_clients_the_outermost_passes_through() {
    let plan = |operation: &str, number| match (operation, number) {
        ("copy", _) => Fault::TooLarge,
        ("get", 1) => Fault::Breaks(1000),
        _ => Fault::None,
    };
    let faulty = Faulty::new(store().await).with_plan(plan).shared();
    let inner: Arc<S> = StorageClient::from(faulty.clone() as Arc<S>).into();
    let outermost = StorageClient::from(inner);
    outermost.copy("from", "to").await.unwrap();
    // It goes on where the body broke; one attempt of a call would have had to begin again.
    assert_eq!((faulty.calls("copy"), faulty.calls("get"), faulty.calls("put")), (1, 2, 1));
    assert_eq!(outermost.download("to").await.unwrap(), content());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_that_of_the_bytes_too() {
    let trickles = |operation: &str, _| match operation {
        "get" => Fault::Trickles(Duration::from_millis(10)),
        _ => Fault::None,
    };
    let faulty = Faulty::new(store().await).without("copy").with_plan(trickles).shared();
    let storage = StorageClient::from(faulty as Arc<S>);
    let copy = CopyRequest::new("from".parse().unwrap(), "to".parse().unwrap());
    let start = Instant::now();
    let timeout = Duration::from_secs(30);
    let error = storage.copy_with(&copy.clone().with_timeout(timeout)).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed()), (ErrorKind::Timeout, timeout), "{error}");
    assert_ne!(error.effect(), Effect::MaybeApplied, "nothing was written yet");
    assert!(!storage.exists("to").await.unwrap());
    let start = Instant::now();
    storage.copy_with(&copy).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 50, "nobody asked for less");
}

#[tokio::test(start_paused = true)]
async fn tags_are_those_of_what_is_copied() {
    let held = |operation: &str, _| match operation {
        "get_tags" => Fault::Held,
        _ => Fault::None,
    };
    let store = store().await;
    let faulty = Faulty::new(store.clone()).without("copy").with_plan(held).shared();
    let storage = StorageClient::from(faulty.clone() as Arc<S>);
    let write = async {
        while faulty.calls("get_tags") == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        let tagged = ObjectAttributes::new().with_tag("team", "two");
        let newer = PutRequest::new("from".parse().unwrap(), "newer").with_attributes(tagged);
        StorageClient::from(store.clone()).put_with(newer).await.unwrap();
        faulty.let_go();
    };
    let (copied, ()) = tokio::join!(storage.copy("from", "to"), write);
    assert_eq!(copied.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(!storage.exists("to").await.unwrap());
    storage.copy("from", "to").await.unwrap();
    assert_eq!(storage.get_tags("to").await.unwrap().len(), 1);
}
