//! tower: load shedding, concurrency limit, rate limit, retry with a budget, timeout.
//!
//! It has no breaker and no gate. Its rate limit cannot be shared without a task and a channel in between, so that each
//! task has one of its own, outside the retry, which wants to clone what it repeats.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use external_core::storage::{HeadRequest, ObjectInfo, ObjectKey, StorageService};
use external_core::{CallContext, Error, Operation, Repeat, Result};
use external_resilience::BoxFuture;
use tokio::sync::Semaphore;
use tower::limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer, RateLimit};
use tower::load_shed::LoadShed;
use tower::retry::backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, Retry};
use tower::timeout::Timeout;
use tower::util::BoxCloneSyncService;
use tower::util::rng::HasherRng;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

use super::{ATTEMPTS, BACKOFF, MANY, Stack, TIMEOUT};
use crate::null::{Answer, Null};

/// The provider as a service of tower's: its future owns what it needs, and is boxed.
#[derive(Clone)]
pub(super) struct Base(Arc<dyn StorageService>);

impl Base {
    pub(super) fn new(answer: Answer) -> Self {
        Self(Arc::new(Null::new(answer)))
    }
}

impl Service<ObjectKey> for Base {
    type Response = ObjectInfo;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ObjectInfo>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, key: ObjectKey) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { service.head(&CallContext::default(), &HeadRequest::new(key)).await })
    }
}

/// Repeats what may be repeated, while the budget lasts.
#[derive(Clone)]
struct Attempts {
    left: u32,
    backoff: ExponentialBackoff,
    budget: Arc<TpsBudget>,
}

impl Policy<ObjectKey, ObjectInfo, BoxError> for Attempts {
    type Future = <ExponentialBackoff as Backoff>::Future;

    fn retry(
        &mut self,
        _: &mut ObjectKey,
        result: &mut Result<ObjectInfo, BoxError>,
    ) -> Option<Self::Future> {
        let Err(error) = result else {
            self.budget.deposit();
            return None;
        };
        let safe = Operation::new("storage", "head", Repeat::Safe);
        let may = error.downcast_ref::<Error>().is_none_or(|error| error.may_repeat(&safe));
        if !may || self.left == 0 || !self.budget.withdraw() {
            return None;
        }
        self.left -= 1;
        Some(self.backoff.next_backoff())
    }

    fn clone_request(&mut self, key: &ObjectKey) -> Option<ObjectKey> {
        Some(key.clone())
    }
}

/// What may be cloned, and so repeated.
type Attempt = Retry<Attempts, Timeout<Base>>;

/// The stack, and what its copies share.
pub(crate) struct Tower {
    service: LoadShed<ConcurrencyLimit<RateLimit<Attempt>>>,
    base: Base,
    policy: Attempts,
    places: Arc<Semaphore>,
}

impl Tower {
    fn build(base: Base, policy: Attempts, places: Arc<Semaphore>) -> Self {
        let service = ServiceBuilder::new()
            .load_shed()
            .layer(GlobalConcurrencyLimitLayer::with_semaphore(places.clone()))
            .rate_limit(u64::from(MANY), Duration::from_millis(1))
            .retry(policy.clone())
            .timeout(TIMEOUT)
            .service(base.clone());
        Self { service, base, policy, places }
    }
}

impl Attempts {
    fn new() -> Self {
        let mut backoff = ExponentialBackoffMaker::new(BACKOFF.0, BACKOFF.1, 1.0, HasherRng::default())
            .expect("bounds that are in order");
        Self { left: ATTEMPTS - 1, backoff: backoff.make_backoff(), budget: Arc::new(TpsBudget::default()) }
    }
}

impl Stack for Tower {
    fn new(answer: Answer) -> Self {
        Self::build(Base::new(answer), Attempts::new(), Arc::new(Semaphore::new(MANY as usize)))
    }

    fn share(&self) -> Self {
        Self::build(self.base.clone(), self.policy.clone(), self.places.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        let service = self.service.ready().await.expect("ready");
        std::hint::black_box(service.call(key.clone()).await.expect("answered"));
    }
}

/// The same without the rate limit, as a client has it that names no types and is called through `&self`: boxed, and
/// cloned for each call.
pub(crate) struct TowerCloned(Arc<BoxCloneSyncService<ObjectKey, ObjectInfo, BoxError>>);

impl Stack for TowerCloned {
    fn new(answer: Answer) -> Self {
        let service = ServiceBuilder::new()
            .load_shed()
            .concurrency_limit(MANY as usize)
            .retry(Attempts::new())
            .timeout(TIMEOUT)
            .service(Base::new(answer));
        Self(Arc::new(BoxCloneSyncService::new(service)))
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        let service = BoxCloneSyncService::clone(&self.0);
        std::hint::black_box(service.oneshot(key.clone()).await.expect("answered"));
    }
}
