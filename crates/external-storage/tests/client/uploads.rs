//! The uploader: any length, side by side, bounded, whole or not at all.

use std::time::Duration;

use bytes::Bytes;
use external_contract::{
    Case, Clause, Finding, Verdict, abandon, clause, ensure, ensure_eq, ensure_error, eventually,
};
use external_core::{BuildContext, Effect, Error, ErrorKind};
use external_storage::{
    Checksum, ChecksumKind, ChecksumSetting, Precondition, PutRequest, StorageClient, UploadRequest,
    VersionToken, checksum,
};
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::faulty::{Fault, Faulty};
use super::{PART, S, client, key, pattern, settings};

const PART_LENGTH: usize = 4096;
const _: () = assert!(PART_LENGTH as u64 == PART);
const A_MOMENT: Duration = Duration::from_millis(10);
const SOON: Duration = Duration::from_secs(5);

pub(super) fn clauses() -> Vec<Clause<S>> {
    let mut clauses = sending();
    clauses.extend(failing());
    clauses
}

fn sending() -> Vec<Clause<S>> {
    vec![
        clause!("storage.upload.1", "Bytes of any length arrive whole, without their length being known beforehand.", |case: S| {
            let storage = client(&Faulty::new(case.bare()?).shared())?;
            for length in [0, 1, PART_LENGTH - 1, PART_LENGTH, PART_LENGTH + 1, 3 * PART_LENGTH, 7 * PART_LENGTH + 123] {
                let body = pattern(length);
                let receipt = storage.upload_with(&body[..], UploadRequest::new(key(case, "reader")?)).await?;
                ensure_eq("the size told", &receipt.size, &(length as u64))?;
                ensure_eq("the bytes from a reader", &storage.download(case.name("reader")).await?, &body)?;
                let chunks = stream::iter(body.chunks(999).map(Bytes::copy_from_slice).map(Ok).collect::<Vec<_>>());
                storage.upload_stream(chunks, UploadRequest::new(key(case, "stream")?)).await?;
                ensure_eq("the bytes from a stream", &storage.download(case.name("stream")).await?, &body)?;
            }
        })
        .of_client(),
        clause!("storage.upload.2", "What fits into one part is one put.", |case: S| {
            let faulty = Faulty::new(case.bare()?).shared();
            let storage = client(&faulty)?;
            for length in [0, 10, PART_LENGTH] {
                let receipt = storage.upload_with(&pattern(length)[..], UploadRequest::new(key(case, "k")?)).await?;
                ensure_eq("the parts told", &receipt.parts, &0)?;
            }
            ensure_eq("puts", &faulty.calls("put"), &3)?;
            ensure_eq("uploads begun", &faulty.calls("begin_multipart"), &0)?;
        })
        .of_client(),
        clause!("storage.upload.3", "Parts are sent side by side, at most `upload_concurrency` of them.", |case: S| {
            let slow = |operation: &str, _| if operation == "put_part" { Fault::Slow(A_MOMENT) } else { Fault::None };
            let faulty = Faulty::new(case.bare()?).with_plan(slow).shared();
            let storage = client(&faulty)?.with_settings(settings().with_upload_concurrency(3))?;
            let body = pattern(12 * PART_LENGTH);
            storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await?;
            ensure_eq("the most parts at a time", &faulty.most_parts().0, &3)?;
            ensure_eq("the bytes", &storage.download(case.name("k")).await?, &body)?;
        })
        .of_client(),
        clause!("storage.upload.4", "Part sizes grow, so that the provider's highest part number is no limit of an upload.", |case: S| {
            let faulty = Faulty::new(case.bare()?).with_limit("parts-max", 10).shared();
            let storage = client(&faulty)?;
            let body = pattern(200 * PART_LENGTH + 5);
            let receipt = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await?;
            ensure((2..=10).contains(&receipt.parts), "2 to 10 parts", receipt.parts)?;
            ensure_eq("the bytes", &storage.download(case.name("k")).await?, &body)?;
        })
        .of_client(),
        clause!("storage.upload.5", "All uploads together hold at most their budget in memory.", |case: S| {
            let slow = |operation: &str, _| if operation == "put_part" { Fault::Slow(A_MOMENT) } else { Fault::None };
            let faulty = Faulty::new(case.bare()?).with_plan(slow).shared();
            let body = pattern(6 * PART_LENGTH);
            let upload_all = |clients: Vec<StorageClient>| {
                let body = body.clone();
                async move {
                    let uploads = (0..4).flat_map(|n| clients.iter().map(move |client| (n, client)));
                    let uploads = uploads.enumerate().map(|(at, (_, client))| {
                        let name = format!("k{at}");
                        let body = &body;
                        async move { client.upload_with(&body[..], UploadRequest::new(key(case, &name)?)).await.map_err(Finding::from) }
                    });
                    join_all(uploads).await.into_iter().collect::<Result<Vec<_>, Finding>>()
                }
            };
            // The budget of one instance.
            let bounded = settings().with_upload_budget(3 * PART).with_upload_concurrency(8);
            upload_all(vec![client(&faulty)?.with_settings(bounded)?]).await?;
            let most = faulty.most_parts().1;
            ensure(most <= 3 * PART_LENGTH && most > PART_LENGTH, "two to three parts in memory", most)?;
            // The budget of all instances of one context.
            let faulty = Faulty::new(case.bare()?).with_plan(slow).shared();
            let context = BuildContext::default().with_upload_budget(2 * PART);
            let one = client(&faulty)?.with_context(&context);
            let other = client(&faulty)?.with_context(&context);
            upload_all(vec![one, other]).await?;
            let most = faulty.most_parts().1;
            ensure(most <= 2 * PART_LENGTH, "at most two parts in memory", most)?;
        })
        .of_client(),
        clause!("storage.upload.8", "A precondition holds however many exchanges the upload takes.", |case: S| {
            let storage = client(&Faulty::new(case.bare()?).shared())?;
            let token = storage.put(case.name("k"), "old").await?.token;
            for length in [10, 5 * PART_LENGTH] {
                let body = pattern(length);
                let upload = |name: &str, precondition| {
                    let request = key(case, name).map(|key| UploadRequest::new(key).with_precondition(precondition));
                    let (storage, body) = (storage.clone(), body.clone());
                    async move { Ok::<_, Finding>(storage.upload_with(&body[..], request?).await) }
                };
                ensure_error("create-only over an object", upload("k", Precondition::Absent).await?, ErrorKind::AlreadyExists)?;
                let stale = Precondition::Matches(VersionToken::new("stale"));
                ensure_error("a stale token", upload("k", stale).await?, ErrorKind::Conflict)?;
                ensure_eq("the object", &storage.download(case.name("k")).await?, &Bytes::from("old"))?;
                upload(&format!("free{length}"), Precondition::Absent).await??;
                storage.put(case.name("swapped"), "old").await?;
                let current = storage.head(case.name("swapped")).await?.token;
                upload("swapped", Precondition::Matches(current)).await??;
                ensure_eq("the swapped object", &storage.download(case.name("swapped")).await?, &body)?;
            }
            ensure_eq("the token", &storage.head(case.name("k")).await?.token, &token)?;
            nothing_pending(case, &storage).await?;
        })
        .of_client(),
        clause!("storage.upload.9", "A checksum given beforehand that the bytes do not have is `Corrupt`, and the key stays as it was.", |case: S| {
            let storage = client(&Faulty::new(case.bare()?).shared())?;
            storage.put(case.name("k"), "old").await?;
            for length in [10, 5 * PART_LENGTH] {
                let body = pattern(length);
                for kind in [ChecksumKind::Crc32c, ChecksumKind::Sha256] {
                    let right = checksum::of(kind, &body)?;
                    let request = UploadRequest::new(key(case, "right")?).with_checksum(right);
                    let receipt = storage.upload_with(&body[..], request).await?;
                    ensure_eq("the checksum told", &receipt.checksum, &Some(right))?;
                    ensure_eq("the checksum stored", &storage.head(case.name("right")).await?.checksum, &Some(right))?;
                }
                let wrong = UploadRequest::new(key(case, "k")?).with_checksum(Checksum::Crc32c(1));
                ensure_error("a wrong checksum", storage.upload_with(&body[..], wrong).await, ErrorKind::Corrupt)?;
                ensure_eq("the object", &storage.download(case.name("k")).await?, &Bytes::from("old"))?;
            }
            nothing_pending(case, &storage).await?;
        })
        .of_client(),
    ]
}

