//! The operations of stores as the common block calls them: on what is not there, unless it is to be stored.

use std::collections::BTreeMap;

use bytes::Bytes;
use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, CopyRequest, DeleteBatchRequest,
    DeleteRequest, DeleteVersionRequest, GetRequest, GetTagsRequest, HeadRequest, ListRequest,
    ListUploadsRequest, ListVersionsRequest, MultipartUpload, ObjectKey, PartReceipt, PartToken,
    PresignRequest, PutPartRequest, PutRequest, PutTagsRequest, RestoreVersionRequest, UploadId, VersionId,
};
use external_core::{Error, ErrorKind, Result};
use futures_util::future::BoxFuture;

use super::S;
use super::store::pattern;
use crate::{Case, ProviderCall, Traffic};

/// The end of the keys of uploads that are begun here and not ended. Those whose names were answered are remembered.
pub(super) const BEGUN: &str = "-begun";

/// A version that was never stored, by the only name that every server of versions takes for one.
const NO_VERSION: &str = "null";

/// Those that every store has.
pub(super) fn base() -> Vec<ProviderCall<S>> {
    vec![
        marked("put", call_put),
        marked("head", call_head),
        marked("get", call_get),
        marked("list_page", call_list),
        marked("delete", call_delete),
    ]
}

/// Those of whoever has the capability.
pub(super) fn of_capabilities() -> Vec<(&'static str, Vec<ProviderCall<S>>)> {
    // The keys of a copy both hold the marker, and so do those of a version that is copied to the top.
    let copy = ProviderCall { name: "copy", run: call_copy, traffic: Traffic::Unmarked };
    let restore = ProviderCall { name: "restore_version", run: call_restore, traffic: Traffic::Unmarked };
    let presign = ProviderCall { name: "presign", run: call_presign, traffic: Traffic::None };
    vec![
        ("delete-batch", vec![marked("delete_batch", call_delete_batch)]),
        ("copy", vec![copy]),
        ("presign-get", vec![presign]),
        ("tags", vec![marked("get_tags", call_get_tags), marked("put_tags", call_put_tags)]),
        (
            "multipart",
            vec![
                marked("begin_multipart", call_begin),
                marked("put_part", call_put_part),
                marked("complete_multipart", call_complete),
                marked("abort_multipart", call_abort),
            ],
        ),
        ("list-uploads", vec![marked("list_uploads", call_list_uploads)]),
        (
            "versions",
            vec![
                marked("list_versions", call_list_versions),
                marked("delete_version", call_delete_version),
                restore,
            ],
        ),
    ]
}

fn marked(
    name: &'static str,
    run: for<'a> fn(&'a Case<S>, &'a S, &'a str) -> BoxFuture<'a, Result<()>>,
) -> ProviderCall<S> {
    ProviderCall { name, run, traffic: Traffic::Marked }
}

fn key(case: &Case<S>, marker: &str) -> Result<ObjectKey> {
    ObjectKey::parse(case.name(marker))
}

/// What a put carries: bytes of any kind, with the canary among them.
pub(super) fn body(case: &Case<S>) -> Bytes {
    [&pattern(1000, 7), case.canary().as_bytes(), &pattern(100, 8)].concat().into()
}

fn call_put<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        // User metadata travels as header fields, which vendors' SDKs write down at TRACE: it is not searched for.
        let request = PutRequest::new(key(case, marker)?, body(case));
        service.put(&case.cx(), &request).await.map(drop)
    })
}

/// Nothing is there, unless another caller's answer comes.
fn call_head<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move { absent(service.head(&case.cx(), &HeadRequest::new(key(case, marker)?)).await) })
}

fn call_get<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move { absent(service.get(&case.cx(), &GetRequest::new(key(case, marker)?)).await) })
}

fn absent<T>(result: Result<T>) -> Result<()> {
    match result {
        Ok(_) => Err(Error::unexpected("answered an object that was never stored")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn call_list<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let page = service.list_page(&case.cx(), &ListRequest::new(case.name(marker))).await?;
        match page.objects.is_empty() {
            true => Ok(()),
            false => Err(Error::unexpected("listed objects that were never stored")),
        }
    })
}

