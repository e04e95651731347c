//! Invalidation within the process: every change of a key is told to whoever listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use external_core::Error;
use external_core::cache::{CacheKey, Invalidation, InvalidationStream};
use tokio::sync::broadcast::{self, error::RecvError};

/// How far a listener may fall behind before it is told that anything may have changed.
const BACKLOG: usize = 1024;

#[derive(Clone)]
enum Event {
    Key(CacheKey),
    All,
    Closed,
}

pub(super) struct Feed {
    sender: broadcast::Sender<Event>,
    listeners: Arc<AtomicUsize>,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG), listeners: Arc::default() }
    }

    /// Costs one atomic read where nobody listens.
    pub(super) fn changed(&self, key: &CacheKey) {
        if self.listeners.load(Ordering::Acquire) > 0 {
            self.tell(Event::Key(key.clone()));
        }
    }

    pub(super) fn cleared(&self) {
        self.tell(Event::All);
    }

    /// Ends all subscriptions.
    pub(super) fn close(&self) {
        self.tell(Event::Closed);
    }

    fn tell(&self, event: Event) {
        // The only failure is that nobody listens.
        let _ = self.sender.send(event);
    }

    pub(super) fn listen(&self) -> InvalidationStream {
        let receiver = self.sender.subscribe();
        let listener = Listener::count(&self.listeners);
        let stream = futures_util::stream::unfold(Some((receiver, listener)), |state| async move {
            let (mut receiver, listener) = state?;
            let event = match receiver.recv().await {
                Ok(Event::Key(key)) => Invalidation::Keys(vec![key]),
                Ok(Event::All) | Err(RecvError::Lagged(_)) => Invalidation::All,
                Ok(Event::Closed) | Err(RecvError::Closed) => {
                    return Some((Err(Error::unavailable("the cache was closed")), None));
                }
            };
            Some((Ok(event), Some((receiver, listener))))
        });
        Box::pin(stream)
    }
}

struct Listener(Arc<AtomicUsize>);

impl Listener {
    fn count(listeners: &Arc<AtomicUsize>) -> Self {
        listeners.fetch_add(1, Ordering::AcqRel);
        Self(listeners.clone())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_slow_listener_learns_that_it_missed_something() {
        let feed = Feed::new();
        let mut stream = feed.listen();
        for n in 0..(BACKLOG + 1) {
            feed.changed(&CacheKey::parse(format!("k{n}")).unwrap());
        }
        assert_eq!(stream.next().await.unwrap().unwrap(), Invalidation::All);
    }

    #[tokio::test]
    async fn a_dropped_listener_is_not_counted_any_more() {
        let feed = Feed::new();
        drop(feed.listen());
        assert_eq!(feed.listeners.load(Ordering::Acquire), 0);
    }
}
