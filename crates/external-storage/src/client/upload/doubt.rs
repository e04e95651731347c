//! A completion of which nobody knows how it ended: found out about before anything is aborted.

use std::time::Duration;

use external_core::storage::{
    Checksum, HeadRequest, ListUploadsRequest, MultipartUpload, Precondition, PutReceipt,
};
use external_core::{CallContext, Capability, Effect, Error, ErrorKind, Result};
use tokio::time::Instant;

use super::{StorageClient, UploadRequest};

/// How long is looked for a completion that may be under way. S3 takes minutes to put many parts together, and goes on when
/// nobody waits for the answer; an abort would throw all of them away.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
const LOOK_WITHIN: Duration = Duration::from_secs(120);
/// The wait before the second look; each further one doubles it, up to [`LOOK_PAUSE_MAX`].
const LOOK_PAUSE: Duration = Duration::from_millis(100);
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(5);

/// What was to become an object.
pub(super) struct Sent<'a> {
    pub(super) request: &'a UploadRequest,
    pub(super) upload: &'a MultipartUpload,
    pub(super) size: u64,
    pub(super) checksum: Option<Checksum>,
}

impl StorageClient {
    /// The receipt of a completion that failed with `error`, if it was made all the same.
    ///
    /// # Errors
    ///
    /// `error`, once the completion is certainly not under way any more, or for too long.
    pub(super) async fn find_out(
        &self,
        cx: &CallContext,
        sent: Sent<'_>,
        error: Error,
    ) -> Result<PutReceipt> {
        if error.effect() != Effect::MaybeApplied {
            return Err(error);
        }
        // An answer, whatever it says, ends what was under way.
        let answered = error.http_status().is_some() || error.kind() == ErrorKind::NotFound;
        let until = Instant::now() + LOOK_WITHIN;
        let mut pause = LOOK_PAUSE;
        loop {
            // In this order: what is completed between the two looks is seen by the second one.
            let pending = self.is_pending(cx, sent.upload).await;
            let made = self.as_sent(cx, &sent).await;
            let certain = sent.request.precondition == Precondition::None || pending == Some(false);
            match (made, pending) {
                (Some(receipt), _) if certain => return Ok(receipt),
                // Somebody else's of the same bytes, perhaps; or replaced since.
                (Some(_), None) | (_, Some(false)) => return Err(error),
                _ => {}
            }
            let late = Instant::now() + pause > until || cx.remaining().is_some_and(|left| left <= pause);
            if answered || late || self.unless_closing(wait(pause)).await.is_err() {
                return Err(error);
            }
            pause = (pause * 2).min(LOOK_PAUSE_MAX);
        }
    }

    /// Whether the upload is still there; `None` if that cannot be told.
    async fn is_pending(&self, cx: &CallContext, upload: &MultipartUpload) -> Option<bool> {
        // A listing that is put together from others may lack uploads that are there.
        if self.info().capabilities().grade("list-uploads") != Capability::Native {
            return None;
        }
        let mut request = ListUploadsRequest::new(upload.key.as_str());
        loop {
            let page = self.list_uploads_call(cx, &request).await.ok()?;
            if page.uploads.iter().any(|pending| pending.upload == *upload) {
                return Some(true);
            }
            match page.next {
                Some(next) if Some(&next) != request.token.as_ref() => request.token = Some(next),
                Some(_) => return None,
                None => return Some(false),
            }
        }
    }

    /// The receipt of the object at the key, if it is what was sent by size and checksum. Without a checksum it may be
    /// anybody's.
    async fn as_sent(&self, cx: &CallContext, sent: &Sent<'_>) -> Option<PutReceipt> {
        sent.checksum?;
        let info = self.head_call(cx, &HeadRequest::new(sent.request.key.clone())).await.ok()?;
        if (info.size, info.checksum) != (sent.size, sent.checksum) {
            return None;
        }
        let mut receipt = PutReceipt::new(info.token);
        receipt.version = info.version;
        Some(receipt)
    }
}

async fn wait(pause: Duration) -> Result<()> {
    tokio::time::sleep(pause).await;
    Ok(())
}
