//! An upload in parts: begin, parts side by side, complete; or an abort.

use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use external_core::storage::{
    BeginMultipartRequest, Checksum, CompleteMultipartRequest, PartReceipt, PutPartRequest,
};
use external_core::{CallContext, Effect, Error, Result};
use futures_util::StreamExt;
use futures_util::future::{Either, poll_fn, select};
use futures_util::stream::FuturesUnordered;

use super::budget::Held;
use super::doubt::{Found, Sent};
use super::parts::PartSizes;
use super::pending::Pending;
use super::source::Source;
use super::sums::Sums;
use super::{PUT, StorageClient, UploadCall, UploadReceipt, UploadRequest};
use crate::checksum;

/// What was read before it was known that the upload needs parts.
pub(super) struct First {
    pub(super) body: Bytes,
    pub(super) held: Held,
    /// Its checksum, where the whole's gave it.
    pub(super) sum: Option<Checksum>,
    pub(super) sums: Sums,
}

impl StorageClient {
    pub(super) async fn upload_parts(
        &self,
        call: &UploadCall<'_>,
        request: &UploadRequest,
        source: Source<'_>,
        sizes: PartSizes,
        first: First,
    ) -> Result<UploadReceipt> {
        // The precondition is sent at the end: whether it can be is asked before megabytes are.
        self.locate(PUT, self.check_multipart_precondition(&request.precondition))?;
        let mut begin = BeginMultipartRequest::new(request.key.clone())
            .with_attributes(request.attributes.clone())
            .with_call_options(request.call.clone());
        begin.checksum = self.parts_checksum(request);
        let pending = self.begin_call(call.cx, &begin).await?;
        match self.send_all(call, request, source, sizes, first, &pending).await {
            Ok((receipt, upload_is_gone)) => {
                if upload_is_gone {
                    pending.completed();
                }
                Ok(receipt)
            }
            Err(error) => {
                pending.abort().await;
                Err(error)
            }
        }
    }

    /// The receipt, and whether the upload is certainly gone.
    async fn send_all(
        &self,
        call: &UploadCall<'_>,
        request: &UploadRequest,
        mut source: Source<'_>,
        mut sizes: PartSizes,
        first: First,
        pending: &Pending,
    ) -> Result<(UploadReceipt, bool)> {
        let (cx, upload) = (call.cx, pending.upload()?);
        let First { body, held, sum, mut sums } = first;
        let mut receipts: Vec<PartReceipt> = Vec::new();
        let mut sending = FuturesUnordered::new();
        let mut total = body.len() as u64;
        let kind = self.parts_checksum(request);
        self.locate(PUT, sums.send_as(kind, &body).await)?;
        // Its own sum may be of the other kind.
        let sum = sum.filter(|sum| Some(sum.kind()) == kind);
        sending.push(self.send_part(cx, request, pending, 1, (body, held, sum)));
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
            sending.push(self.send_part(cx, request, pending, number, part));
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
        call.begin_last();
        let Found { receipt, upload_is_gone } = match self.complete_call(cx, &complete).await {
            Ok(receipt) => Found { receipt, upload_is_gone: true },
            Err(error) => {
                let sent = Sent { request, upload, size: total, checksum: sent };
                self.find_out(cx, sent, error).await?
            }
        };
        Ok((self.uploaded(request, &receipt, total, parts, checksum), upload_is_gone))
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
        pending: &Pending,
        number: u32,
        (body, held, sum): (Bytes, Held, Option<Checksum>),
    ) -> Result<PartReceipt> {
        let sum = match (sum, self.parts_checksum(request)) {
            (None, Some(kind)) => Some(self.locate(PUT, checksum::of_body(kind, &body).await)?),
            (sum, _) => sum,
        };
        let upload = pending.upload()?.clone();
        let mut part = PutPartRequest::new(upload, number, body).with_call_options(request.call.clone());
        part.checksum = sum;
        let receipt = self.put_part_call(cx, &part, pending.stray()).await;
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
