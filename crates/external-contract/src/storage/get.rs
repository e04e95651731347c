//! What reading an object, and reading about it, promises.

use std::time::{Duration, SystemTime};

use external_core::ErrorKind;
use external_core::storage::{ByteRange, GetRequest, GetResult, VersionToken};
use futures_util::future::join;

use super::put::{TEXT, TEXT_CRC32C, TEXT_SHA256, carries, checksum, storable};
use super::store::{Store, pattern};
use super::{S, conditions::has};
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("storage.get.1", "An object that is not there is `NotFound`.", |case| {
            let store = Store::of(case);
            store.put("a/b", "x").await?;
            for name in ["never", "a", "a/b/c", "a/", "A/b"] {
                if let Ok(key) = store.key(name) {
                    let read = store.get(&GetRequest::new(key)).await;
                    ensure_error(&format!("get of `{name}`"), read, ErrorKind::NotFound)?;
                }
            }
        }),
        clause!(
            "storage.get.2",
            "A range is answered with exactly its bytes, clipped at the object's end; `info.size` stays the size of the whole.",
            |case: S| {
                let store = Store::of(case);
                let body = pattern(100_000, 2);
                store.put("k", body.clone()).await?;
                for (range, expected) in [
                    (ByteRange::from(0..1), 0..1),
                    (ByteRange::from(0..100_000), 0..100_000),
                    (ByteRange::from(10..20), 10..20),
                    (ByteRange::from(99_999..100_000), 99_999..100_000),
                    (ByteRange::from(65_535..65_538), 65_535..65_538),
                    (ByteRange::from(99_990..200_000), 99_990..100_000),
                    (ByteRange::From(0), 0..100_000),
                    (ByteRange::From(50_000), 50_000..100_000),
                    (ByteRange::From(99_999), 99_999..100_000),
                ] {
                    part(&store, range, &body, expected).await?;
                }
            }
        )
        .capability("range", check!(|case| {
            refuses(case, "a ranged get", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let store = Store::on(case, service);
                store.get(&GetRequest::new(store.key("k")?).with_range(0..1)).await.map(drop)
            })).await?;
        })),
        clause!("storage.get.3", "A suffix is answered with the last bytes, and with all of a shorter object.", |case: S| {
            let store = Store::of(case);
            let body = pattern(1000, 3);
            store.put("k", body.clone()).await?;
            for (length, start) in [(1, 999), (10, 990), (1000, 0), (5000, 0)] {
                part(&store, ByteRange::Suffix(length), &body, start..1000).await?;
            }
        })
        .capability("suffix-range", check!(|case| { refuses_suffix(case).await?; })),
        clause!("storage.get.4", "A range that selects no byte is `InvalidArgument`.", |case: S| {
            let store = Store::of(case);
            store.put("k", "12345").await?;
            store.put("empty", "").await?;
            let nothing = [ByteRange::From(5), ByteRange::From(500), ByteRange::from(5..9), ByteRange::from(2..2)];
            for (name, range) in nothing.map(|range| ("k", range)).into_iter().chain([("empty", ByteRange::From(0))]) {
                let read = store.get(&GetRequest::new(store.key(name)?).with_range(range)).await;
                ensure_error(&format!("{range:?} of `{name}`"), read, ErrorKind::InvalidArgument)?;
            }
            let reversed = ByteRange::Within { start: 3, end: 1 };
            let read = store.get(&GetRequest::new(store.key("k")?).with_range(reversed)).await;
            ensure_error("a range that ends before it begins", read, ErrorKind::InvalidArgument)?;
        })
        .capability("range", check!(|case| {
            refuses(case, "a ranged get", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let store = Store::on(case, service);
                store.get(&GetRequest::new(store.key("k")?).with_range(5..9)).await.map(drop)
            })).await?;
        })),
        clause!("storage.get.10", "A suffix of no bytes, and any suffix of an empty object, is `InvalidArgument`.", |case: S| {
            let store = Store::of(case);
            store.put("k", "12345").await?;
            store.put("empty", "").await?;
            for (name, length) in [("k", 0), ("empty", 1)] {
                let request = GetRequest::new(store.key(name)?).with_range(ByteRange::Suffix(length));
                let read = store.get(&request).await;
                ensure_error(&format!("the last {length} bytes of `{name}`"), read, ErrorKind::InvalidArgument)?;
            }
        })
        .capability("suffix-range", check!(|case| { refuses_suffix(case).await?; })),
        clause!(
            "storage.get.5",
            "`if_match` with another token than the current one is `Conflict`; no body is transferred.",
            |case: S| {
                let store = Store::of(case);
                let old = store.put("k", "old").await?.token;
                let (_, bytes) = store.open(&GetRequest::new(store.key("k")?).with_if_match(old.clone())).await?;
                ensure_eq("the bytes under the current token", &bytes, &b"old"[..])?;
                let new = store.put("k", "new").await?.token;
                let read = store.get(&GetRequest::new(store.key("k")?).with_if_match(old)).await;
                ensure_error("a get with an old token", read, ErrorKind::Conflict)?;
                let (_, bytes) = store.open(&GetRequest::new(store.key("k")?).with_if_match(new)).await?;
                ensure_eq("the bytes under the new token", &bytes, &b"new"[..])?;
            }
        )
        .capability("if-match", check!(|case| {
            refuses(case, "a get with if_match", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let store = Store::on(case, service);
                let request = GetRequest::new(store.key("k")?).with_if_match(VersionToken::new("any"));
                store.get(&request).await.map(drop)
            })).await?;
        })),
        clause!(
            "storage.get.6",
            "`if_none_match` with the current token is `NotModified`; with any other the object is answered.",
            |case: S| {
                let store = Store::of(case);
                let old = store.put("k", "old").await?.token;
                let unless = |token: &VersionToken| {
                    store.key("k").map(|key| GetRequest::new(key).with_if_none_match(token.clone()))
                };
                let read = store.get(&unless(&old)?).await?;
                ensure(matches!(read, GetResult::NotModified), "`NotModified`", "the object")?;
                store.put("k", "new").await?;
                let (_, bytes) = store.open(&unless(&old)?).await?;
                ensure_eq("the bytes", &bytes, &b"new"[..])?;
                store.delete("k").await?;
                ensure_error("a get of nothing", store.get(&unless(&old)?).await, ErrorKind::NotFound)?;
            }
        )
        .capability("if-none-match", check!(|case| {
            refuses(case, "a get with if_none_match", ErrorKind::Unsupported, |case, service| Box::pin(async move {
                let store = Store::on(case, service);
                let request = GetRequest::new(store.key("k")?).with_if_none_match(VersionToken::new("any"));
                store.get(&request).await.map(drop)
            })).await?;
        })),
        clause!("storage.get.7", "`info` is what head answers; a read of a part may leave out the checksum.", |case| {
            let store = Store::of(case);
            let mut request = store.put_request("k", TEXT)?.with_attributes(storable(case));
            if has(case.service(), "checksum") {
                request = request.with_checksum(checksum(TEXT_SHA256)?);
            }
            store.send(&request).await?;
            let mut reads = vec![GetRequest::new(store.key("k")?)];
            if has(case.service(), "range") {
                reads.push(GetRequest::new(store.key("k")?).with_range(3..7));
            }
            let head = store.head("k").await?;
            for read in reads {
                let (mut info, _) = store.open(&read).await?;
                if read.range.is_some() && info.checksum.is_none() && info.foreign_checksum.is_none() {
                    info.checksum = head.checksum;
                    info.foreign_checksum.clone_from(&head.foreign_checksum);
                }
                ensure_eq("what get tells", &format!("{info:?}"), &format!("{head:?}"))?;
            }
        }),
        clause!(
            "storage.get.8",
            "A body begun is not disturbed by a later write or delete of the key: it ends with the old bytes whole, or with an error, never with a mixture.",
            |case| {
                let store = Store::of(case);
                // More than any buffer on the way holds.
                let old = pattern(8 << 20, 1);
                for change in ["write", "delete"] {
                    store.put("k", old.clone()).await?;
                    let mut object = store.get(&GetRequest::new(store.key("k")?)).await?.into_object()?;
                    let first = object.body.next_chunk().await?.unwrap_or_default();
                    let changing = async {
                        match change {
                            "write" => store.put("k", pattern(8 << 20, 2)).await.map(drop),
                            _ => store.delete("k").await.map(drop),
                        }
                    };
                    let mut read = first.to_vec();
                    // Most are done with the change by then; a server may also have it wait for the reader.
                    let reading = async {
                        tokio::time::sleep(Duration::from_millis(500)).await;
                        loop {
                            match object.body.next_chunk().await {
                                Ok(Some(chunk)) => read.extend_from_slice(&chunk),
                                Ok(None) => break Ok(()),
                                Err(error) => break Err(error),
                            }
                        }
                    };
                    let (changed, ended) = join(changing, reading).await;
                    changed?;
                    let whole = read == old;
                    let seen = format!("{} other bytes, end {ended:?}", read.len());
                    ensure(ended.is_err() || whole, format!("the old bytes or an error after a {change}"), seen)?;
                }
            }
        ),
        clause!("storage.get.9", "Bytes that do not match the stored checksum end a whole read with `Corrupt`.", |case: S| {
            let store = Store::of(case);
            for sum in [TEXT_CRC32C, TEXT_SHA256] {
                store.send(&store.put_request("k", TEXT)?.with_checksum(checksum(sum)?)).await?;
                damage(case, "k")?;
                let read = match store.get(&GetRequest::new(store.key("k")?)).await {
                    Ok(result) => result.into_object()?.body.collect(1 << 20).await,
                    Err(error) => Err(error),
                };
                ensure_error("reading damaged bytes", read, ErrorKind::Corrupt)?;
            }
        })
        .of_provider()
        .needs_fact("objects")
        .capability("checksum", check!(|case| { super::put::refuses_checksum(case).await?; })),
        clause!(
            "storage.head.1",
            "An object that is not there is `NotFound`; so is a prefix of keys that is itself none.",
            |case| {
                let store = Store::of(case);
                store.put("a/b/c", "x").await?;
                for name in ["never", "a", "a/b", "a/b/c/d", "a/b/cc"] {
                    let head = store.head(name).await;
                    ensure_error(&format!("head of `{name}`"), head, ErrorKind::NotFound)?;
                }
            }
        ),
        clause!(
            "storage.head.2",
            "Size, token, headers, metadata and time of storing are those of the last write.",
            |case| {
                let store = Store::of(case);
                store.put_with("k", "a longer first body", storable(case)).await?;
                let mut second = storable(case);
                second.tags.clear();
                if has(case.service(), "content-headers") {
                    second.headers.content_type = Some("text/csv".to_owned());
                }
                if has(case.service(), "metadata") {
                    second.metadata.insert("owner".to_owned(), "Grace".to_owned());
                }
                let before = case.now();
                let receipt = store.put_with("k", "second", second.clone()).await?;
                let after = case.now();
                let info = store.head("k").await?;
                ensure_eq("the key", &info.key, &store.key("k")?)?;
                ensure_eq("the size", &info.size, &6)?;
                ensure_eq("the token", &info.token, &receipt.token)?;
                if has(case.service(), "content-headers") {
                    carries(&store, "k", &second).await?;
                }
                if let Some(modified) = info.modified {
                    let told = during(before, modified, after);
                    ensure(told, format!("a time between {before:?} and {after:?}"), format!("{modified:?}"))?;
                }
            }
        ),
    ]
}

