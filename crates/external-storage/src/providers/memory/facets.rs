//! The facets of a memory store: multipart, copy, tags, versions.

use std::collections::BTreeMap;

use async_trait::async_trait;
use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, CopyRequest, CopyStorage,
    DeleteVersionRequest, Deleted, GetTagsRequest, ListUploadsRequest, ListVersionsRequest, MultipartStorage,
    MultipartUpload, PartReceipt, PutPartRequest, PutReceipt, PutTagsRequest, RestoreVersionRequest,
    TagStorage, UploadPage, VersionPage, VersionStorage, validate_tags,
};
use external_core::{CallContext, Error, Result};

use super::state::{State, content};
use super::{MemoryStorage, listing, too_large};
use crate::checksum;

#[async_trait]
impl MultipartStorage for MemoryStorage {
    async fn begin_multipart(
        &self,
        cx: &CallContext,
        request: &BeginMultipartRequest,
    ) -> Result<MultipartUpload> {
        request.attributes.validate()?;
        cx.mark_sent();
        Ok(self.state().begin(&request.key, request.attributes.clone(), self.context.now()))
    }

    async fn put_part(&self, cx: &CallContext, request: &PutPartRequest) -> Result<PartReceipt> {
        if !(1..=self.config.parts_max).contains(&request.number) {
            return Err(Error::invalid_argument("no such part number")
                .with_context("part", request.number)
                .with_context("limit", self.config.parts_max));
        }
        too_large(request.body.len(), self.config.part_bytes_max)?;
        checksum::verify_write(request.checksum, &request.body)?;
        cx.mark_sent();
        let token = self.state().put_part(&request.upload, request.number, request.body.clone())?;
        Ok(PartReceipt::new(request.number, request.body.len() as u64, token).with_checksum(request.checksum))
    }

    async fn complete_multipart(
        &self,
        cx: &CallContext,
        request: &CompleteMultipartRequest,
    ) -> Result<PutReceipt> {
        cx.mark_sent();
        let mut state = self.state();
        let Ok(upload) = state.upload(&request.upload) else {
            return state.completed(&request.upload);
        };
        let attributes = upload.attributes.clone();
        let body = state.assemble(&request.upload, &request.parts, self.config.part_bytes_min)?;
        let mut content = content(body, &attributes, request.checksum)?;
        content.upload = Some(request.upload.id.clone());
        state.check(&request.upload.key, &request.precondition)?;
        let receipt = state.store(&request.upload.key, Some(content), self.context.now())?;
        state.forget(&request.upload);
        Ok(receipt)
    }

    async fn abort_multipart(&self, cx: &CallContext, request: &AbortMultipartRequest) -> Result<()> {
        cx.mark_sent();
        self.state().forget(&request.upload);
        Ok(())
    }

    async fn list_uploads(&self, cx: &CallContext, request: &ListUploadsRequest) -> Result<UploadPage> {
        cx.mark_sent();
        listing::uploads(&self.state(), request, self.config.list_page_max)
    }
}

#[async_trait]
impl CopyStorage for MemoryStorage {
    async fn copy(&self, cx: &CallContext, request: &CopyRequest) -> Result<PutReceipt> {
        request.validate()?;
        self.require_versions(request.from_version.is_some())?;
        cx.mark_sent();
        let mut state = self.state();
        let (stored, content) = state.find(&request.from, request.from_version.as_ref())?;
        State::check_match(&request.from, stored, request.if_match.as_ref())?;
        let mut content = content.clone();
        content.upload = None;
        if let Some(attributes) = &request.replace_attributes {
            content.attributes = attributes.clone();
        }
        state.check(&request.to, &request.precondition)?;
        state.store(&request.to, Some(content), self.context.now())
    }
}

#[async_trait]
impl TagStorage for MemoryStorage {
    async fn get_tags(&self, cx: &CallContext, request: &GetTagsRequest) -> Result<BTreeMap<String, String>> {
        cx.mark_sent();
        let state = self.state();
        let (_, content) = state.find(&request.key, None)?;
        Ok(content.attributes.tags.clone())
    }

    async fn put_tags(&self, cx: &CallContext, request: &PutTagsRequest) -> Result<()> {
        validate_tags(&request.tags)?;
        cx.mark_sent();
        let mut state = self.state();
        let current =
            state.objects.get_mut(&request.key).and_then(|versions| versions.last_mut()?.content.as_mut());
        let Some(content) = current else {
            return Err(Error::not_found("no such object").with_context("key", &request.key));
        };
        content.attributes.tags.clone_from(&request.tags);
        Ok(())
    }
}

#[async_trait]
impl VersionStorage for MemoryStorage {
    async fn list_versions(&self, cx: &CallContext, request: &ListVersionsRequest) -> Result<VersionPage> {
        cx.mark_sent();
        listing::versions(&self.state(), request, self.config.list_page_max)
    }

    async fn delete_version(&self, cx: &CallContext, request: &DeleteVersionRequest) -> Result<Deleted> {
        cx.mark_sent();
        let existed = self.state().delete_version(&request.key, &request.version);
        Ok(Deleted::new((cx.attempt() <= 1).then_some(existed)))
    }

    async fn restore_version(&self, cx: &CallContext, request: &RestoreVersionRequest) -> Result<PutReceipt> {
        cx.mark_sent();
        let mut state = self.state();
        let (_, content) = state.find(&request.key, Some(&request.version))?;
        let mut content = content.clone();
        content.upload = None;
        state.store(&request.key, Some(content), self.context.now())
    }
}
