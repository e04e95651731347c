//! A provider that passes everything on to another one, counts, and fails where a clause says.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use external_core::{CallContext, Capabilities, Effect, Error, Provider, ProviderInfo, Result, Retry};
use external_storage::{
    AbortMultipartRequest, BeginMultipartRequest, ByteStream, Checksum, CompleteMultipartRequest,
    CopyRequest, CopyStorage, DeleteBatchRequest, DeleteRequest, Deleted, ForeignChecksum, GetRequest,
    GetResult, GetTagsRequest, HeadRequest, ListPage, ListRequest, ListUploadsRequest, MultipartStorage,
    MultipartUpload, ObjectInfo, PartReceipt, PendingUpload, PutPartRequest, PutReceipt, PutRequest,
    PutTagsRequest, StorageService, TagStorage, UploadPage, Verifier, checksum,
};
use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;

use super::S;

/// What goes wrong in one call.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    None,
    /// It takes so long and then works.
    Slow(Duration),
    /// It waits until it is let go, and then works.
    Held,
    /// It fails before anything happens.
    Before,
    /// It fails before anything happens, and asks to be left alone for so long.
    Asks(Duration),
    /// It is refused for the number of calls.
    Throttled,
    /// It fails for good.
    Refused,
    /// It works, and its answer is lost.
    AnswerLost,
    /// The connection breaks, behind this status if it had come, and the store goes on: it is done so much later.
    GoesOn(Duration, Option<u16>),
    /// The store says that it failed, and has done nothing.
    Fails,
    /// It is sent, and nobody hears of it: a part arrives behind the first abort, anything else never.
    Strays,
    /// What is to be copied is larger than is copied at once.
    TooLarge,
    /// The body breaks off behind so many bytes.
    Breaks(usize),
    /// The body ends behind so many bytes, as if it were whole.
    Ends(usize),
    /// The body goes on behind its end.
    Overflows,
    /// The body stalls behind so many bytes.
    Stalls(usize),
    /// The body comes byte by byte, with so much time before each.
    Trickles(Duration),
    /// The range answered is not the one asked for.
    OtherRange,
    /// The whole object is answered for a range of it, as by a server that knows no ranges.
    IgnoresRange,
    /// A bit of the body is another one.
    Damaged,
    /// The page answers its own token as the next one's.
    SameToken,
}

type Plan = dyn Fn(&str, usize) -> Fault + Send + Sync;

pub(super) struct Faulty {
    inner: Arc<S>,
    info: ProviderInfo,
    plan: Box<Plan>,
    calls: Mutex<BTreeMap<&'static str, usize>>,
    copies: bool,
    /// Checksums are told as those of another writer are.
    foreign_sums: bool,
    parts: Load,
    bytes: Load,
    gets: Load,
    gate: Semaphore,
    /// Uploads with a part that is on its way, and whether it has arrived.
    strays: Mutex<HashMap<MultipartUpload, bool>>,
}

/// How much of something is going on, and the most there was.
#[derive(Default)]
struct Load {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Load {
    fn add(&self, amount: usize) {
        let now = self.now.fetch_add(amount, Ordering::SeqCst) + amount;
        self.most.fetch_max(now, Ordering::SeqCst);
    }
}

/// Takes one off when it is dropped.
struct Gone<'a>(&'a Load);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A sum that only its provider knows how to make.
struct Foreign(Vec<u8>, Checksum);

impl Verifier for Foreign {
    fn update(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn matches(self: Box<Self>) -> bool {
        checksum::of(self.1.kind(), &self.0).is_ok_and(|sum| sum == self.1)
    }
}

fn throttled() -> Error {
    Error::rate_limited("fewer calls, please").with_effect(Effect::NotApplied)
}

fn asks(time: Duration) -> Error {
    Error::unavailable("down for a while").with_effect(Effect::NotApplied).with_retry(Retry::After(time))
}

impl Faulty {
    /// Everything works.
    pub(super) fn new(inner: Arc<S>) -> Self {
        let info = inner.info().clone();
        let faulty = Self {
            inner,
            info,
            plan: Box::new(|_, _| Fault::None),
            calls: Mutex::default(),
            copies: true,
            foreign_sums: false,
            parts: Load::default(),
            bytes: Load::default(),
            gets: Load::default(),
            gate: Semaphore::new(0),
            strays: Mutex::default(),
        };
        // So that first parts are as small as the store takes them, and not such that thousands of them hold its
        // largest object.
        faulty.with_limit("object-bytes-max", 1)
    }

