//! An upload in parts as clauses use it.

use bytes::Bytes;
use external_core::storage::{
    AbortMultipartRequest, BeginMultipartRequest, CompleteMultipartRequest, ListUploadsRequest,
    MultipartStorage, MultipartUpload, ObjectAttributes, PartReceipt, PendingUpload, PutPartRequest,
    PutReceipt,
};
use external_core::{ErrorKind, Result};

use super::S;
use super::store::{Store, pattern};
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

/// One upload that is under way.
pub(super) struct Upload<'a> {
    case: &'a Case<S>,
    multipart: &'a dyn MultipartStorage,
    pub(super) upload: MultipartUpload,
}

pub(super) fn multipart(service: &S) -> std::result::Result<&dyn MultipartStorage, Finding> {
    service.multipart().ok_or_else(|| Finding::failed("the facet `multipart`, which is declared", "no facet"))
}

/// A part that may stand anywhere but at the end.
pub(super) fn part(case: &Case<S>, seed: u64) -> Bytes {
    let least = case.service().info().capabilities().get_limit("part-bytes-min").unwrap_or(1);
    pattern(usize::try_from(least).unwrap_or(usize::MAX).max(1000), seed)
}

impl<'a> Upload<'a> {
    pub(super) async fn begin(case: &'a Case<S>, name: &str) -> std::result::Result<Self, Finding> {
        Self::begin_with(case, name, ObjectAttributes::default()).await
    }

    pub(super) async fn begin_with(
        case: &'a Case<S>,
        name: &str,
        attributes: ObjectAttributes,
    ) -> std::result::Result<Self, Finding> {
        let multipart = multipart(case.service())?;
        let key = Store::of(case).key(name)?;
        let request = BeginMultipartRequest::new(key.clone()).with_attributes(attributes);
        let upload = multipart.begin_multipart(&case.cx(), &request).await?;
        ensure_eq("the key of the upload", &upload.key, &key)?;
        Ok(Self { case, multipart, upload })
    }

    pub(super) async fn put(&self, number: u32, body: impl Into<Bytes>) -> Result<PartReceipt> {
        self.send(&PutPartRequest::new(self.upload.clone(), number, body)).await
    }

    pub(super) async fn send(&self, request: &PutPartRequest) -> Result<PartReceipt> {
        self.multipart.put_part(&self.case.cx(), request).await
    }

    pub(super) fn completion(&self, parts: &[PartReceipt]) -> CompleteMultipartRequest {
        CompleteMultipartRequest::new(self.upload.clone(), parts.to_vec())
    }

    pub(super) async fn complete(&self, parts: &[PartReceipt]) -> Result<PutReceipt> {
        self.finish(&self.completion(parts)).await
    }

    pub(super) async fn finish(&self, request: &CompleteMultipartRequest) -> Result<PutReceipt> {
        self.multipart.complete_multipart(&self.case.cx(), request).await
    }

    pub(super) async fn abort(&self) -> Result<()> {
        self.multipart
            .abort_multipart(&self.case.cx(), &AbortMultipartRequest::new(self.upload.clone()))
            .await
    }

    /// Shows that the upload is still there: a part can be added.
    pub(super) async fn is_there(&self) -> Verdict {
        self.put(9, "x")
            .await
            .map(drop)
            .map_err(|error| Finding::from(error).while_("the upload is still there"))
    }
}

