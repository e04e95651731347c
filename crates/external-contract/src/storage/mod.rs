//! The suite of object storage.
//!
//! Facts that a target may tell: `objects` (the folder where objects lie as plain files at their keys, so that the
//! suite can damage one), `persistent` (another instance of the same configuration sees the same objects). What its
//! server does otherwise than the contract says, for programs of the model-based lane to leave it out:
//! `folds-after = "no"` (a listing that begins inside a common prefix leaves that prefix out), `folds-deleted = "yes"`
//! (a common prefix is listed although all its keys were deleted).

mod calls;
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

use external_core::storage::{
    AbortMultipartRequest, CAPABILITIES, DeleteBatchRequest, DeleteRequest, ListRequest, ListUploadsRequest,
    MultipartStorage, MultipartUpload, StorageService, supports,
};
use futures_util::future::BoxFuture;

use crate::{Case, Finding, Suite, Verdict, ensure, ensure_eq};
pub use http::{LinkAnswer, open_link};
use store::Store;

type S = dyn StorageService;

/// What the contract demands natively of the providers it knows. Uploads are listed by each store that speaks S3, but by some
/// for whole buckets alone.
const NATIVES: &[(&str, &[&str])] = &[
    ("memory", ALL),
    ("memory", &["list-uploads"]),
    ("local", ALL),
    ("local", &["list-uploads"]),
    ("s3", ALL),
    ("s3", &["presign-get", "presign-put"]),
];

const ALL: &[&str] = &[
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
    "copy",
    "tags",
];

/// Every clause of [`StorageService`], with the common block.
#[must_use]
pub fn suite() -> Suite<dyn StorageService> {
    let suite = Suite::of_contract("storage", CAPABILITIES, supports, calls::base());
    let with_calls = |suite: Suite<S>, (capability, calls)| suite.with_calls(capability, calls);
    calls::of_capabilities()
        .into_iter()
        .fold(suite, with_calls)
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

/// An abandoned put leaves its object whole or not at all, and no upload; an abandoned begin leaves none behind a client.
fn leftovers<'a>(case: &'a Case<S>, service: &'a S) -> BoxFuture<'a, Verdict> {
    Box::pin(async move {
        let store = Store::on(case, service);
        for entry in store.list_all(ListRequest::new(case.name(""))).await?.0 {
            let bytes = store.read_key(&entry.key).await?;
            ensure_eq("an object left by a dropped put", &bytes, &calls::body(case))?;
        }
        let Some(multipart) = service.multipart() else {
            return Ok(());
        };
        if supports(service, "list-uploads").is_supported() {
            let named = case.made();
            let is_theirs = |upload: &MultipartUpload| {
                // Behind a client what has no name for its caller is aborted. A provider makes one exchange: what it begins
                // for a caller that has gone ends by the store's lifecycle rule.
                let is_begun = upload.key.as_str().ends_with(calls::BEGUN);
                is_begun && (!case.is_about_client() || named.iter().any(|id| id == upload.id.as_str()))
            };
            let count = mine(case, multipart).await?.iter().filter(|upload| !is_theirs(upload)).count();
            ensure(count == 0, "no upload left behind", format!("{count} uploads"))?;
        }
        Ok(())
    })
}

/// The unfinished uploads of this case. All are looked at, page by page: some servers understand the prefix of this
/// listing as a whole key, and a leak must not hide behind that.
async fn mine(case: &Case<S>, multipart: &dyn MultipartStorage) -> Result<Vec<MultipartUpload>, Finding> {
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
