//! What writing in parts promises.

use external_core::ErrorKind;
use external_core::storage::{
    CompleteMultipartRequest, GetTagsRequest, MultipartUpload, ObjectAttributes, PartReceipt, PartToken,
    Precondition, PutPartRequest, UploadId, VersionToken,
};
use futures_util::future::join_all;

use super::S;
use super::conditions::has;
use super::put::{TEXT, TEXT_CRC32C, TEXT_SHA256, carries, checksum, storable};
use super::store::{Store, not_applied};
use super::uploads::{Upload, multipart, no_facet, part, pending};
use crate::{Case, Clause, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

pub(super) fn clauses() -> Vec<Clause<S>> {
    [begin(), parts(), complete()].into_iter().flatten().collect()
}

fn begin() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.begin_multipart.1",
            "Until it is completed no read, head or listing of objects shows anything of it.",
            |case: S| {
                let store = Store::of(case);
                let upload = Upload::begin(case, "free").await?;
                store.lacks("free").await?;
                let receipt = upload.put(1, "parts").await?;
                store.lacks("free").await?;
                let names = store.names(store.listing("")).await?;
                ensure(names.is_empty(), "an empty listing", format!("{names:?}"))?;
                store.put("k", "old").await?;
                let over = Upload::begin(case, "k").await?;
                over.put(1, "new").await?;
                store.holds("k", b"old").await?;
                upload.complete(&[receipt]).await?;
                store.holds("free", b"parts").await?;
            }
        )
        .capability(
            "multipart",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "storage.begin_multipart.2",
            "Two uploads to one key are independent of each other.",
            |case: S| {
                let store = Store::of(case);
                let (one, two) = (Upload::begin(case, "k").await?, Upload::begin(case, "k").await?);
                ensure(one.upload.id != two.upload.id, "two ids", "one")?;
                let first = one.put(1, "one").await?;
                let second = two.put(1, "two!").await?;
                two.complete(&[second]).await?;
                store.holds("k", b"two!").await?;
                one.complete(&[first]).await?;
                store.holds("k", b"one").await?;
            }
        )
        .capability(
            "multipart",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "storage.begin_multipart.3",
            "Attributes that cannot be stored are `InvalidArgument`, as with put.",
            |case: S| {
                for attributes in [
                    ObjectAttributes::new().with_content_type("a\r\nb: c"),
                    ObjectAttributes::new().with_user_metadata("UPPER", "v"),
                    ObjectAttributes::new().with_user_metadata("a", "b\0"),
                ] {
                    let request =
                        external_core::storage::BeginMultipartRequest::new(Store::of(case).key("k")?)
                            .with_attributes(attributes);
                    let result = multipart(case.service())?.begin_multipart(&case.cx(), &request).await;
                    match result {
                        Err(error) if error.kind() == ErrorKind::Unsupported => {}
                        result => drop(ensure_error(
                            "an attribute that cannot be stored",
                            result,
                            ErrorKind::InvalidArgument,
                        )?),
                    }
                }
                if has(case.service(), "list-uploads") {
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
    ]
}

fn parts() -> Vec<Clause<S>> {
    vec![
        clause!("storage.put_part.1", "Parts may arrive side by side and in any order.", |case: S| {
            let upload = Upload::begin(case, "k").await?;
            let numbers = [3_u32, 1, 4, 2];
            let sent = numbers.iter().map(|number| upload.put(*number, part(case, u64::from(*number))));
            let mut receipts = join_all(sent).await.into_iter().collect::<Result<Vec<_>, _>>()?;
            receipts.sort_by_key(|receipt| receipt.number);
            upload.complete(&receipts).await?;
            let expected: Vec<u8> = (1..=4).flat_map(|number| part(case, number)).collect();
            let read = Store::of(case).read("k").await?;
            ensure(read == expected, "the parts in order", format!("{} other bytes", read.len()))?;
        })
        .capability(
            "multipart",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "storage.put_part.2",
            "A part sent again under its number replaces the earlier one.",
            |case: S| {
                let upload = Upload::begin(case, "k").await?;
                upload.put(1, "a longer earlier part").await?;
                let receipt = upload.put(1, "later").await?;
                ensure_eq("the size told", &receipt.size, &5)?;
                upload.complete(&[receipt]).await?;
                Store::of(case).holds("k", b"later").await?;
            }
        )
        .capability(
            "multipart",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "storage.put_part.3",
            "A part of an upload that was never begun, was completed or aborted is `NotFound`.",
            |case: S| {
                let never = MultipartUpload::new(Store::of(case).key("k")?, UploadId::new("never-begun"));
                let request = PutPartRequest::new(never, 1, "x");
                let result = multipart(case.service())?.put_part(&case.cx(), &request).await;
                ensure_error("a part of no upload", result, ErrorKind::NotFound)?;
                let done = Upload::begin(case, "k").await?;
                let receipt = done.put(1, "x").await?;
                done.complete(&[receipt]).await?;
                ensure_error("a part of a completed upload", done.put(2, "y").await, ErrorKind::NotFound)?;
                let gone = Upload::begin(case, "k").await?;
                gone.abort().await?;
                ensure_error("a part of an aborted upload", gone.put(1, "y").await, ErrorKind::NotFound)?;
                let mut elsewhere = Upload::begin(case, "k").await?.upload;
                elsewhere.key = Store::of(case).key("other")?;
                let request = PutPartRequest::new(elsewhere, 1, "x");
                let result = multipart(case.service())?.put_part(&case.cx(), &request).await;
                ensure_error("a part under another key", result, ErrorKind::NotFound)?;
            }
        )
        .capability(
            "multipart",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "storage.put_part.4",
            "A part number of 0 or above the limit `parts-max` is `InvalidArgument`.",
            |case: S| {
                let upload = Upload::begin(case, "k").await?;
                ensure_error("part 0", upload.put(0, "x").await, ErrorKind::InvalidArgument)?;
                let most = case.service().info().capabilities().get_limit("parts-max").unwrap_or(10_000);
                let most = u32::try_from(most).unwrap_or(u32::MAX);
                if let Some(above) = most.checked_add(1) {
                    ensure_error(
                        "a part above the limit",
                        upload.put(above, "x").await,
                        ErrorKind::InvalidArgument,
                    )?;
                }
                let receipt = upload.put(most, "last").await?;
                upload.complete(&[receipt]).await?;
                Store::of(case).holds("k", b"last").await?;
            }
        )
        .capability(
            "multipart",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
        clause!(
            "storage.put_part.5",
            "A part that does not match its checksum is `Corrupt` with effect `NotApplied`.",
            |case: S| {
                let upload = Upload::begin(case, "k").await?;
                let receipt = upload.put(1, "good").await?;
                for sum in [TEXT_CRC32C, TEXT_SHA256] {
                    let wrong = PutPartRequest::new(upload.upload.clone(), 1, "damaged")
                        .with_checksum(checksum(sum)?);
                    not_applied("a damaged part", upload.send(&wrong).await, ErrorKind::Corrupt)?;
                }
                upload.complete(&[receipt]).await?;
                Store::of(case).holds("k", b"good").await?;
                let upload = Upload::begin(case, "k").await?;
                let right =
                    PutPartRequest::new(upload.upload.clone(), 1, TEXT).with_checksum(checksum(TEXT_SHA256)?);
                upload.complete(&[upload.send(&right).await?]).await?;
                Store::of(case).holds("k", TEXT).await?;
            }
        )
        .capability(
            "multipart",
            check!(|case| {
                no_facet(case)?;
            }),
        ),
    ]
}

fn complete() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.complete_multipart.1",
            "The object is the named parts in order of their numbers; its attributes are those of `begin_multipart`.",
            |case: S| {
                let store = Store::of(case);
                let attributes = storable(case);
                store.put_with("k", "old", ObjectAttributes::default()).await?;
                let upload = Upload::begin_with(case, "k", attributes.clone()).await?;
                let first = upload.put(2, part(case, 2)).await?;
                let dropped = upload.put(5, part(case, 5)).await?;
                let last = upload.put(7, "the end").await?;
                drop(dropped);
                let receipt = upload.complete(&[first, last]).await?;
                let mut expected = part(case, 2).to_vec();
                expected.extend_from_slice(b"the end");
                let read = store.read("k").await?;
                ensure(read == expected, "the named parts", format!("{} other bytes", read.len()))?;
                let head = store.head("k").await?;
                ensure_eq("the size", &head.size, &(expected.len() as u64))?;
                ensure_eq("the token", &head.token, &receipt.token)?;
                if has(case.service(), "content-headers") && has(case.service(), "metadata") {
                    carries(&store, "k", &attributes).await?;
                }
                if let Some(tags) = case.service().tags() {
                    let read = tags.get_tags(&case.cx(), &GetTagsRequest::new(store.key("k")?)).await?;
                    ensure_eq("the tags", &read, &attributes.tags)?;
                }
            }
        )
        .capability("multipart", check!(|case| { no_facet(case)?; })),
        clause!(
            "storage.complete_multipart.2",
            "A create-only completion over an existing key is `AlreadyExists` and changes nothing; the upload is still there.",
            |case: S| {
                let store = Store::of(case);
                store.put("k", "old").await?;
                let upload = Upload::begin(case, "k").await?;
                let part = upload.put(1, "new").await?;
                let request = upload.completion(&[part]).with_precondition(Precondition::Absent);
                not_applied("a create-only completion", upload.finish(&request).await, ErrorKind::AlreadyExists)?;
                store.holds("k", b"old").await?;
                store.delete("k").await?;
                upload.finish(&request).await?;
                store.holds("k", b"new").await?;
            }
        )
        .capability("multipart-create-only", check!(|case| {
            refuses_condition(case, Precondition::Absent).await?;
        })),
        clause!(
            "storage.complete_multipart.3",
            "A compare-and-swap completion whose token is not the current one is `Conflict` and changes nothing.",
            |case: S| {
                let store = Store::of(case);
                let old = store.put("k", "old").await?.token;
                let new = store.put("k", "new").await?.token;
                let upload = Upload::begin(case, "k").await?;
                let part = upload.put(1, "third").await?;
                let swap = |token: &VersionToken| {
                    upload.completion(std::slice::from_ref(&part)).with_precondition(Precondition::Matches(token.clone()))
                };
                not_applied("a completion with an old token", upload.finish(&swap(&old)).await, ErrorKind::Conflict)?;
                store.holds("k", b"new").await?;
                upload.finish(&swap(&new)).await?;
                store.holds("k", b"third").await?;
                let free = Upload::begin(case, "free").await?;
                let part = free.put(1, "x").await?;
                let request = free.completion(&[part]).with_precondition(Precondition::Matches(new));
                not_applied("a compare-and-swap completion on a free key", free.finish(&request).await, ErrorKind::Conflict)?;
                store.lacks("free").await?;
            }
        )
        .capability("multipart-compare-and-swap", check!(|case| {
            refuses_condition(case, Precondition::Matches(VersionToken::new("any"))).await?;
        })),
        clause!(
            "storage.complete_multipart.4",
            "No parts, parts out of order, a part that never arrived or whose token is another one, and a part below `part-bytes-min` that is not the last are `InvalidArgument`; the upload is still there.",
            |case: S| {
                let store = Store::of(case);
                store.put("k", "old").await?;
                let upload = Upload::begin(case, "k").await?;
                let one = upload.put(1, part(case, 1)).await?;
                let two = upload.put(2, part(case, 2)).await?;
                let never = PartReceipt::new(3, 1, PartToken::new("\"0123456789abcdef0123456789abcdef\""));
                let swapped = PartReceipt::new(1, one.size, two.token.clone());
                for (what, parts) in [
                    ("no parts", vec![]),
                    ("parts out of order", vec![two.clone(), one.clone()]),
                    ("a part twice", vec![one.clone(), one.clone()]),
                    ("a part that never arrived", vec![one.clone(), never]),
                    ("a part with another part's token", vec![swapped, two.clone()]),
                ] {
                    let result = upload.complete(&parts).await;
                    ensure_error(&format!("completing with {what}"), result, ErrorKind::InvalidArgument)?;
                    store.holds("k", b"old").await?;
                    upload.is_there().await?;
                }
                let least = case.service().info().capabilities().get_limit("part-bytes-min").unwrap_or(0);
                if least > 1 {
                    let short = Upload::begin(case, "short").await?;
                    let parts = [short.put(1, "x").await?, short.put(2, "y").await?];
                    let result = short.complete(&parts).await;
                    ensure_error("completing with a short part", result, ErrorKind::InvalidArgument)?;
                    short.is_there().await?;
                }
                upload.complete(&[one, two]).await?;
            }
        )
        .capability("multipart", check!(|case| { no_facet(case)?; })),
        clause!(
            "storage.complete_multipart.5",
            "A checksum of the whole that does not match is `Corrupt` with effect `NotApplied`; one that matches is answered by head.",
            |case: S| {
                if !has(case.service(), "checksum") {
                    return Ok(());
                }
                let store = Store::of(case);
                store.put("k", "old").await?;
                let sha256 = has(case.service(), "multipart-sha256").then_some(TEXT_SHA256);
                for sum in std::iter::once(TEXT_CRC32C).chain(sha256) {
                    let upload = announced(case, "k", sum).await?;
                    let part = upload.put(1, "other").await?;
                    let request = upload.completion(&[part]).with_checksum(checksum(sum)?);
                    not_applied("a completion with a wrong checksum", upload.finish(&request).await, ErrorKind::Corrupt)?;
                }
                store.holds("k", b"old").await?;
                let upload = announced(case, "k", TEXT_CRC32C).await?;
                let part = upload.put(1, TEXT).await?;
                let request = upload.completion(&[part]).with_checksum(checksum(TEXT_CRC32C)?);
                upload.finish(&request).await?;
                store.holds("k", TEXT).await?;
                let told = store.head("k").await?.checksum;
                ensure_eq("the checksum head answers", &told, &Some(checksum(TEXT_CRC32C)?))?;
                if sha256.is_none() {
                    let upload = Upload::begin(case, "k").await?;
                    let part = upload.put(1, TEXT).await?;
                    let request = upload.completion(&[part]).with_checksum(checksum(TEXT_SHA256)?);
                    let what = "a completion with a kind of checksum that is not declared";
                    ensure_error(what, upload.finish(&request).await, ErrorKind::Unsupported)?;
                    upload.is_there().await?;
                }
            }
        )
        .capability("multipart", check!(|case| { no_facet(case)?; })),
        clause!(
            "storage.complete_multipart.6",
            "Completing an upload again answers its receipt again or `NotFound`, and changes nothing.",
            |case: S| {
                let store = Store::of(case);
                let upload = Upload::begin(case, "k").await?;
                let parts = [upload.put(1, "uploaded").await?];
                let first = upload.complete(&parts).await?;
                again(upload.complete(&parts).await, &first.token)?;
                store.holds("k", b"uploaded").await?;
                store.put("k", "later").await?;
                again(upload.complete(&parts).await, &first.token)?;
                store.holds("k", b"later").await?;
            }
        )
        .capability("multipart", check!(|case| { no_facet(case)?; })),
        clause!("storage.complete_multipart.7", "Completing an upload that was aborted is `NotFound`.", |case: S| {
            let store = Store::of(case);
            let upload = Upload::begin(case, "k").await?;
            let parts = [upload.put(1, "x").await?];
            upload.abort().await?;
            ensure_error("completing an aborted upload", upload.complete(&parts).await, ErrorKind::NotFound)?;
            store.lacks("k").await?;
            let never = MultipartUpload::new(store.key("k")?, UploadId::new("never-begun"));
            let request = CompleteMultipartRequest::new(never, parts.to_vec());
            let result = multipart(case.service())?.complete_multipart(&case.cx(), &request).await;
            ensure_error("completing no upload", result, ErrorKind::NotFound)?;
        })
        .capability("multipart", check!(|case| { no_facet(case)?; })),
    ]
}

