//! Uploads of unknown length: one put if it fits into one part, else parts side by side.

mod budget;
mod call;
mod doubt;
mod multipart;
mod parts;
mod patience;
mod pending;
mod source;
mod stray;
mod sums;

use bytes::Bytes;
use external_core::storage::{
    Checksum, ChecksumKind, ObjectAttributes, ObjectKey, Precondition, PutReceipt, PutRequest, VersionId,
    VersionToken,
};
use external_core::{CallContext, CallOptions, Effect, Error, Operation, Repeat, Result, Retry};
use futures_core::Stream;
use tokio::io::AsyncRead;

use self::budget::Held;
use self::multipart::First;
use self::parts::PartSizes;
use self::sums::Sums;
use super::StorageClient;
use crate::checksum::Hasher;

pub(super) use budget::Budget;
pub(super) use call::UploadCall;
pub(super) use source::Source;
pub(super) use stray::Stray;

/// What an error before the first exchange is about.
const PUT: Operation = Operation::new("storage", "put", Repeat::Idempotent);

/// Where an upload goes, with all options.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UploadRequest {
    /// Where to.
    pub key: ObjectKey,
    /// What is stored with the bytes. The content type is guessed from the key where absent.
    pub attributes: ObjectAttributes,
    /// What must hold of the key, however many exchanges the upload takes. Default: nothing.
    pub precondition: Precondition,
    /// The checksum of all the bytes, where it is known beforehand; else the client computes one.
    pub checksum: Option<Checksum>,
    /// About how many bytes there are, where it is known beforehand: parts are then as small as the provider's highest part
    /// number lets them be, instead of growing. It may be wrong. Default: unknown.
    pub expected_size: Option<u64>,
    /// The timeout of the whole upload, reading the source included, and log metadata. Default: none, and the policy's
    /// deadlines for each exchange.
    pub call: CallOptions,
}

external_core::call_options!(UploadRequest);

impl UploadRequest {
    /// Uploads to `key`.
    #[must_use]
    pub fn new(key: ObjectKey) -> Self {
        Self {
            key,
            attributes: ObjectAttributes::default(),
            precondition: Precondition::None,
            checksum: None,
            expected_size: None,
            call: CallOptions::default(),
        }
    }

    /// Sets what is stored with the bytes.
    #[must_use]
    pub fn with_attributes(mut self, attributes: ObjectAttributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// Sets the media type, keeping the other attributes.
    #[must_use]
    pub fn with_content_type(mut self, value: impl Into<String>) -> Self {
        self.attributes = self.attributes.with_content_type(value);
        self
    }

    /// Sets what must hold for the upload to take effect.
    #[must_use]
    pub fn with_precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// Sets the checksum that the bytes must have.
    #[must_use]
    pub fn with_checksum(mut self, checksum: Checksum) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// Sets about how many bytes there are.
    #[must_use]
    pub fn with_expected_size(mut self, bytes: u64) -> Self {
        self.expected_size = Some(bytes);
        self
    }
}

/// What an upload made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UploadReceipt {
    /// Where the object is: the provider's location and the key, `s3://bucket/key`.
    pub location: String,
    /// How many bytes it has.
    pub size: u64,
    /// How many parts it was sent in; 0 for a single put.
    pub parts: u32,
    /// Stands for the content just written.
    pub token: VersionToken,
    /// The version made, where the provider keeps versions.
    pub version: Option<VersionId>,
    /// The checksum of the whole, where one was computed.
    pub checksum: Option<Checksum>,
}

