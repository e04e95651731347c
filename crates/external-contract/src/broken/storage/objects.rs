//! The base trait, listings aside.

use bytes::Bytes;
use external_core::storage::{
    ByteRange, ByteStream, CopyStorage, DeleteBatchRequest, DeleteRequest, Deleted, GetRequest, GetResult,
    HeadRequest, ListPage, ListRequest, MultipartStorage, ObjectAttributes, ObjectBody, ObjectInfo,
    Precondition, PresignStorage, PutReceipt, PutRequest, StorageService, TagStorage, VersionStorage,
    VersionToken,
};
use external_core::{CallContext, Effect, Error, ErrorKind, Result, async_trait};
use futures_util::stream;

use super::{Broken, Wrong, no_receipt};

#[async_trait]
impl StorageService for Broken {
    async fn put(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        request.key = self.key(&request.key)?;
        request.precondition = self.real(request.precondition);
        match self.wrong {
            Some(Wrong::CutsBodies) => request.body.truncate(64 << 10),
            Some(Wrong::KeepsOldMetadata) => {
                if let Ok(old) = self.head_right(cx, &request.key).await {
                    request.attributes.metadata.extend(old.metadata);
                }
            }
            Some(Wrong::DropsHeaders) => request.attributes.headers = ObjectAttributes::new().headers,
            Some(Wrong::DropsMetadata) => request.attributes.metadata.clear(),
            Some(Wrong::LogsContents) => tracing::info!(body = ?request.body, "stored"),
            Some(Wrong::DropsTags) => request.attributes.tags.clear(),
            Some(Wrong::IgnoresPreconditions) => request.precondition = Precondition::None,
            Some(Wrong::ChecksBeforeWriting) if request.precondition != Precondition::None => {
                let present = self.head_right(cx, &request.key).await.ok();
                tokio::task::yield_now().await;
                match &request.precondition {
                    Precondition::Absent if present.is_some() => {
                        return Err(Error::already_exists("the key is taken"));
                    }
                    Precondition::Matches(token) if present.is_none_or(|info| info.token != *token) => {
                        return Err(Error::conflict("another token"));
                    }
                    _ => request.precondition = Precondition::None,
                }
            }
            Some(Wrong::ForgetsChecksums | Wrong::IgnoresChecksums) => {
                let checksum = request.checksum.take().filter(|_| self.is(Wrong::IgnoresChecksums));
                let mut seen = self.seen();
                seen.checksums.remove(&request.key);
                seen.checksums.extend(checksum.map(|checksum| (request.key.clone(), checksum)));
            }
            Some(Wrong::DropsOddAttributes) if request.attributes.validate().is_err() => {
                request.attributes = ObjectAttributes::new();
            }
            Some(Wrong::WritesInTwo) => {
                let half = request.body.slice(..request.body.len() / 2);
                self.right.put(cx, &PutRequest::new(request.key.clone(), half)).await?;
                tokio::task::yield_now().await;
            }
            _ => {}
        }
        let receipt = self.right.put(cx, &request).await;
        let mut receipt = match receipt {
            Err(error) if self.is(Wrong::DeniesEffect) => Err(error.with_effect(Effect::NotSent)),
            receipt => self.instead(Wrong::TakesAnySize, ErrorKind::PayloadTooLarge, receipt, no_receipt),
        }?;
        receipt.token = self.token(receipt.token, request.body.len() as u64);
        if self.is(Wrong::ReadsStale) {
            let first = self.head_right(cx, &request.key).await?;
            self.seen().infos.entry(request.key).or_insert(first);
        }
        Ok(receipt)
    }

    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        request.key = self.key(&request.key)?;
        match (self.wrong, request.range) {
            (Some(Wrong::RangesInclusive), Some(ByteRange::Within { start, end })) => {
                request.range = Some(ByteRange::Within { start, end: end.saturating_add(1) });
            }
            (Some(Wrong::RangesAreWhole), Some(_)) => request.range = None,
            (Some(Wrong::SuffixesFromStart), Some(ByteRange::Suffix(length))) => {
                request.range = Some(ByteRange::Within { start: 0, end: length });
            }
            (Some(Wrong::IgnoresIfMatch), _) => request.if_match = None,
            (Some(Wrong::IgnoresIfNoneMatch), _) => request.if_none_match = None,
            (Some(Wrong::IgnoresVersion), _) => request.version = None,
            _ => {}
        }
        let found = match self.right.get(cx, &request).await {
            Err(error)
                if self.is(Wrong::VoidRangesAreWhole) && error.kind() == ErrorKind::InvalidArgument =>
            {
                request.range = None;
                self.right.get(cx, &request).await?
            }
            Err(error) if self.is(Wrong::MissingIsEmpty) && error.kind() == ErrorKind::NotFound => {
                let info = ObjectInfo::new(request.key.clone(), 0, VersionToken::new("nothing"));
                GetResult::Object(ObjectBody::new(info, 0..0, ByteStream::from_bytes(Bytes::new())))
            }
            found => found?,
        };
        let GetResult::Object(mut object) = found else { return Ok(found) };
        object.info = self.told(object.info);
        if self.is(Wrong::GetsTellLess) {
            object.info.headers = ObjectAttributes::new().headers;
            object.info.metadata.clear();
        }
        if self.is(Wrong::BodiesFollowWrites) {
            object.body = self.following(&request, object.body).await?;
        }
        Ok(GetResult::Object(object))
    }

    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        request.key = self.key(&request.key)?;
        if self.is(Wrong::IgnoresVersion) {
            request.version = None;
        }
        let stale = self.seen().infos.get(&request.key).cloned();
        if let Some(info) = stale.filter(|_| self.is(Wrong::ReadsStale)) {
            return Ok(info);
        }
        let info = match self.right.head(cx, &request).await {
            Err(error) if self.is(Wrong::FoldersExist) && error.kind() == ErrorKind::NotFound => {
                if self.below(cx, &request.key).await?.is_empty() {
                    return Err(error);
                }
                ObjectInfo::new(request.key.clone(), 0, VersionToken::new("a folder"))
            }
            info => self.told(info?),
        };
        self.seen().infos.insert(request.key, info.clone());
        Ok(info)
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        let _inside = self.gate.enter().await?;
        let mut request = request.clone();
        request.key = self.key(&request.key)?;
        match self.wrong {
            Some(Wrong::KeepsDeleted) => return Ok(Deleted::new(None)),
            Some(Wrong::IgnoresDeleteIfMatch) => request.if_match = None,
            Some(Wrong::DeletesBelow) => self.delete_below(cx, &request.key).await?,
            _ => {}
        }
        let deleted = self.right.delete(cx, &request).await?;
        Ok(if self.is(Wrong::AlwaysExisted) { Deleted::new(Some(true)) } else { deleted })
    }

    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        let _inside = self.gate.enter().await?;
        let keys = &request.keys;
        if self.is(Wrong::KeepsDeleted) {
            return Ok(keys.iter().map(|_| Ok(Deleted::new(None))).collect());
        }
        if self.is(Wrong::RefusesEmptyBatches) && keys.is_empty() {
            return Err(Error::invalid_argument("no keys"));
        }
        if self.is(Wrong::SplitsBatches) || self.is(Wrong::SkipsOddKeys) {
            let mut results = Vec::new();
            for key in keys {
                let odd = self.is(Wrong::SkipsOddKeys) && key.as_str().chars().any(char::is_control);
                let deleted = if odd {
                    Ok(Deleted::new(None))
                } else {
                    self.right.delete(cx, &DeleteRequest::new(key.clone())).await
                };
                results.push(deleted);
            }
            return Ok(results);
        }
        let mut results = self.right.delete_batch(cx, request).await?;
        if self.is(Wrong::BatchLosesResults) {
            results.pop();
        }
        Ok(results)
    }

    async fn list_page(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        let _inside = self.gate.enter().await?;
        self.list(cx, request).await
    }

    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        self.right.multipart().map(|_| self as &dyn MultipartStorage)
    }

    fn presigner(&self) -> Option<&dyn PresignStorage> {
        self.right.presigner().map(|_| self as &dyn PresignStorage)
    }

    fn copier(&self) -> Option<&dyn CopyStorage> {
        self.right.copier().map(|_| self as &dyn CopyStorage)
    }

    fn tags(&self) -> Option<&dyn TagStorage> {
        self.right.tags().map(|_| self as &dyn TagStorage)
    }

    fn versions(&self) -> Option<&dyn VersionStorage> {
        self.right.versions().map(|_| self as &dyn VersionStorage)
    }
}

