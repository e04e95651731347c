//! Copies inside the bucket.

use async_trait::async_trait;
use aws_sdk_s3::types::{MetadataDirective, TaggingDirective};
use external_core::storage::{CopyRequest, CopyStorage, Precondition, PutReceipt};
use external_core::{CallContext, Error, ErrorKind, Result};

use super::attributes::with_attributes;
use super::objects::{alike, of_precondition, of_version};
use super::{S3Storage, wire};

#[async_trait]
impl CopyStorage for S3Storage {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
    async fn copy(&self, cx: &CallContext, request: &CopyRequest) -> Result<PutReceipt> {
        request.validate()?;
        self.require(request.from_version.is_some(), "versions")?;
        let (create, swap) =
            self.conditions(&request.precondition, "copy-create-only", "copy-compare-and-swap")?;
        let replaced = request.replace_attributes.as_ref();
        replaced.map_or(Ok(()), |attributes| self.check_attributes(attributes))?;
        let copied = self.ask(cx, |client, mark| {
            let copy = client
                .copy_object()
                .bucket(&self.bucket)
                .key(request.to.as_str())
                .copy_source(wire::copy_source(&self.bucket, &request.from, request.from_version.as_ref()))
                .set_copy_source_if_match(request.if_match.as_ref().map(ToString::to_string))
                .set_if_none_match(create)
                .set_if_match(swap);
            let copy = match replaced {
                None => copy,
                Some(attributes) => {
                    let copy =
                        with_attributes!(copy, attributes).metadata_directive(MetadataDirective::Replace);
                    let tags = self.has("tags").then_some(TaggingDirective::Replace);
                    copy.set_tagging_directive(tags)
                }
            };
            copy.customize().interceptor(mark).send()
        });
        let answer = copied.await.map_err(|error| explained(request, self.of_source(error)))?;
        let tag = answer.copy_object_result.and_then(|result| result.e_tag);
        self.receipt(tag, answer.version_id)
    }
}

impl S3Storage {
    /// A source that is too large to be copied at once S3 calls an invalid request, and only its words tell it from others.
    pub(super) fn of_source(&self, error: Error) -> Error {
        const TOO_LARGE: &str = "larger than the maximum allowable size for a copy source";
        let answer = error.context_value("answer").unwrap_or_default();
        if error.vendor_code() != Some("InvalidRequest") || !answer.contains(TOO_LARGE) {
            return error;
        }
        let told = Error::payload_too_large(
            "the source is larger than the store copies at once: a client copies it by reading and writing, \
             a named version only with `replace_attributes`",
        );
        let told = alike(told, &error);
        match self.info.capabilities().get_limit("copy-bytes-max") {
            Some(most) => told.with_context("limit", most),
            None => told,
        }
    }
}

/// Source and destination have conditions of their own, and S3 does not tell whose did not hold.
fn explained(request: &CopyRequest, error: Error) -> Error {
    match (&request.precondition, error.kind()) {
        (Precondition::Absent, ErrorKind::Conflict) if request.if_match.is_some() => error,
        (Precondition::Absent, _) => of_precondition(&request.precondition, error),
        _ => of_version(request.from_version.is_some(), error),
    }
}
