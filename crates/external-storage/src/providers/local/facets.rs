//! The facets of a folder of objects: multipart, copy, tags.

use std::collections::BTreeMap;

use async_trait::async_trait;
use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, CopyRequest, CopyStorage,
    GetTagsRequest, ListUploadsRequest, MultipartStorage, MultipartUpload, PartReceipt, Precondition,
    PutPartRequest, PutReceipt, PutTagsRequest, TagStorage, UploadPage, validate_tags,
};
use external_core::{CallContext, Effect, Error, Result};

use super::names::DiskPath;
use super::read::absent;
use super::record::Recorded;
use super::tree::{Stamp, Store};
use super::uploads::PARTS_MAX;
use super::write::{Staged, conflict};
use super::{LocalStorage, no_versions, too_large};
use crate::checksum;

/// How often a copy onto itself starts again because somebody wrote the object.
const RESTARTS: usize = 16;

#[async_trait]
impl MultipartStorage for LocalStorage {
    async fn begin_multipart(
        &self,
        cx: &CallContext,
        request: &BeginMultipartRequest,
    ) -> Result<MultipartUpload> {
        request.attributes.validate()?;
        cx.mark_sent();
        let (key, attributes) = (request.key.clone(), request.attributes.clone());
        self.on_disk(Some(&request.key), move |store| store.begin(&key, &attributes)).await
    }

    async fn put_part(&self, cx: &CallContext, request: &PutPartRequest) -> Result<PartReceipt> {
        if !(1..=PARTS_MAX).contains(&request.number) {
            return Err(Error::invalid_argument("no such part number")
                .with_context("part", request.number)
                .with_context("limit", PARTS_MAX));
        }
        too_large(request.body.len() as u64)?;
        let (upload, body, sum) = (request.upload.clone(), request.body.clone(), request.checksum);
        let part = self
            .on_disk(Some(&request.upload.key), move |store| {
                checksum::verify_write(sum, &body)?;
                store.stage_part(&upload, &body)
            })
            .await?;
        cx.mark_sent();
        let (upload, number, size) = (request.upload.clone(), request.number, request.body.len() as u64);
        let about = Some(&request.upload.key);
        let receipt =
            self.on_disk(about, move |store| store.commit_part(part, &upload, number, size)).await?;
        Ok(receipt.with_checksum(sum))
    }

    async fn complete_multipart(
        &self,
        cx: &CallContext,
        request: &CompleteMultipartRequest,
    ) -> Result<PutReceipt> {
        let (asked, about) = (request.clone(), Some(&request.upload.key));
        let staged = self.on_disk(about, move |store| store.assemble(&asked)).await?;
        let request = request.clone();
        cx.mark_sent();
        self.on_disk(about, move |store| match staged {
            Some(staged) => {
                store.commit(staged, &request.upload.key, &request.precondition, Some(&request.upload))
            }
            None => store.completed(&request.upload),
        })
        .await
    }

    async fn abort_multipart(&self, cx: &CallContext, request: &AbortMultipartRequest) -> Result<()> {
        cx.mark_sent();
        let upload = request.upload.clone();
        self.on_disk(Some(&request.upload.key), move |store| store.forget(&upload)).await
    }

    async fn list_uploads(&self, cx: &CallContext, request: &ListUploadsRequest) -> Result<UploadPage> {
        cx.mark_sent();
        let request = request.clone();
        self.on_disk(None, move |store| store.uploads(&request)).await
    }
}

/// A copy that is written but not yet the object, and what must hold for it to become that.
struct StagedCopy {
    staged: Staged,
    precondition: Precondition,
}

fn stage_copy(store: &Store, request: &CopyRequest) -> Result<StagedCopy> {
    let (file, known) = store.open(&request.from)?;
    if request.if_match.as_ref().is_some_and(|token| *token != known.token) {
        return Err(conflict(&request.from));
    }
    let attributes = request.replace_attributes.clone().unwrap_or_else(|| known.attributes.clone());
    let mut staged = store.stage(Recorded { attributes, checksum: known.checksum, upload: None })?;
    staged.append(&file, None)?;
    if Stamp::of(&file)? != known.stamp {
        return Err(Error::unavailable("the source was written to while it was copied")
            .with_effect(Effect::NotApplied));
    }
    store.seal(&mut staged)?;
    // A copy onto itself must not undo a write that came in between.
    let onto_itself = request.from == request.to && request.precondition == Precondition::None;
    let precondition =
        if onto_itself { Precondition::Matches(known.token) } else { request.precondition.clone() };
    Ok(StagedCopy { staged, precondition })
}

#[async_trait]
impl CopyStorage for LocalStorage {
    async fn copy(&self, cx: &CallContext, request: &CopyRequest) -> Result<PutReceipt> {
        request.validate()?;
        no_versions(request.from_version.is_some())?;
        let asked = request.clone();
        let copy = self.on_disk(Some(&request.from), move |store| stage_copy(store, &asked)).await?;
        cx.mark_sent();
        let about = Some(&request.to);
        let request = request.clone();
        self.on_disk(about, move |store| {
            let mut copy = copy;
            let pinned = request.precondition == Precondition::None && request.if_match.is_none();
            for _ in 0..RESTARTS {
                match store.commit(copy.staged, &request.to, &copy.precondition, None) {
                    Err(error) if pinned && error.kind() == external_core::ErrorKind::Conflict => {
                        copy = stage_copy(store, &request)?;
                    }
                    committed => return committed,
                }
            }
            Err(conflict(&request.to))
        })
        .await
    }
}

#[async_trait]
impl TagStorage for LocalStorage {
    async fn get_tags(&self, cx: &CallContext, request: &GetTagsRequest) -> Result<BTreeMap<String, String>> {
        cx.mark_sent();
        let key = request.key.clone();
        self.on_disk(Some(&request.key), move |store| Ok(store.open(&key)?.1.attributes.tags)).await
    }

    async fn put_tags(&self, cx: &CallContext, request: &PutTagsRequest) -> Result<()> {
        validate_tags(&request.tags)?;
        cx.mark_sent();
        let (key, tags) = (request.key.clone(), request.tags.clone());
        self.on_disk(Some(&request.key), move |store| {
            for _ in 0..RESTARTS {
                let Some((spot, _)) = store.find(&DiskPath::of(&key))? else {
                    break;
                };
                let _lock = store.lock(&spot)?;
                // The place may have changed while the lock was waited for.
                let Some((file, known)) = store.current(&spot, &key)? else {
                    continue;
                };
                return store.retag(&store.open_root()?, &file, &known, &tags);
            }
            Err(absent(&key))
        })
        .await
    }
}
