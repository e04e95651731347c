//! What is sent: that it arrives as it was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use external_core::http::{HttpBody, HttpRequest, HttpUrl};
use external_core::{ByteStream, Effect, Error, ErrorKind};
use futures_util::stream;
use http::Method;

use super::{S, origin, web};
use crate::{Clause, check, clause, ensure, ensure_eq, ensure_error, refuses};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("http.execute.1", "Method, path and query arrive as they are.", |case| {
            let web = web(case);
            for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
                let path = "a%2Fb%20c%7B%7D//~!$&'()*+,;=:@-._/%C3%A9?x=%20+&&y=a%26b=&'%27/?:@&%C3%A9=";
                let mut request = web.echo(path)?;
                request.method = method.parse().unwrap_or(Method::GET);
                let seen = web.seen(&request).await?;
                ensure_eq("the method", &seen.method.as_str(), &method)?;
                ensure(seen.target == request.url.target(), "path and query unchanged", format!("{} for {}", seen.target, request.url.target()))?;
            }
        }),
        clause!(
            "http.execute.2",
            "Header fields arrive with their values and in number, those of one name in their order.",
            |case| {
                let web = web(case);
                let long = "v".repeat(4000);
                let request = web
                    .echo("fields")?
                    .with_header("x-one", "1")?
                    .with_header("x-many", "b")?
                    .with_header("X-Many", "a, c")?
                    .with_header("x-empty", "")?
                    .with_header("x-long", &long)?
                    .with_header("accept", "text/x-odd; q=0.5")?;
                let seen = web.seen(&request).await?;
                ensure_eq("a field", &seen.values("x-one"), &vec!["1"])?;
                ensure_eq("fields of one name", &seen.values("x-many").join(", "), &"b, a, c".to_owned())?;
                ensure_eq("an empty field", &seen.values("x-empty"), &vec![""])?;
                ensure(seen.values("x-long") == [long.as_str()], "a long field", "another one")?;
                ensure_eq("a field that libraries set", &seen.values("accept"), &vec!["text/x-odd; q=0.5"])?;
            }
        ),
        clause!(
            "http.execute.3",
            "A body of bytes arrives byte for byte, with its length; a request without a body has none.",
            |case| {
                let web = web(case);
                for length in [1, 4096, 1 << 20] {
                    let bytes = origin::bytes(length);
                    let request = posted(web.echo("bytes")?).with_body(bytes.clone());
                    let seen = web.seen(&request).await?;
                    ensure(seen.body == bytes, format!("the {length} bytes"), format!("{} others", seen.body.len()))?;
                    let told = seen.values("content-length").join(",");
                    ensure(told.is_empty() || told == length.to_string(), format!("the length {length}"), told)?;
                    ensure_eq("what says that the length is unknown", &seen.values("transfer-encoding"), &Vec::<&str>::new())?;
                }
                for request in [web.echo("none")?, posted(web.echo("none")?)] {
                    let seen = web.seen(&request).await?;
                    ensure(seen.body.is_empty(), "no body", format!("{} bytes", seen.body.len()))?;
                    ensure_eq("what announces one", &seen.values("transfer-encoding"), &Vec::<&str>::new())?;
                }
            }
        ),
        clause!(
            "http.execute.4",
            "A body from a source arrives byte for byte, and is opened anew for each execution.",
            |case| {
                let web = web(case);
                let opened = Arc::new(AtomicUsize::new(0));
                let bytes = origin::bytes(100_000);
                let (counted, made) = (opened.clone(), bytes.clone());
                let body = HttpBody::from_factory(Some(100_000), move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                    pieces(&made)
                });
                let request = posted(web.echo("source")?).with_body(body);
                for n in 1..=3 {
                    let seen = web.seen(&request).await?;
                    ensure(seen.body == bytes, "the bytes of the source", format!("{} others", seen.body.len()))?;
                    ensure_eq("how often it was opened", &opened.load(Ordering::Relaxed), &n)?;
                }
            }
        ),
        clause!("http.execute.5", "A body of a length that nobody knows arrives byte for byte.", |case: S| {
            let web = web(case);
            for length in [0, 1, 100_000] {
                let bytes = origin::bytes(length);
                let made = bytes.clone();
                let request = posted(web.echo("unknown")?).with_body(HttpBody::from_factory(None, move || pieces(&made)));
                let seen = web.seen(&request).await?;
                ensure(seen.body == bytes, format!("the {length} bytes"), format!("{} others", seen.body.len()))?;
            }
        })
        .capability(
            "streaming-upload",
            check!(|case| {
                refuses(case, "a body of unknown length", ErrorKind::Unsupported, |case, service| {
                    Box::pin(async move {
                        let web = super::Web::of(case, service);
                        let body = HttpBody::from_factory(None, || pieces(&Bytes::from_static(b"abc")));
                        web.send(&posted(web.echo("unknown")?).with_body(body)).await.map(drop)
                    })
                })
                .await?;
            }),
        ),
        clause!(
            "http.execute.6",
            "A body that fails while it is sent is an error with what the source said, and the server takes no half of it for the whole.",
            |case| {
                let web = web(case);
                let body = HttpBody::from_factory(None, || {
                    let half = Bytes::from_static(b"half");
                    ByteStream::new(stream::iter([Ok(half), Err(Error::invalid_argument("the disk is gone"))]))
                });
                // Whoever takes half for the whole answers 200.
                let request = posted(web.echo("half")?).with_body(body);
                let error = ensure_error("a body that fails", web.send(&request).await, ErrorKind::InvalidArgument)?;
                ensure_eq("what it says", &error.message(), &"the disk is gone")?;
                web.seen(&web.echo("after")?).await?;
            }
        )
        .of_provider(),
        clause!("http.execute.7", "An idempotency key travels as `Idempotency-Key`.", |case| {
            let web = web(case);
            let request = posted(web.echo("keyed")?).with_body("b");
            let seen = web.seen(&request.clone().with_idempotency_key("order-1")).await?;
            ensure_eq("the key", &seen.values("idempotency-key"), &vec!["order-1"])?;
            let seen = web.seen(&request).await?;
            ensure_eq("a key that nobody gave", &seen.values("idempotency-key"), &Vec::<&str>::new())?;
            let error = web.send(&request.with_idempotency_key("a\nb")).await;
            let error = ensure_error("a key with a line break", error, ErrorKind::InvalidArgument)?;
            ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
        }),
        clause!(
            "http.execute.8",
            "A URL without a host is one below the base that the transport was configured with.",
            |case: S| {
                let mut table = case.configuration()?;
                let Some(base) = table.get("base_url").and_then(|base| base.as_str()).map(str::to_owned) else {
                    return Err(crate::Finding::not_run("the configuration has no `base_url`"));
                };
                let below = format!("{}/echo/below/", base.trim_end_matches('/'));
                table.insert("base_url".to_owned(), below.into());
                let service = case.build(&table)?;
                let web = super::Web::of(case, &*service);
                let seen = web.seen(&HttpRequest::get("/a?b=c")?).await?;
                ensure_eq("where it went", &seen.target.as_str(), &"/echo/below/a?b=c")?;
                let mut absolute = HttpRequest::get("/x")?;
                absolute.url = HttpUrl::parse(&format!("{}/echo/absolute", base.trim_end_matches('/')))?;
                ensure_eq("where an absolute one went", &web.seen(&absolute).await?.target.as_str(), &"/echo/absolute")?;
            }
        )
        .of_provider()
        .needs_configuration(),
    ]
}

fn posted(mut request: HttpRequest) -> HttpRequest {
    request.method = Method::POST;
    request
}

/// In pieces of different sizes.
fn pieces(bytes: &Bytes) -> ByteStream {
    let (mut left, mut size) = (bytes.clone(), 1);
    let pieces = std::iter::from_fn(move || {
        size = (size * 3).min(20_000).min(left.len());
        (size > 0).then(|| Ok(left.split_to(size)))
    });
    ByteStream::new(stream::iter(pieces))
}