    /// `plan` says for each call of an operation, counted from 1, what goes wrong.
    pub(super) fn with_plan(mut self, plan: impl Fn(&str, usize) -> Fault + Send + Sync + 'static) -> Self {
        self.plan = Box::new(plan);
        self
    }

    pub(super) fn with_limit(self, id: &'static str, value: u64) -> Self {
        self.declaring(|capabilities| capabilities.limit(id, value))
    }

    /// What the objects' writers left are checksums of a kind of the store's own.
    pub(super) fn with_foreign_sums(mut self) -> Self {
        self.foreign_sums = true;
        self
    }

    fn told(&self, mut info: ObjectInfo) -> ObjectInfo {
        if self.foreign_sums
            && let Some(sum) = info.checksum.take()
        {
            info.foreign_checksum =
                Some(ForeignChecksum::new(sum.to_string(), move || Box::new(Foreign(Vec::new(), sum))));
        }
        info
    }

    pub(super) fn without(mut self, id: &'static str) -> Self {
        if id == "copy" {
            self.copies = false;
            return self.declaring(|capabilities| {
                capabilities
                    .unsupported("copy")
                    .unsupported("copy-create-only")
                    .unsupported("copy-compare-and-swap")
            });
        }
        self.declaring(|capabilities| capabilities.unsupported(id))
    }

    fn declaring(mut self, change: impl FnOnce(Capabilities) -> Capabilities) -> Self {
        let info = &self.info;
        let capabilities = change(info.capabilities().clone());
        self.info = ProviderInfo::new(info.id(), info.domain(), info.location(), capabilities);
        self
    }

    pub(super) fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }

    /// How often an operation was called.
    pub(super) fn calls(&self, operation: &str) -> usize {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).get(operation).copied().unwrap_or(0)
    }

    /// Lets go what is held, from now on.
    pub(super) fn let_go(&self) {
        self.gate.add_permits(1);
    }

    /// The most parts that were under way at a time, and the most bytes of them.
    pub(super) fn most_parts(&self) -> (usize, usize) {
        (self.parts.most.load(Ordering::SeqCst), self.bytes.most.load(Ordering::SeqCst))
    }

    /// The most gets that were under way at a time.
    pub(super) fn most_gets(&self) -> usize {
        self.gets.most.load(Ordering::SeqCst)
    }

    fn count(&self, operation: &'static str) -> Fault {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let number = calls.entry(operation).or_insert(0);
        *number += 1;
        (self.plan)(operation, *number)
    }

    async fn pass<T>(
        &self,
        cx: &CallContext,
        operation: &'static str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.fail(self.count(operation), cx, call).await
    }

    async fn fail<T>(
        &self,
        fault: Fault,
        cx: &CallContext,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match fault {
            Fault::Before => Err(Error::unavailable("down before it").with_effect(Effect::NotApplied)),
            Fault::Asks(time) => Err(asks(time)),
            Fault::Throttled => Err(throttled()),
            Fault::Refused => Err(Error::permission_denied("not you")),
            Fault::TooLarge => Err(Error::payload_too_large("more than is copied at once")),
            Fault::AnswerLost => {
                cx.mark_sent();
                call.await?;
                Err(Error::unavailable("the answer was lost").with_effect(Effect::MaybeApplied))
            }
            Fault::Fails => {
                cx.mark_sent();
                let failed = Error::unavailable("the store failed").with_effect(Effect::MaybeApplied);
                Err(failed.with_http_status(500).with_vendor_code("InternalError"))
            }
            Fault::Slow(time) => {
                tokio::time::sleep(time).await;
                call.await
            }
            Fault::Strays => {
                cx.mark_sent();
                std::future::pending().await
            }
            Fault::Held => {
                drop(self.gate.acquire().await);
                call.await
            }
            _ => call.await,
        }
    }

    fn strays(&self) -> MutexGuard<'_, HashMap<MultipartUpload, bool>> {
        self.strays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn multipart_of(&self) -> Result<&dyn MultipartStorage> {
        self.inner.multipart().ok_or_else(|| Error::unsupported("multipart"))
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Faulty {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.inner.probe(cx).await
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some(&*self.inner)
    }
}

