//! Links that a plain HTTP client opens. They are signed here: nothing is sent.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use external_core::storage::{PresignMethod, PresignRequest, PresignStorage, PresignedUrl};
use external_core::{CallContext, Error, Result};

use super::{S3Storage, error};

#[async_trait]
impl PresignStorage for S3Storage {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>. A link made with temporary
    /// keys ends with them, however long it was asked for: new ones are looked for where those in use are more than half
    /// through, and the link tells the earlier end.
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
        let mut signed = self.sign(&client, request, config.clone()).await?;
        let end = start + lifetime;
        if self.sdk.life().is_some_and(|life| is_worn(life, start, end)) {
            self.sdk.forget(&client, true);
            // Where no new ones are to be had now, those in use still do for as long as they last.
            if let Ok(client) = self.sdk.client().await
                && let Ok(anew) = self.sign(&client, request, config).await
            {
                signed = anew;
            }
        }
        let end = self.sdk.life().map_or(end, |(_, keys_end)| end.min(keys_end));
        Ok(link(&signed, request.method, end))
    }
}

impl S3Storage {
    async fn sign(
        &self,
        client: &Client,
        request: &PresignRequest,
        config: PresigningConfig,
    ) -> Result<PresignedRequest> {
        match request.method {
            PresignMethod::Get => {
                self.require(true, "presign-get")?;
                let get = client.get_object().bucket(&self.bucket).key(request.key.as_str());
                get.presigned(config).await.map_err(|error| error::failed(&error, None))
            }
            PresignMethod::Put => {
                self.require(true, "presign-put")?;
                let put = client
                    .put_object()
                    .bucket(&self.bucket)
                    .key(request.key.as_str())
                    .set_content_type(request.content_type.clone());
                put.presigned(config).await.map_err(|error| error::failed(&error, None))
            }
            _ => Err(Error::unsupported("this kind of link")),
        }
    }
}

/// Whether keys end before a link is to, and are more than half through at `now`. Sources that give out the same keys until
/// shortly before their end are thus not asked for each link.
fn is_worn((found, end): (SystemTime, SystemTime), now: SystemTime, link_end: SystemTime) -> bool {
    let left = end.duration_since(now).unwrap_or_default();
    let whole = end.duration_since(found).unwrap_or_default();
    end < link_end && left < whole / 2
}

fn link(signed: &PresignedRequest, method: PresignMethod, expires: SystemTime) -> PresignedUrl {
    let url = PresignedUrl::new(signed.uri().to_owned(), method, expires);
    // Whoever opens the link sends the length by itself.
    let signed = signed.headers().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
    signed.fold(url, |url, (name, value)| url.with_header(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_worn_when_they_are_half_through_and_end_before_the_link() {
        let at = |minutes: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minutes);
        for (now, link_end, worn) in
            [(0, 90, false), (29, 90, false), (31, 90, true), (31, 60, false), (70, 90, true)]
        {
            assert_eq!(is_worn((at(0), at(60)), at(now), at(link_end)), worn, "{now} {link_end}");
        }
    }
}
