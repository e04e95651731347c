//! Hearing of changes, wrongly.

use std::sync::LazyLock;

use external_core::cache::{CacheKey, Invalidation, InvalidationCache, InvalidationStream, SubscribeRequest};
use external_core::{CallContext, Error, Result, async_trait};
use futures_util::stream::PollNext;
use futures_util::{StreamExt, stream};
use tokio::sync::{broadcast, mpsc};

use super::{Broken, Wrong};

/// What caches that hear too much were told to store, in whichever namespace.
static STORED: LazyLock<broadcast::Sender<CacheKey>> = LazyLock::new(|| broadcast::Sender::new(1024));

/// Tells every cache that hears too much.
pub(super) fn tell(key: &CacheKey) {
    // The only failure is that nobody listens.
    let _ = STORED.send(key.clone());
}

#[async_trait]
impl InvalidationCache for Broken {
    async fn subscribe(&self, cx: &CallContext, request: &SubscribeRequest) -> Result<InvalidationStream> {
        let right = self.right.invalidation().ok_or_else(|| Error::unsupported("invalidation"))?;
        let heard = right.subscribe(cx, request).await?;
        Ok(match self.wrong {
            Some(Wrong::HearsNothing) => Box::pin(stream::pending()),
            Some(Wrong::HearsAgain) => Box::pin(heard.scan(Vec::new(), |all: &mut Vec<CacheKey>, change| {
                if let Ok(Invalidation::Keys(keys)) = &change {
                    all.extend(keys.iter().cloned());
                }
                std::future::ready(Some(change.map(|_| Invalidation::Keys(all.clone()))))
            })),
            Some(Wrong::HearsOthers) => with_others(heard),
            Some(Wrong::EndsSilently) => {
                Box::pin(heard.take_while(|change| std::future::ready(change.is_ok())))
            }
            Some(Wrong::ListensOn) => listening_on(heard),
            _ => heard,
        })
    }
}

/// What others stored comes first: whoever heard of a later change of its own would not wait for it.
fn with_others(heard: InvalidationStream) -> InvalidationStream {
    let others = stream::unfold(STORED.subscribe(), |mut stored| async move {
        let key = stored.recv().await.ok()?;
        Some((Ok(Invalidation::Keys(vec![key])), stored))
    });
    Box::pin(stream::select_with_strategy(others, heard, |(): &mut ()| PollNext::Left))
}

/// What is heard, by way of a task that nobody ends.
fn listening_on(mut heard: InvalidationStream) -> InvalidationStream {
    let (sender, changes) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(change) = heard.next().await {
            let _ = sender.send(change);
        }
    });
    Box::pin(stream::unfold(changes, |mut changes| async move { Some((changes.recv().await?, changes)) }))
}
