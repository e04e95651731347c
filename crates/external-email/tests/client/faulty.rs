//! A provider that remembers what it was asked and fails on demand. Its batches are small, so that a handful of mails goes
//! out in pieces: how much the one behind it takes at once is for the contract's own clauses.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use external_core::{CallContext, Effect, Error, Provider, ProviderInfo, Result};
use external_email::{
    BatchEmail, BatchReceipt, BatchRequest, EmailService, OutboxEmail, SendReceipt, SendRequest,
};

/// The most recipients that it takes in one batch.
const BATCH: u64 = 3;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not.
    None,
    /// Before anything was sent.
    Unreachable,
    /// After it took effect: the answer is lost.
    ReplyLost,
    /// It cannot be done, now or ever.
    Denied,
}

#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Arc<dyn EmailService>,
    info: ProviderInfo,
    faults: Mutex<VecDeque<Fault>>,
    sends: Mutex<Vec<SendRequest>>,
    batches: Mutex<Vec<BatchRequest>>,
}

impl Faulty {
    /// The calls to come fail like this, one after the other; those after them succeed.
    pub(crate) fn over(inner: Arc<dyn EmailService>, faults: &[Fault]) -> Arc<Self> {
        let its = inner.info();
        let most = its.capabilities().get_limit("batch-recipients").unwrap_or(BATCH).min(BATCH);
        let capabilities = its.capabilities().clone().limit("batch-recipients", most);
        let info = ProviderInfo::new(its.id(), its.domain(), its.location(), capabilities);
        Arc::new(Self {
            inner,
            info,
            faults: Mutex::new(faults.iter().copied().collect()),
            sends: Mutex::default(),
            batches: Mutex::default(),
        })
    }

    pub(crate) fn sends(&self) -> Vec<SendRequest> {
        self.sends.lock().unwrap().clone()
    }

    pub(crate) fn batches(&self) -> Vec<BatchRequest> {
        self.batches.lock().unwrap().clone()
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let fault = self.faults.lock().unwrap().pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::None => call.await,
            Fault::Unreachable => Err(Error::unavailable("nobody is there").with_effect(Effect::NotSent)),
            Fault::Denied => Err(Error::permission_denied("not today")),
            Fault::ReplyLost => {
                call.await?;
                Err(Error::unavailable("the answer was lost").with_effect(Effect::MaybeApplied))
            }
        }
    }
}

#[async_trait]
impl Provider for Faulty {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.inner.probe(cx).await
    }
}

#[async_trait]
impl EmailService for Faulty {
    async fn send(&self, cx: &CallContext, request: &SendRequest) -> Result<SendReceipt> {
        self.sends.lock().unwrap().push(request.clone());
        self.call(self.inner.send(cx, request)).await
    }

    fn batch(&self) -> Option<&dyn BatchEmail> {
        self.inner.batch().map(|_| self as _)
    }

    fn outbox(&self) -> Option<&dyn OutboxEmail> {
        self.inner.outbox()
    }
}

#[async_trait]
impl BatchEmail for Faulty {
    async fn send_batch(&self, cx: &CallContext, request: &BatchRequest) -> Result<BatchReceipt> {
        self.batches.lock().unwrap().push(request.clone());
        match self.inner.batch() {
            Some(batch) => self.call(batch.send_batch(cx, request)).await,
            None => Err(Error::unsupported("batch")),
        }
    }
}
