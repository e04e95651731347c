//! Copies of an object onto itself that pass through the client.

use std::time::Duration;

use bytes::Bytes;
use external_contract::{Case, Clause, Finding, check, clause, ensure, ensure_eq, ensure_error, eventually};
use external_core::ErrorKind;
use external_storage::{CopyRequest, ObjectAttributes, StorageClient};
use futures_util::future::join;

use super::faulty::{Fault, Faulty};
use super::{S, client, key};

const SOON: Duration = Duration::from_secs(10);

/// A copy of `k` onto itself, under another content type.
fn rewrite(case: &Case<S>) -> Result<CopyRequest, Finding> {
    let attributes = ObjectAttributes::new().with_content_type("text/x-own");
    Ok(CopyRequest::new(key(case, "k")?, key(case, "k")?).with_replace_attributes(attributes))
}

/// Nothing is copied at once, and a put waits.
fn held(operation: &str, _: usize) -> Fault {
    match operation {
        "copy" => Fault::TooLarge,
        "put" => Fault::Held,
        _ => Fault::None,
    }
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.client_copy.4",
            "What passes through the client onto itself overwrites no write in between: that is `Conflict`.",
            |case: S| {
                let inner = case.bare()?;
                let watcher = StorageClient::from(inner.clone());
                for (copies, pinned) in [(true, true), (true, false), (false, true), (false, false)] {
                    let old = watcher.put(case.name("k"), "old").await?;
                    let faulty = Faulty::new(inner.clone()).with_plan(held);
                    let faulty = if copies { faulty } else { faulty.without("copy") }.shared();
                    let storage = client(&faulty)?;
                    let mut request = rewrite(case)?;
                    request.if_match = pinned.then_some(old.token);
                    let write = async {
                        // What was there is read, and about to be written again.
                        eventually(SOON, || async {
                            ensure(faulty.calls("put") > 0, "a put under way", "none")
                        })
                        .await?;
                        let written = watcher.put(case.name("k"), "newer").await;
                        faulty.let_go();
                        written.map_err(Finding::from)
                    };
                    let (copied, written) = join(storage.copy_with(&request), write).await;
                    written?;
                    ensure_error("the copy", copied, ErrorKind::Conflict)?;
                    let object = watcher.download(case.name("k")).await?;
                    ensure_eq("the object", &object, &Bytes::from("newer"))?;
                }
                // Where nobody can tell: what the provider refused stays refused, and so does what was asked for.
                let faulty = Faulty::new(inner.clone()).without("multipart-compare-and-swap");
                let faulty = faulty.with_plan(held).shared();
                let copied = client(&faulty)?.copy_with(&rewrite(case)?).await;
                ensure_error("one that is too large", copied, ErrorKind::PayloadTooLarge)?;
                ensure_eq("the puts", &faulty.calls("put"), &0)?;
                let faulty = Faulty::new(inner.clone()).without("copy").without("compare-and-swap").shared();
                let storage = client(&faulty)?;
                let token = watcher.head(case.name("k")).await?.token;
                let copied = storage.copy_with(&rewrite(case)?.with_if_match(token)).await;
                ensure_error("one that is pinned", copied, ErrorKind::Unsupported)?;
                storage.copy_with(&rewrite(case)?).await?;
                let told = watcher.head(case.name("k")).await?.headers.content_type;
                ensure_eq("the content type", &told.as_deref(), &Some("text/x-own"))?;
            }
        )
        .of_client()
        .capability(
            "multipart-compare-and-swap",
            check!(|case| {
                let watcher = StorageClient::from(case.bare()?);
                watcher.put(case.name("k"), "old").await?;
                let storage = client(&Faulty::new(case.bare()?).with_plan(held).shared())?;
                let copied = storage.copy_with(&rewrite(case)?).await;
                ensure_error("one that is too large", copied, ErrorKind::PayloadTooLarge)?;
                ensure_eq("the object", &watcher.download(case.name("k")).await?, &Bytes::from("old"))?;
            }),
        ),
    ]
}
