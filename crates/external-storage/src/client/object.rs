//! Single objects: put, get, head, delete, exists, and deleting many.

use bytes::Bytes;
use external_core::storage::{
    Checksum, DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult, HeadRequest, IntoKey,
    ObjectBody, ObjectInfo, ObjectKey, PutReceipt, PutRequest,
};
use external_core::{CallContext, Error, ErrorKind, Result};
use external_resilience::Call;
use futures_util::{StreamExt, stream};

use super::StorageClient;
use super::download::Sum;
use crate::{checksum, content_type};

/// How many single deletes run side by side where a provider has no batch.
const SINGLE_DELETES: usize = 8;

impl StorageClient {
    /// Stores `body` at `key`; the content type is guessed from the key.
    ///
    /// # Errors
    ///
    /// As [`put_with`](Self::put_with); `InvalidArgument` if `key` is none.
    pub async fn put(&self, key: impl IntoKey, body: impl Into<Bytes>) -> Result<PutReceipt> {
        self.put_with(PutRequest::new(key.into_key()?, body)).await
    }

    /// Stores one object whole. Where absent, the content type is guessed from the key and a checksum computed.
    ///
    /// - A put without a content type is stored with the one its key suggests. (storage.client_put.1)
    /// - A put is verified by a checksum the client computes, on write and on whole reads. (storage.client_put.2)
    /// - A checksum that does not match the body is `InvalidArgument` before anything is sent. (storage.client_put.3)
    ///
    /// # Errors
    ///
    /// `AlreadyExists` or `Conflict` by the precondition, `PayloadTooLarge`, `InvalidArgument`, `Unsupported`, and
    /// those of every call.
    pub async fn put_with(&self, mut request: PutRequest) -> Result<PutReceipt> {
        if request.attributes.headers.content_type.is_none() && self.can("content-headers") {
            request.attributes.headers.content_type = Some(self.guess(&request.key));
        }
        let sum = self.checksum_of(request.checksum, &request.body).await;
        request.checksum = self.locate(request.operation(), sum)?;
        self.put_call(&CallContext::new(&request.call), &request).await
    }

    /// Reads an object; its body streams. Use [`download`](Self::download) for the bytes and
    /// [`download_stream`](Self::download_stream) for a body that survives a broken connection.
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of every call.
    pub async fn get(&self, key: impl IntoKey) -> Result<ObjectBody> {
        self.get_with(&GetRequest::new(key.into_key()?)).await?.into_object()
    }

    /// Reads an object or a part of it; the body streams.
    ///
    /// - A body that stalls longer than the idle timeout ends with `Timeout`. (storage.client_get.1)
    /// - So does one that only trickles: less than a KiB within the idle timeout. (storage.client_get.2)
    /// - An empty object is read whole by every kind of download, and no part of it by any. (storage.client_get.3)
    /// - An answer that holds other bytes than were asked for, such as the whole object for a range of it, is `Corrupt`.
    ///   (storage.client_get.4)
    ///
    /// # Errors
    ///
    /// `NotFound`, `Conflict` by `if_match`, `InvalidArgument`, `Unsupported`, `Corrupt`, and those of every call.
    pub async fn get_with(&self, request: &GetRequest) -> Result<GetResult> {
        self.get_call(&CallContext::new(&request.call), request).await
    }

    /// Tells what is known of an object.
    ///
    /// # Errors
    ///
    /// `NotFound`, and those of every call.
    pub async fn head(&self, key: impl IntoKey) -> Result<ObjectInfo> {
        let request = HeadRequest::new(key.into_key()?);
        self.head_call(&CallContext::new(&request.call), &request).await
    }

    /// Tells what is known of an object or a version of it.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Unsupported`, and those of every call.
    pub async fn head_with(&self, request: &HeadRequest) -> Result<ObjectInfo> {
        self.head_call(&CallContext::new(&request.call), request).await
    }

