//! Single flight: one load for any number of callers.
//!
//! A flight is a shared future, polled by whoever still waits: it survives the caller that began it, and ends
//! with the last one that waits. The table holds it weakly, so a flight nobody waits for is simply gone.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use external_core::cache::CacheKey;
use external_core::{Effect, Error, Result};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// What a load came to: an `Option<T>` behind `Any`, so that one table serves all types.
pub(super) type Landed = Result<Arc<dyn Any + Send + Sync>>;

/// One caller's share of a flight.
#[derive(Clone)]
pub(super) struct Flight {
    landing: Shared<BoxFuture<'static, Landed>>,
    in_background: Arc<AtomicBool>,
}

impl Flight {
    /// Whether this is the first caller that leaves the flight to the background: one task is enough for all.
    pub(super) fn is_first_to_leave(&self) -> bool {
        !self.in_background.swap(true, Ordering::AcqRel)
    }
}

impl Future for Flight {
    type Output = Landed;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Landed> {
        self.landing.poll_unpin(cx)
    }
}

/// A flight as the table knows it: only as long as somebody waits for it.
struct Listed {
    number: u64,
    landing: WeakShared<BoxFuture<'static, Landed>>,
    in_background: Arc<AtomicBool>,
}

impl Listed {
    fn join(&self) -> Option<Flight> {
        let landing = self.landing.upgrade()?;
        Some(Flight { landing, in_background: self.in_background.clone() })
    }
}

type Table = HashMap<FlightKey, Listed>;

/// Loads of different types under one key are different loads.
pub(super) type FlightKey = (CacheKey, TypeId);

#[derive(Default)]
pub(super) struct Flights {
    table: Mutex<Table>,
    begun: AtomicU64,
    landed: AtomicU64,
}

impl Flights {
    /// The running flight of a key, or a new one. A panic in it is an error for all that wait.
    pub(super) fn join_or_begin(
        self: &Arc<Self>,
        key: FlightKey,
        make: impl FnOnce() -> BoxFuture<'static, Landed>,
    ) -> Flight {
        self.seat(&mut self.lock(), key, make)
    }

    /// The same for many keys at once: nobody meets the first of them before the last has begun, so what they share
    /// runs only once it is whole.
    pub(super) fn join_or_begin_all(
        self: &Arc<Self>,
        keys: impl IntoIterator<Item = FlightKey>,
        mut make: impl FnMut(&FlightKey) -> BoxFuture<'static, Landed>,
    ) -> Vec<Flight> {
        let mut table = self.lock();
        keys.into_iter().map(|key| self.seat(&mut table, key.clone(), || make(&key))).collect()
    }

    fn seat(
        self: &Arc<Self>,
        table: &mut Table,
        key: FlightKey,
        make: impl FnOnce() -> BoxFuture<'static, Landed>,
    ) -> Flight {
        if let Some(flight) = table.get(&key).and_then(Listed::join) {
            return flight;
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let seat = Seat { flights: self.clone(), key: key.clone(), number };
        let work = AssertUnwindSafe(make()).catch_unwind();
        let flight = async move {
            let _seat = seat;
            work.await.unwrap_or_else(|_| Err(panicked()))
        };
        let flight = Flight { landing: flight.boxed().shared(), in_background: Arc::default() };
        if let Some(landing) = flight.landing.downgrade() {
            table.insert(key, Listed { number, landing, in_background: flight.in_background.clone() });
        }
        flight
    }

    /// How many flights have ended so far: a change between two looks means that something may have been stored.
    pub(super) fn landed(&self) -> u64 {
        self.landed.load(Ordering::Acquire)
    }

    /// How many flights somebody waits for.
    pub(super) fn under_way(&self) -> u64 {
        self.lock().len() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The flight's place in the table, given back when it lands or is abandoned.
struct Seat {
    flights: Arc<Flights>,
    key: FlightKey,
    number: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.flights.landed.fetch_add(1, Ordering::AcqRel);
        let mut table = self.flights.lock();
        if table.get(&self.key).is_some_and(|listed| listed.number == self.number) {
            table.remove(&self.key);
        }
    }
}

pub(super) fn panicked() -> Error {
    Error::unexpected("the loader panicked").with_effect(Effect::NotApplied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> FlightKey {
        (CacheKey::parse("k").unwrap(), TypeId::of::<u32>())
    }

    #[tokio::test]
    async fn an_abandoned_flight_leaves_no_trace() {
        let flights = Arc::new(Flights::default());
        let never = flights.join_or_begin(key(), || futures_util::future::pending().boxed());
        assert_eq!(flights.lock().len(), 1);
        drop(never);
        assert_eq!((flights.lock().len(), flights.landed()), (0, 1));
    }

    #[test]
    fn many_begin_together() {
        let flights = Arc::new(Flights::default());
        let keys = (0..1000).map(|n| (CacheKey::parse(format!("k{n}")).unwrap(), TypeId::of::<u32>()));
        let seen = std::thread::scope(|scope| {
            let first_seen = scope.spawn(|| {
                loop {
                    let seen = flights.lock().len();
                    if seen > 0 {
                        return seen;
                    }
                }
            });
            let all = flights.join_or_begin_all(keys, |_| futures_util::future::pending().boxed());
            (first_seen.join().unwrap(), all.len())
        });
        assert_eq!(seen, (1000, 1000));
    }

    #[tokio::test]
    async fn one_caller_of_each_flight_is_the_first_to_leave() {
        let flights = Arc::new(Flights::default());
        for _ in 0..2 {
            let begin = || flights.join_or_begin(key(), || futures_util::future::pending().boxed());
            let (one, two) = (begin(), begin());
            assert!(two.is_first_to_leave());
            assert!(!one.is_first_to_leave() && !begin().is_first_to_leave());
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error_for_all() {
        let flights = Arc::new(Flights::default());
        let make = || async { panic!("canary") }.boxed();
        let (one, two) = (flights.join_or_begin(key(), make), flights.join_or_begin(key(), make));
        let (one, two) = futures_util::join!(one, two);
        assert!(one.is_err() && two.is_err());
        assert!(flights.lock().is_empty());
    }
}
