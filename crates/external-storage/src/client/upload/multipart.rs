//! An upload in parts: begin, parts side by side, complete; and abort, whatever happens in between.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, Checksum, CompleteMultipartRequest, MultipartUpload,
    PartReceipt, PutPartRequest,
};
use external_core::{CallContext, Effect, Error, Result};
use futures_util::StreamExt;
use futures_util::future::{Either, poll_fn, select};
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;

use super::budget::Held;
use super::doubt::Sent;
use super::parts::PartSizes;
use super::source::Source;
use super::sums::Sums;
use super::{PUT, StorageClient, UploadReceipt, UploadRequest};
use crate::checksum;
use crate::client::pause;

/// How long aborting is tried: about as long as a store takes to be started again.
const ABORT_WITHIN: Duration = Duration::from_secs(30);
/// How long the error of an upload waits for its abort, so that mostly nothing is left when the caller hears of it.
const ABORT_WAIT: Duration = Duration::from_secs(2);
/// The wait before the second try; each further one doubles it, up to [`ABORT_PAUSE_MAX`].
const ABORT_PAUSE: Duration = Duration::from_millis(100);
const ABORT_PAUSE_MAX: Duration = Duration::from_secs(2);

/// What was read before it was known that the upload needs parts.
pub(super) struct First {
    pub(super) body: Bytes,
    pub(super) held: Held,
    /// Its checksum, where the whole's gave it.
    pub(super) sum: Option<Checksum>,
    pub(super) sums: Sums,
}

/// An upload that is aborted unless it is completed.
struct Pending {
    client: StorageClient,
    upload: Option<MultipartUpload>,
    /// A clean-up that ends with this, so that a close waits for the abort of an upload that is still going on.
    _open: oneshot::Sender<()>,
}

impl Pending {
    fn new(client: StorageClient, upload: MultipartUpload) -> Self {
        let (open, over) = oneshot::channel();
        client.pipeline().cleanup().spawn(async move { drop(over.await) });
        Self { client, upload: Some(upload), _open: open }
    }

    fn upload(&self) -> Result<&MultipartUpload> {
        self.upload.as_ref().ok_or_else(|| Error::unexpected("the upload is over"))
    }

    fn completed(mut self) {
        self.upload = None;
    }

    /// Aborts now, so that the error that led here is returned when the upload is gone. The abort goes on where the
    /// caller does not wait any longer.
    async fn abort(mut self) {
        if let Some(upload) = self.upload.take() {
            let client = self.client.clone();
            let aborting = self.client.pipeline().cleanup().complete(abort(client, upload));
            // Too long is no failure: it is tried on.
            let _ = tokio::time::timeout(ABORT_WAIT, aborting).await;
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.client.pipeline().cleanup().spawn(abort(self.client.clone(), upload));
        }
    }
}

/// Each round is a call of its own under the whole pipeline; the rounds themselves have a time, and no budget: who does not
/// abort leaves parts that somebody pays for.
async fn abort(client: StorageClient, upload: MultipartUpload) {
    let request = AbortMultipartRequest::new(upload);
    let cx = CallContext::for_cleanup(ABORT_WITHIN);
    let mut own = ABORT_PAUSE;
    while let Err(error) = client.abort_call(&cx, &request).await {
        let wait = pause(&error, own).filter(|wait| cx.remaining().is_some_and(|left| left > *wait));
        let Some(wait) = wait else {
            let key = request.upload.key.as_str();
            tracing::warn!(target: "external", key, upload = request.upload.id.as_str(), %error, "an upload could not be aborted");
            return;
        };
        tokio::time::sleep(wait).await;
        own = (own * 2).min(ABORT_PAUSE_MAX);
    }
}

impl StorageClient {
    pub(super) async fn upload_parts(
        &self,
        cx: &CallContext,
        request: &UploadRequest,
        source: Source<'_>,
        sizes: PartSizes,
        first: First,
    ) -> Result<UploadReceipt> {
        // The precondition is sent at the end: whether it can be is asked before megabytes are.
        self.locate(PUT, self.check_multipart_precondition(&request.precondition))?;
        let pending = self.begin_pending(cx, request).await?;
        match self.send_all(cx, request, source, sizes, first, &pending).await {
            Ok(receipt) => {
                pending.completed();
                Ok(receipt)
            }
            Err(error) => {
                pending.abort().await;
                Err(error)
            }
        }
    }

