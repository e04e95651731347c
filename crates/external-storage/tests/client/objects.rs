//! Defaults, short forms, deleting many, listing as a stream, copy and rename.

use std::time::Duration;

use bytes::Bytes;
use external_contract::storage::open_link;
use external_contract::{Case, Clause, Finding, check, clause, ensure, ensure_eq, ensure_error, eventually};
use external_core::{Capability, ErrorKind};
use external_storage::{
    Checksum, CopyRequest, ListItem, ListRequest, ObjectAttributes, Precondition, PutRequest, StorageClient,
    VersionToken,
};
use futures_util::TryStreamExt;

use super::faulty::{Fault, Faulty};
use super::{S, client, key};

const SOON: Duration = Duration::from_secs(10);

pub(super) fn clauses() -> Vec<Clause<S>> {
    let mut clauses = defaults();
    clauses.extend(many());
    clauses.extend(copies());
    clauses
}

fn defaults() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.client_put.1",
            "A put without a content type is stored with the one its key suggests.",
            |case: S| {
                let storage = client(&Faulty::new(case.bare()?).shared())?;
                for (name, expected) in [
                    ("a.png", "image/png"),
                    ("a.tar.gz", "application/gzip"),
                    ("none", "application/octet-stream"),
                ] {
                    storage.put(case.name(name), "x").await?;
                    let head = storage.head(case.name(name)).await?;
                    ensure_eq("the content type", &head.headers.content_type.as_deref(), &Some(expected))?;
                }
                let stated = PutRequest::new(key(case, "b.png")?, "x").with_content_type("text/x-own");
                storage.put_with(stated).await?;
                let head = storage.head(case.name("b.png")).await?;
                ensure_eq(
                    "the stated content type",
                    &head.headers.content_type.as_deref(),
                    &Some("text/x-own"),
                )?;
            }
        )
        .of_client(),
        clause!(
            "storage.client_put.2",
            "A put is verified by a checksum the client computes, on write and on whole reads.",
            |case: S| {
                let storage = client(&Faulty::new(case.bare()?).shared())?;
                storage.put(case.name("k"), "123456789").await?;
                let head = storage.head(case.name("k")).await?;
                ensure_eq("the stored checksum", &head.checksum, &Some(Checksum::Crc32c(0xe306_9283)))?;
            }
        )
        .of_client(),
        clause!(
            "storage.client_put.3",
            "A checksum that does not match the body is `InvalidArgument` before anything is sent.",
            |case: S| {
                let faulty = Faulty::new(case.bare()?).shared();
                let put = PutRequest::new(key(case, "k")?, "x").with_checksum(Checksum::Crc32c(1));
                ensure_error(
                    "a wrong checksum",
                    client(&faulty)?.put_with(put).await,
                    ErrorKind::InvalidArgument,
                )?;
                ensure_eq("the puts", &faulty.calls("put"), &0)?;
            }
        )
        .of_client(),
        clause!(
            "storage.exists.1",
            "A key that holds nothing is `false`, not an error; any other failure is an error.",
            |case: S| {
                let refuse = |operation: &str, number| {
                    if operation == "head" && number == 3 { Fault::Refused } else { Fault::None }
                };
                let storage = client(&Faulty::new(case.bare()?).with_plan(refuse).shared())?;
                ensure_eq("a free key", &storage.exists(case.name("k")).await?, &false)?;
                storage.put(case.name("k"), "x").await?;
                ensure_eq("an object", &storage.exists(case.name("k")).await?, &true)?;
                ensure_error("a refusal", storage.exists(case.name("k")).await, ErrorKind::PermissionDenied)?;
                ensure_error("no key", storage.exists("a/../b").await, ErrorKind::InvalidArgument)?;
            }
        )
        .of_client(),
        clause!("storage.short.1", "`upload` answers the provider's location and the key.", |case: S| {
            let storage = StorageClient::from(case.bare()?);
            let location = storage.upload(&b"hello"[..], case.name("a.txt"), "text/plain").await?;
            ensure_eq(
                "the location",
                &location,
                &format!("{}/{}", storage.info().location(), case.name("a.txt")),
            )?;
            ensure_eq("the bytes", &storage.download(case.name("a.txt")).await?, &Bytes::from("hello"))?;
            let head = storage.head(case.name("a.txt")).await?;
            ensure_eq("the content type", &head.headers.content_type.as_deref(), &Some("text/plain"))?;
        })
        .of_client(),
        clause!(
            "storage.short.2",
            "`delete` answers `true` for an object, and again for the same key.",
            |case: S| {
                let storage = StorageClient::from(case.bare()?);
                storage.put(case.name("k"), "x").await?;
                ensure(storage.delete(case.name("k")).await?, "true", "false")?;
                ensure(storage.delete(case.name("k")).await?, "true again", "false")?;
                ensure_error("a download", storage.download(case.name("k")).await, ErrorKind::NotFound)?;
            }
        )
        .of_client(),
        clause!("storage.short.3", "`get_url` answers a URL that opens without credentials.", |case: S| {
            let storage = StorageClient::from(case.bare()?);
            storage.put(case.name("a b.txt"), "linked").await?;
            let url = storage.get_url(case.name("a b.txt"), Duration::from_secs(60)).await?;
            let answer = open_link(case, "GET", &url, &[], b"").await?;
            ensure_eq("the status", &answer.status, &200)?;
            ensure_eq("the object", &Bytes::from(answer.body), &Bytes::from("linked"))?;
            let forged = open_link(case, "GET", &url.replace("a%20b", "a%20c"), &[], b"").await?;
            ensure_eq("the status of a forged link", &forged.status, &403)?;
        })
        .of_client()
        .capability(
            "presign-get",
            check!(|case| {
                let storage = StorageClient::from(case.bare()?);
                let url = storage.get_url(case.name("k"), Duration::from_secs(60)).await;
                ensure_error("get_url", url, ErrorKind::Unsupported)?;
            }),
        ),
    ]
}

