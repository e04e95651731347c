//! What comes back: that it is what the server said.

use external_core::http::{Delivery, HttpRequest};
use external_core::{CallContext, Effect, Error, ErrorKind};
use futures_util::future::join_all;
use http::Method;

use super::origin::{self, TEXT};
use super::{S, web};
use crate::{Clause, clause, ensure, ensure_eq, ensure_error};

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("http.execute.9", "Status, header fields and body are those of the server.", |case| {
            let web = web(case);
            for status in ["200", "201", "203", "299", "304"] {
                let script = [
                    ("status", status),
                    ("header", "x-one:1"),
                    ("header", "x-many:b"),
                    ("header", "x-many:a"),
                ];
                let answer = web.send(&web.scripted(&script)?).await?;
                ensure_eq("the status", &answer.status.as_str(), &status)?;
                ensure_eq("a field", &answer.header("x-one"), &Some("1"))?;
                let many: Vec<_> =
                    answer.headers.get_all("x-many").iter().map(|value| value.as_bytes()).collect();
                ensure_eq("fields of one name", &many, &vec![&b"b"[..], b"a"])?;
            }
            let answer = web.send(&web.scripted(&[("say", "what was said")])?).await?;
            ensure_eq("the body", &answer.text().await?.as_str(), &"what was said")?;
        }),
        clause!(
            "http.execute.10",
            "A body of a thousand and of a million bytes comes whole, whether its length was told or not, and an empty one is empty.",
            |case| {
                let web = web(case);
                for length in [0, 1, 1000, 1_000_000] {
                    for query in ["", "?length=no"] {
                        let answer = web.send(&HttpRequest::get(&format!("/bytes/{length}{query}"))?).await?;
                        let body = answer.bytes().await?;
                        ensure(
                            body == origin::bytes(length),
                            format!("{length} bytes"),
                            format!("{} others", body.len()),
                        )?;
                    }
                }
            }
        ),
        clause!(
            "http.execute.11",
            "A body larger than the limit of the request is `PayloadTooLarge`; how far it goes on matters not.",
            |case| {
                let web = web(case);
                for query in ["", "?length=no"] {
                    for (length, fits) in [(1000, true), (1001, false), (5_000_000, false)] {
                        let request =
                            HttpRequest::get(&format!("/bytes/{length}{query}"))?.with_body_limit(1000);
                        let result = web.send(&request).await;
                        if fits {
                            result?;
                            continue;
                        }
                        let error =
                            ensure_error("a body beyond the limit", result, ErrorKind::PayloadTooLarge)?;
                        ensure_eq(
                            "its effect: the server has answered",
                            &error.effect(),
                            &Effect::MaybeApplied,
                        )?;
                    }
                }
            }
        ),
        clause!(
            "http.execute.12",
            "A streamed body comes in order, and its limit holds for it too.",
            |case| {
                let web = web(case);
                let request = HttpRequest::get("/bytes/1000000")?;
                let mut body = web.send(&request.clone().streamed()).await?.body;
                let (mut read, mut pieces) = (Vec::new(), 0);
                while let Some(piece) = body.next_chunk().await? {
                    read.extend_from_slice(&piece);
                    pieces += 1;
                }
                ensure(
                    read == origin::bytes(1_000_000),
                    "a million bytes in order",
                    format!("{} bytes", read.len()),
                )?;
                ensure(pieces > 1, "more than one piece", pieces.to_string())?;
                let mut limited = HttpRequest::get("/bytes/1000000?length=no")?;
                limited.delivery = Delivery::Streamed { limit: 100_000 };
                let mut body = web.send(&limited).await?.body;
                let mut read = 0;
                let end = loop {
                    match body.next_chunk().await {
                        Ok(Some(piece)) => read += piece.len(),
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                };
                ensure_error("a streamed body beyond the limit", end, ErrorKind::PayloadTooLarge)?;
                ensure(read <= 100_000, "no more than the limit", format!("{read} bytes"))?;
            }
        ),
        clause!(
            "http.execute.13",
            "A streamed body that is dropped halfway leaves the transport fit for the next exchange.",
            |case| {
                let web = web(case);
                for n in 0..20 {
                    let mut body = web.send(&HttpRequest::get("/bytes/3000000")?.streamed()).await?.body;
                    body.next_chunk().await?;
                    drop(body);
                    let seen = web.seen(&web.echo(&format!("next-{n}"))?).await?;
                    ensure(
                        seen.target.ends_with(&format!("next-{n}")),
                        "the answer to the next request",
                        seen.target,
                    )?;
                }
            }
        ),
        clause!(
            "http.execute.14",
            "The answer to `HEAD` has the header fields of `GET` and no body.",
            |case| {
                let web = web(case);
                let mut request = HttpRequest::get("/bytes/50000")?.with_body_limit(10);
                request.method = Method::HEAD;
                for _ in 0..2 {
                    let answer = web.send(&request).await?;
                    ensure_eq("a field", &answer.header("x-kind"), &Some("bytes"))?;
                    ensure_eq("the length of the body", &answer.bytes().await?.len(), &0)?;
                }
            }
        ),
        clause!(
            "http.execute.15",
            "Answers do not mix: each of many exchanges side by side gets its own.",
            |case: S| {
                let service = case.shared_service();
                let calls = (0..64).map(|n| {
                    let (service, path) =
                        (service.clone(), format!("/echo/{}", case.name(&format!("side-{n}-end"))));
                    async move {
                        let request = HttpRequest::get(&path)?;
                        let answer = service.execute(&CallContext::default(), &request).await?;
                        let seen = super::Seen::read(&answer.bytes().await?)?;
                        Ok::<_, Error>((path, seen.target))
                    }
                });
                for call in join_all(calls).await {
                    let (asked, answered) = call?;
                    ensure_eq("what was answered", &answered, &asked)?;
                }
            }
        ),
        clause!(
            "http.execute.16",
            "What the server compressed by gzip comes as it was before, without `Content-Encoding`, and no further than the limit: a bomb is `PayloadTooLarge`.",
            |case| {
                let web = web(case);
                let answer = web.send(&web.scripted(&[("gzip", "text")])?).await?;
                ensure_eq("what says that it is compressed", &answer.header("content-encoding"), &None)?;
                ensure_eq("the body", &answer.text().await?.as_str(), &TEXT)?;
                let bomb = web.scripted(&[("gzip", "bomb")])?;
                ensure_error(
                    "a bomb",
                    web.send(&bomb.clone().with_body_limit(1 << 20)).await,
                    ErrorKind::PayloadTooLarge,
                )?;
                let whole = web.send(&bomb.with_body_limit(8 << 20)).await?.bytes().await?;
                ensure_eq("the length of what fits", &whole.len(), &(8 << 20))?;
                let broken = web.scripted(&[("header", "content-encoding:gzip"), ("say", "<html>")])?;
                ensure_error(
                    "what only claims to be compressed",
                    web.send(&broken).await,
                    ErrorKind::Corrupt,
                )?;
                // Whoever asks for an encoding reads it.
                let asked = web.scripted(&[("gzip", "text")])?.with_header("accept-encoding", "gzip")?;
                let answer = web.send(&asked).await?;
                ensure_eq(
                    "what says that it is compressed",
                    &answer.header("content-encoding"),
                    &Some("gzip"),
                )?;
                ensure(
                    answer.bytes().await?.starts_with(&[0x1f, 0x8b]),
                    "the bytes of the server",
                    "others",
                )?;
            }
        ),
        clause!(
            "http.execute.17",
            "The id that the server gave the request is told, in answers and in errors.",
            |case| {
                let web = web(case);
                for field in ["x-request-id:id-1", "x-amzn-requestid:id-1", "request-id:id-1"] {
                    let answer = web.send(&web.scripted(&[("header", field)])?).await?;
                    ensure_eq("the id", &answer.request_id.as_deref(), &Some("id-1"))?;
                    let refused = web.send(&web.scripted(&[("status", "404"), ("header", field)])?).await;
                    let error = ensure_error("a refusal", refused, ErrorKind::NotFound)?;
                    ensure_eq("the id", &error.request_id(), &Some("id-1"))?;
                }
            }
        ),
        clause!("http.execute.18", "A redirect is an answer: it is not followed.", |case| {
            let web = web(case);
            for status in ["301", "302", "303", "307", "308"] {
                let script = [("status", status), ("header", "location:/echo/elsewhere")];
                let answer = web.send(&web.scripted(&script)?).await?;
                ensure_eq("the status", &answer.status.as_str(), &status)?;
                ensure_eq("where it leads", &answer.header("location"), &Some("/echo/elsewhere"))?;
            }
        }),
    ]
}
