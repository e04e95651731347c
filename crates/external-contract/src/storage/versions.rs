//! What old versions promise.

use external_core::ErrorKind;
use external_core::storage::{
    DeleteVersionRequest, GetRequest, HeadRequest, ListVersionsRequest, ObjectVersion, RestoreVersionRequest,
    VersionId, VersionStorage,
};

use super::S;
use super::store::Store;
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

fn facet(case: &Case<S>) -> Result<&dyn VersionStorage, Finding> {
    case.service()
        .versions()
        .ok_or_else(|| Finding::failed("the facet `versions`, which is declared", "no facet"))
}

/// Every page of the versions in this case's namespace.
async fn listed(case: &Case<S>, limit: Option<usize>) -> Result<Vec<ObjectVersion>, Finding> {
    let mut request = ListVersionsRequest::new(case.name(""));
    request.limit = limit;
    let mut all = Vec::new();
    for _ in 0..1000 {
        let page = facet(case)?.list_versions(&case.cx(), &request).await?;
        let most = limit.unwrap_or(usize::MAX);
        ensure(page.versions.len() <= most, format!("at most {most} versions"), page.versions.len())?;
        all.extend(page.versions);
        match page.next {
            Some(token) => request = request.with_token(token),
            None => return Ok(all),
        }
    }
    Err(Finding::failed("a listing that ends", "page after page"))
}

/// Puts, and hands out the version that the receipt names.
async fn put(store: &Store<'_>, name: &str, body: &'static str) -> Result<VersionId, Finding> {
    let receipt = store.put(name, body).await?;
    receipt.version.ok_or_else(|| Finding::failed("a receipt that names the version", "one that does not"))
}

async fn read(store: &Store<'_>, name: &str, version: &VersionId) -> Result<bytes::Bytes, Finding> {
    let request = GetRequest::new(store.key(name)?).with_version(version.clone());
    Ok(store.open(&request).await?.1)
}

