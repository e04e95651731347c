//! Tags of objects.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_s3::types::{Tag, Tagging};
use external_core::storage::{GetTagsRequest, PutTagsRequest, TagStorage, validate_tags};
use external_core::{CallContext, Error, Result};

use super::S3Storage;

#[async_trait]
impl TagStorage for S3Storage {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html>
    async fn get_tags(&self, cx: &CallContext, request: &GetTagsRequest) -> Result<BTreeMap<String, String>> {
        let got = self.ask(cx, |client, mark| {
            client
                .get_object_tagging()
                .bucket(&self.bucket)
                .key(request.key.as_str())
                .customize()
                .interceptor(mark)
                .send()
        });
        Ok(got.await?.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html>
    async fn put_tags(&self, cx: &CallContext, request: &PutTagsRequest) -> Result<()> {
        validate_tags(&request.tags)?;
        let tag = |(name, value): (&String, &String)| Tag::builder().key(name).value(value).build();
        let tags = request.tags.iter().map(tag).collect::<Result<Vec<_>, _>>();
        let tagging = tags.and_then(|tags| Tagging::builder().set_tag_set(Some(tags)).build());
        let tagging = tagging.map_err(|error| Error::unexpected("no tags can be made").with_source(error))?;
        let put = self.ask(cx, |client, mark| {
            client
                .put_object_tagging()
                .bucket(&self.bucket)
                .key(request.key.as_str())
                .tagging(tagging)
                .customize()
                .interceptor(mark)
                .send()
        });
        put.await.map(drop)
    }
}