/// Every page of pending uploads in this case's namespace.
pub(super) async fn pending(
    case: &Case<S>,
    limit: Option<usize>,
) -> std::result::Result<Vec<PendingUpload>, Finding> {
    let mut request = ListUploadsRequest::new(case.name(""));
    request.limit = limit;
    let mut all = Vec::new();
    for _ in 0..1000 {
        let page = multipart(case.service())?.list_uploads(&case.cx(), &request).await?;
        let most = limit.unwrap_or(usize::MAX);
        ensure(page.uploads.len() <= most, format!("at most {most} uploads"), page.uploads.len())?;
        all.extend(page.uploads);
        match page.next {
            Some(token) => request = request.with_token(token),
            None => return Ok(all),
        }
    }
    Err(Finding::failed("a listing that ends", "page after page"))
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("storage.complete_multipart.8", "One empty part makes an empty object.", |case: S| {
            let store = Store::of(case);
            store.put("k", "old").await?;
            let upload = Upload::begin(case, "k").await?;
            let part = upload.put(1, "").await?;
            ensure_eq("the size of the part", &part.size, &0)?;
            let receipt = upload.complete(&[part]).await?;
            store.holds("k", b"").await?;
            let head = store.head("k").await?;
            ensure_eq("the size", &head.size, &0)?;
            ensure_eq("the token", &head.token, &receipt.token)?;
        })
        .capability(
            "multipart",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "storage.abort_multipart.1",
            "Afterwards it is in no `list_uploads`, and the key holds what it held.",
            |case: S| {
                let store = Store::of(case);
                store.put("k", "old").await?;
                for name in ["k", "free"] {
                    let upload = Upload::begin(case, name).await?;
                    upload.put(1, part(case, 1)).await?;
                    upload.abort().await?;
                }
                store.holds("k", b"old").await?;
                store.lacks("free").await?;
                if super::conditions::has(case.service(), "list-uploads") {
                    let left = pending(case, None).await?;
                    ensure(left.is_empty(), "no upload", format!("{left:?}"))?;
                }
            }
        )
        .capability(
            "multipart",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!("storage.abort_multipart.2", "Aborting an upload that is gone is `Ok`.", |case: S| {
            let upload = Upload::begin(case, "k").await?;
            upload.abort().await?;
            upload.abort().await?;
            let upload = Upload::begin(case, "k").await?;
            let receipt = upload.put(1, "whole").await?;
            upload.complete(&[receipt]).await?;
            upload.abort().await?;
            Store::of(case).holds("k", b"whole").await?;
        })
        .capability(
            "multipart",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "storage.list_uploads.1",
            "Pages together hold each of them exactly once, in byte order of the keys.",
            |case: S| {
                let names = ["b", "a", "a/x", "a-", "c", "ä", "a"];
                let mut begun = Vec::new();
                for name in names {
                    begun.push(Upload::begin(case, name).await?);
                }
                let done = Upload::begin(case, "done").await?;
                let receipt = done.put(1, "x").await?;
                done.complete(&[receipt]).await?;
                let mut expected: Vec<_> = begun.iter().map(|upload| upload.upload.clone()).collect();
                expected
                    .sort_by(|a, b| (a.key.as_str(), a.id.as_str()).cmp(&(b.key.as_str(), b.id.as_str())));
                for limit in [None, Some(1), Some(2), Some(7)] {
                    let mut listed: Vec<_> =
                        pending(case, limit).await?.into_iter().map(|one| one.upload).collect();
                    let ordered = listed.is_sorted_by_key(|upload| upload.key.as_str().to_owned());
                    ensure(ordered, "byte order of the keys", format!("{listed:?}"))?;
                    listed.sort_by(|a, b| {
                        (a.key.as_str(), a.id.as_str()).cmp(&(b.key.as_str(), b.id.as_str()))
                    });
                    ensure_eq(&format!("the uploads, limit {limit:?}"), &listed, &expected)?;
                }
            }
        )
        .capability(
            "list-uploads",
            check!(|case| {
                refuses_list(case).await?;
            }),
        ),
        clause!("storage.list_uploads.2", "A page holds at most `limit` entries.", |case: S| {
            for n in 0..5 {
                Upload::begin(case, &format!("k{n}")).await?;
            }
            // Each page is measured in there.
            ensure_eq("the number of uploads", &pending(case, Some(2)).await?.len(), &5)?;
            let none = ListUploadsRequest::new(case.name("")).with_limit(0);
            let result = multipart(case.service())?.list_uploads(&case.cx(), &none).await;
            ensure_error("a limit of 0", result, ErrorKind::InvalidArgument)?;
        })
        .capability(
            "list-uploads",
            check!(|case| {
                refuses_list(case).await?;
            }),
        ),
    ]
}

/// A store that cannot write in parts has no facet for it, bare or behind its client.
pub(super) fn no_facet(case: &Case<S>) -> Verdict {
    ensure(case.service().multipart().is_none(), "no facet `multipart`", "one")
}

async fn refuses_list(case: &Case<S>) -> Verdict {
    if case.service().multipart().is_none() {
        return Ok(());
    }
    refuses(case, "listing uploads", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let Some(facet) = service.multipart() else {
                return Err(external_core::Error::unsupported("list-uploads"));
            };
            facet.list_uploads(&case.cx(), &ListUploadsRequest::new("")).await.map(drop)
        })
    })
    .await
}