impl Broken {
    /// What is known of an object as this store tells it.
    fn told(&self, mut info: ObjectInfo) -> ObjectInfo {
        if let Some(checksum) = self.seen().checksums.get(&info.key) {
            info.checksum = Some(*checksum);
        }
        info.token = self.token(info.token, info.size);
        info
    }

    fn token(&self, token: VersionToken, size: u64) -> VersionToken {
        if !self.is(Wrong::TokensOfSize) {
            return token;
        }
        let told = format!("{size} bytes");
        self.seen().tokens.insert(told.clone(), token);
        VersionToken::new(told)
    }

    /// The condition with the token that the right store gave.
    fn real(&self, precondition: Precondition) -> Precondition {
        match precondition {
            Precondition::Matches(told) => {
                let real = self.seen().tokens.get(told.as_str()).cloned();
                Precondition::Matches(real.unwrap_or(told))
            }
            other => other,
        }
    }

    /// A body that is read anew behind its first chunk.
    async fn following(&self, request: &GetRequest, mut body: ByteStream) -> Result<ByteStream> {
        let Some(mut first) = body.next_chunk().await? else {
            return Ok(ByteStream::from_bytes(Bytes::new()));
        };
        first.truncate(first.len().div_ceil(2));
        let (right, request, behind) = (self.right.clone(), request.clone(), first.len());
        let rest = stream::once(async move {
            let object = right.get(&CallContext::default(), &request).await?.into_object()?;
            let bytes = object.body.collect(u64::MAX).await?;
            Ok(bytes.slice(behind.min(bytes.len())..))
        });
        Ok(ByteStream::new(stream::StreamExt::chain(stream::iter([Ok(first)]), rest)))
    }
}