#[async_trait]
impl StorageService for Faulty {
    async fn put(&self, cx: &CallContext, request: &PutRequest) -> Result<PutReceipt> {
        self.pass(cx, "put", self.inner.put(cx, request)).await
    }

    async fn get(&self, cx: &CallContext, request: &GetRequest) -> Result<GetResult> {
        let fault = self.count("get");
        self.gets.add(1);
        let _gone = Gone(&self.gets);
        if let Fault::Slow(time) = fault {
            tokio::time::sleep(time).await;
        }
        if matches!(fault, Fault::Before) {
            return Err(Error::unavailable("down before it").with_effect(Effect::NotApplied));
        }
        if let Fault::Asks(time) = fault {
            return Err(asks(time));
        }
        if matches!(fault, Fault::Throttled) {
            return Err(throttled());
        }
        let mut asked = request.clone();
        if matches!(fault, Fault::IgnoresRange) {
            asked.range = None;
        }
        let mut object = match self.inner.get(cx, &asked).await? {
            GetResult::Object(object) => object,
            other => return Ok(other),
        };
        object.info = self.told(object.info);
        let length = usize::try_from(object.range.end - object.range.start).unwrap_or(usize::MAX);
        let whole = object.body.collect(u64::MAX).await?;
        let first = |bytes: usize| Ok(whole.slice(..bytes.min(length)));
        object.body = match fault {
            Fault::Breaks(bytes) => {
                ByteStream::new(stream::iter([first(bytes), Err(Error::unavailable("the connection broke"))]))
            }
            Fault::Ends(bytes) => ByteStream::new(stream::iter([first(bytes)])),
            Fault::Overflows => ByteStream::new(stream::iter([Ok(whole), Ok(Bytes::from("more"))])),
            Fault::Trickles(time) => {
                let bytes = (0..whole.len()).map(move |at| whole.slice(at..=at));
                ByteStream::new(stream::iter(bytes).then(move |byte| async move {
                    tokio::time::sleep(time).await;
                    Ok(byte)
                }))
            }
            Fault::OtherRange => {
                object.range = object.range.start..object.range.end - 1;
                ByteStream::from_bytes(whole.slice(..length - 1))
            }
            Fault::Stalls(bytes) => ByteStream::new(stream::iter([first(bytes)]).chain(stream::pending())),
            Fault::Damaged => {
                let mut bytes = whole.to_vec();
                if let Some(byte) = bytes.last_mut() {
                    *byte ^= 1;
                }
                ByteStream::from_bytes(bytes.into())
            }
            _ => ByteStream::new(stream::iter(
                whole.chunks(1000).map(Bytes::copy_from_slice).map(Ok).collect::<Vec<_>>(),
            )),
        };
        Ok(GetResult::Object(object))
    }

    async fn head(&self, cx: &CallContext, request: &HeadRequest) -> Result<ObjectInfo> {
        Ok(self.told(self.pass(cx, "head", self.inner.head(cx, request)).await?))
    }

    async fn delete(&self, cx: &CallContext, request: &DeleteRequest) -> Result<Deleted> {
        self.pass(cx, "delete", self.inner.delete(cx, request)).await
    }

    async fn delete_batch(
        &self,
        cx: &CallContext,
        request: &DeleteBatchRequest,
    ) -> Result<Vec<Result<Deleted>>> {
        self.pass(cx, "delete_batch", self.inner.delete_batch(cx, request)).await
    }

    async fn list_page(&self, cx: &CallContext, request: &ListRequest) -> Result<ListPage> {
        let fault = self.count("list_page");
        let mut page = self.inner.list_page(cx, request).await?;
        if matches!(fault, Fault::SameToken) {
            page.next.clone_from(&request.token);
        }
        Ok(page)
    }

