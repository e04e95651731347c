//! What tags promise.

use std::collections::BTreeMap;

use external_core::storage::{GetTagsRequest, ObjectAttributes, PutTagsRequest, TagStorage};
use external_core::{ErrorKind, Result};

use super::S;
use super::put::{carries, storable};
use super::store::Store;
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

type Tags = BTreeMap<String, String>;

fn facet(case: &Case<S>) -> std::result::Result<&dyn TagStorage, Finding> {
    case.service().tags().ok_or_else(|| Finding::failed("the facet `tags`, which is declared", "no facet"))
}

async fn read(case: &Case<S>, name: &str) -> std::result::Result<Result<Tags>, Finding> {
    let request = GetTagsRequest::new(Store::of(case).key(name)?);
    Ok(facet(case)?.get_tags(&case.cx(), &request).await)
}

async fn write(case: &Case<S>, name: &str, tags: Tags) -> std::result::Result<Result<()>, Finding> {
    let request = PutTagsRequest::new(Store::of(case).key(name)?, tags);
    Ok(facet(case)?.put_tags(&case.cx(), &request).await)
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Leaves out what the server refuses although the contract does not: the fact `tags-ascii = "yes"`.
pub(super) fn retain_storable(case: &Case<S>, tags: &mut Tags) {
    if case.fact("tags-ascii").as_deref() == Some("yes") {
        tags.retain(|name, value| name.is_ascii() && value.is_ascii());
    }
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("storage.get_tags.1", "Tags given to put, copy and multipart are read back.", |case: S| {
            let store = Store::of(case);
            let mut given = tags(&[("colour", "blue"), ("städte", "Zürich: Bern"), ("empty", ""), ("a=b", "c d+e/f@g")]);
            retain_storable(case, &mut given);
            let mut attributes = ObjectAttributes::default();
            attributes.tags.clone_from(&given);
            store.put_with("put", "x", attributes).await?;
            ensure_eq("the tags of the put", &read(case, "put").await??, &given)?;
        })
        .capability("tags", check!(|case| { refuses_tags(case).await?; })),
        clause!("storage.get_tags.2", "An object without tags has an empty map; one that is not there is `NotFound`.", |case: S| {
            Store::of(case).put("k", "x").await?;
            let none = read(case, "k").await??;
            ensure(none.is_empty(), "no tags", format!("{none:?}"))?;
            ensure_error("the tags of nothing", read(case, "never").await?, ErrorKind::NotFound)?;
        })
        .capability("tags", check!(|case| { refuses_tags(case).await?; })),
        clause!(
            "storage.put_tags.1",
            "Afterwards the object has exactly these tags; its bytes, headers, metadata and token are what they were.",
            |case: S| {
                let store = Store::of(case);
                let attributes = storable(case);
                let token = store.put_with("k", "body", attributes.clone()).await?.token;
                for given in [tags(&[("one", "1"), ("two", "2")]), tags(&[("two", "other")]), tags(&[])] {
                    write(case, "k", given.clone()).await??;
                    ensure_eq("the tags", &read(case, "k").await??, &given)?;
                }
                store.holds("k", b"body").await?;
                carries(&store, "k", &attributes).await?;
                ensure_eq("the token", &store.head("k").await?.token, &token)?;
            }
        )
        .capability("tags", check!(|case| { refuses_tags(case).await?; })),
        clause!("storage.put_tags.2", "On an object that is not there it is `NotFound`.", |case: S| {
            let result = write(case, "never", tags(&[("a", "b")])).await?;
            ensure_error("tagging nothing", result, ErrorKind::NotFound)?;
            Store::of(case).lacks("never").await?;
        })
        .capability("tags", check!(|case| { refuses_tags(case).await?; })),
        clause!(
            "storage.put_tags.3",
            "More than ten tags, an empty name and a value of more than 256 characters are `InvalidArgument`.",
            |case: S| {
                Store::of(case).put("k", "x").await?;
                let given = tags(&[("kept", "yes")]);
                write(case, "k", given.clone()).await??;
                let eleven = (0..11).map(|n| (format!("t{n}"), String::new())).collect();
                let long = "v".repeat(257);
                for (what, wrong) in [
                    ("eleven tags", eleven),
                    ("an empty name", tags(&[("", "v")])),
                    ("a long value", tags(&[("a", &long)])),
                ] {
                    ensure_error(what, write(case, "k", wrong).await?, ErrorKind::InvalidArgument)?;
                }
                ensure_eq("the tags", &read(case, "k").await??, &given)?;
                let most: Tags = (0..10).map(|n| (format!("{n}{}", "n".repeat(127)), "v".repeat(256))).collect();
                write(case, "k", most.clone()).await??;
                ensure_eq("the tags", &read(case, "k").await??, &most)?;
            }
        )
        .capability("tags", check!(|case| { refuses_tags(case).await?; })),
    ]
}

/// No facet, and a put with tags is refused.
async fn refuses_tags(case: &Case<S>) -> Verdict {
    ensure(case.service().tags().is_none(), "no facet `tags`", "one")?;
    refuses(case, "a put with tags", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let attributes = ObjectAttributes::new().with_tag("a", "b");
            Store::on(case, service).put_with("k", "x", attributes).await.map(drop)
        })
    })
    .await
}
