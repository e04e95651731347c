//! The uploader: any length, side by side, bounded, whole or not at all.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use external_contract::{Case, Clause, Finding, clause, ensure, ensure_eq, ensure_error};
use external_core::{BuildContext, ErrorKind};
use external_storage::{
    Checksum, ChecksumKind, Precondition, StorageClient, UploadRequest, VersionToken, checksum,
};
use futures_util::StreamExt;
use futures_util::future::{Either, join_all, select};
use futures_util::stream::{self, FuturesUnordered};

use super::faulty::{Fault, Faulty};
use super::{S, client, key, nothing_pending, part_length, parts_are_large, pattern, settings};

/// For clauses that send tens of megabytes where parts are large.
const LONG: Duration = Duration::from_secs(60);

const A_MOMENT: Duration = Duration::from_millis(10);

pub(super) fn clauses() -> Vec<Clause<S>> {
    let clauses = vec![
        clause!("storage.upload.1", "Bytes of any length arrive whole, without their length being known beforehand.", |case: S| {
            let storage = client(&Faulty::new(case.bare()?).shared())?;
            let part = part_length(case);
            let mut lengths = vec![0, 1, part, 2 * part + 123];
            if !parts_are_large(case) {
                lengths.extend([part - 1, part + 1, 3 * part, 7 * part + 123]);
            }
            for length in lengths {
                let body = pattern(length);
                let receipt = storage.upload_with(&body[..], UploadRequest::new(key(case, "reader")?)).await?;
                ensure_eq("the size told", &receipt.size, &(length as u64))?;
                ensure_eq("the bytes from a reader", &storage.download(case.name("reader")).await?, &body)?;
                let chunks = stream::iter(body.chunks(part / 4 - 1).map(Bytes::copy_from_slice).map(Ok).collect::<Vec<_>>());
                storage.upload_stream(chunks, UploadRequest::new(key(case, "stream")?)).await?;
                ensure_eq("the bytes from a stream", &storage.download(case.name("stream")).await?, &body)?;
            }
        })
        .of_client(),
        clause!("storage.upload.2", "What fits into one part is one put.", |case: S| {
            let faulty = Faulty::new(case.bare()?).shared();
            let storage = client(&faulty)?;
            for length in [0, 10, part_length(case)] {
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
            let parts = if parts_are_large(case) { 5 } else { 12 };
            let body = pattern(parts * part_length(case));
            storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await?;
            ensure_eq("the most parts at a time", &faulty.most_parts().0, &3)?;
            ensure_eq("the bytes", &storage.download(case.name("k")).await?, &body)?;
        })
        .of_client(),
        clause!("storage.upload.4", "Part sizes grow, so that the provider's highest part number is no limit of an upload as long as a part is at most half of the budget; what is larger than all such parts is `PayloadTooLarge`.", |case: S| {
            let (parts, times) = if parts_are_large(case) { (4, 5) } else { (10, 200) };
            let faulty = Faulty::new(case.bare()?).with_limit("parts-max", parts).shared();
            let storage = client(&faulty)?;
            let body = pattern(times * part_length(case) + 5);
            let receipt = storage.upload_with(&body[..], UploadRequest::new(key(case, "k")?)).await?;
            ensure((2..=parts).contains(&receipt.parts.into()), format!("2 to {parts} parts"), receipt.parts)?;
            ensure_eq("the bytes", &storage.download(case.name("k")).await?, &body)?;
            // Where half of the budget is one first part, none grows: so many of them are all there is.
            let faulty = Faulty::new(case.bare()?).with_limit("parts-max", 2).shared();
            let storage = client(&faulty)?.with_settings(settings().with_upload_budget(2 * part_length(case) as u64))?;
            let body = pattern(2 * part_length(case));
            storage.upload_with(&body[..], UploadRequest::new(key(case, "full")?)).await?;
            ensure_eq("the bytes", &storage.download(case.name("full")).await?, &body)?;
            let body = pattern(2 * part_length(case) + 1);
            let request = UploadRequest::new(key(case, "more")?);
            let more = storage.upload_with(&body[..], request.clone()).await;
            ensure_error("a byte more", more, ErrorKind::PayloadTooLarge)?;
            let begun = faulty.calls("begin_multipart");
            let told = storage.upload_with(&body[..], request.with_expected_size(body.len() as u64)).await;
            ensure_error("a byte more, told beforehand", told, ErrorKind::PayloadTooLarge)?;
            ensure_eq("the uploads begun for it", &(faulty.calls("begin_multipart") - begun), &0)?;
            nothing_pending(case, &storage).await?;
        })
        .of_client(),
        clause!("storage.upload.5", "All uploads together hold at most their budget in memory.", |case: S| {
            let slow = |operation: &str, _| if operation == "put_part" { Fault::Slow(A_MOMENT) } else { Fault::None };
            let part = part_length(case);
            let (uploads, parts) = if parts_are_large(case) { (2, 2) } else { (4, 6) };
            let body = pattern(parts * part);
            let upload_all = |clients: Vec<StorageClient>| {
                let body = body.clone();
                async move {
                    let uploads = (0..uploads).flat_map(|n| clients.iter().map(move |client| (n, client)));
                    let uploads = uploads.enumerate().map(|(at, (_, client))| {
                        let name = format!("k{at}");
                        let body = &body;
                        async move { client.upload_with(&body[..], UploadRequest::new(key(case, &name)?)).await.map_err(Finding::from) }
                    });
                    join_all(uploads).await.into_iter().collect::<Result<Vec<_>, Finding>>()
                }
            };
            // The budget of one instance.
            let faulty = Faulty::new(case.bare()?).with_plan(slow).shared();
            let bounded = settings().with_upload_budget(3 * part as u64).with_upload_concurrency(8);
            upload_all(vec![client(&faulty)?.with_settings(bounded)?]).await?;
            let most = faulty.most_parts().1;
            ensure(most <= 3 * part && most > part, "two to three parts in memory", most)?;
            // The budget of all instances of one context.
            let faulty = Faulty::new(case.bare()?).with_plan(slow).shared();
            let context = BuildContext::default().with_upload_budget(2 * part as u64);
            let one = client(&faulty)?.with_context(&context);
            let other = client(&faulty)?.with_context(&context);
            upload_all(vec![one, other]).await?;
            let most = faulty.most_parts().1;
            ensure(most <= 2 * part, "at most two parts in memory", most)?;
        })
        .of_client(),
        clause!("storage.upload.16", "An upload holds what its source gave, and no more: sources that stall keep no other upload from going on. Where there is no memory left for the others, a source that gives less than a KiB within `idle_timeout` ends its upload with `Timeout`.", |case: S| {
            // So large that a buffer begins with less than a part.
            let part = part_length(case).max(1 << 20);
            let settings = settings().with_part_bytes(part as u64).with_upload_budget(4 * part as u64).with_idle_timeout(A_MOMENT * 30);
            let storage = client(&Faulty::new(case.bare()?).shared())?.with_settings(settings)?;
            let body = pattern(3 * part);
            // Eight that have begun leave enough; four whose parts lack but a byte have all there is.
            for (sources, length) in [(8, 1), (4, part - 1)] {
                let mut stalled = FuturesUnordered::new();
                for number in 0..sources {
                    let chunks = stream::iter([Ok(body.slice(..length))]).chain(stream::pending());
                    stalled.push(storage.upload_stream(chunks, UploadRequest::new(key(case, &format!("stalled{number}"))?)));
                }
                let mut ended = Vec::new();
                let mut other = pin!(async {
                    tokio::time::sleep(A_MOMENT).await;
                    storage.upload_with(&body[..], UploadRequest::new(key(case, "other")?)).await.map_err(Finding::from)
                });
                let uploaded = loop {
                    match select(stalled.next(), other.as_mut()).await {
                        Either::Left((Some(upload), _)) => ended.push(upload),
                        Either::Left((None, other)) => break other.await,
                        Either::Right((uploaded, _)) => break uploaded,
                    }
                };
                uploaded?;
                ensure_eq("the bytes", &storage.download(case.name("other")).await?, &body)?;
                ensure_eq("whether sources were ended", &!ended.is_empty(), &(length > 1))?;
                for upload in ended {
                    ensure_error("a stalled source", upload, ErrorKind::Timeout)?;
                }
            }
        })
        .of_client(),
        clause!("storage.upload.8", "A precondition holds however many exchanges the upload takes.", |case: S| {
            let storage = client(&Faulty::new(case.bare()?).shared())?;
            let token = storage.put(case.name("k"), "old").await?.token;
            for length in [10, several_parts(case)] {
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
            for length in [10, several_parts(case)] {
                let body = pattern(length);
                for kind in [ChecksumKind::Crc32c, ChecksumKind::Sha256] {
                    let right = checksum::of(kind, &body)?;
                    let request = UploadRequest::new(key(case, "right")?).with_checksum(right);
                    let receipt = storage.upload_with(&body[..], request).await?;
                    ensure_eq("the checksum told", &receipt.checksum, &Some(right))?;
                    let stored = storage.head(case.name("right")).await?.checksum;
                    // Where parts do not add up to a SHA-256 the store keeps another checksum of the same bytes.
                    let adds_up = receipt.parts == 0 || kind == ChecksumKind::Crc32c || storage.supports("multipart-sha256").is_supported();
                    let kept = if adds_up { right } else { checksum::of(ChecksumKind::Crc32c, &body)? };
                    ensure_eq("the checksum stored", &stored, &Some(kept))?;
                    ensure_eq("the bytes", &storage.download(case.name("right")).await?, &body)?;
                }
                let sums = [Checksum::Crc32c(1), Checksum::Sha256([1; 32])];
                for wrong in sums {
                let wrong = UploadRequest::new(key(case, "k")?).with_checksum(wrong);
                ensure_error("a wrong checksum", storage.upload_with(&body[..], wrong).await, ErrorKind::Corrupt)?;
                }
                ensure_eq("the object", &storage.download(case.name("k")).await?, &Bytes::from("old"))?;
            }
            nothing_pending(case, &storage).await?;
        })
        .of_client(),
    ];
    clauses.into_iter().map(|clause| clause.with_limit(LONG)).collect()
}

/// So many bytes that an upload takes parts: five, or two where they are large.
fn several_parts(case: &Case<S>) -> usize {
    if parts_are_large(case) { part_length(case) + 1 } else { 5 * part_length(case) }
}