    fn multipart(&self) -> Option<&dyn MultipartStorage> {
        self.inner.multipart().map(|_| self as _)
    }

    fn copier(&self) -> Option<&dyn CopyStorage> {
        self.inner.copier().filter(|_| self.copies).map(|_| self as _)
    }

    fn tags(&self) -> Option<&dyn TagStorage> {
        self.inner.tags().map(|_| self as _)
    }
}

#[async_trait]
impl MultipartStorage for Faulty {
    async fn begin_multipart(
        &self,
        cx: &CallContext,
        request: &BeginMultipartRequest,
    ) -> Result<MultipartUpload> {
        self.pass(cx, "begin_multipart", self.multipart_of()?.begin_multipart(cx, request)).await
    }

    async fn put_part(&self, cx: &CallContext, request: &PutPartRequest) -> Result<PartReceipt> {
        let fault = self.count("put_part");
        if matches!(fault, Fault::Strays) {
            cx.mark_sent();
            self.strays().insert(request.upload.clone(), false);
            return std::future::pending().await;
        }
        self.parts.add(1);
        self.bytes.add(request.body.len());
        let put = self.fail(fault, cx, self.multipart_of()?.put_part(cx, request)).await;
        self.parts.now.fetch_sub(1, Ordering::SeqCst);
        self.bytes.now.fetch_sub(request.body.len(), Ordering::SeqCst);
        put
    }

    async fn complete_multipart(
        &self,
        cx: &CallContext,
        request: &CompleteMultipartRequest,
    ) -> Result<PutReceipt> {
        let fault = self.count("complete_multipart");
        if let Fault::GoesOn(time, status) = fault {
            cx.mark_sent();
            let (inner, request) = (self.inner.clone(), request.clone());
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                let multipart = inner.multipart().ok_or_else(|| Error::unsupported("multipart"))?;
                multipart.complete_multipart(&CallContext::default(), &request).await
            });
            let broke = Error::unavailable("the connection broke").with_effect(Effect::MaybeApplied);
            return Err(match status {
                Some(status) => broke.with_http_status(status),
                None => broke,
            });
        }
        self.fail(fault, cx, self.multipart_of()?.complete_multipart(cx, request)).await
    }

    async fn abort_multipart(&self, cx: &CallContext, request: &AbortMultipartRequest) -> Result<()> {
        self.pass(cx, "abort_multipart", self.multipart_of()?.abort_multipart(cx, request)).await?;
        let mut strays = self.strays();
        if strays.remove(&request.upload) == Some(false) {
            strays.insert(request.upload.clone(), true);
        }
        Ok(())
    }

    async fn list_uploads(&self, cx: &CallContext, request: &ListUploadsRequest) -> Result<UploadPage> {
        let mut page = self.multipart_of()?.list_uploads(cx, request).await?;
        if page.next.is_none() {
            let strays = self.strays();
            let arrived = strays.iter().filter(|(_, has_arrived)| **has_arrived).map(|(upload, _)| upload);
            let asked = arrived.filter(|upload| upload.key.as_str().starts_with(&request.prefix));
            page.uploads.extend(asked.cloned().map(PendingUpload::new));
        }
        Ok(page)
    }
}

#[async_trait]
impl CopyStorage for Faulty {
    async fn copy(&self, cx: &CallContext, request: &CopyRequest) -> Result<PutReceipt> {
        let copier = self.inner.copier().ok_or_else(|| Error::unsupported("copy"))?;
        self.pass(cx, "copy", copier.copy(cx, request)).await
    }
}

#[async_trait]
impl TagStorage for Faulty {
    async fn get_tags(&self, cx: &CallContext, request: &GetTagsRequest) -> Result<BTreeMap<String, String>> {
        let tags = self.inner.tags().ok_or_else(|| Error::unsupported("tags"))?;
        self.pass(cx, "get_tags", tags.get_tags(cx, request)).await
    }

    async fn put_tags(&self, cx: &CallContext, request: &PutTagsRequest) -> Result<()> {
        self.inner.tags().ok_or_else(|| Error::unsupported("tags"))?.put_tags(cx, request).await
    }
}
