//! Writing in parts.

use async_trait::async_trait;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, Checksum, ChecksumKind, CompleteMultipartRequest,
    ListUploadsRequest, MultipartStorage, MultipartUpload, PartReceipt, PendingUpload, PutPartRequest,
    PutReceipt, UploadId, UploadPage,
};
use external_core::{CallContext, Error, Result, Retry};

use super::attributes::with_attributes;
use super::objects::{is_gone, of_precondition};
use super::{S3Storage, wire};
use crate::checksum;

#[async_trait]
impl MultipartStorage for S3Storage {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html>
    async fn begin_multipart(
        &self,
        cx: &CallContext,
        request: &BeginMultipartRequest,
    ) -> Result<MultipartUpload> {
        self.check_attributes(&request.attributes)?;
        self.check_whole(request.checksum)?;
        let begun = self.ask(cx, |client, mark| {
            let begin = with_attributes!(client.create_multipart_upload(), &request.attributes)
                .bucket(&self.bucket)
                .key(request.key.as_str());
            // S3 must know beforehand how parts will be summed, and adds the parts' sums up to that of the whole.
            let begin = if self.has("checksum") {
                begin.checksum_algorithm(ChecksumAlgorithm::Crc32C).checksum_type(ChecksumType::FullObject)
            } else {
                begin
            };
            begin.customize().interceptor(mark).send()
        });
        Ok(MultipartUpload::new(request.key.clone(), wire::upload_id(begun.await?.upload_id)?))
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html>
    async fn put_part(&self, cx: &CallContext, request: &PutPartRequest) -> Result<PartReceipt> {
        self.check_size(request.body.len(), "part-bytes-max")?;
        let number = i32::try_from(request.number)
            .ok()
            .filter(|number| (1..=self.limit("parts-max")).contains(&u64::from(number.unsigned_abs())));
        let number = number.ok_or_else(|| {
            Error::invalid_argument("a part has a number from 1 to the store's limit")
                .with_context("number", request.number)
        })?;
        let sum = self.part_sum(request).await?;
        let sent = self.ask(cx, |client, mark| {
            let part = client
                .upload_part()
                .bucket(&self.bucket)
                .key(request.upload.key.as_str())
                .upload_id(request.upload.id.as_str())
                .part_number(number)
                .set_checksum_crc32_c(sum.clone())
                .body(request.body.clone().into())
                .customize()
                .interceptor(mark);
            if self.sign_bodies { part.send() } else { part.disable_payload_signing().send() }
        });
        let token = wire::part_token(sent.await?.e_tag, sum.as_deref())?;
        Ok(PartReceipt::new(request.number, request.body.len() as u64, token).with_checksum(request.checksum))
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
    async fn complete_multipart(
        &self,
        cx: &CallContext,
        request: &CompleteMultipartRequest,
    ) -> Result<PutReceipt> {
        self.check_whole(request.checksum.map(|sum| sum.kind()))?;
        if request.parts.is_empty() {
            return Err(Error::invalid_argument("an upload has at least one part"));
        }
        // Some stores take a part twice.
        if !request.parts.is_sorted_by(|one, next| one.number < next.number) {
            return Err(Error::invalid_argument("the parts are out of order"));
        }
        let (create, swap) =
            self.conditions(&request.precondition, "multipart-create-only", "multipart-compare-and-swap")?;
        let parts = request.parts.iter().map(named).collect();
        let whole = match request.checksum {
            Some(Checksum::Crc32c(sum)) => Some(wire::crc32c(sum)),
            _ => None,
        };
        let completed = self.ask(cx, |client, mark| {
            client
                .complete_multipart_upload()
                .bucket(&self.bucket)
                .key(request.upload.key.as_str())
                .upload_id(request.upload.id.as_str())
                .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
                .set_checksum_type(whole.is_some().then_some(ChecksumType::FullObject))
                .set_checksum_crc32_c(whole)
                .set_if_none_match(create)
                .set_if_match(swap)
                .customize()
                .interceptor(mark)
                .send()
        });
        let answer = completed.await.map_err(|error| match error.vendor_code() {
            // Which of the two is not there, the upload or what was to be replaced, the code tells.
            Some("NoSuchUpload") => error,
            // After a conflict the parts are to be sent again: the same completion would only fail again.
            Some("ConditionalRequestConflict") => error.with_retry(Retry::Never),
            _ => of_precondition(&request.precondition, error),
        })?;
        self.receipt(answer.e_tag, answer.version_id)
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html>
    async fn abort_multipart(&self, cx: &CallContext, request: &AbortMultipartRequest) -> Result<()> {
        let aborted = self.ask(cx, |client, mark| {
            client
                .abort_multipart_upload()
                .bucket(&self.bucket)
                .key(request.upload.key.as_str())
                .upload_id(request.upload.id.as_str())
                .customize()
                .interceptor(mark)
                .send()
        });
        match aborted.await {
            Err(error) if !is_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>
    async fn list_uploads(&self, cx: &CallContext, request: &ListUploadsRequest) -> Result<UploadPage> {
        self.require(true, "list-uploads")?;
        if request.limit == Some(0) {
            return Err(Error::invalid_argument("a page holds at least one entry").with_context("limit", 0));
        }
        if !self.store.lists_uploads_by_prefix() {
            return self.sort_out_uploads(cx, request).await;
        }
        let (key_marker, id_marker) = wire::go_on(request.token.as_ref())?;
        let listed = self.ask(cx, |client, mark| {
            client
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .prefix(&request.prefix)
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker)
                .max_uploads(self.page_size(request.limit))
                .set_encoding_type(self.encoding())
                .customize()
                .interceptor(mark)
                .send()
        });
        let answer = listed.await?;
        let encoded = self.encoded_listings && answer.encoding_type.is_some();
        let next = answer.next_key_marker().and_then(|key| wire::decoded(key, encoded));
        let next = wire::marker_token(next, answer.next_upload_id_marker());
        let next = wire::next_page(answer.bucket.is_some(), answer.is_truncated, next)?;
        let uploads = answer.uploads().iter().filter_map(|upload| pending(upload, encoded)).collect();
        Ok(UploadPage::new(uploads, next))
    }
}

impl S3Storage {
    /// A page out of a listing that holds every upload of the bucket at once, in no order.
    async fn sort_out_uploads(&self, cx: &CallContext, request: &ListUploadsRequest) -> Result<UploadPage> {
        let after = request.token.as_ref().map(wire::markers).transpose()?;
        let listed = self.ask(cx, |client, mark| {
            client
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .set_encoding_type(self.encoding())
                .customize()
                .interceptor(mark)
                .send()
        });
        let answer = listed.await?;
        let encoded = self.encoded_listings && answer.encoding_type.is_some();
        // Where it says that there are more, it holds not all of them: what is sorted out of it would be a part.
        wire::next_page(answer.bucket.is_some(), answer.is_truncated, None::<()>)?;
        let place = |one: &PendingUpload| (one.upload.key.to_string(), Some(one.upload.id.to_string()));
        let mut uploads: Vec<_> = answer
            .uploads()
            .iter()
            .filter_map(|upload| pending(upload, encoded))
            .filter(|one| one.upload.key.as_str().starts_with(&request.prefix))
            .filter(|one| after.as_ref().is_none_or(|after| place(one) > *after))
            .collect();
        uploads.sort_by_cached_key(place);
        let most = usize::try_from(self.page_size(request.limit)).unwrap_or(usize::MAX);
        let more = uploads.len() > most;
        uploads.truncate(most);
        let last = uploads.last().filter(|_| more).map(place);
        Ok(UploadPage::new(uploads, last.and_then(|(key, id)| wire::marker_token(Some(key), id.as_deref()))))
    }

    /// S3 sums a whole upload up by CRC alone.
    fn check_whole(&self, kind: Option<ChecksumKind>) -> Result<()> {
        self.require(kind.is_some(), "checksum")?;
        self.require(kind == Some(ChecksumKind::Sha256), "multipart-sha256")
    }

    /// The CRC-32C a part travels with. Any other checksum given is verified here, against the same bytes.
    async fn part_sum(&self, request: &PutPartRequest) -> Result<Option<String>> {
        self.require(request.checksum.is_some(), "checksum")?;
        if !self.has("checksum") {
            return Ok(None);
        }
        if let Some(Checksum::Crc32c(sum)) = request.checksum {
            return Ok(Some(wire::crc32c(sum)));
        }
        if let Some(other) = request.checksum {
            checksum::compare(other, checksum::of_body(other.kind(), &request.body).await?)
                .map_err(|error| error.with_effect(external_core::Effect::NotApplied))?;
        }
        Ok(match checksum::of_body(ChecksumKind::Crc32c, &request.body).await? {
            Checksum::Crc32c(sum) => Some(wire::crc32c(sum)),
            _ => None,
        })
    }
}

fn pending(upload: &aws_sdk_s3::types::MultipartUpload, encoded: bool) -> Option<PendingUpload> {
    let key = wire::key(upload.key(), encoded)?;
    let mut pending = PendingUpload::new(MultipartUpload::new(key, UploadId::new(upload.upload_id()?)));
    pending.started = wire::time(upload.initiated);
    Some(pending)
}

fn named(part: &PartReceipt) -> CompletedPart {
    let (tag, sum) = wire::tag_and_sum(&part.token);
    CompletedPart::builder()
        .part_number(i32::try_from(part.number).unwrap_or(i32::MAX))
        .e_tag(tag)
        .set_checksum_crc32_c(sum.map(str::to_owned))
        .build()
}
