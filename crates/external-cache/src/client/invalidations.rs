//! Hearing of changes for as long as one likes: the client resubscribes when a subscription ends.

use std::sync::Arc;
use std::time::Duration;

use external_core::cache::{Invalidation, InvalidationStream, SubscribeRequest};
use external_core::{ErrorKind, Result, Retry};
use futures_core::Stream;
use futures_util::{FutureExt, StreamExt};

use super::{CacheClient, Core};

/// The bounds of the pause between two attempts to subscribe again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

impl<C> CacheClient<C> {
    /// Everything that anybody changes, without end: when the subscription breaks it is made again, and
    /// [`Invalidation::All`] says that something may have been missed meanwhile. Before that comes a pause, 50 ms at
    /// first and up to 5 s until a change is heard again.
    ///
    /// It ends only once the client is closed, or with an error that no repetition can mend.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the provider has no invalidation, and as any call, if the first subscription fails.
    pub async fn invalidations(&self) -> Result<impl Stream<Item = Result<Invalidation>> + Send + use<C>> {
        let first = self.core.send(&SubscribeRequest::new()).await?;
        let state = State { core: self.core.clone(), stream: Some(first), pause: AGAIN.0 };
        Ok(futures_util::stream::unfold(Some(state), |state| next(state).boxed()))
    }
}

struct State {
    core: Arc<Core>,
    stream: Option<InvalidationStream>,
    /// Before the next attempt; it grows until a change is heard, so that a server that takes subscriptions and
    /// ends them is not asked in a hot loop.
    pause: Duration,
}

async fn next(state: Option<State>) -> Option<(Result<Invalidation>, Option<State>)> {
    let mut state = state?;
    if let Some(stream) = &mut state.stream
        && let Some(Ok(change)) = stream.next().await
    {
        state.pause = AGAIN.0;
        return Some((Ok(change), Some(state)));
    }
    state.stream = None;
    loop {
        tokio::time::sleep(state.pause).await;
        state.pause = (state.pause * 2).min(AGAIN.1);
        match state.core.send(&SubscribeRequest::new()).await {
            Ok(stream) => {
                state.stream = Some(stream);
                return Some((Ok(Invalidation::All), Some(state)));
            }
            Err(error) if error.kind() == ErrorKind::Closed => return None,
            Err(error) if error.retry() == Retry::Never => return Some((Err(error), None)),
            Err(error) => tracing::debug!(%error, "no subscription yet"),
        }
    }
}
