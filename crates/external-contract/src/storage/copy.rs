//! What copying inside the store promises.

use external_core::storage::{
    CopyRequest, CopyStorage, GetTagsRequest, ObjectAttributes, ObjectKey, Precondition, PutReceipt,
    VersionToken,
};
use external_core::{ErrorKind, Result};

use super::S;
use super::conditions::has;
use super::put::{TEXT, TEXT_SHA256, carries, checksum, storable};
use super::store::Store;
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

async fn copy(case: &Case<S>, request: &CopyRequest) -> std::result::Result<Result<PutReceipt>, Finding> {
    let facet: &dyn CopyStorage = case
        .service()
        .copier()
        .ok_or_else(|| Finding::failed("the facet `copier`, which is declared", "no facet"))?;
    Ok(facet.copy(&case.cx(), request).await)
}

fn request(case: &Case<S>, from: &str, to: &str) -> Result<CopyRequest> {
    let key = |name: &str| ObjectKey::parse(case.name(name));
    Ok(CopyRequest::new(key(from)?, key(to)?))
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.copy.1",
            "The copy has the source's bytes, headers, metadata, checksum and tags; the source is untouched, and later writes of either leave the other alone.",
            |case: S| {
                let store = Store::of(case);
                let attributes = storable(case);
                let mut put = store.put_request("from", TEXT)?.with_attributes(attributes.clone());
                if has(case.service(), "checksum") {
                    put = put.with_checksum(checksum(TEXT_SHA256)?);
                }
                store.send(&put).await?;
                store.put_with("to", "old", ObjectAttributes::new()).await?;
                let receipt = copy(case, &request(case, "from", "to")?).await??;
                ensure_eq("the token of the copy", &store.head("to").await?.token, &receipt.token)?;
                let source = store.head("from").await?;
                for name in ["from", "to"] {
                    store.holds(name, TEXT).await?;
                    let info = store.head(name).await?;
                    ensure_eq("the checksum", &info.checksum, &source.checksum)?;
                    if has(case.service(), "content-headers") && has(case.service(), "metadata") {
                        carries(&store, name, &attributes).await?;
                    }
                    if let Some(tags) = case.service().tags() {
                        let read = tags.get_tags(&case.cx(), &GetTagsRequest::new(store.key(name)?)).await?;
                        ensure_eq("the tags", &read, &attributes.tags)?;
                    }
                }
                store.put("from", "changed").await?;
                store.holds("to", TEXT).await?;
                copy(case, &request(case, "from", "third")?).await??;
                store.put("third", "changed too").await?;
                store.holds("from", b"changed").await?;
                store.delete("from").await?;
                store.holds("to", TEXT).await?;
            }
        )
        .capability("copy", check!(|case| { no_facet(case)?; })),
        clause!("storage.copy.2", "With `replace_attributes` the copy has those, and only those.", |case: S| {
            let store = Store::of(case);
            store.put_with("from", TEXT, storable(case)).await?;
            let mut other = ObjectAttributes::new().with_content_type("text/csv");
            if has(case.service(), "metadata") {
                other = other.with_user_metadata("other", "value");
            }
            if has(case.service(), "tags") {
                other = other.with_tag("other", "tag");
            }
            let request = request(case, "from", "to")?.with_replace_attributes(other.clone());
            copy(case, &request).await??;
            store.holds("to", TEXT).await?;
            carries(&store, "to", &other).await?;
            if let Some(tags) = case.service().tags() {
                let read = tags.get_tags(&case.cx(), &GetTagsRequest::new(store.key("to")?)).await?;
                ensure_eq("the tags", &read, &other.tags)?;
            }
        })
        .capability("copy", check!(|case| { no_facet(case)?; })),
        clause!(
            "storage.copy.3",
            "A source that is not there is `NotFound`, and the destination keeps what it has.",
            |case: S| {
                let store = Store::of(case);
                store.put("to", "old").await?;
                for to in ["to", "free"] {
                    let result = copy(case, &request(case, "never", to)?).await?;
                    ensure_error("a copy of nothing", result, ErrorKind::NotFound)?;
                }
                store.holds("to", b"old").await?;
                store.lacks("free").await?;
            }
        )
        .capability("copy", check!(|case| { no_facet(case)?; })),
        clause!(
            "storage.copy.4",
            "`if_match` with another token than the source's is `Conflict`, and nothing is copied.",
            |case: S| {
                let store = Store::of(case);
                let old = store.put("from", "old").await?.token;
                let new = store.put("from", "new").await?.token;
                let result = copy(case, &request(case, "from", "to")?.with_if_match(old)).await?;
                ensure_error("a copy with an old token", result, ErrorKind::Conflict)?;
                store.lacks("to").await?;
                copy(case, &request(case, "from", "to")?.with_if_match(new)).await??;
                store.holds("to", b"new").await?;
            }
        )
        .capability("copy", check!(|case| { no_facet(case)?; })),
        clause!(
            "storage.copy.5",
            "A create-only copy onto an existing key is `AlreadyExists`, and nothing is copied.",
            |case: S| {
                let store = Store::of(case);
                store.put("from", "new").await?;
                store.put("to", "old").await?;
                let absent = |to| request(case, "from", to).map(|copy| copy.with_precondition(Precondition::Absent));
                let result = copy(case, &absent("to")?).await?;
                ensure_error("a create-only copy", result, ErrorKind::AlreadyExists)?;
                store.holds("to", b"old").await?;
                copy(case, &absent("free")?).await??;
                store.holds("free", b"new").await?;
            }
        )
        .capability("copy-create-only", check!(|case| {
            refuses_condition(case, |case, service| Box::pin(copy_under(case, service, Precondition::Absent))).await?;
        })),
        clause!(
            "storage.copy.6",
            "A compare-and-swap copy whose token is not the destination's is `Conflict`, and nothing is copied.",
            |case: S| {
                let store = Store::of(case);
                let source = store.put("from", "new").await?.token;
                let token = store.put("to", "old").await?.token;
                let swap = |to, token: &VersionToken| {
                    request(case, "from", to).map(|copy| copy.with_precondition(Precondition::Matches(token.clone())))
                };
                let result = copy(case, &swap("to", &source)?).await?;
                ensure_error("a copy with a foreign token", result, ErrorKind::Conflict)?;
                store.holds("to", b"old").await?;
                let result = copy(case, &swap("free", &token)?).await?;
                ensure_error("a compare-and-swap copy onto a free key", result, ErrorKind::Conflict)?;
                store.lacks("free").await?;
                copy(case, &swap("to", &token)?).await??;
                store.holds("to", b"new").await?;
            }
        )
        .capability("copy-compare-and-swap", check!(|case| {
            refuses_condition(case, |case, service| {
                Box::pin(copy_under(case, service, Precondition::Matches(VersionToken::new("any"))))
            })
            .await?;
        })),
        clause!("storage.copy.8", "Source and destination may be any keys that parse.", |case: S| {
            let store = Store::of(case);
            for name in ["with space", "a+b", "100%", "%2F", "a&b=c?d#e", "ключ/鍵", "tab\t", "q\"<>\\^`{|}"] {
                store.put(name, format!("body of {name}")).await?;
                let to = format!("copy of {name}");
                copy(case, &request(case, name, &to)?).await??;
                store.holds(&to, format!("body of {name}").as_bytes()).await?;
            }
        })
        .capability("copy", check!(|case| { no_facet(case)?; })),
        clause!(
            "storage.copy.7",
            "A copy onto itself that changes nothing is `InvalidArgument`; with `replace_attributes` it changes them.",
            |case: S| {
                let store = Store::of(case);
                store.put_with("k", TEXT, storable(case)).await?;
                let result = copy(case, &request(case, "k", "k")?).await?;
                ensure_error("a copy onto itself", result, ErrorKind::InvalidArgument)?;
                let other = ObjectAttributes::new().with_content_type("text/csv");
                copy(case, &request(case, "k", "k")?.with_replace_attributes(other.clone())).await??;
                store.holds("k", TEXT).await?;
                carries(&store, "k", &other).await?;
            }
        )
        .capability("copy", check!(|case| { no_facet(case)?; })),
    ]
}

async fn copy_under(case: &Case<S>, service: &S, precondition: Precondition) -> Result<()> {
    let Some(facet) = service.copier() else {
        return Err(external_core::Error::unsupported("copy"));
    };
    facet.copy(&case.cx(), &request(case, "a", "b")?.with_precondition(precondition)).await.map(drop)
}

fn no_facet(case: &Case<S>) -> Verdict {
    ensure(case.service().copier().is_none(), "no facet `copier`", "one")
}

async fn refuses_condition(case: &Case<S>, attempt: crate::Attempt<S>) -> Verdict {
    if case.service().copier().is_none() {
        return Ok(());
    }
    refuses(case, "a copy under a condition", ErrorKind::Unsupported, attempt).await
}