/// Clocks of two machines differ, and some stores tell whole seconds.
fn during(before: SystemTime, told: SystemTime, after: SystemTime) -> bool {
    let slack = Duration::from_secs(10);
    told + slack >= before && told <= after + slack
}

async fn part(store: &Store<'_>, range: ByteRange, body: &[u8], expected: std::ops::Range<usize>) -> Verdict {
    let object = store.get(&GetRequest::new(store.key("k")?).with_range(range)).await?.into_object()?;
    let told = expected.start as u64..expected.end as u64;
    ensure_eq(&format!("the range told for {range:?}"), &object.range, &told)?;
    ensure_eq("the size of the whole", &object.info.size, &(body.len() as u64))?;
    let bytes = object.body.collect(1 << 20).await?;
    let same = body.get(expected.clone()) == Some(&*bytes);
    ensure(same, format!("the bytes {expected:?}"), format!("{} other bytes", bytes.len()))
}

/// Changes one byte of a stored object behind the provider's back.
fn damage(case: &Case<S>, name: &str) -> Verdict {
    let folder = case.fact("objects").unwrap_or_default();
    let path = std::path::Path::new(&folder).join(case.name(name));
    let flip = || {
        let mut bytes = std::fs::read(&path)?;
        if let Some(byte) = bytes.first_mut() {
            *byte ^= 1;
        }
        // In place and in silence: the file keeps its identity, its time, and whatever is remembered beside it. A write
        // that shows would be somebody's edit.
        let modified = std::fs::metadata(&path)?.modified()?;
        std::fs::write(&path, bytes)?;
        std::fs::File::options().write(true).open(&path)?.set_modified(modified)
    };
    flip().map_err(|error| {
        Finding::failed("the object as a plain file at its key", format!("{}: {error}", path.display()))
    })
}

async fn refuses_suffix(case: &Case<S>) -> Verdict {
    refuses(case, "a get of a suffix", ErrorKind::Unsupported, |case, service| {
        Box::pin(async move {
            let store = Store::on(case, service);
            store.get(&GetRequest::new(store.key("k")?).with_range(ByteRange::Suffix(1))).await.map(drop)
        })
    })
    .await
}
