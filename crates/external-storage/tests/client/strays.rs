//! Uploads that are given up while something is on its way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use external_contract::{
    Case, Clause, Finding, Verdict, clause, ensure, ensure_eq, ensure_error, eventually,
};
use external_core::{Effect, Error, ErrorKind};
use external_storage::{StorageClient, UploadRequest};
use futures_util::stream;

use super::faulty::{Fault, Faulty};
use super::{S, client, key, nothing_pending, part_length, parts_are_large, pattern, settings};

const SOON: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(60);

/// Closes `storage`, and answers how often it aborted.
async fn aborts(storage: &StorageClient, faulty: &Faulty) -> Result<usize, Finding> {
    let closed = storage.close(SOON).await;
    ensure(closed.is_clean(), "a clean close", format!("{closed:?}"))?;
    Ok(faulty.calls("abort_multipart"))
}

/// That the upload was aborted more than once, and nothing is left.
async fn aborted_again(case: &Case<S>, storage: &StorageClient, faulty: &Arc<Faulty>) -> Verdict {
    let aborts = aborts(storage, faulty).await?;
    ensure(aborts > 1, "several aborts", aborts)?;
    nothing_pending(case, &client(faulty)?).await
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.upload.18",
            "Where the store has not said what became of a part that was sent, the upload is aborted again after that, so that a part that arrives behind the first abort does not stay; else it is aborted once.",
            |case: S| {
                let body = pattern(part_length(case) + 1);
                // Another part fails.
                let fails = |operation: &str, number| match (operation, number) {
                    ("put_part", 1) => Fault::Strays,
                    ("put_part", _) => Fault::Refused,
                    _ => Fault::None,
                };
                let faulty = Faulty::new(case.bare()?).with_plan(fails).shared();
                let storage = client(&faulty)?;
                let upload = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await;
                ensure_error("a refused part", upload, ErrorKind::PermissionDenied)?;
                aborted_again(case, &storage, &faulty).await?;
                // The upload is dropped.
                let strays = |operation: &str, _| match operation {
                    "put_part" => Fault::Strays,
                    _ => Fault::None,
                };
                let faulty = Faulty::new(case.bare()?).with_plan(strays).shared();
                let storage = client(&faulty)?;
                let (uploader, request) = (storage.clone(), UploadRequest::new(key(case, "k")?));
                let chunks = stream::iter([Ok::<Bytes, Error>(body.clone())]);
                let uploading = tokio::spawn(async move { uploader.upload_stream(chunks, request).await });
                eventually(SOON, || async { ensure(faulty.calls("put_part") > 0, "a part on its way", "none") }).await?;
                uploading.abort();
                drop(uploading.await);
                aborted_again(case, &storage, &faulty).await?;
                // Every part that was sent was answered.
                let refused = |operation: &str, number| match (operation, number) {
                    ("put_part", 2) => Fault::Refused,
                    _ => Fault::None,
                };
                let faulty = Faulty::new(case.bare()?).with_plan(refused).shared();
                let storage = client(&faulty)?.with_settings(settings().with_upload_concurrency(1))?;
                let upload = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await;
                ensure_error("a refused part", upload, ErrorKind::PermissionDenied)?;
                ensure_eq("the aborts", &aborts(&storage, &faulty).await?, &1)?;
                nothing_pending(case, &client(&faulty)?).await?;
            }
        )
        .of_client()
        .with_limit(LONG),
        clause!(
            "storage.upload.19",
            "Until the completion or the single put is sent an error, whatever it is of, tells that the key is as it was: its effect is `NotApplied`, or `NotSent` if nothing was sent.",
            |case: S| {
                let inner = case.bare()?;
                let part = part_length(case);
                // So long that all that is well is sent by then.
                let timeout = Duration::from_secs(if parts_are_large(case) { 5 } else { 1 });
                for (wrong, fault, bytes, kind, effect) in [
                    ("put_part", Fault::AnswerLost, part + 1, ErrorKind::Unavailable, Effect::NotApplied),
                    ("put_part", Fault::Strays, part + 1, ErrorKind::Timeout, Effect::NotApplied),
                    ("complete_multipart", Fault::Strays, part + 1, ErrorKind::Timeout, Effect::MaybeApplied),
                    ("put", Fault::Strays, 10, ErrorKind::Timeout, Effect::MaybeApplied),
                ] {
                    let plan = move |operation: &str, _| if operation == wrong { fault } else { Fault::None };
                    let faulty = Faulty::new(inner.clone()).with_plan(plan).shared();
                    let storage = client(&faulty)?;
                    let mut request = UploadRequest::new(key(case, "k")?);
                    if kind == ErrorKind::Timeout {
                        request = request.with_timeout(timeout);
                    }
                    let error = ensure_error(wrong, storage.upload_with(&pattern(bytes)[..], request).await, kind)?;
                    ensure(faulty.calls(wrong) > 0, format!("a {wrong}"), "none")?;
                    ensure_eq(&format!("the effect of a {wrong}"), &error.effect(), &effect)?;
                    aborts(&storage, &faulty).await?;
                }
                for (parts, effect) in [(0, Effect::NotSent), (2, Effect::NotApplied)] {
                    let chunks = (0..parts).map(|_| Ok(pattern(part))).chain([Err(Error::unavailable("the source's own"))]);
                    let chunks = stream::iter(chunks.collect::<Vec<_>>());
                    let storage = client(&Faulty::new(inner.clone()).shared())?;
                    let upload = storage.upload_stream(chunks, UploadRequest::new(key(case, "k")?)).await;
                    let error = ensure_error("a failing source", upload, ErrorKind::Unavailable)?;
                    ensure_eq("the effect of a failing source", &error.effect(), &effect)?;
                }
                let watcher = StorageClient::from(inner);
                ensure(!watcher.exists(case.name("k")).await?, "no object", "one")?;
                nothing_pending(case, &watcher).await?;
            }
        )
        .of_client()
        .with_limit(LONG),
    ]
}
