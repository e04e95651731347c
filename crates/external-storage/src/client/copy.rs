//! Copy and rename: by the provider where it can, else by reading and writing, declared as such.

use external_core::storage::{
    CopyRequest, DeleteRequest, Deleted, GetRequest, GetTagsRequest, IntoKey, ObjectAttributes, ObjectBody,
    ObjectInfo, PutReceipt,
};
use external_core::{CallContext, ErrorKind, Result};

use super::upload::{Source, UploadRequest};
use super::{DownloadRequest, StorageClient};

/// What a rename did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RenameReceipt {
    /// What is at the new key.
    pub receipt: PutReceipt,
    /// What deleting the old key answered.
    pub deleted: Deleted,
}

impl StorageClient {
    /// Copies an object with its attributes, replacing what is at `to`.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no source, and those of every call.
    pub async fn copy(&self, from: impl IntoKey, to: impl IntoKey) -> Result<PutReceipt> {
        self.copy_with(&CopyRequest::new(from.into_key()?, to.into_key()?)).await
    }

    /// Copies an object. Where the provider cannot (capability `copy` is then `Emulated`), the bytes pass through this
    /// client: pinned to one version of the source, with its headers, metadata, tags and checksum.
    ///
    /// - An emulated copy promises what a native one does. (storage.client_copy.1)
    /// - Dropped, it leaves no upload. (storage.client_copy.2)
    /// - What is too large for the provider to copy (its limit `copy-bytes-max`) passes through this client as well.
    ///   (storage.client_copy.3)
    ///
    /// The tags of a named version cannot be read: where the provider has tags, one that is too large for it is copied with
    /// [`replace_attributes`](CopyRequest::replace_attributes) alone, and is `PayloadTooLarge` without.
    ///
    /// # Errors
    ///
    /// `NotFound`, `AlreadyExists` or `Conflict` by the preconditions, `InvalidArgument`, `PayloadTooLarge`,
    /// `Unsupported`, and those of every call.
    pub async fn copy_with(&self, request: &CopyRequest) -> Result<PutReceipt> {
        self.copy_call(&CallContext::new(&request.call), request).await
    }

    /// Copies an object and then deletes the source, if it is still the content that was copied where the provider can
    /// tell. Two calls: a failure in between leaves both.
    ///
    /// - Afterwards the object is at `to` and no longer at `from`. (storage.rename.1)
    /// - A rename onto the same key is `InvalidArgument`, and the object stays. (storage.rename.2)
    /// - A source written to in between is kept, and the rename is `Conflict`. (storage.rename.3)
    ///
    /// # Errors
    ///
    /// `NotFound`, `Conflict`, `InvalidArgument`, and those of every call.
    pub async fn rename(&self, from: impl IntoKey, to: impl IntoKey) -> Result<RenameReceipt> {
        let (from, to) = (from.into_key()?, to.into_key()?);
        let mut copy = CopyRequest::new(from.clone(), to);
        self.locate(copy.operation(), copy.validate())?;
        let mut delete = DeleteRequest::new(from.clone());
        if self.can("if-match") && self.can("delete-if-match") {
            let token = self.head(from).await?.token;
            copy = copy.with_if_match(token.clone());
            delete = delete.with_if_match(token);
        }
        let receipt = self.copy_with(&copy).await?;
        let deleted = self.delete_with(&delete).await?;
        Ok(RenameReceipt { receipt, deleted })
    }

    pub(super) async fn copy_call(&self, cx: &CallContext, request: &CopyRequest) -> Result<PutReceipt> {
        let operation = request.operation();
        self.locate(operation, self.check_copy(request))?;
        match self.service().copier() {
            Some(copier) => {
                let copied = self.pipeline().run(operation, cx, |cx, _| copier.copy(cx, request)).await;
                match copied {
                    // The store holds the source, so it is its size as a copy that is refused.
                    Err(error) if error.kind() == ErrorKind::PayloadTooLarge && self.passes_all(request) => {
                        self.copy_through(cx, request).await
                    }
                    copied => self.about(&request.from, copied),
                }
            }
            None => self.copy_through(cx, request).await,
        }
    }

    /// Whether a copy through this client has all that one by the provider has.
    fn passes_all(&self, request: &CopyRequest) -> bool {
        let keeps_tags = request.replace_attributes.is_none() && self.service().tags().is_some();
        request.from_version.is_none() || !keeps_tags
    }

    async fn copy_through(&self, cx: &CallContext, request: &CopyRequest) -> Result<PutReceipt> {
        let object = self.open_source(cx, request).await?;
        let attributes = match &request.replace_attributes {
            Some(attributes) => attributes.clone(),
            None => self.attributes_of(cx, &object.info, request).await?,
        };
        let mut upload = UploadRequest::new(request.to.clone())
            .with_attributes(attributes)
            .with_precondition(request.precondition.clone())
            .with_call_options(request.call.clone());
        upload.checksum = object.info.checksum;
        upload.expected_size = Some(object.info.size);
        let source = Source::stream(object.body, self.inner.settings.idle_timeout);
        let receipt = self.upload_in(cx, source, &upload).await?;
        let mut copied = PutReceipt::new(receipt.token);
        copied.version = receipt.version;
        Ok(copied)
    }

    /// The source, resuming where its body breaks; in a managed call the whole copy is repeated instead, by whoever
    /// manages it.
    async fn open_source(&self, cx: &CallContext, request: &CopyRequest) -> Result<ObjectBody> {
        if cx.is_managed() {
            let mut get = GetRequest::new(request.from.clone());
            get.if_match.clone_from(&request.if_match);
            get.version.clone_from(&request.from_version);
            return self.get_call(cx, &get).await?.into_object();
        }
        let mut call = request.call.clone();
        if let Some(left) = cx.remaining() {
            call = call.with_timeout(left);
        }
        let mut download = DownloadRequest::new(request.from.clone()).with_call_options(call);
        download.if_match.clone_from(&request.if_match);
        download.version.clone_from(&request.from_version);
        self.download_stream(&download).await
    }

    /// The source's attributes. Tags of an old version are not to be had, and are left out.
    async fn attributes_of(
        &self,
        cx: &CallContext,
        info: &ObjectInfo,
        request: &CopyRequest,
    ) -> Result<ObjectAttributes> {
        let mut attributes = ObjectAttributes::new();
        attributes.headers = info.headers.clone();
        attributes.metadata = info.metadata.clone();
        if self.service().tags().is_some() && request.from_version.is_none() {
            attributes.tags = self.get_tags_call(cx, &GetTagsRequest::new(info.key.clone())).await?;
        }
        Ok(attributes)
    }
}
