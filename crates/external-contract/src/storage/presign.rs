//! What links promise. They are opened over plain TCP, by nothing of ours.

use std::time::Duration;

use external_core::storage::{PresignMethod, PresignRequest, PresignedUrl};
use external_core::{ErrorKind, Result};
use tokio::time::Instant;

use super::S;
use super::http::{LinkAnswer, open_link};
use super::store::{Store, pattern};
use crate::{Case, Clause, Finding, Verdict, check, clause, ensure, ensure_eq, ensure_error, refuses};

async fn link(
    case: &Case<S>,
    request: &PresignRequest,
) -> std::result::Result<Result<PresignedUrl>, Finding> {
    let facet = case
        .service()
        .presigner()
        .ok_or_else(|| Finding::failed("the facet `presigner`, which is declared", "no facet"))?;
    Ok(facet.presign(&case.cx(), request).await)
}

async fn follow(
    case: &Case<S>,
    link: &PresignedUrl,
    body: &[u8],
) -> std::result::Result<LinkAnswer, Finding> {
    open_link(case, link.method.as_str(), &link.url, &link.headers, body).await
}

fn read(case: &Case<S>, name: &str) -> Result<PresignRequest> {
    Ok(PresignRequest::get(Store::of(case).key(name)?))
}

fn write(case: &Case<S>, name: &str) -> Result<PresignRequest> {
    Ok(PresignRequest::put(Store::of(case).key(name)?))
}

fn is_refused(what: &str, answer: &LinkAnswer) -> Verdict {
    let refused = (400..500).contains(&answer.status);
    ensure(refused, format!("{what} is refused"), format!("HTTP {}", answer.status))
}

fn is_fine(what: &str, answer: &LinkAnswer) -> Verdict {
    let fine = (200..300).contains(&answer.status);
    let body: String = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
    ensure(fine, format!("{what} works"), format!("HTTP {} {body}", answer.status))
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.presign.1",
            "A `Get` link answers the object's bytes with its content type; an object that is not there is HTTP 404.",
            |case: S| {
                let store = Store::of(case);
                let body = pattern(200_000, 5);
                store.send(&store.put_request("k", body.clone())?.with_content_type("image/x-test")).await?;
                let url = link(case, &read(case, "k")?).await??;
                ensure_eq("the method", &url.method, &PresignMethod::Get)?;
                let lives = url.expires_at.duration_since(case.now()).unwrap_or_default();
                let hour = (3500..=3700).contains(&lives.as_secs());
                ensure(hour, "an hour to live", format!("{lives:?}"))?;
                for _ in 0..2 {
                    let answer = follow(case, &url, b"").await?;
                    is_fine("the link", &answer)?;
                    ensure(answer.body == body, "the bytes", format!("{} other bytes", answer.body.len()))?;
                    ensure_eq("the content type", &answer.header("content-type"), &Some("image/x-test"))?;
                }
                let nothing = follow(case, &link(case, &read(case, "never")?).await??, b"").await?;
                ensure_eq("the status for what is not there", &nothing.status, &404)?;
            }
        )
        .capability("presign-get", check!(|case| { refuses_link(case, PresignMethod::Get).await?; })),
        clause!("storage.presign.2", "A `Put` link stores the request body at the key.", |case: S| {
            let store = Store::of(case);
            let url = link(case, &write(case, "k")?).await??;
            let body = pattern(100_000, 6);
            is_fine("the link", &follow(case, &url, &body).await?)?;
            store.holds("k", &body).await?;
        })
        .capability("presign-put", check!(|case| { refuses_link(case, PresignMethod::Put).await?; })),
        clause!(
            "storage.presign.3",
            "A `Put` link with a content type refuses an upload that states another one, and stores it with that type.",
            |case: S| {
                let store = Store::of(case);
                let url = link(case, &write(case, "k")?.with_content_type("image/png")).await??;
                let stated = url.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
                ensure_eq("the type to send", &stated.map(|(_, value)| value.as_str()), &Some("image/png"))?;
                let other = [("content-type".to_owned(), "text/html".to_owned())];
                let answer = open_link(case, "PUT", &url.url, &other, b"<script>").await?;
                is_refused("an upload with another type", &answer)?;
                let none = open_link(case, "PUT", &url.url, &[], b"<script>").await?;
                is_refused("an upload without a type", &none)?;
                store.lacks("k").await?;
                is_fine("the link", &follow(case, &url, b"png").await?)?;
                store.holds("k", b"png").await?;
                let headers = store.head("k").await?.headers;
                ensure_eq("the type stored", &headers.content_type.as_deref(), &Some("image/png"))?;
            }
        )
        .capability("presign-put", check!(|case| { refuses_link(case, PresignMethod::Put).await?; })),
        clause!(
            "storage.presign.4",
            "A link opened with another method, for another key, or with any part of its query changed is refused.",
            |case: S| {
                let store = Store::of(case);
                store.put("k1", "one").await?;
                store.put("k2", "two").await?;
                let url = link(case, &read(case, "k1")?).await??;
                for method in ["PUT", "DELETE", "POST"] {
                    is_refused(method, &open_link(case, method, &url.url, &url.headers, b"evil").await?)?;
                }
                for (what, changed) in tampered(&url.url) {
                    is_refused(&what, &open_link(case, "GET", &changed, &url.headers, b"").await?)?;
                }
                store.holds("k1", b"one").await?;
                store.holds("k2", b"two").await?;
            }
        )
        .capability("presign-get", check!(|case| { refuses_link(case, PresignMethod::Get).await?; })),
        clause!("storage.presign.5", "A link stops working once it has expired.", |case: S| {
            Store::of(case).put("k", "x").await?;
            let request = read(case, "k")?.with_expires_in(Duration::from_secs(2));
            let began = Instant::now();
            let url = link(case, &request).await??;
            let fresh = follow(case, &url, b"").await?;
            // It is signed with a time of whole seconds, so that one of the two may be over at once.
            if began.elapsed() < Duration::from_secs(1) {
                is_fine("the link", &fresh)?;
            }
            tokio::time::sleep(Duration::from_millis(3500)).await;
            is_refused("the expired link", &follow(case, &url, b"").await?)?;
        })
        .capability("presign-get", check!(|case| { refuses_link(case, PresignMethod::Get).await?; })),
        clause!(
            "storage.presign.6",
            "A lifetime below one second or above `presign-seconds-max` is `InvalidArgument`.",
            |case: S| {
                for short in [Duration::ZERO, Duration::from_millis(999)] {
                    let result = link(case, &read(case, "k")?.with_expires_in(short)).await?;
                    ensure_error(&format!("a lifetime of {short:?}"), result, ErrorKind::InvalidArgument)?;
                }
                if let Some(most) = case.service().info().capabilities().get_limit("presign-seconds-max") {
                    let most = Duration::from_secs(most);
                    link(case, &read(case, "k")?.with_expires_in(most)).await??;
                    let more = most.saturating_add(Duration::from_secs(1));
                    let result = link(case, &read(case, "k")?.with_expires_in(more)).await?;
                    ensure_error("a longer lifetime", result, ErrorKind::InvalidArgument)?;
                }
            }
        )
        .capability("presign-get", check!(|case| { refuses_link(case, PresignMethod::Get).await?; })),
        clause!("storage.presign.7", "Every key that parses has a link that works.", |case: S| {
            let store = Store::of(case);
            for name in ["plain", "with space", "a+b", "100%", "%2F", "a&b=c?d#e", "ключ/鍵", "semi;colon", "~!*'()", "q\"<>\\^`{|}"] {
                store.put(name, format!("body of {name}")).await?;
                let answer = follow(case, &link(case, &read(case, name)?).await??, b"").await?;
                is_fine(&format!("the link to `{name}`"), &answer)?;
                ensure_eq(&format!("the body of `{name}`"), &answer.body, format!("body of {name}").as_bytes())?;
            }
        })
        .capability("presign-get", check!(|case| { refuses_link(case, PresignMethod::Get).await?; })),
    ]
}