fn call_delete<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(
        async move { service.delete(&case.cx(), &DeleteRequest::new(key(case, marker)?)).await.map(drop) },
    )
}

fn call_delete_batch<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = DeleteBatchRequest::new(vec![key(case, marker)?]);
        let results = service.delete_batch(&case.cx(), &request).await?;
        results.into_iter().try_for_each(|result| result.map(drop))
    })
}

/// From nothing to nowhere.
fn call_copy<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = CopyRequest::new(key(case, marker)?, key(case, &format!("{marker}-copy"))?);
        absent(facet(service.copier())?.copy(&case.cx(), &request).await)
    })
}

fn call_get_tags<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = GetTagsRequest::new(key(case, marker)?);
        absent(facet(service.tags())?.get_tags(&case.cx(), &request).await)
    })
}

/// To an upload that was never begun.
fn call_put_part<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = PutPartRequest::new(never_begun(case, marker)?, 1, body(case));
        absent(facet(service.multipart())?.put_part(&case.cx(), &request).await)
    })
}

fn call_abort<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = AbortMultipartRequest::new(never_begun(case, marker)?);
        facet(service.multipart())?.abort_multipart(&case.cx(), &request).await
    })
}

fn call_list_uploads<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let page = facet(service.multipart())?
            .list_uploads(&case.cx(), &ListUploadsRequest::new(case.name(marker)))
            .await?;
        match page.uploads.is_empty() {
            true => Ok(()),
            false => Err(Error::unexpected("listed uploads that were never begun")),
        }
    })
}

/// Of nothing, which a clause of its own is about: the answer to this call may be no more than a status.
fn call_put_tags<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let tags = BTreeMap::from([("note".to_owned(), "tag".to_owned())]);
        let request = PutTagsRequest::new(key(case, marker)?, tags);
        match facet(service.tags())?.put_tags(&case.cx(), &request).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    })
}

/// A link is made of what is known already.
fn call_presign<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = PresignRequest::get(key(case, marker)?);
        facet(service.presigner())?.presign(&case.cx(), &request).await.map(drop)
    })
}

fn call_begin<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = BeginMultipartRequest::new(key(case, &format!("{marker}{BEGUN}"))?);
        let upload = facet(service.multipart())?.begin_multipart(&case.cx(), &request).await?;
        case.remember(upload.id.as_str());
        Ok(())
    })
}

/// Of an upload that was never begun.
fn call_complete<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let part = PartReceipt::new(1, 1, PartToken::new("\"never-sent\""));
        let request = CompleteMultipartRequest::new(never_begun(case, marker)?, vec![part]);
        absent(facet(service.multipart())?.complete_multipart(&case.cx(), &request).await)
    })
}

fn call_list_versions<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = ListVersionsRequest::new(case.name(marker));
        let page = facet(service.versions())?.list_versions(&case.cx(), &request).await?;
        match page.versions.is_empty() {
            true => Ok(()),
            false => Err(Error::unexpected("listed versions that were never stored")),
        }
    })
}

fn call_delete_version<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = DeleteVersionRequest::new(key(case, marker)?, VersionId::new(NO_VERSION));
        facet(service.versions())?.delete_version(&case.cx(), &request).await.map(drop)
    })
}

fn call_restore<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let request = RestoreVersionRequest::new(key(case, marker)?, VersionId::new(NO_VERSION));
        absent(facet(service.versions())?.restore_version(&case.cx(), &request).await)
    })
}

fn never_begun(case: &Case<S>, marker: &str) -> Result<MultipartUpload> {
    Ok(MultipartUpload::new(key(case, marker)?, UploadId::new("never-begun")))
}

fn facet<T>(facet: Option<T>) -> Result<T> {
    facet.ok_or_else(|| Error::unexpected("no facet, though it is declared"))
}
