//! A completion of which nobody knows how it ended: found out about before anything is aborted.

use std::time::Duration;

use external_core::storage::{
    Checksum, HeadRequest, ListUploadsRequest, MultipartUpload, ObjectAttributes, ObjectInfo, Precondition,
    PutReceipt,
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

/// A completion that was made, though its answer said otherwise.
pub(super) struct Found {
    pub(super) receipt: PutReceipt,
    /// Whether the upload is certainly gone: where nobody can tell, an object that is the same may be an older one.
    pub(super) upload_is_gone: bool,
}

/// What was to become an object.
pub(super) struct Sent<'a> {
    pub(super) request: &'a UploadRequest,
    pub(super) upload: &'a MultipartUpload,
    pub(super) size: u64,
    pub(super) checksum: Option<Checksum>,
}

impl StorageClient {
    /// The completion that failed with `error`, if it was made all the same.
    ///
    /// # Errors
    ///
    /// `error`, once the completion is certainly not under way any more, or for too long.
    pub(super) async fn find_out(&self, cx: &CallContext, sent: Sent<'_>, error: Error) -> Result<Found> {
        if error.effect() != Effect::MaybeApplied {
            return Err(error);
        }
        // The store's own word ends what was under way. A status alone does not: S3 begins a 200 before it begins to
        // work, and a gateway tells of its own patience.
        let answered = error.vendor_code().is_some() || error.kind() == ErrorKind::NotFound;
        let until = Instant::now() + LOOK_WITHIN;
        let mut pause = LOOK_PAUSE;
        loop {
            // In this order: what is completed between the two looks is seen by the second one.
            let pending = self.is_pending(cx, sent.upload).await;
            let made = self.as_sent(cx, &sent).await;
            match (made, pending) {
                (Some(receipt), Some(false)) => return Ok(Found { receipt, upload_is_gone: true }),
                // Of the same bytes and attributes: whoever made it, it is what was asked for.
                (Some(receipt), None) if sent.request.precondition == Precondition::None => {
                    return Ok(Found { receipt, upload_is_gone: false });
                }
                // Somebody else's, perhaps; or replaced since.
                (Some(_), None) | (None, Some(false)) => return Err(error),
                (_, Some(true)) | (None, None) => {}
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

    /// The receipt of the object at the key, if it is what was sent by size, checksum and attributes. Without a checksum
    /// it may be anybody's.
    async fn as_sent(&self, cx: &CallContext, sent: &Sent<'_>) -> Option<PutReceipt> {
        sent.checksum?;
        let info = self.head_call(cx, &HeadRequest::new(sent.request.key.clone())).await.ok()?;
        let is_same = (info.size, info.checksum) == (sent.size, sent.checksum);
        if !is_same || !bears(&info, &sent.request.attributes) {
            return None;
        }
        let mut receipt = PutReceipt::new(info.token);
        receipt.version = info.version;
        Some(receipt)
    }
}

/// Whether an object has what was to be stored with it. Tags are not among what a `head` tells.
fn bears(object: &ObjectInfo, wanted: &ObjectAttributes) -> bool {
    let (has, headers) = (&object.headers, &wanted.headers);
    let agree = |has: &Option<String>, wanted: &Option<String>| wanted.is_none() || has == wanted;
    agree(&has.content_type, &headers.content_type)
        && agree(&has.cache_control, &headers.cache_control)
        && agree(&has.content_disposition, &headers.content_disposition)
        && agree(&has.content_encoding, &headers.content_encoding)
        && agree(&has.content_language, &headers.content_language)
        && object.metadata == wanted.metadata
}

async fn wait(pause: Duration) -> Result<()> {
    tokio::time::sleep(pause).await;
    Ok(())
}
