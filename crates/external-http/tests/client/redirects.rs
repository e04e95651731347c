//! Redirects: followed as configured, and never with credentials to another place.

use external_contract::{Case, Clause, clause, ensure, ensure_eq, ensure_error};
use external_http::{Effect, ErrorKind, HttpClient, HttpRequest, HttpSettings, HttpTransport, Policy};

use super::S;

pub(crate) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "http.redirect.1",
            "A redirect is followed as often as configured, with method, fields and body.",
            |case| {
                let http = following(case, 3)?;
                let request = HttpRequest::get(&leads_to(&leads_to("/echo/end")))?
                    .with_header("authorization", "Bearer t0ken")?;
                let seen = http.send(&request).await?.text().await?;
                ensure(
                    seen.contains("/echo/end") && seen.contains("Bearer t0ken"),
                    "the end, with all fields",
                    seen,
                )?;
                let request = HttpRequest::put(&with_status(308, "/echo/moved"))?.with_body("abc");
                let seen = http.send(&request).await?.text().await?;
                ensure(seen.contains("\"PUT\"") && seen.contains("YWJj"), "the same method and body", seen)?;
            }
        )
        .of_provider(),
        clause!("http.redirect.2", "One redirect too many is an error, and a loop ends there.", |case| {
            let mut url = "/echo/end".to_owned();
            for _ in 0..4 {
                url = leads_to(&url);
            }
            following(case, 4)?.get(&url).await?;
            let error =
                ensure_error("a fifth redirect", following(case, 3)?.get(&url).await, ErrorKind::Unexpected)?;
            ensure_eq("what is configured", &error.context_value("max_redirects"), &Some("3"))?;
            // It leads to itself: relative to where it is.
            let looping = "/answer/loop?status=302&header=location%3A%3Fstatus%3D302";
            following(case, 5)?.get(looping).await?;
        })
        .of_provider(),
        clause!(
            "http.redirect.3",
            "A redirect to a host that nobody configured is an error, and that host hears nothing.",
            |case| {
                for there in ["http://elsewhere.invalid/", "http://10.0.0.1/", "ftp://elsewhere.invalid/"] {
                    let refused = following(case, 3)?.get(&leads_to(there)).await;
                    let error = ensure_error("a redirect to elsewhere", refused, ErrorKind::Unexpected)?;
                    ensure(
                        error.report().contains("redirect"),
                        "an error that tells of the redirect",
                        error.report(),
                    )?;
                }
            }
        )
        .of_provider(),
        clause!(
            "http.redirect.4",
            "A `POST` is not sent again because of a 302; 303 is followed by `GET`, without the body.",
            |case| {
                let http = following(case, 3)?;
                let post = HttpRequest::post(&leads_to("/echo/end"))?.with_body("abc");
                ensure_eq("the status", &http.send(&post).await?.status.as_u16(), &302)?;
                let post = HttpRequest::post(&with_status(303, "/echo/end"))?
                    .with_body("abc")
                    .with_idempotency_key("k");
                let seen = http.send(&post).await?.text().await?;
                ensure(
                    seen.contains("\"GET\"") && !seen.contains("YWJj") && !seen.contains("idempotency-key"),
                    "a `GET` without body and key",
                    seen,
                )?;
            }
        )
        .of_provider(),
        clause!(
            "http.redirect.6",
            "What a `POST` did is done, also when the place that tells of it cannot be asked.",
            |case| {
                let post = HttpRequest::post(&with_status(303, "/answer/look?status=503"))?.with_body("abc");
                let error =
                    ensure_error("the look", following(case, 3)?.send(&post).await, ErrorKind::Unavailable)?;
                ensure_eq("the effect", &error.effect(), &Effect::MaybeApplied)?;
                let post = HttpRequest::post(&with_status(303, "/answer/look?status=404"))?.with_body("abc");
                let error =
                    ensure_error("the look", following(case, 3)?.send(&post).await, ErrorKind::NotFound)?;
                ensure_eq("the effect", &error.effect(), &Effect::MaybeApplied)?;
            }
        )
        .of_provider(),
        clause!("http.redirect.5", "Without configuration no redirect is followed.", |case| {
            let answer = HttpClient::from(case.bare()?).get(&leads_to("/echo/end")).await?;
            ensure_eq("the status", &answer.status.as_u16(), &302)?;
        })
        .of_provider(),
    ]
}

fn following(case: &Case<S>, redirects: u8) -> external_http::Result<HttpClient> {
    let service: std::sync::Arc<dyn HttpTransport> = case.shared_service();
    let settings = HttpSettings::new().with_max_redirects(redirects);
    HttpClient::from(service).with_policy(Policy::off()).with_settings(settings)
}

fn leads_to(url: &str) -> String {
    with_status(302, url)
}

fn with_status(status: u16, url: &str) -> String {
    let start = external_http::HttpUrl::parse("/answer/redirect").unwrap();
    let start = start.with_query("status", &status.to_string());
    start.with_query("header", &format!("location:{url}")).target().to_owned()
}