fn failing() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.upload.6",
            "A failing source or part leaves no upload behind, and the key as it was.",
            |case: S| {
                let refuse = |operation: &str, number| {
                    if operation == "put_part" && number == 3 { Fault::Refused } else { Fault::None }
                };
                let storage = client(&Faulty::new(case.bare()?).with_plan(refuse).shared())?;
                storage.put(case.name("k"), "old").await?;
                let body = pattern(9 * PART_LENGTH);
                let part = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await;
                ensure_error("a refused part", part, ErrorKind::PermissionDenied)?;
                for parts in [0, 1, 3] {
                    let chunks = (0..parts)
                        .map(|_| Ok(pattern(PART_LENGTH)))
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
                let slow = |operation: &str, _| {
                    if operation == "put" { Fault::None } else { Fault::Slow(Duration::from_millis(2)) }
                };
                let inner = case.bare()?;
                let storage = client(&Faulty::new(inner.clone()).with_plan(slow).shared())?;
                storage.put(case.name("k"), "old").await?;
                let body = pattern(5 * PART_LENGTH);
                for polls in (1..24).chain([40, 60]) {
                    let upload = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?));
                    if abandon(upload, polls).await.is_some() {
                        // It was through before: put back what the next round expects.
                        storage.put(case.name("k"), "old").await?;
                    }
                }
                eventually(SOON, || nothing_pending(case, &storage)).await?;
                let left = storage.close(SOON).await;
                ensure(left.is_clean(), "a clean close", format!("{left:?}"))?;
                let again = client(&Faulty::new(inner).shared())?;
                let object = again.download(case.name("k")).await?;
                ensure(object == "old" || object == body, "one of the two contents", object.len())?;
            }
        )
        .of_client(),
        clause!("storage.upload.10", "A part that fails in passing is sent again alone.", |case: S| {
            let passing = |operation: &str, number| match (operation, number) {
                ("put_part", 2) => Fault::Before,
                ("put_part", 4) => Fault::AnswerLost,
                _ => Fault::None,
            };
            let faulty = Faulty::new(case.bare()?).with_plan(passing).shared();
            let storage = client(&faulty)?;
            let body = pattern(6 * PART_LENGTH);
            let receipt = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await?;
            ensure_eq("the parts told", &receipt.parts, &6)?;
            ensure_eq("the parts sent", &faulty.calls("put_part"), &8)?;
            ensure_eq("the uploads begun", &faulty.calls("begin_multipart"), &1)?;
            ensure_eq("the bytes", &storage.download(case.name("k")).await?, &body)?;
        })
        .of_client(),
        clause!(
            "storage.upload.11",
            "With a checksum and no precondition, a completion whose answer is lost is found out about: the upload succeeds, and made one object. Else an error tells `MaybeApplied`.",
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
                let body = pattern(3 * PART_LENGTH);
                let receipt = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await?;
                ensure_eq("the token told", &receipt.token, &storage.head(case.name("k")).await?.token)?;
                ensure_eq("the completions", &faulty.calls("complete_multipart"), &2)?;
                // With a precondition it is not repeated: the second answer would lie.
                let faulty = Faulty::new(case.bare()?).with_plan(lost).shared();
                let storage = client(&faulty)?;
                let request = UploadRequest::new(key(case, "once")?).with_precondition(Precondition::Absent);
                let error = ensure_error(
                    "a lost answer",
                    storage.upload_with(&body[..], request).await,
                    ErrorKind::Unavailable,
                )?;
                ensure_eq("its effect", &error.effect(), &Effect::MaybeApplied)?;
                ensure_eq("the completions", &faulty.calls("complete_multipart"), &1)?;
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
            "storage.upload.12",
            "An upload whose source stalls ends at the request's timeout, and is aborted.",
            |case: S| {
                let storage = client(&Faulty::new(case.bare()?).shared())?;
                let chunks = stream::iter([Ok(pattern(3 * PART_LENGTH))]).chain(stream::pending());
                let request = UploadRequest::new(key(case, "k")?).with_timeout(Duration::from_millis(200));
                ensure_error(
                    "a stalled source",
                    storage.upload_stream(chunks, request).await,
                    ErrorKind::Timeout,
                )?;
                eventually(SOON, || nothing_pending(case, &storage)).await?;
                ensure(!storage.exists(case.name("k")).await?, "no object", "one")?;
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
    ]
}

/// No upload of this case's namespace is left.
async fn nothing_pending(case: &Case<S>, storage: &StorageClient) -> Verdict {
    let pending: Vec<_> = storage.list_uploads(case.name("")).try_collect().await?;
    ensure(pending.is_empty(), "no unfinished upload", format!("{pending:?}"))
}