impl StorageClient {
    /// Uploads all that `reader` has.
    ///
    /// - Bytes of any length arrive whole, without their length being known beforehand. (storage.upload.1)
    /// - What fits into one part is one put. (storage.upload.2)
    /// - Parts are sent side by side, at most `upload_concurrency` of them. (storage.upload.3)
    /// - Part sizes grow, so that the provider's highest part number is no limit of an upload as long as a part is at most
    ///   half of the budget; what is larger than all such parts is `PayloadTooLarge`. (storage.upload.4)
    /// - All uploads together hold at most their budget in memory. (storage.upload.5)
    /// - A failing source or part leaves no upload behind, and the key as it was. (storage.upload.6)
    /// - An upload that is dropped is aborted, also while it is being begun. (storage.upload.7)
    /// - A precondition holds however many exchanges the upload takes. (storage.upload.8)
    /// - A checksum given beforehand that the bytes do not have is `Corrupt`, and the key stays as it was.
    ///   (storage.upload.9)
    /// - A part that fails in passing is sent again alone. (storage.upload.10)
    /// - With a checksum, a completion whose answer is lost is found out about before anything is aborted: the upload
    ///   succeeds, and made one object; with a precondition only where the provider itself lists uploads. One that is
    ///   still under way is waited for, up to two minutes. Else an error tells `MaybeApplied`. (storage.upload.11)
    /// - A completion that the store refused is no success because the key holds the same bytes; the upload is gone.
    ///   (storage.upload.17)
    /// - An upload whose source stalls ends at the request's timeout, and is aborted. (storage.upload.12)
    /// - What the provider cannot do is refused before the source is read. (storage.upload.13)
    /// - A close ends uploads that wait for their source, with `Closed`; when it is over, nothing of any upload is left.
    ///   (storage.upload.14)
    /// - An upload holds what its source gave, and no more: sources that stall keep no other upload from going on. Where
    ///   there is no memory left for the others, a source that gives less than a KiB within `idle_timeout` ends its upload
    ///   with `Timeout`. (storage.upload.16)
    /// - An abort that fails in passing is tried again, for half a minute; the upload's error does not wait for that.
    ///   (storage.upload.15)
    /// - Where the store has not said what became of a part that was sent, the upload is aborted again after that, so that
    ///   a part that arrives behind the first abort does not stay; else it is aborted once. (storage.upload.18)
    /// - Until the completion or the single put is sent an error, whatever it is of, tells that the key is as it was: its
    ///   effect is `NotApplied`, or `NotSent` if nothing was sent. (storage.upload.19)
    ///
    /// # Errors
    ///
    /// `AlreadyExists` or `Conflict` by the precondition, `Corrupt`, `PayloadTooLarge`, `Unsupported`, `Timeout` at the
    /// request's timeout, `Unexpected` if the source cannot be read, and those of every call. Their effect is that on the
    /// key: parts of an upload that is aborted are none.
    pub async fn upload_with(
        &self,
        reader: impl AsyncRead + Send,
        request: UploadRequest,
    ) -> Result<UploadReceipt> {
        self.run_upload(Source::reader(reader, self.inner.settings.idle_timeout), request).await
    }

    /// Uploads all that `chunks` has. An error of the stream ends the upload and is returned.
    ///
    /// # Errors
    ///
    /// As [`upload_with`](Self::upload_with).
    pub async fn upload_stream(
        &self,
        chunks: impl Stream<Item = Result<Bytes>> + Send,
        request: UploadRequest,
    ) -> Result<UploadReceipt> {
        self.run_upload(Source::stream(chunks, self.inner.settings.idle_timeout), request).await
    }

    async fn run_upload(&self, source: Source<'_>, mut request: UploadRequest) -> Result<UploadReceipt> {
        if request.attributes.headers.content_type.is_none() && self.can("content-headers") {
            request.attributes.headers.content_type = Some(self.guess(&request.key));
        }
        let cx = CallContext::new(&request.call);
        let call = UploadCall::new(&cx);
        self.in_time(&call, self.upload_in(&call, source, &request)).await
    }

