//! An upload that was begun, and is aborted unless it is completed or handed on: whatever happens in between, and also where
//! its caller goes away while it is being begun.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use external_core::storage::{AbortMultipartRequest, BeginMultipartRequest, MultipartUpload};
use external_core::{CallContext, Error, Result, SentMark};
use external_resilience::{BoxFuture, Cleanup};
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::stray::Stray;
use crate::client::{StorageClient, pause};

/// How long aborting is tried, and a begin without a caller waited for: about as long as a store takes to be started again.
const ABORT_WITHIN: Duration = Duration::from_secs(30);
/// How long the error of an upload waits for its abort, so that mostly nothing is left when the caller hears of it.
const ABORT_WAIT: Duration = Duration::from_secs(2);
/// The wait before the second try; each further one doubles it, up to [`ABORT_PAUSE_MAX`].
const ABORT_PAUSE: Duration = Duration::from_millis(100);
const ABORT_PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often an upload is aborted again behind an abort that passed a part on its way: after 0.1 s, doubling, so for 1.5 s.
/// The vendor says that it may take several aborts, and not how many.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>
const ABORTS_AGAIN: u32 = 4;

/// An upload that is aborted when this is dropped.
pub(in crate::client) struct Pending {
    client: StorageClient,
    upload: Option<MultipartUpload>,
    stray: Stray,
    /// A clean-up that ends with this, so that a close waits for the abort of an upload that is still going on.
    _open: oneshot::Sender<()>,
}

impl Pending {
    fn new(client: StorageClient, upload: MultipartUpload) -> Self {
        let (open, over) = oneshot::channel();
        client.pipeline().cleanup().spawn(async move { drop(over.await) });
        Self { client, upload: Some(upload), stray: Stray::default(), _open: open }
    }

    pub(super) fn upload(&self) -> Result<&MultipartUpload> {
        self.upload.as_ref().ok_or_else(is_over)
    }

    /// Where its parts are noted.
    pub(super) fn stray(&self) -> &Stray {
        &self.stray
    }

    pub(super) fn completed(mut self) {
        self.upload = None;
    }

    /// Whoever gets it ends it.
    pub(in crate::client) fn handed_on(mut self) -> Result<MultipartUpload> {
        self.upload.take().ok_or_else(is_over)
    }

    /// Aborts now, so that the error that led here is returned when the upload is gone. The abort goes on where the
    /// caller does not wait any longer, and is not waited for when it is repeated.
    pub(super) async fn abort(mut self) {
        if let Some(upload) = self.upload.take() {
            let (first, aborted) = oneshot::channel();
            let abort = abort(self.client.clone(), upload, self.stray.clone(), first);
            self.client.pipeline().cleanup().spawn(abort);
            // Too long is no failure: it is tried on.
            let _ = tokio::time::timeout(ABORT_WAIT, aborted).await;
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            let (first, _) = oneshot::channel();
            let abort = abort(self.client.clone(), upload, self.stray.clone(), first);
            self.client.pipeline().cleanup().spawn(abort);
        }
    }
}

fn is_over() -> Error {
    Error::unexpected("the upload is over")
}

/// Aborts until the store says yes, and lets go of `first`; then again if a part may have arrived behind that. No answer
/// tells whether one has: to abort what is gone is `Ok`, and a listing of uploads tells of no part that is still to come.
async fn abort(client: StorageClient, upload: MultipartUpload, stray: Stray, first: oneshot::Sender<()>) {
    let request = AbortMultipartRequest::new(upload);
    let cx = CallContext::for_cleanup(ABORT_WITHIN);
    if !is_aborted(&client, &cx, &request).await || !stray.is_possible() {
        return;
    }
    drop(first);
    let mut wait = ABORT_PAUSE;
    for _ in 0..ABORTS_AGAIN {
        tokio::time::sleep(wait).await;
        if !is_aborted(&client, &cx, &request).await {
            return;
        }
        wait *= 2;
    }
}

/// Each round is a call of its own under the whole pipeline; the rounds themselves have a time, and no budget: who does not
/// abort leaves parts that somebody pays for.
async fn is_aborted(client: &StorageClient, cx: &CallContext, request: &AbortMultipartRequest) -> bool {
    let mut own = ABORT_PAUSE;
    while let Err(error) = client.abort_call(cx, request).await {
        let wait = pause(&error, own).filter(|wait| cx.remaining().is_some_and(|left| left > *wait));
        let Some(wait) = wait else {
            let key = request.upload.key.as_str();
            tracing::warn!(target: "external", key, upload = request.upload.id.as_str(), %error, "an upload could not be aborted");
            return false;
        };
        tokio::time::sleep(wait).await;
        own = (own * 2).min(ABORT_PAUSE_MAX);
    }
    true
}

impl StorageClient {
    pub(in crate::client) async fn begin_call(
        &self,
        cx: &CallContext,
        request: &BeginMultipartRequest,
    ) -> Result<Pending> {
        let operation = request.operation();
        self.facet(operation, self.service().multipart(), "multipart")?;
        self.locate(operation, self.check_begin(request))?;
        let begun =
            self.pipeline().run(operation, cx, |cx, _| Box::pin(self.begin(cx, request.clone()))).await;
        self.about(&request.key, begun)
    }

    /// One attempt.
    fn begin(&self, cx: &CallContext, request: BeginMultipartRequest) -> Begin {
        let (client, mark, cx) = (self.clone(), cx.sent_mark(), cx.detached());
        let exchange = async move {
            let facet = client.service().multipart().ok_or_else(|| Error::unsupported("multipart"))?;
            let upload = facet.begin_multipart(&cx, &request).await?;
            Ok(Pending::new(client.clone(), upload))
        };
        Begin { exchange: Some(Box::pin(exchange)), mark, cleanup: self.pipeline().cleanup().clone() }
    }
}

/// The exchange that begins an upload. Its caller may go away: what was not sent by then is never sent; what was is waited
/// for in the clean-up, since what it began can be aborted only by the name that it answers.
struct Begin {
    exchange: Option<BoxFuture<'static, Result<Pending>>>,
    mark: SentMark,
    cleanup: Cleanup,
}

impl Future for Begin {
    type Output = Result<Pending>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = match &mut self.exchange {
            Some(exchange) => exchange.poll_unpin(task),
            None => Poll::Pending,
        };
        if polled.is_ready() {
            self.exchange = None;
        }
        polled
    }
}

impl Drop for Begin {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take().filter(|_| self.mark.is_set()) {
            self.cleanup.spawn(async move { drop(tokio::time::timeout(ABORT_WITHIN, exchange).await) });
        }
    }
}