    /// Begins inside the clean-up tracker: dropped meanwhile, what was begun is aborted all the same.
    async fn begin_pending(&self, cx: &CallContext, request: &UploadRequest) -> Result<Pending> {
        let mut begin =
            BeginMultipartRequest::new(request.key.clone()).with_attributes(request.attributes.clone());
        begin.checksum = self.parts_checksum(request);
        begin.call = request.call.clone();
        if let Some(left) = cx.remaining() {
            begin.call = begin.call.with_timeout(left);
        }
        let client = self.clone();
        // The context cannot be borrowed by a task that outlives this call; a managed one stays managed.
        let managed = cx.is_managed().then(|| cx.for_attempt(cx.attempt(), None));
        let task = async move {
            let cx = managed.unwrap_or_else(|| CallContext::new(&begin.call));
            let upload = client.begin_call(&cx, &begin).await?;
            Ok(Pending::new(client, upload))
        };
        let begun = self.pipeline().cleanup().complete(task).await;
        begun
            .unwrap_or_else(|| self.locate(PUT, Err(Error::unexpected("beginning the upload was cut short"))))
    }

    async fn send_all(
        &self,
        cx: &CallContext,
        request: &UploadRequest,
        mut source: Source<'_>,
        mut sizes: PartSizes,
        first: First,
        pending: &Pending,
    ) -> Result<UploadReceipt> {
        let upload = pending.upload()?;
        let First { body, held, sum, mut sums } = first;
        let mut receipts: Vec<PartReceipt> = Vec::new();
        let mut sending = FuturesUnordered::new();
        let mut total = body.len() as u64;
        let kind = self.parts_checksum(request);
        self.locate(PUT, sums.send_as(kind, &body).await)?;
        // Its own sum may be of the other kind.
        let sum = sum.filter(|sum| Some(sum.kind()) == kind);
        sending.push(self.send_part(cx, request, upload, 1, (body, held, sum)));
        loop {
            while sending.len() >= self.inner.settings.upload_concurrency {
                receipts.extend(sending.next().await.transpose()?);
            }
            let number = sizes.number();
            let reading = async {
                // Asked before a size is: the last part number has no next one.
                if source.is_empty(&self.inner.budget.part(0)).await? {
                    return Ok(None);
                }
                let size = sizes.next_size()?;
                self.next_part(&mut source, size, &mut sums).await.map(Some)
            };
            let read = poll_beside(self.unless_closing(reading), &mut sending, &mut receipts).await?;
            let Some(part) = self.locate(PUT, read)? else {
                break;
            };
            total += part.0.len() as u64;
            sending.push(self.send_part(cx, request, upload, number, part));
        }
        while let Some(receipt) = sending.next().await {
            receipts.push(receipt?);
        }
        receipts.sort_unstable_by_key(|receipt| receipt.number);
        let parts = u32::try_from(receipts.len()).unwrap_or(u32::MAX);
        let (whole, sent) = sums.finish();
        let checksum = self.verify_whole(request, whole)?;
        let sent = sent.or(checksum);
        let mut complete = CompleteMultipartRequest::new(upload.clone(), receipts)
            .with_precondition(request.precondition.clone())
            .with_call_options(request.call.clone());
        complete.checksum = sent;
        let receipt = match self.complete_call(cx, &complete).await {
            Ok(receipt) => receipt,
            Err(error) => {
                let sent = Sent { request, upload, size: total, checksum: sent };
                self.find_out(cx, sent, error).await?
            }
        };
        Ok(self.uploaded(request, &receipt, total, parts, checksum))
    }

    /// `work`, or `Closed` as soon as the client is being closed: nobody knows how long a source takes.
    pub(super) async fn unless_closing<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match select(pin!(self.pipeline().closing()), pin!(work)).await {
            Either::Left(((), _)) => {
                Err(Error::closed("the client was closed").with_effect(Effect::NotApplied))
            }
            Either::Right((done, _)) => done,
        }
    }

    async fn send_part(
        &self,
        cx: &CallContext,
        request: &UploadRequest,
        upload: &MultipartUpload,
        number: u32,
        (body, held, sum): (Bytes, Held, Option<Checksum>),
    ) -> Result<PartReceipt> {
        let sum = match (sum, self.parts_checksum(request)) {
            (None, Some(kind)) => Some(self.locate(PUT, checksum::of_body(kind, &body).await)?),
            (sum, _) => sum,
        };
        let mut part =
            PutPartRequest::new(upload.clone(), number, body).with_call_options(request.call.clone());
        part.checksum = sum;
        let receipt = self.put_part_call(cx, &part).await;
        // The budget is given back once the bytes are.
        drop(part);
        drop(held);
        receipt
    }
}

/// Drives `work` while the parts on their way go on; the first part that fails ends it.
async fn poll_beside<T, F>(
    work: impl Future<Output = T>,
    sending: &mut FuturesUnordered<F>,
    receipts: &mut Vec<PartReceipt>,
) -> Result<T>
where
    F: Future<Output = Result<PartReceipt>>,
{
    let mut work = pin!(work);
    poll_fn(|cx| {
        while let Poll::Ready(Some(receipt)) = sending.poll_next_unpin(cx) {
            match receipt {
                Ok(receipt) => receipts.push(receipt),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        work.as_mut().poll(cx).map(Ok)
    })
    .await
}
