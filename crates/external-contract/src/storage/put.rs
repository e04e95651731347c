//! What putting an object promises, preconditions aside.

use bytes::Bytes;
use external_core::ErrorKind;
use external_core::storage::{Checksum, ContentHeaders, GetTagsRequest, ObjectAttributes, supports};

use super::S;
use super::store::{Store, not_applied, pattern, side_by_side};
use crate::{Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

/// The checksums of [`TEXT`], computed elsewhere.
pub(super) const TEXT: &[u8] = b"The quick brown fox jumps over the lazy dog";
pub(super) const TEXT_CRC32C: &str = "crc32c:22620404";
pub(super) const TEXT_SHA256: &str =
    "sha256:d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592";

pub(super) fn headers() -> ObjectAttributes {
    ObjectAttributes::new()
        .with_content_type("image/png; charset=binary")
        .with_cache_control("max-age=60, private")
        .with_content_disposition("attachment; filename=\"a b.png\"")
        .with_content_encoding("identity")
        .with_content_language("de, ja")
}

pub(super) fn metadata() -> ObjectAttributes {
    ObjectAttributes::new()
        .with_user_metadata("owner", "Ada Lovelace")
        .with_user_metadata("city_1-x", "Zürich 鍵 🔑 %20 =?utf-8?q?x?=")
        .with_user_metadata("empty", "")
}

/// Checks headers and metadata, both where head tells them and where get does.
pub(super) async fn carries(store: &Store<'_>, name: &str, wanted: &ObjectAttributes) -> Verdict {
    let (read, _) = store.open(&external_core::storage::GetRequest::new(store.key(name)?)).await?;
    for (whose, info) in [("head", store.head(name).await?), ("get", read)] {
        ensure_eq(&format!("the headers that {whose} tells"), &info.headers, &wanted.headers)?;
        ensure_eq(&format!("the metadata that {whose} tells"), &info.metadata, &wanted.metadata)?;
    }
    Ok(())
}

/// The attributes of this test that the service can store.
pub(super) fn storable(case: &crate::Case<S>) -> ObjectAttributes {
    let service = case.service();
    let mut attributes = ObjectAttributes::new();
    if supports(service, "content-headers").is_supported() {
        attributes.headers = headers().headers;
    }
    if supports(service, "metadata").is_supported() {
        attributes.metadata = metadata().metadata;
    }
    if supports(service, "tags").is_supported() {
        attributes = attributes.with_tag("colour", "blue").with_tag("städte", "Zürich");
        super::tags::retain_storable(case, &mut attributes.tags);
    }
    attributes
}

pub(super) fn checksum(text: &str) -> Result<Checksum, Finding> {
    Ok(text.parse::<Checksum>()?)
}

/// Whether these headers tell no type, or the one of bytes of no type.
pub(super) fn is_no_type(headers: &ContentHeaders) -> bool {
    matches!(headers.content_type.as_deref(), None | Some("application/octet-stream" | "binary/octet-stream"))
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("storage.put.1", "What was put is read back byte for byte: empty, small, and megabytes.", |case| {
            let store = Store::of(case);
            for length in [0, 1, 1000, 65_536, 5 * 1024 * 1024 + 3] {
                let body = pattern(length, length as u64);
                let name = format!("size-{length}");
                store.put(&name, body.clone()).await?;
                let read = store.read(&name).await?;
                ensure(read == body, format!("the {length} bytes that were put"), difference(&read, &body))?;
                ensure_eq("the size", &store.head(&name).await?.size, &(length as u64))?;
            }
            let every: Bytes = (0..=255_u8).chain([b'\r', b'\n', 0, b'\n']).collect::<Vec<_>>().into();
            store.put("bytes", every.clone()).await?;
            store.holds("bytes", &every).await?;
        }),
        clause!(
            "storage.put.2",
            "A put over an existing key replaces content, headers, metadata, checksum and tags; nothing of the old object shines through.",
            |case| {
                let store = Store::of(case);
                let attributes = storable(case);
                let mut request = store.put_request("k", TEXT)?.with_attributes(attributes);
                if supports(case.service(), "checksum").is_supported() {
                    request = request.with_checksum(checksum(TEXT_SHA256)?);
                }
                store.send(&request).await?;
                store.put("k", "new").await?;
                store.holds("k", b"new").await?;
                let info = store.head("k").await?;
                let mut old = ContentHeaders::default();
                old.content_type.clone_from(&info.headers.content_type);
                ensure_eq("the headers but for the type", &info.headers, &old)?;
                // A client guesses a type from the key; this key suggests none.
                ensure(is_no_type(&info.headers), "no content type of the old object", format!("{:?}", info.headers))?;
                ensure(info.metadata.is_empty(), "no metadata of the old object", format!("{:?}", info.metadata))?;
                ensure(
                    info.checksum != Some(checksum(TEXT_SHA256)?),
                    "no checksum of the old object",
                    format!("{:?}", info.checksum),
                )?;
                if let Some(tags) = case.service().tags() {
                    let tags = tags.get_tags(&case.cx(), &GetTagsRequest::new(store.key("k")?)).await?;
                    ensure(tags.is_empty(), "no tags of the old object", format!("{tags:?}"))?;
                }
            }
        ),
        clause!(
            "storage.put.3",
            "Content headers come back from head and get.",
            |case: S| {
                let store = Store::of(case);
                store.put_with("k", "x", headers()).await?;
                carries(&store, "k", &headers()).await?;
                let some = ObjectAttributes::new().with_content_type("text/plain");
                store.put_with("some", "x", some.clone()).await?;
                carries(&store, "some", &some).await?;
            }
        )
        .capability("content-headers", check!(|case| {
            refuses(case, "a put with a header", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                Store::on(case, service).put_with("k", "x", headers()).await.map(drop)
            })).await?;
        })),
        clause!(
            "storage.put.13",
            "User metadata comes back from head and get, values beyond ASCII included.",
            |case: S| {
                let store = Store::of(case);
                store.put_with("k", "x", metadata().with_content_type("text/plain")).await?;
                let (read, _) = store.open(&external_core::storage::GetRequest::new(store.key("k")?)).await?;
                for info in [store.head("k").await?, read] {
                    ensure_eq("the metadata", &info.metadata, &metadata().metadata)?;
                }
            }
        )
        .capability("metadata", check!(|case| {
            refuses(case, "a put with metadata", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                Store::on(case, service).put_with("k", "x", metadata()).await.map(drop)
            })).await?;
        })),
        clause!(
            "storage.put.8",
            "Two writes of one key never have the same token while their content differs; the receipt's token is the one head answers.",
            |case| {
                let store = Store::of(case);
                let mut tokens = Vec::new();
                // Same length each time, and fast: a token made of size and time would repeat.
                for n in 0..20 {
                    let receipt = store.put("k", format!("content {n:02}")).await?;
                    ensure_eq("the token head answers", &store.head("k").await?.token, &receipt.token)?;
                    tokens.push(receipt.token);
                }
                let told = tokens.len();
                tokens.sort();
                tokens.dedup();
                ensure_eq("the number of different tokens", &tokens.len(), &told)?;
                store.delete("k").await?;
                let again = store.put("k", "content zz").await?.token;
                ensure(!tokens.contains(&again), "a new token after a delete", "an old one")?;
            }
        ),
        clause!(
            "storage.put.9",
            "A body that does not match its checksum is `Corrupt` with effect `NotApplied` and changes nothing.",
            |case: S| {
                let store = Store::of(case);
                store.put("k", "old").await?;
                for (name, sum) in [("k", TEXT_CRC32C), ("k", TEXT_SHA256), ("new", TEXT_SHA256)] {
                    let request = store.put_request(name, "other")?.with_checksum(checksum(sum)?);
                    not_applied("a put with a wrong checksum", store.send(&request).await, ErrorKind::Corrupt)?;
                }
                store.holds("k", b"old").await?;
                store.lacks("new").await?;
            }
        )
        .capability("checksum", check!(|case| { refuses_checksum(case).await?; })),
        clause!("storage.put.10", "A checksum given is answered by head and get.", |case: S| {
            let store = Store::of(case);
            for sum in [TEXT_CRC32C, TEXT_SHA256] {
                let wanted = checksum(sum)?;
                store.send(&store.put_request("k", TEXT)?.with_checksum(wanted)).await?;
                ensure_eq("the checksum head answers", &store.head("k").await?.checksum, &Some(wanted))?;
                let (info, bytes) =
                    store.open(&external_core::storage::GetRequest::new(store.key("k")?)).await?;
                ensure_eq("the checksum get answers", &info.checksum, &Some(wanted))?;
                ensure_eq("the bytes", &bytes, TEXT)?;
            }
        })
        .capability("checksum", check!(|case| { refuses_checksum(case).await?; })),
        clause!(
            "storage.put.11",
            "A header or metadata value with a control character, a metadata name outside its alphabet, too much metadata and too many tags are `InvalidArgument`; nothing is stored.",
            |case| {
                let store = Store::of(case);
                let new = ObjectAttributes::new;
                let many_tags = (0..11).fold(new(), |tags, n| tags.with_tag(format!("t{n}"), "v"));
                for (what, attributes) in [
                    ("a header with a line break", new().with_content_type("text/plain\r\nx-evil: 1")),
                    ("a header with a NUL", new().with_cache_control("a\0b")),
                    ("a metadata value with a line break", new().with_user_metadata("a", "b\nc")),
                    ("a metadata name in upper case", new().with_user_metadata("Name", "v")),
                    ("a metadata name with a colon", new().with_user_metadata("a:b", "v")),
                    ("a metadata name of nothing", new().with_user_metadata("", "v")),
                    ("too much metadata", new().with_user_metadata("a", "v".repeat(2048))),
                    ("too many tags", many_tags),
                ] {
                    let result = store.put_with("k", "x", attributes).await;
                    // Who cannot store such a thing at all may say that instead.
                    match result {
                        Err(error) if error.kind() == ErrorKind::Unsupported => {}
                        result => drop(ensure_error(what, result, ErrorKind::InvalidArgument)?),
                    }
                }
                store.lacks("k").await?;
            }
        ),
        clause!(
            "storage.put.12",
            "A body larger than the limit `put-bytes-max` is `PayloadTooLarge`; nothing is stored.",
            |case: S| {
                let store = Store::of(case);
                let Some(limit) = case.service().info().capabilities().get_limit("put-bytes-max") else {
                    // No limit is declared, so there is nothing to exceed.
                    return Ok(());
                };
                let Some(length) = usize::try_from(limit).ok().filter(|limit| *limit <= 256 << 20) else {
                    // What needs gigabytes is proven where the request is built, by the provider's own tests.
                    return Ok(());
                };
                let most = Bytes::from(vec![b'x'; length]);
                store.put("most", most).await?;
                ensure_eq("the size of the largest object", &store.head("most").await?.size, &limit)?;
                let more = Bytes::from(vec![b'x'; length + 1]);
                ensure_error("a put beyond the limit", store.put("k", more).await, ErrorKind::PayloadTooLarge)?;
                store.lacks("k").await?;
            }
        ),
        clause!(
            "storage.service.1",
            "A write is seen by every read, head and list that begins after it was answered.",
            |case| {
                let store = Store::of(case);
                let other = case.another()?;
                let seen_by = other.as_deref().map_or(store, |other| Store::on(case, other));
                for n in 0..30 {
                    let body = format!("written {n}");
                    let name = format!("k{}", n % 3);
                    store.put(&name, body.clone()).await?;
                    seen_by.holds(&name, body.as_bytes()).await?;
                    let size = seen_by.head(&name).await?.size;
                    ensure_eq("the size", &size, &(body.len() as u64))?;
                    let names = seen_by.names(seen_by.listing(&name)).await?;
                    ensure_eq("the listing", &names, &vec![name.clone()])?;
                    if n % 5 == 4 {
                        store.delete(&name).await?;
                        seen_by.lacks(&name).await?;
                    }
                }
            }
        ),
        clause!(
            "storage.service.2",
            "Concurrent writes of one key leave one of them whole, never a mixture; a concurrent read answers one of them whole.",
            |case| {
                let service = case.shared_service();
                let key = Store::of(case).key("k")?;
                let size = 300_000;
                Store::of(case).put("k", pattern(size, 1000)).await?;
                let results = side_by_side(24, |n| {
                    let (service, key) = (service.clone(), key.clone());
                    async move {
                        let cx = external_core::CallContext::default();
                        if n % 2 == 0 {
                            // Lengths differ, so that a mixture cannot hide.
                            let body = pattern(size + n * 1001, n as u64);
                            let request = external_core::storage::PutRequest::new(key, body);
                            return service.put(&cx, &request).await.map(|_| None);
                        }
                        let request = external_core::storage::GetRequest::new(key);
                        let object = service.get(&cx, &request).await?.into_object()?;
                        object.body.collect(64 << 20).await.map(Some)
                    }
                })
                .await?;
                let whole = |bytes: &Bytes| {
                    *bytes == pattern(size, 1000)
                        || (0..24).step_by(2).any(|n| *bytes == pattern(size + n * 1001, n as u64))
                };
                for result in results {
                    match result {
                        Ok(None) => {}
                        Ok(Some(read)) => {
                            ensure(whole(&read), "one of the writes whole", format!("{} other bytes", read.len()))?;
                        }
                        // A read may lose its object under its hands, and says so.
                        Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unavailable) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                let last = Store::of(case).read("k").await?;
                ensure(whole(&last), "one of the writes whole", format!("{} other bytes", last.len()))?;
            }
        ),
        clause!(
            "storage.service.3",
            "A store that is not there is an error on use, never an empty listing.",
            |case: S| {
                let missing = case.missing()?;
                let store = Store::on(case, &*missing);
                let listed = store.names(store.listing("")).await;
                ensure(listed.is_err(), "listing a store that is not there fails", format!("{listed:?}"))?;
                let put = store.put("k", "x").await;
                ensure(put.is_err(), "a put into a store that is not there fails", "it succeeded")?;
                let head = store.head("k").await;
                ensure(head.is_err(), "a head in a store that is not there fails", "it succeeded")?;
            }
        )
        .needs_missing(),
    ]
}

pub(super) async fn refuses_checksum(case: &crate::Case<S>) -> Verdict {
    refuses(case, "a put with a checksum", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let store = Store::on(case, service);
            let sum = TEXT_SHA256.parse::<Checksum>()?;
            store.send(&store.put_request("k", TEXT)?.with_checksum(sum)).await.map(drop)
        })
    })
    .await
}

fn difference(seen: &Bytes, expected: &Bytes) -> String {
    let at = seen.iter().zip(expected).position(|(a, b)| a != b);
    format!("{} bytes, the first difference at {at:?}", seen.len())
}
