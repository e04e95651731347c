//! Uploads that fail, are dropped, run out of time or meet a close: whole or not at all, and nothing left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use external_contract::{
    Case, Clause, Finding, Verdict, clause, ensure, ensure_eq, ensure_error, eventually, within,
};
use external_core::{Effect, Error, ErrorKind};
use external_storage::{
    Capability, ChecksumSetting, CopyRequest, Policy, Precondition, PutRequest, StorageClient, UploadRequest,
};
use futures_util::future::{BoxFuture, poll_fn};
use futures_util::{FutureExt, StreamExt, stream};

use super::faulty::{Fault, Faulty};
use super::{S, client, key, nothing_pending, part_length, parts_are_large, pattern, settings};

const SOON: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(60);
/// More polls than any upload here takes.
const MOST_POLLS: usize = 2000;

/// A body of so many parts; of two, the second of one byte, where parts are large.
fn body_of(case: &Case<S>, parts: usize) -> Bytes {
    pattern(if parts_are_large(case) { part_length(case) + 1 } else { parts * part_length(case) })
}

/// Whether the store itself says which uploads are pending.
fn tells(storage: &StorageClient) -> bool {
    storage.supports("list-uploads") == Capability::Native
}

/// Polls a future so often and drops it. `Some` if it was done before.
async fn polled<T>(mut future: BoxFuture<'_, T>, polls: usize) -> Option<T> {
    let mut left = polls;
    poll_fn(|cx| {
        left -= 1;
        match future.poll_unpin(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Does `work` with a client of its own, dropped after one poll, after two, and so on until it is through. Each time the
/// client is closed, and then nothing is left: no upload, and at `k` one of the two contents whole.
async fn dropped_at_every_await(
    case: &Case<S>,
    inner: &Arc<S>,
    lacks: Option<&'static str>,
    new: &Bytes,
    work: impl Fn(StorageClient) -> BoxFuture<'static, external_core::Result<()>>,
) -> Verdict {
    // Each exchange waits, so that there is an await in it.
    let slow = |operation: &str, _| match operation {
        "get" => Fault::None,
        _ => Fault::Slow(Duration::from_millis(1)),
    };
    let watcher = StorageClient::from(inner.clone());
    watcher.put(case.name("k"), "old").await?;
    let lacking = |faulty: Faulty| match lacks {
        Some(id) => faulty.without(id),
        None => faulty,
    };
    for polls in 1..MOST_POLLS {
        let storage = client(&lacking(Faulty::new(inner.clone())).with_plan(slow).shared())?;
        let done = polled(work(storage.clone()), polls).await;
        let closed = storage.close(SOON).await;
        ensure(closed.is_clean(), format!("a clean close after {polls} polls"), format!("{closed:?}"))?;
        nothing_pending(case, &watcher)
            .await
            .map_err(|finding| finding.while_(format_args!("after {polls} polls")))?;
        let object = watcher.download(case.name("k")).await?;
        ensure(object == "old" || object == *new, "one of the two contents", object.len())?;
        if let Some(done) = done {
            done?;
            ensure_eq("the object in the end", &(object == *new), &true)?;
            return ensure(polls > 3, "several awaits", polls);
        }
    }
    Err(Finding::failed("an upload that ends", format!("none within {MOST_POLLS} polls")))
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    let clauses = vec![
        clause!(
            "storage.upload.6",
            "A failing source or part leaves no upload behind, and the key as it was.",
            |case: S| {
                let refuse = |operation: &str, number| {
                    if operation == "put_part" && number == 3 { Fault::Refused } else { Fault::None }
                };
                let storage = client(&Faulty::new(case.bare()?).with_plan(refuse).shared())?;
                storage.put(case.name("k"), "old").await?;
                let body = pattern(if parts_are_large(case) { 3 } else { 9 } * part_length(case));
                let part = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await;
                ensure_error("a refused part", part, ErrorKind::PermissionDenied)?;
                for parts in [0, 1, 2] {
                    let chunks = (0..parts)
                        .map(|_| Ok(pattern(part_length(case))))
                        .chain([Err(Error::conflict("the source's own"))]);
                    let source = storage
                        .upload_stream(
                            stream::iter(chunks.collect::<Vec<_>>()),
                            UploadRequest::new(key(case, "k")?),
                        )
                        .await;
                    ensure_error("a failing source", source, ErrorKind::Conflict)?;
                }
                ensure_eq("the object", &storage.download(case.name("k")).await?, &Bytes::from("old"))?;
                nothing_pending(case, &storage).await?;
            }
        )
        .of_client(),
        clause!(
            "storage.upload.7",
            "An upload that is dropped is aborted, also while it is being begun.",
            |case: S| {
                let inner = case.bare()?;
                let (part, body) = (part_length(case), body_of(case, 5));
                dropped_at_every_await(case, &inner, None, &body, |storage| {
                    // The source is waited for as well.
                    let chunks: Vec<_> = (0..body.len())
                        .step_by(part)
                        .map(|at| body.slice(at..body.len().min(at + part)))
                        .collect();
                    let chunks = stream::iter(chunks)
                        .then(|chunk| tokio::task::yield_now().map(move |()| Ok(chunk)));
                    let request = key(case, "k").map(UploadRequest::new);
                    Box::pin(async move {
                        let request = request.map_err(|finding| Error::unexpected(finding.to_string()))?;
                        storage.upload_stream(chunks, request).await.map(drop)
                    })
                })
                .await?;
            }
        )
        .of_client(),
        clause!(
            "storage.client_copy.2",
            "A copy that passes through the client and is dropped leaves no upload.",
            |case: S| {
                let inner = case.bare()?;
                let body = body_of(case, 3);
                StorageClient::from(inner.clone()).put(case.name("from"), body.clone()).await?;
                let request = CopyRequest::new(key(case, "from")?, key(case, "k")?);
                dropped_at_every_await(case, &inner, Some("copy"), &body, |storage| {
                    let request = request.clone();
                    Box::pin(async move { storage.copy_with(&request).await.map(drop) })
                })
                .await?;
            }
        )
        .of_client(),
        clause!("storage.upload.10", "A part that fails in passing is sent again alone.", |case: S| {
            let passing = |operation: &str, number| match (operation, number) {
                ("put_part", 1) => Fault::Before,
                ("put_part", 2) => Fault::AnswerLost,
                _ => Fault::None,
            };
            let faulty = Faulty::new(case.bare()?).with_plan(passing).shared();
            let storage = client(&faulty)?;
            let body = body_of(case, 6);
            let receipt = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await?;
            let parts = if parts_are_large(case) { 2 } else { 6 };
            ensure_eq("the parts told", &receipt.parts, &parts)?;
            ensure_eq("the parts sent", &faulty.calls("put_part"), &(parts as usize + 2))?;
            ensure_eq("the uploads begun", &faulty.calls("begin_multipart"), &1)?;
            ensure_eq("the bytes", &storage.download(case.name("k")).await?, &body)?;
        })
        .of_client(),
        clause!(
            "storage.upload.11",
            "With a checksum, a completion whose answer is lost is found out about before anything is aborted: the upload succeeds, and made one object; with a precondition only where the provider itself lists uploads. One that is still under way is waited for. Else an error tells `MaybeApplied`.",
            |case: S| {
                let lost = |operation: &str, number| {
                    if operation == "complete_multipart" && number == 1 {
                        Fault::AnswerLost
                    } else {
                        Fault::None
                    }
                };
                let faulty = Faulty::new(case.bare()?).with_plan(lost).shared();
                let storage = client(&faulty)?;
                let body = body_of(case, 3);
                let receipt = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await?;
                ensure_eq("the token told", &receipt.token, &storage.head(case.name("k")).await?.token)?;
                ensure_eq("the completions", &faulty.calls("complete_multipart"), &2)?;
                // With a precondition it is not repeated: the second answer would lie. That the upload is gone tells.
                let tells = tells(&storage);
                let later = |status| move |operation: &str, _| match operation {
                    "complete_multipart" => Fault::GoesOn(Duration::from_millis(300), status),
                    _ => Fault::None,
                };
                for faulty in [
                    Faulty::new(case.bare()?).with_plan(lost).shared(),
                    Faulty::new(case.bare()?).with_plan(later(None)).shared(),
                    // S3 says 200 before it begins to work, a gateway 504 when it has waited enough.
                    Faulty::new(case.bare()?).with_plan(later(Some(200))).shared(),
                    Faulty::new(case.bare()?).with_plan(later(Some(504))).shared(),
                ] {
                    let storage = client(&faulty)?;
                    let request = UploadRequest::new(key(case, "once")?).with_precondition(Precondition::Absent);
                    let upload = storage.upload_with(&body[..], request).await;
                    if tells {
                        let token = storage.head(case.name("once")).await?.token;
                        ensure_eq("the token told", &upload?.token, &token)?;
                        ensure_eq("the aborts", &faulty.calls("abort_multipart"), &0)?;
                    } else {
                        let error = ensure_error("a lost answer", upload, ErrorKind::Unavailable)?;
                        ensure_eq("its effect", &error.effect(), &Effect::MaybeApplied)?;
                    }
                    ensure_eq("the bytes", &storage.download(case.name("once")).await?, &body)?;
                    ensure_eq("the completions", &faulty.calls("complete_multipart"), &1)?;
                    storage.delete(case.name("once")).await?;
                }
                // Without a checksum an object of that size may be anybody's.
                let faulty = Faulty::new(case.bare()?).with_plan(lost).shared();
                let storage = client(&faulty)?.with_settings(settings().with_checksum(ChecksumSetting::None))?;
                let upload = storage.upload_with(&body[..], UploadRequest::new(key(case, "none")?)).await;
                ensure_eq("the completions", &faulty.calls("complete_multipart"), &2)?;
                // A provider may take the second one for the first.
                if let Err(error) = upload {
                    ensure_eq("its effect", &error.effect(), &Effect::MaybeApplied)?;
                }
            }
        )
        .of_client(),
        clause!(
            "storage.upload.17",
            "A completion that the store refused is no success because the key holds the same bytes; the upload is gone.",
            |case: S| {
                let body = body_of(case, 3);
                let inner = case.bare()?;
                let watcher = StorageClient::from(inner.clone());
                let plain = UploadRequest::new(key(case, "k")?).with_content_type("text/plain");
                let old = client(&Faulty::new(inner.clone()).shared())?.upload_with(&body[..], plain.clone()).await?;
                let fails = |operation: &str, _| match operation {
                    "complete_multipart" => Fault::Fails,
                    _ => Fault::None,
                };
                for request in [plain.clone(), plain.with_content_type("text/csv")] {
                    let storage = client(&Faulty::new(inner.clone()).with_plan(fails).shared())?;
                    let is_other = request.attributes.headers.content_type.as_deref() == Some("text/csv");
                    match storage.upload_with(&body[..], request).await {
                        // Where nobody can tell whether the upload is gone, the same object is as good.
                        Ok(_) if !is_other && !tells(&watcher) => {}
                        upload => {
                            let error = ensure_error("a failed completion", upload, ErrorKind::Unavailable)?;
                            ensure_eq("its effect", &error.effect(), &Effect::MaybeApplied)?;
                        }
                    }
                    let closed = storage.close(SOON).await;
                    ensure(closed.is_clean(), "a clean close", format!("{closed:?}"))?;
                    nothing_pending(case, &watcher).await?;
                    ensure_eq("the object's token", &watcher.head(case.name("k")).await?.token, &old.token)?;
                }
            }
        )
        .of_client(),
        clause!(
            "storage.upload.12",
            "An upload whose source stalls ends at the request's timeout, and is aborted.",
            |case: S| {
                let inner = case.bare()?;
                let storage = client(&Faulty::new(inner.clone()).shared())?;
                // One source stalls before it is known that there will be parts, the other one behind the first of them.
                for body in [pattern(10), body_of(case, 3)] {
                    let chunks = stream::iter([Ok(body)]).chain(stream::pending());
                    let request = UploadRequest::new(key(case, "k")?).with_timeout(Duration::from_secs(1));
                    ensure_error(
                        "a stalled source",
                        storage.upload_stream(chunks, request).await,
                        ErrorKind::Timeout,
                    )?;
                }
                let closed = storage.close(SOON).await;
                ensure(closed.is_clean(), "a clean close", format!("{closed:?}"))?;
                let watcher = StorageClient::from(inner);
                nothing_pending(case, &watcher).await?;
                ensure(!watcher.exists(case.name("k")).await?, "no object", "one")?;
            }
        )
        .of_client(),
        clause!(
            "storage.upload.13",
            "What the provider cannot do is refused before the source is read.",
            |case: S| {
                let faulty = Faulty::new(case.bare()?).without("create-only").shared();
                let storage = client(&faulty)?;
                let chunks = stream::once(async { Err(Error::unexpected("the source was read")) });
                let request = UploadRequest::new(key(case, "k")?).with_precondition(Precondition::Absent);
                ensure_error(
                    "create-only",
                    storage.upload_stream(chunks, request).await,
                    ErrorKind::Unsupported,
                )?;
                let put = PutRequest::new(key(case, "k")?, "x").with_precondition(Precondition::Absent);
                ensure_error("create-only", storage.put_with(put).await, ErrorKind::Unsupported)?;
                ensure_eq("the puts", &faulty.calls("put"), &0)?;
            }
        )
        .of_client(),
        clause!(
            "storage.upload.14",
            "A close ends uploads that wait for their source, with `Closed`; when it is over, nothing of any upload is left.",
            |case: S| {
                let inner = case.bare()?;
                let faulty = Faulty::new(inner.clone()).shared();
                let storage = client(&faulty)?;
                let chunks = stream::iter([Ok(body_of(case, 3))]).chain(stream::pending());
                let (uploader, request) = (storage.clone(), UploadRequest::new(key(case, "k")?));
                let uploading = tokio::spawn(async move { uploader.upload_stream(chunks, request).await });
                eventually(SOON, || async { ensure(faulty.calls("put_part") > 0, "a part on its way", "none") }).await?;
                let closed = storage.close(SOON).await;
                ensure(closed.is_clean(), "a clean close", format!("{closed:?}"))?;
                let watcher = StorageClient::from(inner);
                nothing_pending(case, &watcher).await?;
                let ended = uploading.await.map_err(|error| Finding::failed("no panic", error.to_string()))?;
                ensure_error("the upload", ended, ErrorKind::Closed)?;
                ensure(!watcher.exists(case.name("k")).await?, "no object", "one")?;
                // Also one whose source has not given anything yet.
                let storage = client(&faulty)?;
                let (uploader, request) = (storage.clone(), UploadRequest::new(key(case, "silent")?));
                let waiting = tokio::spawn(async move { uploader.upload_stream(stream::pending(), request).await });
                tokio::time::sleep(Duration::from_millis(50)).await;
                let closed = storage.close(SOON).await;
                ensure(closed.is_clean(), "a clean close", format!("{closed:?}"))?;
                let ended = within("an upload from a silent source", SOON, waiting).await?;
                let ended = ended.map_err(|error| Finding::failed("no panic", error.to_string()))?;
                ensure_error("the silent upload", ended, ErrorKind::Closed)?;
            }
        )
        .of_client(),
        clause!(
            "storage.upload.15",
            "An abort that fails in passing is tried again, for half a minute; the upload's error does not wait for that.",
            |case: S| {
                let up = Arc::new(AtomicBool::new(false));
                let plan = {
                    let up = up.clone();
                    move |operation: &str, number| match operation {
                        "put_part" if number == 2 => Fault::Refused,
                        "abort_multipart" if !up.load(Ordering::SeqCst) => Fault::Before,
                        _ => Fault::None,
                    }
                };
                let inner = case.bare()?;
                let faulty = Faulty::new(inner.clone()).with_plan(plan).shared();
                let storage = client(&faulty)?.with_policy(Policy::default().with_max_attempts(1)).with_settings(settings())?;
                let body = body_of(case, 3);
                let upload = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await;
                ensure_error("a refused part", upload, ErrorKind::PermissionDenied)?;
                ensure(faulty.calls("abort_multipart") > 1, "an abort that is tried again", faulty.calls("abort_multipart"))?;
                up.store(true, Ordering::SeqCst);
                let closed = storage.close(SOON).await;
                ensure(closed.is_clean(), "a clean close", format!("{closed:?}"))?;
                nothing_pending(case, &StorageClient::from(inner)).await?;
            }
        )
        .of_client(),
    ];
    clauses.into_iter().map(|clause| clause.with_limit(LONG)).collect()
}