    /// Whether there is an object.
    ///
    /// - A key that holds nothing is `false`, not an error; any other failure is an error. (storage.exists.1)
    ///
    /// # Errors
    ///
    /// Those of every call, but for `NotFound`. A provider that asks by a request without a reason in its answer, as `s3` does,
    /// also answers `false` in a store that is not there: [`probe`](Self::probe) tells the two apart.
    pub async fn exists(&self, key: impl IntoKey) -> Result<bool> {
        match self.head(key).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object, and tells whether there was one where the provider does.
    ///
    /// # Errors
    ///
    /// `Conflict` by `if_match`, `Unsupported`, and those of every call.
    pub async fn delete_with(&self, request: &DeleteRequest) -> Result<Deleted> {
        self.delete_call(&CallContext::new(&request.call), request).await
    }

    /// Deletes any number of objects: in batches as large as the provider takes, or one by one where it has none.
    ///
    /// - Every key has its result, in the given order, also beyond the provider's limit for one batch.
    ///   (storage.delete_many.1)
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if a key is none; then nothing was deleted. What fails later is the result of its keys.
    pub async fn delete_many<K: IntoKey>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<(ObjectKey, Result<Deleted>)>> {
        let keys = keys.into_iter().map(IntoKey::into_key).collect::<Result<Vec<_>>>()?;
        if !self.can("delete-batch") {
            let one = |key: ObjectKey| async move {
                let deleted = self.delete_with(&DeleteRequest::new(key.clone())).await;
                (key, deleted)
            };
            return Ok(stream::iter(keys).map(one).buffered(SINGLE_DELETES).collect().await);
        }
        let most = self.info().capabilities().get_limit("delete-batch-max").unwrap_or(1000).max(1);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut results = Vec::with_capacity(keys.len());
        for batch in keys.chunks(most) {
            let request = DeleteBatchRequest::new(batch.to_vec());
            match self.delete_batch_call(&CallContext::default(), &request).await {
                Ok(deleted) => {
                    for (key, deleted) in batch.iter().zip(deleted) {
                        // What a batch cannot carry goes alone.
                        let alone =
                            deleted.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unsupported);
                        let deleted = match alone {
                            true => self.delete_with(&DeleteRequest::new(key.clone())).await,
                            false => deleted,
                        };
                        results.push((key.clone(), deleted));
                    }
                }
                Err(error) => {
                    let of_key = |key: &ObjectKey| (key.clone(), self.about(key, Err(error.clone())));
                    results.extend(batch.iter().map(of_key));
                }
            }
        }
        Ok(results)
    }

    pub(super) fn can(&self, capability: &str) -> bool {
        self.info().capabilities().grade(capability).is_supported()
    }

    pub(super) fn guess(&self, key: &ObjectKey) -> String {
        content_type::guess(key.as_str()).unwrap_or("application/octet-stream").to_owned()
    }

    /// The checksum to send with `body`: the given one, verified here, since nobody can mend the caller's bytes; else
    /// the one of the settings.
    async fn checksum_of(&self, given: Option<Checksum>, body: &Bytes) -> Result<Option<Checksum>> {
        if let Some(given) = given {
            if checksum::of_body(given.kind(), body).await? != given {
                return Err(Error::invalid_argument("the checksum does not match the body"));
            }
            return Ok(Some(given));
        }
        let kind = self.inner.settings.checksum.kind().filter(|_| self.can("checksum"));
        match kind {
            Some(kind) => checksum::of_body(kind, body).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn put_call(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        let operation = request.operation();
        self.locate(operation, self.check_put(request))?;
        let call = Call::new(operation).with_body(request.body.len() as u64);
        let put = self.pipeline().run(call, cx, |cx, _| self.service().put(cx, request)).await;
        self.about(&request.key, put)
    }

    pub(super) async fn get_call(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        self.get_summed(cx, request, None).await
    }

    /// As [`get_call`](Self::get_call), of bytes that are summed up beneath the record of the call.
    pub(super) async fn get_summed(
        &self,
        cx: &CallContext,
        request: &GetRequest,
        sum: Option<&Sum>,
    ) -> Result<GetResult> {
        let operation = request.operation();
        self.locate(operation, self.check_get(request))?;
        let got = self.pipeline().run_streaming(operation, cx, |cx, _| self.service().get(cx, request)).await;
        let (result, guard) = self.about(&request.key, got)?;
        match result {
            GetResult::Object(mut object) => {
                if let Err(error) = object.verify_range(request.range) {
                    return Err(guard.fail(error));
                }
                if let Some(sum) = sum {
                    object = match sum.beneath(object) {
                        Ok(object) => object,
                        Err(error) => return Err(guard.fail(error)),
                    };
                }
                object.body = guard.around_stored(object.body, self.inner.settings.idle_timeout);
                Ok(GetResult::Object(object))
            }
            other => {
                guard.succeed();
                Ok(other)
            }
        }
    }

    pub(super) async fn head_call(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        let operation = request.operation();
        self.locate(operation, self.check_head(request))?;
        let told = self.pipeline().run(operation, cx, |cx, _| self.service().head(cx, request)).await;
        self.about(&request.key, told)
    }

    pub(super) async fn delete_call(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        let operation = request.operation();
        self.locate(operation, self.check_delete(request))?;
        let deleted = self.pipeline().run(operation, cx, |cx, _| self.service().delete(cx, request)).await;
        self.about(&request.key, deleted)
    }

    pub(super) async fn delete_batch_call(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        let operation = request.operation();
        let supported =
            self.can("delete-batch").then_some(()).ok_or_else(|| Error::unsupported("delete-batch"));
        self.locate(operation, supported)?;
        let results =
            self.pipeline().run(operation, cx, |cx, _| self.service().delete_batch(cx, request)).await?;
        if results.len() != request.keys.len() {
            let error = Error::corrupt("the provider answered another number of results than keys")
                .with_context("keys", request.keys.len())
                .with_context("results", results.len());
            return self.locate(operation, Err(error));
        }
        let of_key = |(result, key)| self.about(key, self.locate(operation, result));
        Ok(results.into_iter().zip(&request.keys).map(of_key).collect())
    }
}
