//! Whole objects: put, get, head, delete.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectIdentifier};
use external_core::storage::{
    ByteStream, Checksum, DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult, HeadRequest,
    ObjectAttributes, ObjectBody, ObjectInfo, ObjectKey, Precondition, PutReceipt, PutRequest,
};
use external_core::{CallContext, Effect, Error, ErrorKind, Result};
use futures_util::StreamExt;
use http_body_util::BodyDataStream;

use super::attributes::{info, with_attributes};
use super::{S3Storage, error, wire};
use crate::checksum::{self, Expected};

impl S3Storage {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
    pub(super) async fn put_object(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        self.check_attributes(&request.attributes)?;
        self.check_size(request.body.len(), "put-bytes-max")?;
        let sum = self.checksum_to_send(request.checksum, &request.body).await?;
        let (create, swap) = self.conditions(&request.precondition, "create-only", "compare-and-swap")?;
        let put = self.ask(cx, |client, mark| {
            let put = with_attributes!(client.put_object(), &request.attributes)
                .bucket(&self.bucket)
                .key(request.key.as_str())
                .set_if_none_match(create)
                .set_if_match(swap)
                .body(request.body.clone().into());
            let put = match sum {
                Some(Checksum::Sha256(sum)) => put.checksum_sha256(wire::sha256(sum)),
                Some(Checksum::Crc32c(sum)) => put.checksum_crc32_c(wire::crc32c(sum)),
                _ => put,
            };
            let put = put.customize().interceptor(mark);
            if self.sign_bodies { put.send() } else { put.disable_payload_signing().send() }
        });
        let answer = put.await.map_err(|error| of_precondition(&request.precondition, error))?;
        self.receipt(answer.e_tag, answer.version_id)
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
    pub(super) async fn get_object(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        self.require(request.version.is_some(), "versions")?;
        self.require(request.if_match.is_some(), "if-match")?;
        self.require(request.if_none_match.is_some(), "if-none-match")?;
        let range = request.range.map(wire::range).transpose()?;
        // With a range the answer's checksum, if any, is not that of the bytes that come.
        let verified = range.is_none() && self.has("checksum");
        let got = self.ask(cx, |client, mark| {
            let mark = mark.for_a_body();
            client
                .get_object()
                .bucket(&self.bucket)
                .key(request.key.as_str())
                .set_version_id(request.version.as_ref().map(ToString::to_string))
                .set_range(range)
                .set_if_match(request.if_match.as_ref().map(ToString::to_string))
                .set_if_none_match(request.if_none_match.as_ref().map(ToString::to_string))
                .customize()
                // Asked for by its header alone: the SDK's own verification cannot be left to the caller.
                .mutate_request(move |request| {
                    if verified {
                        request.headers_mut().insert("x-amz-checksum-mode", "ENABLED");
                    }
                })
                .interceptor(mark)
                .send()
        });
        match got.await {
            Ok(mut answer) => {
                let body = std::mem::take(&mut answer.body).into_inner();
                let chunks =
                    BodyDataStream::new(body).map(|chunk| chunk.map_err(|error| error::body(&*error)));
                let (info, range) = self.got(request, answer)?;
                let mut object = ObjectBody::new(info, range, ByteStream::new(chunks));
                object.verify_range(request.range)?;
                if verified
                    && !request.caller_verifies
                    && let Some(expected) = Expected::of(&object.info)?
                {
                    object.body = checksum::verify_read(object.body, expected);
                }
                Ok(GetResult::Object(object))
            }
            Err(error) if error.http_status() == Some(304) => Ok(GetResult::NotModified),
            Err(error) => Err(of_version(request.version.is_some(), error)),
        }
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>
    pub(super) async fn head_object(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        self.require(request.version.is_some(), "versions")?;
        let head = self.ask(cx, |client, mark| {
            client
                .head_object()
                .bucket(&self.bucket)
                .key(request.key.as_str())
                .set_version_id(request.version.as_ref().map(ToString::to_string))
                .set_checksum_mode(self.has("checksum").then_some(ChecksumMode::Enabled))
                .customize()
                .interceptor(mark)
                .send()
        });
        let answer = head.await.map_err(|error| of_version(request.version.is_some(), error))?;
        self.told(&request.key, answer)
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>
    pub(super) async fn delete_object(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.require(request.if_match.is_some(), "delete-if-match")?;
        let deleted = self.ask(cx, |client, mark| {
            client
                .delete_object()
                .bucket(&self.bucket)
                .key(request.key.as_str())
                .set_if_match(request.if_match.as_ref().map(ToString::to_string))
                .customize()
                .interceptor(mark)
                .send()
        });
        match deleted.await {
            Ok(_) => Ok(Deleted::new(None)),
            Err(error) if is_gone(&error) && request.if_match.is_some() => Err(not_held(&error)),
            // Some stores tell of a key that was not there, which is no error of ours.
            Err(error) if is_gone(&error) => Ok(Deleted::new(None)),
            Err(error) => Err(error),
        }
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
    pub(super) async fn delete_objects(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        let most = self.limit("delete-batch-max");
        if request.keys.len() as u64 > most {
            return Err(Error::invalid_argument("more keys than the store deletes at once")
                .with_context("keys", request.keys.len())
                .with_context("limit", most));
        }
        let carried: Vec<_> = request.keys.iter().filter(|key| wire::fits_xml(key)).collect();
        if carried.is_empty() {
            return Ok(request.keys.iter().map(|_| Err(not_carried())).collect());
        }
        let named = |key: &ObjectKey| ObjectIdentifier::builder().key(key.as_str()).build();
        let objects = carried.into_iter().map(named).collect::<Result<Vec<_>, _>>();
        let delete = objects.and_then(|objects| Delete::builder().set_objects(Some(objects)).build());
        let delete =
            delete.map_err(|error| Error::unexpected("no deletion can be made").with_source(error))?;
        let deleted = self.ask(cx, |client, mark| {
            client.delete_objects().bucket(&self.bucket).delete(delete).customize().interceptor(mark).send()
        });
        // Not quiet: each key must be told of, or it is not known to be gone.
        let answer = deleted.await?;
        let gone: std::collections::HashSet<_> =
            answer.deleted().iter().filter_map(|entry| entry.key()).collect();
        let refused: std::collections::HashMap<_, _> =
            answer.errors().iter().filter_map(|entry| Some((entry.key()?, entry))).collect();
        let result = |key: &ObjectKey| match (gone.contains(key.as_str()), refused.get(key.as_str())) {
            (_, Some(entry)) => match error::of_entry(entry.code(), entry.message()) {
                error if is_gone(&error) => Ok(Deleted::new(None)),
                error => Err(error),
            },
            (true, None) => Ok(Deleted::new(None)),
            (false, None) => Err(Error::corrupt("the answer does not tell of the key")
                .with_effect(Effect::MaybeApplied)
                .with_context("key", key)),
        };
        let told = |key| if wire::fits_xml(key) { result(key) } else { Err(not_carried()) };
        Ok(request.keys.iter().map(told).collect())
    }

    pub(super) fn check_attributes(&self, attributes: &ObjectAttributes) -> Result<()> {
        attributes.validate()?;
        self.require(!attributes.tags.is_empty(), "tags")
    }

    pub(super) fn check_size(&self, bytes: usize, limit: &'static str) -> Result<()> {
        let most = self.limit(limit);
        if bytes as u64 <= most {
            return Ok(());
        }
        Err(Error::payload_too_large("more bytes than the store takes at once")
            .with_context("bytes", bytes)
            .with_context("limit", most))
    }

    /// `If-None-Match` and `If-Match` for a write.
    pub(super) fn conditions(
        &self,
        precondition: &Precondition,
        create: &'static str,
        swap: &'static str,
    ) -> Result<(Option<String>, Option<String>)> {
        match precondition {
            Precondition::None => Ok((None, None)),
            Precondition::Absent => self.require(true, create).map(|()| (Some("*".to_owned()), None)),
            Precondition::Matches(token) => {
                self.require(true, swap).map(|()| (None, Some(token.to_string())))
            }
            _ => Err(Error::unsupported("this precondition")),
        }
    }

    /// The checksum a body travels with: the given one; else a CRC-32C, without which nobody would notice a change.
    pub(super) async fn checksum_to_send(
        &self,
        given: Option<Checksum>,
        body: &bytes::Bytes,
    ) -> Result<Option<Checksum>> {
        self.require(given.is_some(), "checksum")?;
        match given {
            None if self.has("checksum") => {
                checksum::of_body(external_core::storage::ChecksumKind::Crc32c, body).await.map(Some)
            }
            None | Some(Checksum::Crc32c(_) | Checksum::Sha256(_)) => Ok(given),
            Some(_) => Err(Error::unsupported("this kind of checksum")),
        }
    }

    pub(super) fn receipt(&self, tag: Option<String>, version: Option<String>) -> Result<PutReceipt> {
        // It was stored: a receipt that cannot be read does not undo that.
        let mut receipt = PutReceipt::new(wire::token(tag).map_err(|e| e.with_effect(Effect::MaybeApplied))?);
        receipt.version = wire::version(version, self.has("versions"));
        Ok(receipt)
    }

    fn told(&self, key: &ObjectKey, answer: HeadObjectOutput) -> Result<ObjectInfo> {
        let size = wire::size(answer.content_length)?;
        Ok(info!(key, size, answer, self.has("versions")))
    }

    fn got(
        &self,
        request: &GetRequest,
        answer: GetObjectOutput,
    ) -> Result<(ObjectInfo, std::ops::Range<u64>)> {
        let (range, size) = match answer.content_range() {
            // Whoever ignores a range answers the whole, without this header.
            None => wire::size(answer.content_length).map(|size| (0..size, size))?,
            Some(header) => match wire::content_range(header) {
                Some(told) => told,
                // MinIO answers the end of an empty object with nothing instead of refusing it.
                None if answer.content_length == Some(0) => (0..0, 0),
                None => return Err(Error::corrupt("Content-Range cannot be read")),
            },
        };
        if let Some(asked) = request.range
            && size == 0
        {
            asked.resolve(size)?;
        }
        Ok((info!(request.key, size, answer, self.has("versions")), range))
    }
}

/// A batch is an XML document.
fn not_carried() -> Error {
    Error::unsupported("delete-batch with a key that XML cannot hold; `delete` takes it")
}

/// What a refused precondition means: S3 answers 412 for both, and 404 where there is nothing to swap.
pub(super) fn of_precondition(precondition: &Precondition, error: Error) -> Error {
    match (precondition, error.kind()) {
        // A completion or copy that had begun its answer tells it inside of a 200.
        (Precondition::Absent, ErrorKind::Conflict)
            if error.http_status() == Some(412) || error.vendor_code() == Some("PreconditionFailed") =>
        {
            alike(Error::already_exists("the key holds an object"), &error)
        }
        (Precondition::Matches(_), ErrorKind::NotFound) => not_held(&error),
        _ => error,
    }
}

fn not_held(error: &Error) -> Error {
    alike(Error::conflict("the key holds nothing"), error)
}

/// A version that is named and not there: S3 calls a text that is no id of its own an invalid argument, and the copy of
/// a deletion an invalid request.
pub(super) fn of_version(named: bool, error: Error) -> Error {
    let no_version = match error.vendor_code() {
        Some("InvalidArgument") => true,
        Some("InvalidRequest") => {
            error.context_value("answer").is_some_and(|answer| answer.contains("delete marker"))
        }
        _ => false,
    };
    if named && no_version { alike(Error::not_found("no such version"), &error) } else { error }
}

/// Whether S3 itself says that there is nothing to take away. A 404 of somebody on the way says no such thing.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error.vendor_code(), Some("NoSuchKey" | "NoSuchVersion" | "NoSuchUpload"))
}

/// Another kind of error for the same answer.
pub(super) fn alike(new: Error, old: &Error) -> Error {
    let mut new = new.with_effect(old.effect());
    if let Some(code) = old.vendor_code() {
        new = new.with_vendor_code(code);
    }
    if let Some(status) = old.http_status() {
        new = new.with_http_status(status);
    }
    if let Some(id) = old.request_id() {
        new = new.with_request_id(id);
    }
    new
}
