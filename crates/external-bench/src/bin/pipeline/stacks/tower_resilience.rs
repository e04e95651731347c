//! tower-resilience: bulkhead, retry with a budget, rate limit, breaker, time limit; in our order. No gate.

use std::time::Duration;

use external_core::Error;
use external_core::storage::{ObjectInfo, ObjectKey};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_resilience_bulkhead::{Bulkhead, BulkheadLayer};
use tower_resilience_circuitbreaker::{
    CircuitBreaker, CircuitBreakerError, CircuitBreakerLayer, DefaultClassifier,
};
use tower_resilience_ratelimiter::{RateLimiter, RateLimiterLayer, RateLimiterServiceError};
use tower_resilience_retry::{ExponentialRandomBackoff, Retry, RetryBudgetBuilder, RetryLayer};
use tower_resilience_timelimiter::{FixedTimeout, TimeLimiter, TimeLimiterError, TimeLimiterLayer};

use super::tower::Base;
use super::{ATTEMPTS, BACKOFF, MANY, Stack, TIMEOUT};
use crate::null::Answer;

/// What the retry sees fail.
type AttemptError = RateLimiterServiceError<CircuitBreakerError<TimeLimiterError<Error>>>;
/// What the retry repeats.
type Attempt = RateLimiter<CircuitBreaker<TimeLimiter<Base, FixedTimeout>, DefaultClassifier>>;

/// A service whose clones share their layers' state.
pub(crate) struct TowerResilience(Bulkhead<Retry<Attempt, ObjectKey, ObjectInfo, AttemptError>>);

impl Stack for TowerResilience {
    fn new(answer: Answer) -> Self {
        let bulkhead = BulkheadLayer::builder().max_concurrent_calls(MANY as usize).build();
        let budget = RetryBudgetBuilder::new().token_bucket().build().expect("a budget");
        let retry = RetryLayer::<ObjectKey, ObjectInfo, AttemptError>::builder()
            .max_attempts(ATTEMPTS as usize)
            .backoff(
                ExponentialRandomBackoff::new(BACKOFF.0, 1.0).expect("a backoff").max_interval(BACKOFF.1),
            )
            .budget(budget)
            .build();
        let rate = RateLimiterLayer::builder()
            .limit_for_period(MANY as usize)
            .refresh_period(Duration::from_millis(1))
            .build();
        let breaker = CircuitBreakerLayer::builder().build();
        let limit = TimeLimiterLayer::builder().timeout_duration(TIMEOUT).build();
        Self(
            ServiceBuilder::new()
                .layer(bulkhead.expect("a bulkhead"))
                .layer(retry)
                .layer(rate.expect("a rate limit"))
                .layer(breaker.expect("a breaker"))
                .layer(limit)
                .service(Base::new(answer)),
        )
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        let service = self.0.ready().await.expect("ready");
        std::hint::black_box(service.call(key.clone()).await.expect("answered"));
    }
}
