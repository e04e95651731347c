//! The facet of invalidation: hearing what anybody changes.

use std::pin::Pin;

use async_trait::async_trait;
use futures_core::Stream;

use super::{CacheKey, DOMAIN};
use crate::{CallContext, CallOptions, Operation, Repeat, Result};

/// What was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidation {
    /// These keys were written, deleted, or changed in any other way.
    Keys(Vec<CacheKey>),
    /// Anything may have changed: the cache was emptied, or the listener was too slow and missed something.
    All,
}

/// What a subscription yields. It ends after its first error; dropping it ends the subscription.
pub type InvalidationStream = Pin<Box<dyn Stream<Item = Result<Invalidation>> + Send>>;

/// Hearing of changes.
#[async_trait]
pub trait InvalidationCache: Send + Sync {
    /// Starts to listen to all changes of this instance's keys, whoever makes them.
    ///
    /// - Every change made after this returned is heard: set, set_many, delete, delete_many, increment,
    ///   compare-and-swap; through the same instance and through any other on the same keys. (cache.subscribe.1)
    /// - Only changed keys are named; reading changes nothing. (cache.subscribe.2)
    /// - Changes of another namespace are not heard. (cache.subscribe.3)
    /// - When its connection ends the stream yields one `Unavailable` and ends; it does not reconnect by itself,
    ///   since whatever happened meanwhile would be missed silently. (cache.subscribe.4)
    /// - Dropping the stream gives its connection back. (cache.subscribe.5)
    ///
    /// That a value expired, or was forgotten for want of room, may be heard or not.
    ///
    /// # Errors
    ///
    /// As any call.
    async fn subscribe(&self, cx: &CallContext, request: &SubscribeRequest) -> Result<InvalidationStream>;
}

/// Starts to listen to changes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SubscribeRequest {
    /// Options every call has; the timeout ends when the subscription stands.
    pub call: CallOptions,
}

impl SubscribeRequest {
    /// Listens to all keys of the instance.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `cache.subscribe`: `Safe`.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation::new(DOMAIN, "subscribe", Repeat::Safe)
    }
}

crate::call_options!(SubscribeRequest);
