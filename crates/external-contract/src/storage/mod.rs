//! The suite of object storage.
//!
//! Facts that a target may tell: `objects` (the folder where objects lie as plain files at their keys, so that the
//! suite can damage one), `persistent` (another instance of the same configuration sees the same objects). What its
//! server does otherwise than the contract says, for programs of the model-based lane to leave it out:
//! `folds-after = "no"` (a listing that begins inside a common prefix leaves that prefix out), `folds-deleted = "yes"`
//! (a common prefix is listed although all its keys were deleted).

mod conditions;
mod copy;
mod delete;
mod get;
mod http;
mod keys;
mod list;
mod model;
mod multipart;
mod presign;
mod put;
mod store;
mod tags;
mod uploads;
mod versions;

use bytes::Bytes;
use external_core::storage::{
    AbortMultipartRequest, CAPABILITIES, CopyRequest, DeleteBatchRequest, DeleteRequest, GetRequest,
    GetTagsRequest, HeadRequest, ListRequest, ListUploadsRequest, MultipartStorage, MultipartUpload,
    ObjectKey, PutPartRequest, PutRequest, StorageService, UploadId, supports,
};
use external_core::{Error, ErrorKind, Result};
use futures_util::future::BoxFuture;

use crate::{Case, Finding, ProviderCall, Suite, Verdict, ensure, ensure_eq};
pub use http::{LinkAnswer, open_link};
use store::{Store, pattern};

type S = dyn StorageService;

/// What the contract demands natively of the providers it knows.
const NATIVES: &[(&str, &[&str])] = &[("memory", EMBEDDED), ("local", EMBEDDED)];

const EMBEDDED: &[&str] = &[
    "range",
    "suffix-range",
    "if-match",
    "if-none-match",
    "content-headers",
    "metadata",
    "create-only",
    "compare-and-swap",
    "checksum",
    "delete-batch",
    "list-delimiter",
    "list-start-after",
    "multipart",
    "multipart-create-only",
    "multipart-compare-and-swap",
    "list-uploads",
    "copy",
    "tags",
];

/// Every clause of [`StorageService`], with the common block.
#[must_use]
pub fn suite() -> Suite<dyn StorageService> {
    let calls = vec![
        ProviderCall { name: "put", run: call_put, marked: true },
        ProviderCall { name: "head", run: call_head, marked: true },
        ProviderCall { name: "get", run: call_get, marked: true },
        ProviderCall { name: "list_page", run: call_list, marked: true },
        ProviderCall { name: "delete", run: call_delete, marked: true },
    ];
    Suite::of_contract("storage", CAPABILITIES, supports, calls)
        .with_calls(
            "delete-batch",
            vec![ProviderCall { name: "delete_batch", run: call_delete_batch, marked: true }],
        )
        .with_calls("copy", vec![ProviderCall { name: "copy", run: call_copy, marked: false }])
        .with_calls("tags", vec![ProviderCall { name: "get_tags", run: call_get_tags, marked: true }])
        .with_calls(
            "multipart",
            vec![
                ProviderCall { name: "put_part", run: call_put_part, marked: true },
                ProviderCall { name: "abort_multipart", run: call_abort, marked: true },
            ],
        )
        .with_calls(
            "list-uploads",
            vec![ProviderCall { name: "list_uploads", run: call_list_uploads, marked: true }],
        )
        .with_natives(NATIVES)
        .with_leftovers(leftovers)
        .with_cleanup(cleanup)
        .with_all(put::clauses())
        .with_all(conditions::clauses())
        .with_all(get::clauses())
        .with_all(delete::clauses())
        .with_all(list::clauses())
        .with_all(keys::clauses())
        .with_all(multipart::clauses())
        .with_all(uploads::clauses())
        .with_all(copy::clauses())
        .with_all(tags::clauses())
        .with_all(versions::clauses())
        .with_all(presign::clauses())
        .with_all(model::clauses())
}