/// The link with one thing changed, for each thing that could be.
fn tampered(url: &str) -> Vec<(String, String)> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut changed = vec![("another key".to_owned(), format!("{}?{query}", path.replacen("k1", "k2", 1)))];
    changed.push(("no query".to_owned(), path.to_owned()));
    let pairs: Vec<_> = query.split('&').collect();
    for (index, pair) in pairs.iter().enumerate() {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A digit more makes an expiry later, and any text another one.
        let mut others = pairs.clone();
        let longer = format!("{name}={value}0");
        others[index] = &longer;
        changed.push((format!("a changed `{name}`"), format!("{path}?{}", others.join("&"))));
        let mut without = pairs.clone();
        without.remove(index);
        changed.push((format!("no `{name}`"), format!("{path}?{}", without.join("&"))));
    }
    changed
}

/// No facet, or one that refuses this method.
async fn refuses_link(case: &Case<S>, method: PresignMethod) -> Verdict {
    if case.service().presigner().is_none() {
        return Ok(());
    }
    let attempt: crate::Attempt<S> = match method {
        PresignMethod::Get => |case, service| Box::pin(sign(case, service, PresignRequest::get)),
        _ => |case, service| Box::pin(sign(case, service, PresignRequest::put)),
    };
    refuses(case, "a link", ErrorKind::Unsupported, attempt).await
}

async fn sign(
    case: &Case<S>,
    service: &S,
    request: fn(external_core::storage::ObjectKey) -> PresignRequest,
) -> Result<()> {
    let Some(facet) = service.presigner() else {
        return Err(external_core::Error::unsupported("presign"));
    };
    facet.presign(&case.cx(), &request(Store::on(case, service).key("k")?)).await.map(drop)
}