fn many() -> Vec<Clause<S>> {
    vec![
        clause!("storage.delete_many.1", "Every key has its result, in the given order, also beyond the provider's limit for one batch.", |case: S| {
            let limited = Faulty::new(case.bare()?).with_limit("delete-batch-max", 3).shared();
            let single = Faulty::new(case.bare()?).without("delete-batch").shared();
            for (faulty, batches) in [(&limited, 3), (&single, 0)] {
                let storage = client(faulty)?;
                let names: Vec<String> = (0..7).map(|n| case.name(&format!("k{n}"))).collect();
                for name in names.iter().take(6) {
                    storage.put(name, "x").await?;
                }
                let results = storage.delete_many(&names).await?;
                let keys: Vec<_> = results.iter().map(|(key, _)| key.as_str().to_owned()).collect();
                ensure_eq("the keys", &keys, &names)?;
                for (key, result) in results {
                    result?;
                    ensure(!storage.exists(&key).await?, "it is gone", &key)?;
                }
                ensure_eq("the batches", &faulty.calls("delete_batch"), &batches)?;
            }
            let none: [&str; 0] = [];
            ensure_eq("no keys", &client(&limited)?.delete_many(none).await?.len(), &0)?;
        })
        .of_client(),
        clause!("storage.list.1", "The stream holds every key of every page, each once.", |case: S| {
            let faulty = Faulty::new(case.bare()?).shared();
            let storage = client(&faulty)?;
            let mut names = vec!["a", "a-b", "a/b", "a/c/d", "ab", "b"];
            let mut folded_names = vec!["a", "a-b", "a/", "ab", "b"];
            // Some servers take no `a` beside an `a/b`.
            if case.fact("beside-folder").as_deref() == Some("no") {
                names.remove(0);
                folded_names.remove(0);
            }
            for name in &names {
                storage.put(case.name(name), "x").await?;
            }
            for limit in 1..8 {
                let request = ListRequest::new(case.name("")).with_limit(limit);
                let all: Vec<_> = storage.list_with(request.clone()).try_collect().await?;
                let all: Vec<_> = all.iter().map(|item| bare(case, item.text())).collect();
                ensure_eq("the keys", &all, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
                let folded: Vec<ListItem> = storage.list_with(request.with_delimiter("/")).try_collect().await?;
                let folded: Vec<_> = folded.iter().map(|item| bare(case, item.text())).collect();
                ensure_eq("keys and prefixes in order", &folded, &folded_names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
            }
            let objects: Vec<_> = storage.list(case.name("a/")).try_collect().await?;
            ensure_eq("the objects below a/", &objects.len(), &2)?;
        })
        .of_client(),
        clause!("storage.list.2", "A provider that answers one page token twice in a row ends the stream with `Corrupt`, instead of listing for ever.", |case: S| {
            let same = |operation: &str, number| if operation == "list_page" && number > 1 { Fault::SameToken } else { Fault::None };
            let storage = client(&Faulty::new(case.bare()?).with_plan(same).shared())?;
            for name in ["a", "b", "c"] {
                storage.put(case.name(name), "x").await?;
            }
            let all: Result<Vec<_>, _> = storage.list_with(ListRequest::new(case.name("")).with_limit(1)).try_collect().await;
            ensure_error("the listing", all, ErrorKind::Corrupt)?;
        })
        .of_client(),
    ]
}

fn copies() -> Vec<Clause<S>> {
    vec![
        clause!("storage.client_copy.1", "An emulated copy promises what a native one does.", |case: S| {
            let faulty = Faulty::new(case.bare()?).without("copy").shared();
            let storage = client(&faulty)?;
            let grade = storage.supports("copy");
            ensure(matches!(grade, Capability::Emulated(_)), "copy is declared as emulated", grade)?;
            let attributes = ObjectAttributes::new()
                .with_content_type("text/x-own")
                .with_user_metadata("owner", "Ada")
                .with_tag("team", "one");
            let body = super::pattern(20_000);
            storage
                .put_with(PutRequest::new(key(case, "from")?, body.clone()).with_attributes(attributes))
                .await?;
            storage.copy(case.name("from"), case.name("to")).await?;
            let (from, to) = (storage.head(case.name("from")).await?, storage.head(case.name("to")).await?);
            ensure_eq("the bytes", &storage.download(case.name("to")).await?, &body)?;
            ensure_eq("the headers", &to.headers, &from.headers)?;
            ensure_eq("the metadata", &to.metadata, &from.metadata)?;
            ensure_eq("the checksum", &to.checksum, &from.checksum)?;
            ensure_eq(
                "the tags",
                &storage.get_tags(case.name("to")).await?,
                &storage.get_tags(case.name("from")).await?,
            )?;

            let copy = || Ok::<_, Finding>(CopyRequest::new(key(case, "from")?, key(case, "to")?));
            let create = copy()?.with_precondition(Precondition::Absent);
            ensure_error("create-only", storage.copy_with(&create).await, ErrorKind::AlreadyExists)?;
            let stale = copy()?.with_if_match(VersionToken::new("stale"));
            ensure_error("a stale source", storage.copy_with(&stale).await, ErrorKind::Conflict)?;
            let missing = CopyRequest::new(key(case, "missing")?, key(case, "to")?);
            ensure_error("no source", storage.copy_with(&missing).await, ErrorKind::NotFound)?;
            let own = CopyRequest::new(key(case, "from")?, key(case, "from")?);
            ensure_error("onto itself", storage.copy_with(&own).await, ErrorKind::InvalidArgument)?;
            let replaced =
                copy()?.with_replace_attributes(ObjectAttributes::new().with_content_type("text/x-new"));
            storage.copy_with(&replaced).await?;
            let to = storage.head(case.name("to")).await?;
            ensure_eq("the new content type", &to.headers.content_type.as_deref(), &Some("text/x-new"))?;
            ensure_eq("the metadata", &to.metadata.len(), &0)?;
            ensure_eq("the copies asked of the provider", &faulty.calls("copy"), &0)?;
        })
        .of_client(),
        clause!(
            "storage.client_copy.3",
            "What is too large for the provider to copy passes through the client as well.",
            |case: S| {
                let too_large = |operation: &str, _| match operation {
                    "copy" => Fault::TooLarge,
                    _ => Fault::None,
                };
                let faulty = Faulty::new(case.bare()?).with_plan(too_large).shared();
                let storage = client(&faulty)?;
                let attributes =
                    ObjectAttributes::new().with_content_type("text/x-own").with_tag("team", "one");
                let body = super::pattern(20_000);
                let put = PutRequest::new(key(case, "from")?, body.clone()).with_attributes(attributes);
                storage.put_with(put).await?;
                storage.copy(case.name("from"), case.name("to")).await?;
                ensure_eq("the bytes", &storage.download(case.name("to")).await?, &body)?;
                let (from, to) =
                    (storage.head(case.name("from")).await?, storage.head(case.name("to")).await?);
                ensure_eq("the headers", &to.headers, &from.headers)?;
                ensure_eq("the checksum", &to.checksum, &from.checksum)?;
                ensure_eq("the tags", &storage.get_tags(case.name("to")).await?.len(), &1)?;
                if storage.supports("copy-create-only").is_supported() {
                    let create = CopyRequest::new(key(case, "from")?, key(case, "to")?);
                    let copied = storage.copy_with(&create.with_precondition(Precondition::Absent)).await;
                    ensure_error("create-only", copied, ErrorKind::AlreadyExists)?;
                    ensure_eq("the copies asked of the provider", &faulty.calls("copy"), &2)?;
                }
            }
        )
        .of_client(),
        clause!(
            "storage.rename.1",
            "Afterwards the object is at the new key and no longer at the old one.",
            |case: S| {
                for faulty in [Faulty::new(case.bare()?), Faulty::new(case.bare()?).without("copy")] {
                    let storage = client(&faulty.shared())?;
                    storage.put(case.name("old"), "x").await?;
                    storage.rename(case.name("old"), case.name("new")).await?;
                    ensure(!storage.exists(case.name("old")).await?, "nothing at the old key", "an object")?;
                    ensure_eq("the object", &storage.download(case.name("new")).await?, &Bytes::from("x"))?;
                    ensure_error(
                        "no source",
                        storage.rename(case.name("old"), case.name("new")).await,
                        ErrorKind::NotFound,
                    )?;
                }
            }
        )
        .of_client(),
        clause!(
            "storage.rename.2",
            "A rename onto the same key is `InvalidArgument`, and the object stays.",
            |case: S| {
                let storage = client(&Faulty::new(case.bare()?).shared())?;
                storage.put(case.name("k"), "x").await?;
                ensure_error(
                    "a rename",
                    storage.rename(case.name("k"), case.name("k")).await,
                    ErrorKind::InvalidArgument,
                )?;
                ensure_eq("the object", &storage.download(case.name("k")).await?, &Bytes::from("x"))?;
            }
        )
        .of_client(),
        clause!(
            "storage.rename.3",
            "A source written to in between is kept, and the rename is `Conflict`.",
            |case: S| {
                let held = |operation: &str, _| if operation == "delete" { Fault::Held } else { Fault::None };
                let faulty = Faulty::new(case.bare()?).with_plan(held).shared();
                let storage = client(&faulty)?;
                storage.put(case.name("old"), "x").await?;
                let write = async {
                    // The copy is made, and the source is about to go.
                    eventually(SOON, || async {
                        ensure(faulty.calls("delete") > 0, "a delete under way", "none")
                    })
                    .await?;
                    let written = storage.put(case.name("old"), "newer").await;
                    faulty.let_go();
                    written.map_err(Finding::from)
                };
                let (renamed, written) =
                    futures_util::future::join(storage.rename(case.name("old"), case.name("new")), write)
                        .await;
                written?;
                ensure_error("the rename", renamed, ErrorKind::Conflict)?;
                ensure_eq("the source", &storage.download(case.name("old")).await?, &Bytes::from("newer"))?;
            }
        )
        .of_client()
        .capability(
            "delete-if-match",
            check!(|case| {
                // What the store cannot tell nobody notices; the object itself still moves whole.
                let storage = client(&Faulty::new(case.bare()?).shared())?;
                storage.put(case.name("old"), "x").await?;
                storage.rename(case.name("old"), case.name("new")).await?;
                ensure_eq("the object", &storage.download(case.name("new")).await?, &Bytes::from("x"))?;
                ensure(!storage.exists(case.name("old")).await?, "nothing at the old key", "an object")?;
            }),
        ),
    ]
}

/// A key or prefix without the namespace.
fn bare(case: &Case<S>, text: &str) -> String {
    text.strip_prefix(&case.name("")).unwrap_or(text).to_owned()
}
