//! Links that a plain HTTP client opens. They are signed here: nothing is sent.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use external_core::storage::{PresignMethod, PresignRequest, PresignStorage, PresignedUrl};
use external_core::{CallContext, Error, Result};

use super::{S3Storage, error};

#[async_trait]
impl PresignStorage for S3Storage {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>. A link made with temporary
    /// keys ends with them, however long it was asked for.
    async fn presign(&self, _: &CallContext, request: &PresignRequest) -> Result<PresignedUrl> {
        request.validate()?;
        let most = self.limit("presign-seconds-max");
        let seconds = request.expires_in.as_secs();
        if !(1..=most).contains(&seconds) {
            return Err(Error::invalid_argument("a link is valid for one second to seven days")
                .with_context("seconds", request.expires_in.as_secs_f64()));
        }
        let lifetime = Duration::from_secs(seconds);
        let start = self.sdk.now();
        let config = PresigningConfig::builder().start_time(start).expires_in(lifetime).build();
        let config =
            config.map_err(|error| Error::invalid_argument("not a lifetime of a link").with_source(error))?;
        let client = self.sdk.client().await?;
        let signed = match request.method {
            PresignMethod::Get => {
                self.require(true, "presign-get")?;
                let get = client.get_object().bucket(&self.bucket).key(request.key.as_str());
                get.presigned(config).await.map_err(|error| error::failed(&error))?
            }
            PresignMethod::Put => {
                self.require(true, "presign-put")?;
                let put = client
                    .put_object()
                    .bucket(&self.bucket)
                    .key(request.key.as_str())
                    .set_content_type(request.content_type.clone());
                put.presigned(config).await.map_err(|error| error::failed(&error))?
            }
            _ => return Err(Error::unsupported("this kind of link")),
        };
        Ok(link(&signed, request.method, start + lifetime))
    }
}

fn link(signed: &PresignedRequest, method: PresignMethod, expires: SystemTime) -> PresignedUrl {
    let url = PresignedUrl::new(signed.uri().to_owned(), method, expires);
    // Whoever opens the link sends the length by itself.
    let signed = signed.headers().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    signed.fold(url, |url, (name, value)| url.with_header(name, value))
}
