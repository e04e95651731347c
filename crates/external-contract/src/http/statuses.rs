//! What a status is: an answer or an error, and which.

use std::time::{Duration, SystemTime};

use external_core::http::{HttpRefusal, Statuses};
use external_core::{Effect, ErrorKind, Retry};

use super::{S, web};
use crate::{Clause, Finding, clause, ensure, ensure_eq};

const TABLE: &[(&[u16], ErrorKind, Effect, Retry)] = &[
    (&[401, 407], ErrorKind::Unauthenticated, Effect::NotApplied, Retry::Never),
    (&[402], ErrorKind::QuotaExhausted, Effect::NotApplied, Retry::Never),
    (&[403, 451], ErrorKind::PermissionDenied, Effect::NotApplied, Retry::Never),
    (&[404, 410], ErrorKind::NotFound, Effect::NotApplied, Retry::Never),
    (&[408, 504], ErrorKind::Timeout, Effect::MaybeApplied, Retry::Backoff),
    (&[409, 412, 423], ErrorKind::Conflict, Effect::NotApplied, Retry::Never),
    (&[413], ErrorKind::PayloadTooLarge, Effect::NotApplied, Retry::Never),
    (&[425], ErrorKind::Unavailable, Effect::NotApplied, Retry::Backoff),
    (&[429], ErrorKind::RateLimited, Effect::NotApplied, Retry::Backoff),
    (
        &[400, 405, 406, 411, 414, 415, 416, 417, 418, 422, 431, 499, 501, 505],
        ErrorKind::InvalidArgument,
        Effect::NotApplied,
        Retry::Never,
    ),
    (&[500, 502, 503, 507, 520, 599], ErrorKind::Unavailable, Effect::MaybeApplied, Retry::Backoff),
];

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "http.status.1",
            "Each status from 400 has the kind, effect and retry advice of the table below, whatever the body.",
            |case| {
                let web = web(case);
                for (statuses, kind, effect, retry) in TABLE {
                    for (n, status) in statuses.iter().enumerate() {
                        let bodies: [&[(&str, &str)]; 4] = [
                            &[],
                            &[("say", "<html>no JSON</html>")],
                            &[("say", "{\"error\": \"x\"}"), ("header", "content-type:application/json")],
                            &[("say", "no gzip"), ("header", "content-encoding:gzip")],
                        ];
                        let text = status.to_string();
                        let script = [&[("status", text.as_str())], bodies[n % 4]].concat();
                        let seen = match web.send(&web.scripted(&script)?).await {
                            Err(error) => error,
                            Ok(answer) => return Err(Finding::failed(format!("{status} is an error"), format!("{answer:?}"))),
                        };
                        let what = (seen.kind(), seen.effect(), seen.retry(), seen.http_status());
                        ensure_eq(&format!("{status}"), &what, &(*kind, *effect, *retry, Some(*status)))
                            .map_err(|finding| finding.with_said(Some(&seen)))?;
                    }
                }
            }
        )
        .of_provider(),
        clause!(
            "http.status.2",
            "`Retry-After` is the retry advice, in seconds, as a date, or in milliseconds in one of the forms vendors use.",
            |case| {
                let web = web(case);
                let soon = http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_010));
                let date = http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000));
                let (by_date, dated) = (format!("retry-after:{soon}"), format!("date:{date}"));
                let cases: [(&[&str], Duration); 5] = [
                    (&["retry-after:7"], Duration::from_secs(7)),
                    (&[&by_date, &dated], Duration::from_secs(10)),
                    (&["retry-after-ms:250"], Duration::from_millis(250)),
                    (&["x-ms-retry-after-ms:1500", "retry-after:9"], Duration::from_millis(1500)),
                    (&["retry-after:0"], Duration::ZERO),
                ];
                for status in ["429", "503"] {
                    for (fields, wait) in cases {
                        let mut script = vec![("status", status)];
                        script.extend(fields.iter().map(|field| ("header", *field)));
                        let answer = web.send(&web.scripted(&script)?).await.map(drop);
                        let advice = answer.as_ref().copied().map_err(|error| error.retry());
                        ensure_eq(&format!("the advice of {fields:?}"), &advice, &Err(Retry::After(wait)))
                            .map_err(|finding| finding.with_said(answer.as_ref().err()))?;
                    }
                    let script = [("status", status), ("header", "retry-after:soon")];
                    let advice = web.send(&web.scripted(&script)?).await.map(drop).map_err(|error| error.retry());
                    ensure_eq("the advice of what cannot be read", &advice, &Err(Retry::Backoff))?;
                }
            }
        )
        .of_provider(),
        clause!(
            "http.status.3",
            "A request that takes any status as an answer gets it as one, with its body; one that takes final statuses gets every one that does not ask for another attempt.",
            |case| {
                let web = web(case);
                for status in [200, 304, 400, 401, 404, 408, 409, 422, 425, 429, 500, 501, 503, 504, 505] {
                    let text = status.to_string();
                    let said = if status == 304 { "" } else { "the reason" };
                    let request = web.scripted(&[("status", &text), ("say", said)])?;
                    let answer = web.send(&request.clone().with_statuses(Statuses::Any)).await?;
                    ensure_eq("the status", &answer.status.as_u16(), &status)?;
                    ensure_eq("the body", &answer.text().await?.as_str(), &said)?;
                    let asks_again = [408, 425, 429, 500, 503, 504].contains(&status);
                    let mut request = request.with_statuses(Statuses::Final);
                    request.repeat = Some(external_core::Repeat::Once);
                    if asks_again && case.is_about_client() {
                        continue;
                    }
                    match web.send(&request).await {
                        Ok(answer) => {
                            ensure(!asks_again, format!("{status} is an error"), "an answer")?;
                            ensure_eq("the body", &answer.text().await?.as_str(), &said)?;
                        }
                        Err(error) => ensure(asks_again, format!("{status} is an answer"), error.report())?,
                    }
                }
            }
        ),
        clause!(
            "http.status.4",
            "The error shows nothing of the body, nor of the request's URL and header fields.",
            |case| {
                let web = web(case);
                for status in ["400", "401", "404", "422"] {
                    let request = web
                        .scripted(&[("status", status), ("say", case.canary()), ("header", &format!("x-secret:{}", case.canary()))])?
                        .with_header("authorization", case.canary())?;
                    // Errors that clauses meet are searched for the canary.
                    let Err(error) = web.send(&request).await else {
                        return Err(Finding::failed(format!("{status} is an error"), "an answer"));
                    };
                    let told = format!("{error} {error:?} {}", error.report());
                    ensure(!told.contains(case.canary()), "an error without the canary", "it is there")?;
                    let encoded = request.url.query().unwrap_or_default();
                    ensure(!told.contains(encoded), "an error without the query", "it is there")?;
                }
            }
        ),
        clause!(
            "http.status.5",
            "Where the request asks for it the error keeps the header fields of the answer and the beginning of its body, and shows nothing of them.",
            |case| {
                let web = web(case);
                for status in ["400", "404", "422", "503"] {
                    let script = [("status", status), ("say", case.canary()), ("header", "x-code:17")];
                    let request = web.scripted(&script)?;
                    for (limit, kept) in [(0, None), (5, case.canary().get(..5)), (1000, Some(case.canary()))] {
                        let mut request = request.clone().with_refusal_limit(limit);
                        request.repeat = Some(external_core::Repeat::Once);
                        let Err(error) = web.send(&request).await else {
                            return Err(Finding::failed(format!("{status} is an error"), "an answer"));
                        };
                        let said = error.find_source::<HttpRefusal>();
                        ensure_eq("the body", &said.map(|said| &said.body[..]), &kept.map(str::as_bytes))
                            .map_err(|finding| finding.with_said(Some(&error)))?;
                        let code = said.map(|said| said.headers.get("x-code").map(|code| code.as_bytes()));
                        ensure_eq("a header field", &code, &kept.map(|_| Some(&b"17"[..])))?;
                        let told = format!("{error} {error:?} {}", error.report());
                        ensure(!told.contains(case.canary()), "an error without the canary", "it is there")?;
                    }
                }
            }
        ),
    ]
}

/// RFC 9110, 5.6.7: of a second in 2030, which is all that is needed here.
fn http_date(time: SystemTime) -> String {
    // 1 900 000 000 is Sun, 17 Mar 2030 17:46:40 GMT.
    let beyond = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() % 100);
    format!("Sun, 17 Mar 2030 17:46:{:02} GMT", 40 + beyond)
}
