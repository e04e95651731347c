//! What is refused before anything is sent: the one place where an option meets what the provider declares.

use external_core::storage::{
    BeginMultipartRequest, ByteRange, CompleteMultipartRequest, CopyRequest, DeleteRequest, GetRequest,
    HeadRequest, ListRequest, ObjectAttributes, ObjectKey, Precondition, PresignMethod, PresignRequest,
    PutRequest,
};
use external_core::{Error, Operation, Result};

use super::StorageClient;

impl StorageClient {
    /// `Unsupported` naming the capability, unless the provider declares it or `used` is false.
    fn need(&self, used: bool, capability: &'static str) -> Result<()> {
        let capabilities = self.info().capabilities();
        if !used || capabilities.grade(capability).is_supported() {
            return Ok(());
        }
        let error = Error::unsupported(capability);
        Err(match capabilities.get_need(capability) {
            Some(what) => error.with_context("needs", what),
            None => error,
        })
    }

    /// Names provider and operation in an error that did not pass the pipeline.
    pub(super) fn locate<T>(&self, operation: Operation, result: Result<T>) -> Result<T> {
        result.map_err(|mut error| {
            error.locate(self.info().id(), operation);
            error
        })
    }

    /// Names the object in an error that does not yet: a service that moves thousands must see which it was.
    pub(super) fn about<T>(&self, key: &ObjectKey, result: Result<T>) -> Result<T> {
        result.map_err(|error| match error.context_value("key") {
            Some(_) => error,
            None => error.with_context("key", key),
        })
    }

    /// A facet, or `Unsupported`: the one place where `None` becomes an error.
    pub(super) fn facet<'a, T: ?Sized>(
        &self,
        operation: Operation,
        facet: Option<&'a T>,
        capability: &'static str,
    ) -> Result<&'a T> {
        self.locate(operation, facet.ok_or_else(|| Error::unsupported(capability)))
    }

    fn check_attributes(&self, attributes: &ObjectAttributes) -> Result<()> {
        attributes.validate()?;
        self.need(attributes.headers != Default::default(), "content-headers")?;
        self.need(!attributes.metadata.is_empty(), "metadata")?;
        self.need(!attributes.tags.is_empty(), "tags")
    }

    fn check_precondition(
        &self,
        precondition: &Precondition,
        absent: &'static str,
        matches: &'static str,
    ) -> Result<()> {
        self.need(matches!(precondition, Precondition::Absent), absent)?;
        self.need(matches!(precondition, Precondition::Matches(_)), matches)
    }

    pub(super) fn check_put(&self, request: &PutRequest) -> Result<()> {
        self.check_attributes(&request.attributes)?;
        self.check_precondition(&request.precondition, "create-only", "compare-and-swap")?;
        self.need(request.checksum.is_some(), "checksum")?;
        self.check_size(request.body.len() as u64, "put-bytes-max")
    }

    pub(super) fn check_get(&self, request: &GetRequest) -> Result<()> {
        self.need(matches!(request.range, Some(ByteRange::Suffix(_))), "suffix-range")?;
        self.need(matches!(request.range, Some(ByteRange::From(_) | ByteRange::Within { .. })), "range")?;
        self.need(request.if_match.is_some(), "if-match")?;
        self.need(request.if_none_match.is_some(), "if-none-match")?;
        self.need(request.version.is_some(), "versions")
    }

    pub(super) fn check_head(&self, request: &HeadRequest) -> Result<()> {
        self.need(request.version.is_some(), "versions")
    }

    pub(super) fn check_delete(&self, request: &DeleteRequest) -> Result<()> {
        self.need(request.if_match.is_some(), "delete-if-match")
    }

    pub(super) fn check_list(&self, request: &ListRequest) -> Result<()> {
        request.validate()?;
        self.need(request.delimiter.is_some(), "list-delimiter")?;
        self.need(request.start_after.is_some(), "list-start-after")
    }

    pub(super) fn check_begin(&self, request: &BeginMultipartRequest) -> Result<()> {
        self.check_attributes(&request.attributes)?;
        self.need(request.checksum.is_some(), "checksum")
    }

    pub(super) fn check_complete(&self, request: &CompleteMultipartRequest) -> Result<()> {
        self.check_multipart_precondition(&request.precondition)?;
        self.need(request.checksum.is_some(), "checksum")
    }

    /// Asked before an upload begins, since its precondition is sent at its end.
    pub(super) fn check_multipart_precondition(&self, precondition: &Precondition) -> Result<()> {
        self.check_precondition(precondition, "multipart-create-only", "multipart-compare-and-swap")
    }

    pub(super) fn check_copy(&self, request: &CopyRequest) -> Result<()> {
        request.validate()?;
        if let Some(attributes) = &request.replace_attributes {
            self.check_attributes(attributes)?;
        }
        self.check_precondition(&request.precondition, "copy-create-only", "copy-compare-and-swap")?;
        self.need(request.from_version.is_some(), "versions")?;
        self.need(request.if_match.is_some(), "if-match")
    }

    pub(super) fn check_presign(&self, request: &PresignRequest) -> Result<()> {
        self.need(request.method == PresignMethod::Get, "presign-get")?;
        self.need(request.method == PresignMethod::Put, "presign-put")
    }

    pub(super) fn check_size(&self, bytes: u64, limit: &'static str) -> Result<()> {
        match self.info().capabilities().get_limit(limit) {
            Some(most) if bytes > most => {
                Err(Error::payload_too_large("more bytes than the provider takes at once")
                    .with_effect(external_core::Effect::NotSent)
                    .with_context("bytes", bytes)
                    .with_context("limit", most))
            }
            _ => Ok(()),
        }
    }
}