fn key(case: &Case<S>, marker: &str) -> Result<ObjectKey> {
    ObjectKey::parse(case.name(marker))
}

/// What a put carries: bytes of any kind, with the canary among them.
fn body(case: &Case<S>) -> Bytes {
    [&pattern(1000, 7), case.canary().as_bytes(), &pattern(100, 8)].concat().into()
}

fn call_put<'a>(case: &'a Case<S>, service: &'a S, marker: &'a str) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let mut request = PutRequest::new(key(case, marker)?, body(case));
        if supports(service, "metadata").is_supported() {
            request = request.with_metadata("note", case.canary());
        }
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

fn never_begun(case: &Case<S>, marker: &str) -> Result<MultipartUpload> {
    Ok(MultipartUpload::new(key(case, marker)?, UploadId::new("never-begun")))
}

fn facet<T>(facet: Option<T>) -> Result<T> {
    facet.ok_or_else(|| Error::unexpected("no facet, though it is declared"))
}

/// An abandoned put leaves its object whole or not at all, and no upload.
fn leftovers<'a>(case: &'a Case<S>, service: &'a S) -> BoxFuture<'a, Verdict> {
    Box::pin(async move {
        let store = Store::on(case, service);
        for entry in store.list_all(ListRequest::new(case.name(""))).await?.0 {
            let bytes = store.read_key(&entry.key).await?;
            ensure_eq("an object left by a dropped put", &bytes, &body(case))?;
        }
        let Some(multipart) = service.multipart() else {
            return Ok(());
        };
        if supports(service, "list-uploads").is_supported() {
            let count = mine(case, multipart).await?.len();
            ensure(count == 0, "no upload left behind", format!("{count} uploads"))?;
        }
        Ok(())
    })
}

/// The unfinished uploads of this case. All are looked at, page by page: some servers understand the prefix of this
/// listing as a whole key, and a leak must not hide behind that.
async fn mine(
    case: &Case<S>,
    multipart: &dyn MultipartStorage,
) -> std::result::Result<Vec<MultipartUpload>, Finding> {
    let (mut request, namespace) = (ListUploadsRequest::new(""), case.name(""));
    let mut mine = Vec::new();
    for _ in 0..1000 {
        let page = multipart.list_uploads(&case.cx(), &request).await?;
        let uploads = page.uploads.into_iter().map(|pending| pending.upload);
        mine.extend(uploads.filter(|upload| upload.key.as_str().starts_with(&namespace)));
        match page.next {
            Some(token) => request = request.with_token(token),
            None => return Ok(mine),
        }
    }
    Err(Finding::failed("a listing that ends", "page after page"))
}

/// Removes what lies in the case's namespace, and nothing else.
fn cleanup<'a>(case: &'a Case<S>, service: &'a S) -> BoxFuture<'a, Verdict> {
    Box::pin(async move {
        if case.another()?.is_none() {
            return Ok(());
        }
        let store = Store::on(case, service);
        // A store that never came to be (its root or bucket is not there) holds nothing.
        let Ok((objects, _)) = store.list_all(ListRequest::new(case.name(""))).await else {
            return Ok(());
        };
        for some in objects.chunks(100) {
            let keys: Vec<_> = some.iter().map(|entry| entry.key.clone()).collect();
            let results = service.delete_batch(&case.cx(), &DeleteBatchRequest::new(keys.clone())).await?;
            for (key, _) in keys.into_iter().zip(results).filter(|(_, result)| result.is_err()) {
                service.delete(&case.cx(), &DeleteRequest::new(key)).await?;
            }
        }
        if let Some(multipart) = service.multipart()
            && supports(service, "list-uploads").is_supported()
        {
            for upload in mine(case, multipart).await? {
                multipart.abort_multipart(&case.cx(), &AbortMultipartRequest::new(upload)).await?;
            }
        }
        Ok(())
    })
}
