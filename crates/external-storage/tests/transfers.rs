//! What the pipeline hears of a download: how long all of it may take, and whose fault it is that its bytes are not those that
//! were stored. Under a paused clock.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "client/faulty.rs"]
#[allow(dead_code, reason = "the clauses about the client use the rest")]
mod faulty;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use external_resilience::{BreakerPolicy, BreakerState, CallRecord, Outcome};
use external_storage::{
    CallObserver, Domain, DownloadRequest, Effect, Error, ErrorKind, MemoryStorage, ObjectBody, Policy,
    Result, StorageClient, StorageService, StorageSettings,
};
use faulty::{Fault, Faulty};
use tokio::time::Instant;

type S = dyn StorageService;

const KEY: &str = "k";
const LENGTH: usize = 5000;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn content() -> Bytes {
    (0..LENGTH).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// A store with the object.
async fn store() -> Arc<S> {
    let store: Arc<S> = Arc::new(MemoryStorage::default());
    StorageClient::from(store.clone()).put(KEY, content()).await.unwrap();
    store
}

/// A client of a store whose gets fail as `plan` says, each by its number.
fn client(faulty: Faulty, plan: impl Fn(usize) -> Fault + Send + Sync + 'static) -> StorageClient {
    let plan = move |operation: &str, number| if operation == "get" { plan(number) } else { Fault::None };
    StorageClient::from(faulty.with_plan(plan).shared() as Arc<S>)
}

fn request() -> DownloadRequest {
    DownloadRequest::new(KEY.parse().unwrap())
}

/// What a download read, and how long it took.
async fn download(reads: impl Future<Output = Result<ObjectBody>>) -> (Result<Bytes>, Duration) {
    let start = Instant::now();
    let read = match reads.await {
        Ok(object) => object.body.collect(u64::MAX).await,
        Err(error) => Err(error),
    };
    (read, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_download_has_one_deadline_however_often_it_is_resumed() {
    // What comes first breaks, and the rest of it flows, for 40 s.
    let flows = |number: usize| if number == 1 { Fault::Breaks(1000) } else { Fault::Trickles(ms(10)) };
    let policy = Policy::default().with_total_deadline(ms(2050)).with_attempt_timeout(ms(500));
    let store = store().await;
    let behind = || client(Faulty::new(store.clone()), flows).with_policy(policy.clone());
    let hurried = request().with_transfer_deadline();
    // The caller's deadline, and where there is none the policy's.
    for (hurried, took) in [(hurried.clone().with_timeout(ms(1050)), ms(1050)), (hurried, ms(2050))] {
        let storage = behind();
        let (read, elapsed) = download(storage.download_stream(&hurried)).await;
        let error = read.unwrap_err();
        assert_eq!((error.kind(), error.ended_by()), (ErrorKind::Timeout, Some("deadline")), "{error}");
        assert_eq!((error.effect(), elapsed), (Effect::NotApplied, took));
        assert_eq!(Domain::pipeline(&storage).running(), 0);
    }
    let (read, elapsed) = download(behind().download_stream(&request().with_timeout(ms(1050)))).await;
    assert_eq!((read.unwrap(), elapsed.as_secs()), (content(), 40), "nobody asked for it");
}

#[tokio::test(start_paused = true)]
async fn no_wait_is_begun_that_would_not_end_in_time() {
    // Each call is over at once and brings a byte, and a tenth of a second is waited before the next.
    let storage = client(Faulty::new(store().await), |_| Fault::Breaks(1));
    let hurried = request().with_timeout(ms(1050)).with_transfer_deadline();
    let (read, elapsed) = download(storage.download_stream(&hurried)).await;
    let error = read.unwrap_err();
    assert_eq!((error.kind(), error.ended_by()), (ErrorKind::Unavailable, Some("deadline")), "{error}");
    assert_eq!(elapsed, ms(1000));
}

#[tokio::test(start_paused = true)]
async fn a_download_in_ranges_has_one_deadline() {
    let storage = client(Faulty::new(store().await), |_| Fault::Slow(ms(300)))
        .with_settings(StorageSettings::new().with_ranged_download(1000, 1))
        .unwrap();
    let hurried = request().with_timeout(ms(1050));
    let (read, elapsed) = download(storage.download_ranged(&hurried)).await;
    assert_eq!((read.unwrap(), elapsed), (content(), ms(1500)), "each range is in time");
    let (read, elapsed) = download(storage.download_ranged(&hurried.with_transfer_deadline())).await;
    assert_eq!((read.unwrap_err().kind(), elapsed), (ErrorKind::Timeout, ms(1050)));
}

/// How calls ended.
#[derive(Default)]
struct Ends(Mutex<Vec<(Outcome, Option<ErrorKind>)>>);

impl Ends {
    fn take(&self) -> Vec<(Outcome, Option<ErrorKind>)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl CallObserver for Ends {
    fn on_call(&self, record: &CallRecord<'_>) {
        self.0.lock().unwrap().push((record.outcome, record.error.map(Error::kind)));
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_that_do_not_match_are_a_failure_of_their_call() {
    let (store, ends) = (store().await, Arc::new(Ends::default()));
    let mut breaker = BreakerPolicy::default();
    (breaker.window, breaker.minimum_calls) = (4, 2);
    let failed = |kind| (Outcome::Error, Some(kind));
    for foreign in [false, true] {
        for fault in [Fault::Damaged, Fault::Overflows] {
            let faulty = Faulty::new(store.clone());
            let faulty = if foreign { faulty.with_foreign_sums() } else { faulty };
            let storage = client(faulty, move |_| fault)
                .with_policy(Policy::default().with_breaker(breaker))
                .with_observer(ends.clone());
            for state in [BreakerState::Closed, BreakerState::Open] {
                let (read, _) = download(storage.download_stream(&request())).await;
                assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt);
                assert_eq!(ends.take(), [failed(ErrorKind::Corrupt)]);
                assert_eq!(Domain::pipeline(&storage).breaker_state(), Some(state));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_call_of_a_download_answers_for_the_bytes_that_it_brought() {
    let (store, ends) = (store().await, Arc::new(Ends::default()));
    let failed = |kind| (Outcome::Error, Some(kind));
    for (then, kind, last) in [
        (Fault::None, None, (Outcome::Ok, None)),
        (Fault::Damaged, Some(ErrorKind::Corrupt), failed(ErrorKind::Corrupt)),
    ] {
        for first in [Fault::Ends(1000), Fault::Breaks(1000)] {
            let plan = move |number: usize| if number == 1 { first } else { then };
            let storage = client(Faulty::new(store.clone()), plan).with_observer(ends.clone());
            let (read, _) = download(storage.download_stream(&request())).await;
            assert_eq!(read.as_ref().err().map(Error::kind), kind);
            assert!(read.is_err() || read.unwrap() == content());
            assert_eq!(ends.take(), [failed(ErrorKind::Unavailable), last]);
        }
    }
}
