//! Copy and rename: by the provider where it can, else by reading and writing, declared as such.

use external_core::storage::{
    CopyRequest, DeleteRequest, Deleted, GetRequest, GetTagsRequest, HeadRequest, IntoKey, ObjectAttributes,
    ObjectBody, ObjectInfo, Precondition, PutReceipt,
};
use external_core::{CallContext, Error, ErrorKind, Result, Retry};

use super::upload::{Source, UploadCall, UploadRequest};
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
    /// - What passes through this client onto itself overwrites no write in between: that is `Conflict`.
    ///   (storage.client_copy.4)
    ///
    /// For that the provider needs the capabilities `compare-and-swap` and, where it takes parts, `multipart-compare-and-swap`.
    /// Without them, what is too large to be copied onto itself stays `PayloadTooLarge`; a provider that copies nothing
    /// overwrites, but with [`if_match`](CopyRequest::if_match), which is `Unsupported` then.
    ///
    /// The tags of a named version cannot be read: where the provider has tags, one that is too large for it is copied with
    /// [`replace_attributes`](CopyRequest::replace_attributes) alone, and is `PayloadTooLarge` without. Those of an object
    /// that changes while it is read are not taken for the copied content's: that is `Conflict`, and may be tried again.
    ///
    /// The request's timeout is that of all of it, the body of the source included. A client beneath another one leaves what is
    /// too large to the outermost, which makes a call of each exchange.
    ///
    /// # Errors
    ///
    /// `NotFound`, `AlreadyExists` or `Conflict` by the preconditions, `InvalidArgument`, `PayloadTooLarge`,
    /// `Unsupported`, `Timeout` at the request's timeout, and those of every call. Their effect is that on the destination.
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
        if let Some(copier) = self.service().copier() {
            let copied = self.pipeline().run(operation, cx, |cx, _| copier.copy(cx, request)).await;
            // The store holds the source, so it is its size as a copy that is refused.
            let is_too_large = copied.as_ref().is_err_and(|error| error.kind() == ErrorKind::PayloadTooLarge);
            // Beneath another client it is for the outermost to pass through: its exchanges are calls of their own.
            if !is_too_large || cx.is_managed() || !self.passes_all(request) {
                return self.about(&request.from, copied);
            }
        }
        let call = UploadCall::new(cx);
        self.in_time(&call, self.copy_through(&call, request)).await
    }

    /// Whether a copy through this client has all that one by the provider has.
    fn passes_all(&self, request: &CopyRequest) -> bool {
        let keeps_tags = request.replace_attributes.is_none() && self.service().tags().is_some();
        (request.from_version.is_none() || !keeps_tags) && (!is_rewrite(request) || self.can_swap())
    }

    /// Whether an upload of any size can be held to what is at its key.
    fn can_swap(&self) -> bool {
        let parts = self.service().multipart().is_some();
        self.can("compare-and-swap") && (!parts || self.can("multipart-compare-and-swap"))
    }

    async fn copy_through(&self, call: &UploadCall<'_>, request: &CopyRequest) -> Result<PutReceipt> {
        let object = self.open_source(call.cx, request).await?;
        let attributes = match &request.replace_attributes {
            Some(attributes) => attributes.clone(),
            None => self.attributes_of(call.cx, &object.info, request).await?,
        };
        // What was read is what is written again, or a write in between would be lost. A provider that cannot hold to that
        // says so where it was asked for.
        let precondition = if is_rewrite(request) && (request.if_match.is_some() || self.can_swap()) {
            Precondition::Matches(object.info.token.clone())
        } else {
            request.precondition.clone()
        };
        let mut upload = UploadRequest::new(request.to.clone())
            .with_attributes(attributes)
            .with_precondition(precondition)
            .with_call_options(request.call.clone());
        upload.checksum = object.info.checksum;
        upload.expected_size = Some(object.info.size);
        let source = Source::stream(object.body, self.inner.settings.idle_timeout);
        let receipt = self.upload_in(call, source, &upload).await?;
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
            // Tags are read of whatever is there.
            let now = self.head_call(cx, &HeadRequest::new(info.key.clone())).await?;
            if (&now.token, &now.version) != (&info.token, &info.version) {
                let changed = Error::conflict("the source changed while its tags were read")
                    .with_retry(Retry::Backoff)
                    .with_context("key", &info.key);
                return self.locate(request.operation(), Err(changed));
            }
        }
        Ok(attributes)
    }
}

/// Whether what is at a key is stored there again, under no condition of the caller's on the destination.
fn is_rewrite(request: &CopyRequest) -> bool {
    request.from == request.to && request.from_version.is_none() && request.precondition == Precondition::None
}