    /// Within [`in_time`](Self::in_time).
    pub(super) async fn upload_in(
        &self,
        call: &UploadCall<'_>,
        mut source: Source<'_>,
        request: &UploadRequest,
    ) -> Result<UploadReceipt> {
        let part_max = self.inner.budget.part_max();
        let first = self.inner.settings.part_bytes;
        let mut sizes = PartSizes::new(self.info().capabilities(), first, part_max, request.expected_size);
        let kind = self.upload_checksum(request);
        // What is refused is refused before the source is touched. The upload may turn out to be a single put, or not.
        let probe = self.single_put(request, Bytes::new(), request.checksum);
        self.locate(PUT, self.check_put(&probe).and_then(|()| sizes.check_expected()))?;

        let parts = self.service().multipart().is_some();
        let size = if parts { sizes.next_size()? } else { self.largest_put() };
        let mut sums = Sums::new(kind)?;
        // Nothing was sent yet, so a close that comes meanwhile has nothing to undo.
        let reading = async {
            let part = self.next_part(&mut source, size, &mut sums).await?;
            let at_end = source.is_empty(&part.1).await?;
            Ok((part, at_end))
        };
        let read = self.unless_closing(reading).await.map_err(|error| error.with_effect(Effect::NotSent));
        let ((first, held, sum), at_end) = self.locate(PUT, read)?;
        if at_end {
            let checksum = self.verify_whole(request, sums.whole)?;
            let size = first.len() as u64;
            let put = self.single_put(request, first, checksum);
            call.begin_last();
            let receipt = self.put_call(call.cx, &put).await?;
            return Ok(self.uploaded(request, &receipt, size, 0, checksum));
        }
        if !parts {
            let error =
                Error::payload_too_large("the provider takes no parts, and one put does not hold the upload")
                    .with_effect(Effect::NotSent)
                    .with_context("bytes_at_least", size);
            return self.locate(PUT, Err(error));
        }
        self.upload_parts(call, request, source, sizes, First { body: first, held, sum, sums }).await
    }

    /// Reads the next part, as the budget lets it into memory; with its checksum, where that comes with the whole's.
    async fn next_part(
        &self,
        source: &mut Source<'_>,
        size: usize,
        sums: &mut Sums,
    ) -> Result<(Bytes, Held, Option<Checksum>)> {
        let mut held = self.inner.budget.part(size);
        let body = source.part(&mut held).await?;
        let sum = sums.update_with_part(&body).await?;
        Ok((body, held, sum))
    }

    /// How much one put holds where there are no parts: the provider's limit, and what a part may have of the budget.
    fn largest_put(&self) -> usize {
        let most = self.inner.budget.part_max();
        let limit = self.info().capabilities().get_limit("put-bytes-max").unwrap_or(most);
        usize::try_from(limit.min(most)).unwrap_or(usize::MAX)
    }

    fn single_put(&self, request: &UploadRequest, body: Bytes, checksum: Option<Checksum>) -> PutRequest {
        let mut put = PutRequest::new(request.key.clone(), body)
            .with_attributes(request.attributes.clone())
            .with_precondition(request.precondition.clone())
            .with_call_options(request.call.clone());
        put.checksum = checksum;
        put
    }

    fn upload_checksum(&self, request: &UploadRequest) -> Option<ChecksumKind> {
        let given = request.checksum.map(|sum| sum.kind());
        given.or_else(|| self.inner.settings.checksum.kind().filter(|_| self.can("checksum")))
    }

    /// The checksum that an upload in parts is sent with: SHA-256s of parts do not add up to that of the whole, so where the
    /// provider needs them to, the bytes are sent under CRC-32Cs, and the SHA-256 is verified here.
    fn parts_checksum(&self, request: &UploadRequest) -> Option<ChecksumKind> {
        match self.upload_checksum(request) {
            Some(ChecksumKind::Sha256) if !self.can("multipart-sha256") => Some(ChecksumKind::Crc32c),
            kind => kind,
        }
    }

    /// The checksum of all the bytes; `Corrupt` if another one was given beforehand.
    fn verify_whole(&self, request: &UploadRequest, hasher: Option<Hasher>) -> Result<Option<Checksum>> {
        let seen = hasher.map(Hasher::finish);
        if let (Some(expected), Some(seen)) = (request.checksum, seen) {
            let compared = crate::checksum::compare(expected, seen);
            let certain =
                compared.map_err(|error| error.with_effect(Effect::NotApplied).with_retry(Retry::Never));
            self.locate(PUT, certain)?;
        }
        Ok(seen)
    }

    fn uploaded(
        &self,
        request: &UploadRequest,
        receipt: &PutReceipt,
        size: u64,
        parts: u32,
        checksum: Option<Checksum>,
    ) -> UploadReceipt {
        UploadReceipt {
            location: self.location_of(&request.key),
            size,
            parts,
            token: receipt.token.clone(),
            version: receipt.version.clone(),
            checksum,
        }
    }

    pub(super) fn location_of(&self, key: &ObjectKey) -> String {
        format!("{}/{key}", self.info().location().trim_end_matches('/'))
    }
}
