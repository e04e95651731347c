//! What one combines by hand: tokio's semaphore and timeout, backon, governor, failsafe. No budget, no gate.

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use external_core::storage::{HeadRequest, ObjectInfo, ObjectKey, StorageService};
use external_core::{CallContext, Error, Result};
use failsafe::backoff::EqualJittered;
use failsafe::failure_policy::{ConsecutiveFailures, OrElse, SuccessRateOverTimeWindow};
use failsafe::futures::CircuitBreaker;
use failsafe::{Config, StateMachine};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;

use super::{ATTEMPTS, BACKOFF, MANY, Stack, TIMEOUT};
use crate::null::{Answer, Null};

/// What failsafe's own default is.
type Breaker =
    StateMachine<OrElse<SuccessRateOverTimeWindow<EqualJittered>, ConsecutiveFailures<EqualJittered>>, ()>;

struct Layers {
    places: Semaphore,
    rate: DefaultDirectRateLimiter,
    breaker: Breaker,
    backoff: ExponentialBuilder,
    service: Arc<dyn StorageService>,
}

impl Layers {
    async fn head(&self, request: &HeadRequest) -> Result<ObjectInfo, failsafe::Error<Error>> {
        let _place = self.places.acquire().await.expect("never closed");
        let attempt = || async {
            self.rate.until_ready().await;
            self.breaker.call(self.attempt(request)).await
        };
        attempt
            .retry(self.backoff)
            .when(|error| match error {
                failsafe::Error::Inner(error) => error.may_repeat(&request.operation()),
                failsafe::Error::Rejected => false,
            })
            .await
    }

    async fn attempt(&self, request: &HeadRequest) -> Result<ObjectInfo> {
        let cx = CallContext::default();
        match tokio::time::timeout(TIMEOUT, self.service.head(&cx, request)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::timeout("no answer in time")),
        }
    }
}

/// A function that every call goes through.
pub(crate) struct ByHand(Arc<Layers>);

impl Stack for ByHand {
    fn new(answer: Answer) -> Self {
        let rate = Quota::with_period(Duration::from_nanos(1)).expect("some time");
        Self(Arc::new(Layers {
            places: Semaphore::new(MANY as usize),
            rate: RateLimiter::direct(rate.allow_burst(MANY.try_into().expect("more than none"))),
            breaker: Config::new().build(),
            backoff: ExponentialBuilder::default()
                .with_jitter()
                .with_min_delay(BACKOFF.0)
                .with_max_delay(BACKOFF.1)
                .with_max_times(ATTEMPTS as usize - 1),
            service: Arc::new(Null::new(answer)),
        }))
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        let request = HeadRequest::new(key.clone());
        std::hint::black_box(self.0.head(&request).await.expect("answered"));
    }
}
