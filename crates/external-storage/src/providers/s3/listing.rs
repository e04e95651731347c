//! Pages of objects.

use aws_sdk_s3::types::EncodingType;
use external_core::storage::{ListEntry, ListPage, ListRequest, PageToken, VersionToken};
use external_core::{CallContext, Error, Result};

use super::{S3Storage, wire};

impl S3Storage {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
    pub(super) async fn list_objects(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        request.validate()?;
        self.require(request.delimiter.is_some(), "list-delimiter")?;
        if request.delimiter.as_ref().is_some_and(|text| !self.store.folds_by(text)) {
            return Err(Error::unsupported("a delimiter other than `/`"));
        }
        self.require(request.start_after.is_some(), "list-start-after")?;
        let listed = self.ask(cx, |client, mark| {
            client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(&request.prefix)
                .set_delimiter(request.delimiter.clone())
                // Behind a token the store keeps the place itself.
                .set_start_after(request.start_after.clone().filter(|_| request.token.is_none()))
                .set_continuation_token(request.token.as_ref().map(ToString::to_string))
                .max_keys(self.page_size(request.limit))
                .set_encoding_type(self.encoding())
                .customize()
                .interceptor(mark)
                .send()
        });
        let answer = listed.await?;
        let encoded = self.encoded_listings && answer.encoding_type.is_some();
        let next = answer.next_continuation_token.map(PageToken::new);
        let next = wire::next_page(answer.name.is_some(), answer.is_truncated, next)?;
        let contents = answer.contents.unwrap_or_default();
        let mut objects = Vec::with_capacity(contents.len());
        for object in contents {
            let Some(key) = wire::key(object.key.as_deref(), encoded) else { continue };
            let mut entry = ListEntry::new(key, wire::size(object.size)?);
            entry.token = object.e_tag.map(VersionToken::new);
            entry.modified = wire::time(object.last_modified);
            objects.push(entry);
        }
        let prefixes = answer.common_prefixes.unwrap_or_default();
        let prefixes =
            prefixes.iter().filter_map(|prefix| wire::decoded(prefix.prefix()?, encoded)).collect();
        Ok(ListPage::new(objects, prefixes, next))
    }

    pub(super) fn page_size(&self, limit: Option<usize>) -> i32 {
        let most = self.limit("list-page-max");
        let size = limit.map_or(most, |limit| most.min(limit as u64));
        i32::try_from(size).unwrap_or(1000)
    }

    pub(super) fn encoding(&self) -> Option<EncodingType> {
        self.encoded_listings.then_some(EncodingType::Url)
    }
}
