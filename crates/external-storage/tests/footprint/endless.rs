//! A store that holds nothing: it takes any bytes and forgets them, and makes up what is read and listed.

use async_trait::async_trait;
use bytes::Bytes;
use external_core::{CallContext, Capabilities, Provider, ProviderInfo};
use external_storage::{
    AbortMultipartRequest, BeginMultipartRequest, BuildContext, ByteStream, CompleteMultipartRequest,
    DeleteBatchRequest, DeleteRequest, Deleted, Error, GetRequest, GetResult, HeadRequest, ListEntry,
    ListPage, ListRequest, ListUploadsRequest, MultipartStorage, MultipartUpload, ObjectBody, ObjectInfo,
    ObjectKey, PageToken, PartReceipt, PartToken, PutPartRequest, PutReceipt, PutRequest, Result,
    StorageService, UploadId, UploadPage, VersionToken,
};
use futures_util::stream;

const CHUNK: u64 = 64 << 10;
const PAGE: u64 = 1000;

#[derive(Debug)]
pub(crate) struct Endless {
    info: ProviderInfo,
    size: u64,
    keys: u64,
}

impl Default for Endless {
    fn default() -> Self {
        let capabilities = Capabilities::new().all_native(&[
            "range",
            "if-match",
            "checksum",
            "multipart",
            "content-headers",
        ]);
        let info = ProviderInfo::new("endless", "storage", "endless:", capabilities);
        Self { info, size: 0, keys: 0 }
    }
}

impl Endless {
    pub(crate) fn of_size(size: u64) -> Self {
        Self { size, ..Self::default() }
    }

    pub(crate) fn of_parts(most: u64) -> Self {
        let all = Self::default();
        let capabilities = all.info.capabilities().clone().limit("parts-max", most);
        Self { info: ProviderInfo::new("endless", "storage", "endless:", capabilities), ..all }
    }

    pub(crate) fn of_keys(keys: u64) -> Self {
        Self { keys, ..Self::default() }
    }

    fn object(&self, key: &ObjectKey) -> ObjectInfo {
        ObjectInfo::new(key.clone(), self.size, token())
    }
}

fn token() -> VersionToken {
    VersionToken::new("t")
}

#[async_trait]
impl Provider for Endless {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl StorageService for Endless {
    async fn put(&self, _: &CallContext, _: &PutRequest) -> Result<PutReceipt> {
        tokio::task::yield_now().await;
        Ok(PutReceipt::new(token()))
    }

    async fn get(&self, _: &CallContext, request: &GetRequest) -> Result<GetResult> {
        let range = request.range.map_or(Ok(0..self.size), |range| range.resolve(self.size))?;
        let chunks = stream::unfold(range.clone(), |mut left| async move {
            let length = CHUNK.min(left.end - left.start);
            left.start += length;
            // Made anew each time, as what comes over a wire is.
            (length > 0).then(|| (Ok(Bytes::from(vec![7; usize::try_from(length).unwrap()])), left))
        });
        Ok(GetResult::Object(ObjectBody::new(self.object(&request.key), range, ByteStream::new(chunks))))
    }

    async fn head(&self, _: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        Ok(self.object(&request.key))
    }

    async fn delete(&self, _: &CallContext, _: &DeleteRequest) -> Result<Deleted> {
        Ok(Deleted::new(None))
    }

    async fn delete_batch(&self, _: &CallContext, _: &DeleteBatchRequest) -> Result<Vec<Result<Deleted>>> {
        Err(Error::unsupported("delete-batch"))
    }

    async fn list_page(&self, _: &CallContext, request: &ListRequest) -> Result<ListPage> {
        let from: u64 = request.token.as_ref().map_or(0, |token| token.as_str().parse().unwrap());
        let until = self.keys.min(from + PAGE);
        let entry = |n| {
            let key = ObjectKey::parse(format!("some/folder/and/a/name/{n:09}.json"))?;
            Ok(ListEntry::new(key, n).with_token(token()).with_modified(BuildContext::default().now()))
        };
        let objects = (from..until).map(entry).collect::<Result<_>>()?;
        let next = (until < self.keys).then(|| PageToken::new(until.to_string()));
        Ok(ListPage::new(objects, Vec::new(), next))
    }

    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        Some(self)
    }
}

#[async_trait]
impl MultipartStorage for Endless {
    async fn begin_multipart(
        &self,
        _: &CallContext,
        request: &BeginMultipartRequest,
    ) -> Result<MultipartUpload> {
        Ok(MultipartUpload::new(request.key.clone(), UploadId::new("u")))
    }

    async fn put_part(&self, _: &CallContext, request: &PutPartRequest) -> Result<PartReceipt> {
        // Long enough for as many parts to meet here as are let in.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        Ok(PartReceipt::new(request.number, request.body.len() as u64, PartToken::new("p")))
    }

    async fn complete_multipart(&self, _: &CallContext, _: &CompleteMultipartRequest) -> Result<PutReceipt> {
        Ok(PutReceipt::new(token()))
    }

    async fn abort_multipart(&self, _: &CallContext, _: &AbortMultipartRequest) -> Result<()> {
        Ok(())
    }

    async fn list_uploads(&self, _: &CallContext, _: &ListUploadsRequest) -> Result<UploadPage> {
        Err(Error::unsupported("list-uploads"))
    }
}
