//! The short forms: what most services need, in one line each.

use std::time::Duration;

use external_core::Result;
use external_core::storage::{DeleteRequest, IntoKey, PresignRequest};
use tokio::io::AsyncRead;

use super::StorageClient;
use super::upload::UploadRequest;

impl StorageClient {
    /// Uploads all that `reader` has to `key` and answers where it is: `s3://bucket/key`.
    ///
    /// - It answers the provider's location and the key. (storage.short.1)
    ///
    /// # Errors
    ///
    /// As [`upload_with`](Self::upload_with); `InvalidArgument` if `key` is none.
    pub async fn upload(
        &self,
        reader: impl AsyncRead + Send,
        key: impl IntoKey,
        content_type: &str,
    ) -> Result<String> {
        let request = UploadRequest::new(key.into_key()?).with_content_type(content_type);
        Ok(self.upload_with(reader, request).await?.location)
    }

    /// Deletes an object: `true` once it is gone, whether it was there or not.
    ///
    /// - It answers `true` for an object, and again for the same key. (storage.short.2)
    ///
    /// # Errors
    ///
    /// Those of every call; `InvalidArgument` if `key` is none.
    pub async fn delete(&self, key: impl IntoKey) -> Result<bool> {
        self.delete_with(&DeleteRequest::new(key.into_key()?)).await?;
        Ok(true)
    }

    /// A link that reads the object, for any HTTP client, valid for `expires_in`.
    ///
    /// - It answers a URL that opens without credentials; where links are unsupported it is `Unsupported`.
    ///   (storage.short.3)
    ///
    /// # Errors
    ///
    /// `Unsupported`, `InvalidArgument`, and those of every call.
    pub async fn get_url(&self, key: impl IntoKey, expires_in: Duration) -> Result<String> {
        let request = PresignRequest::get(key.into_key()?).with_expires_in(expires_in);
        Ok(self.presign(&request).await?.url)
    }
}
