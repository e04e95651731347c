//! OpenDAL: retry, timeout and concurrency limit around an operator, with a service that answers as the provider of the
//! others does. No breaker, no rate limit, no budget, no gate; measured against the same operator without them.

use external_core::storage::ObjectKey;
use opendal::layers::{ConcurrentLimitLayer, RetryLayer, TimeoutLayer};
use opendal::raw::{
    OpCopy, OpCreateDir, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite, RpCreateDir, RpPresign,
    RpRename, RpStat, Service, ServiceInfo,
};
use opendal::{Builder, Capability, MetadataBuilder, OperationContext, Operator, Result};

use super::{ATTEMPTS, BACKOFF, MANY, Stack, TIMEOUT};
use crate::null::Answer;

/// Knows every object, and nothing else.
#[derive(Debug)]
struct Null(Answer);

/// What cannot be done is left to OpenDAL's own service that does nothing.
impl Service for Null {
    type Reader = ();
    type Writer = ();
    type Lister = ();
    type Deleter = ();
    type Copier = ();
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        ServiceInfo::with_scheme("null")
    }

    fn capability(&self) -> Capability {
        Capability { stat: true, ..Capability::default() }
    }

    async fn stat(&self, _: &OperationContext, _: &str, _: OpStat) -> Result<RpStat> {
        self.0.wait().await;
        Ok(RpStat::new(MetadataBuilder::file(0).build()))
    }

    async fn create_dir(&self, cx: &OperationContext, path: &str, args: OpCreateDir) -> Result<RpCreateDir> {
        Service::create_dir(&(), cx, path, args).await
    }

    fn read(&self, cx: &OperationContext, path: &str, args: OpRead) -> Result<()> {
        Service::read(&(), cx, path, args)
    }

    fn write(&self, cx: &OperationContext, path: &str, args: OpWrite) -> Result<()> {
        Service::write(&(), cx, path, args)
    }

    fn delete(&self, cx: &OperationContext) -> Result<()> {
        Service::delete(&(), cx)
    }

    fn list(&self, cx: &OperationContext, path: &str, args: OpList) -> Result<()> {
        Service::list(&(), cx, path, args)
    }

    fn copy(&self, cx: &OperationContext, from: &str, to: &str, args: OpCopy) -> Result<()> {
        Service::copy(&(), cx, from, to, args)
    }

    async fn rename(&self, cx: &OperationContext, from: &str, to: &str, args: OpRename) -> Result<RpRename> {
        Service::rename(&(), cx, from, to, args).await
    }

    async fn presign(&self, cx: &OperationContext, path: &str, args: OpPresign) -> Result<RpPresign> {
        Service::presign(&(), cx, path, args).await
    }
}

/// An operator comes from something with a default, and puts the layers of its own around it.
#[derive(Default)]
struct NullBuilder(Option<Answer>);

impl Builder for NullBuilder {
    type Config = ();

    fn build(self) -> Result<impl Service> {
        Ok(Null(self.0.unwrap_or(Answer::Soon)))
    }
}

fn bare(answer: Answer) -> Operator {
    Operator::new(NullBuilder(Some(answer))).expect("an operator")
}

async fn stat(operator: &Operator, key: &ObjectKey) {
    std::hint::black_box(operator.stat(key.as_str()).await.expect("answered"));
}

/// An operator as it is made.
pub(crate) struct OpenDalBare(Operator);

impl Stack for OpenDalBare {
    fn new(answer: Answer) -> Self {
        Self(bare(answer))
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        stat(&self.0, key).await;
    }
}

/// With its layers, in the order that their documentation asks for.
pub(crate) struct OpenDal(Operator);

impl Stack for OpenDal {
    fn new(answer: Answer) -> Self {
        let retry = RetryLayer::new()
            .with_jitter()
            .with_min_delay(BACKOFF.0)
            .with_max_delay(BACKOFF.1)
            .with_max_times(ATTEMPTS as usize - 1);
        Self(
            bare(answer)
                .layer(TimeoutLayer::new().with_timeout(TIMEOUT))
                .layer(retry)
                .layer(ConcurrentLimitLayer::new(MANY as usize)),
        )
    }

    fn share(&self) -> Self {
        Self(self.0.clone())
    }

    async fn call(&mut self, key: &ObjectKey) {
        stat(&self.0, key).await;
    }
}