/// An upload of which the provider knows beforehand that a checksum will come.
async fn announced<'a>(case: &'a Case<S>, name: &str, sum: &str) -> Result<Upload<'a>, crate::Finding> {
    let mut upload = Upload::begin(case, name).await?;
    upload.abort().await?;
    let request = external_core::storage::BeginMultipartRequest::new(Store::of(case).key(name)?)
        .with_checksum(checksum(sum)?.kind());
    upload.upload = multipart(case.service())?.begin_multipart(&case.cx(), &request).await?;
    Ok(upload)
}

fn again(result: external_core::Result<external_core::storage::PutReceipt>, first: &VersionToken) -> Verdict {
    match result {
        Ok(receipt) => ensure_eq("the token of the repeated receipt", &receipt.token, first),
        result => ensure_error("completing again", result, ErrorKind::NotFound).map(drop),
    }
}

/// An upload may begin, but a completion under a condition is refused.
async fn refuses_condition(case: &Case<S>, precondition: Precondition) -> Verdict {
    if case.service().multipart().is_none() {
        return Ok(());
    }
    let attempt: crate::Attempt<S> = match precondition {
        Precondition::Absent => {
            |case, service| Box::pin(async move { complete_under(case, service, Precondition::Absent).await })
        }
        _ => |case, service| {
            Box::pin(async move {
                complete_under(case, service, Precondition::Matches(VersionToken::new("any"))).await
            })
        },
    };
    refuses(case, "a completion under a condition", ErrorKind::Unsupported, attempt).await
}

async fn complete_under(
    case: &Case<S>,
    service: &S,
    precondition: Precondition,
) -> external_core::Result<()> {
    let Some(facet) = service.multipart() else {
        return Err(external_core::Error::unsupported("multipart"));
    };
    let upload = MultipartUpload::new(Store::on(case, service).key("k")?, UploadId::new("any"));
    let parts = vec![PartReceipt::new(1, 1, PartToken::new("any"))];
    let request = CompleteMultipartRequest::new(upload, parts).with_precondition(precondition);
    facet.complete_multipart(&case.cx(), &request).await.map(drop)
}