async fn is_not_there(store: &Store<'_>, name: &str, version: &VersionId) -> Verdict {
    let request = GetRequest::new(store.key(name)?).with_version(version.clone());
    ensure_error("get of a version that is not there", store.get(&request).await, ErrorKind::NotFound)?;
    let request = HeadRequest::new(store.key(name)?).with_version(version.clone());
    let head = store.service.head(&store.case.cx(), &request).await;
    ensure_error("head of a version that is not there", head, ErrorKind::NotFound).map(drop)
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.list_versions.1",
            "Pages together hold each version of each key with the prefix exactly once: keys in byte order, the versions of a key from the newest to the oldest.",
            |case: S| {
                let store = Store::of(case);
                let (a1, b1) = (put(&store, "a", "1").await?, put(&store, "b", "1").await?);
                let a2 = put(&store, "a", "22").await?;
                store.delete("b").await?;
                for limit in [None, Some(1), Some(2)] {
                    let all = listed(case, limit).await?;
                    let seen: Vec<_> = all
                        .iter()
                        .map(|one| (store.bare(one.key.as_str()), one.deletion, one.latest, one.size))
                        .collect();
                    let expected = vec![
                        ("a".to_owned(), false, true, 2),
                        ("a".to_owned(), false, false, 1),
                        ("b".to_owned(), true, true, 0),
                        ("b".to_owned(), false, false, 1),
                    ];
                    ensure_eq(&format!("the versions, limit {limit:?}"), &seen, &expected)?;
                    let ids: Vec<_> = all.iter().filter(|one| !one.deletion).map(|one| one.id.clone()).collect();
                    ensure_eq("the ids", &ids, &vec![a2.clone(), a1.clone(), b1.clone()])?;
                }
            }
        )
        .capability("versions", check!(|case| { refuses_versions(case).await?; })),
        clause!(
            "storage.list_versions.2",
            "A version named to get or head answers that content, also after the object was overwritten or deleted; one that is not there is `NotFound`.",
            |case: S| {
                let store = Store::of(case);
                let first = put(&store, "k", "first").await?;
                let second = put(&store, "k", "second!").await?;
                store.delete("k").await?;
                store.lacks("k").await?;
                ensure_eq("the first version", &read(&store, "k", &first).await?, &b"first"[..])?;
                ensure_eq("the second version", &read(&store, "k", &second).await?, &b"second!"[..])?;
                let request = HeadRequest::new(store.key("k")?).with_version(first.clone());
                ensure_eq("its size", &store.service.head(&case.cx(), &request).await?.size, &5)?;
                store.put("other", "x").await?;
                is_not_there(&store, "other", &first).await?;
            }
        )
        .capability("versions", check!(|case| { refuses_versions(case).await?; })),
        clause!(
            "storage.delete_version.1",
            "Afterwards reading it is `NotFound`, and the others are what they were; if it was the latest, the one before is.",
            |case: S| {
                let store = Store::of(case);
                let first = put(&store, "k", "first").await?;
                let second = put(&store, "k", "second").await?;
                let third = put(&store, "k", "third").await?;
                for (gone, latest) in [(&second, "third"), (&third, "first")] {
                    let request = DeleteVersionRequest::new(store.key("k")?, gone.clone());
                    facet(case)?.delete_version(&case.cx(), &request).await?;
                    is_not_there(&store, "k", gone).await?;
                    store.holds("k", latest.as_bytes()).await?;
                }
                ensure_eq("the first version", &read(&store, "k", &first).await?, &b"first"[..])?;
            }
        )
        .capability("versions", check!(|case| { refuses_versions(case).await?; })),
        clause!("storage.delete_version.2", "Removing a version that is not there is `Ok`.", |case: S| {
            let store = Store::of(case);
            let first = put(&store, "k", "first").await?;
            put(&store, "k", "second").await?;
            let request = DeleteVersionRequest::new(store.key("k")?, first);
            facet(case)?.delete_version(&case.cx(), &request).await?;
            facet(case)?.delete_version(&case.cx(), &request).await?;
            store.holds("k", b"second").await?;
        })
        .capability("versions", check!(|case| { refuses_versions(case).await?; })),
        clause!(
            "storage.restore_version.1",
            "Afterwards get without a version answers its bytes and attributes; the old version is still there.",
            |case: S| {
                let store = Store::of(case);
                let receipt = store.put_with("k", "first", super::put::storable(case)).await?;
                let first = receipt.version.ok_or_else(|| Finding::failed("a version", "none"))?;
                put(&store, "k", "second").await?;
                let request = RestoreVersionRequest::new(store.key("k")?, first.clone());
                let restored = facet(case)?.restore_version(&case.cx(), &request).await?;
                store.holds("k", b"first").await?;
                super::put::carries(&store, "k", &super::put::storable(case)).await?;
                ensure_eq("the token", &store.head("k").await?.token, &restored.token)?;
                ensure(restored.version != Some(first.clone()), "a new version", "the old one")?;
                ensure_eq("the old version", &read(&store, "k", &first).await?, &b"first"[..])?;
                ensure_eq("the number of versions", &listed(case, None).await?.len(), &3)?;
            }
        )
        .capability("versions", check!(|case| { refuses_versions(case).await?; })),
        clause!("storage.restore_version.2", "Restoring a version that is not there, or a deletion, is `NotFound`.", |case: S| {
            let store = Store::of(case);
            let first = put(&store, "k", "first").await?;
            store.delete("k").await?;
            let deletion = listed(case, None).await?.into_iter().find(|one| one.deletion);
            let deletion = deletion.ok_or_else(|| Finding::failed("the mark of a deletion", "none"))?.id;
            let request = DeleteVersionRequest::new(store.key("k")?, first.clone());
            facet(case)?.delete_version(&case.cx(), &request).await?;
            for version in [first, deletion] {
                let request = RestoreVersionRequest::new(store.key("k")?, version);
                let result = facet(case)?.restore_version(&case.cx(), &request).await;
                ensure_error("restoring what cannot be", result, ErrorKind::NotFound)?;
            }
        })
        .capability("versions", check!(|case| { refuses_versions(case).await?; })),
    ]
}

/// No facet, and a read of a version is refused.
async fn refuses_versions(case: &Case<S>) -> Verdict {
    ensure(case.service().versions().is_none(), "no facet `versions`", "one")?;
    refuses(case, "a get of a version", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let store = Store::on(case, service);
            let request = GetRequest::new(store.key("k")?).with_version(VersionId::new("any"));
            store.get(&request).await.map(drop)
        })
    })
    .await?;
    refuses(case, "a head of a version", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let key = Store::on(case, service).key("k")?;
            let request = HeadRequest::new(key).with_version(VersionId::new("any"));
            service.head(&case.cx(), &request).await.map(drop)
        })
    })
    .await
}
