//! Ours: a `StorageClient`, whose `head` passes the whole pipeline.

use std::sync::Arc;
use std::time::Duration;

use external_core::storage::ObjectKey;
use external_resilience::metrics::Metrics;
use external_resilience::{BulkheadPolicy, Policy, RateLimitPolicy};
use external_storage::StorageClient;

use super::{ATTEMPTS, BACKOFF, MANY, Stack, TIMEOUT};
use crate::null::{Answer, Null};

/// Deadline, attempt timeout, retry, budget, gate and breaker are on by default; both limits are not.
fn everything() -> Policy {
    let rate = RateLimitPolicy::new(MANY, Duration::from_millis(1)).with_burst(MANY);
    Policy::default()
        .with_attempt_timeout(TIMEOUT)
        .with_max_attempts(ATTEMPTS)
        .with_backoff(BACKOFF.0, BACKOFF.1)
        .with_bulkhead(BulkheadPolicy::new(MANY))
        .with_rate_limit(rate)
}

async fn head(client: &StorageClient, key: &ObjectKey) {
    std::hint::black_box(client.head(key.clone()).await.expect("answered"));
}

/// Every layer.
pub(crate) struct Everything(StorageClient);

impl Stack for Everything {
    fn new(answer: Answer) -> Self {
        Self(StorageClient::over(Null::new(answer)).with_policy(everything()))
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        head(&self.0, key).await;
    }
}

/// Every layer, and each call and attempt counted and timed.
pub(crate) struct Counted(StorageClient);

impl Stack for Counted {
    fn new(answer: Answer) -> Self {
        let client = StorageClient::over(Null::new(answer)).with_policy(everything());
        Self(client.with_observer(Arc::new(Metrics::new())))
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        head(&self.0, key).await;
    }
}

/// What one gets who sets nothing: no bulkhead and no rate limit.
pub(crate) struct DefaultPolicy(StorageClient);

impl Stack for DefaultPolicy {
    fn new(answer: Answer) -> Self {
        Self(StorageClient::over(Null::new(answer)))
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        head(&self.0, key).await;
    }
}

/// Every layer twice: a client over a client, as a composite has them.
pub(crate) struct Nested(StorageClient);

impl Stack for Nested {
    fn new(answer: Answer) -> Self {
        let inner = StorageClient::over(Null::new(answer)).with_policy(everything());
        Self(StorageClient::over(inner).with_policy(everything()))
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        head(&self.0, key).await;
    }
}
