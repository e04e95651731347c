//! Where a redirect leads, and with what: credentials and bodies stay with the host they were meant for.

use external_core::http::{HttpBody, HttpRequest, HttpResponse, HttpUrl};
use external_core::{Error, Repeat, Result};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, StatusCode};

use super::HttpSettings;

/// Header fields that may go to another host. Everything else could be a credential.
const HARMLESS: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-event-id",
    "range",
    "user-agent",
];

/// The request that follows an answer; `None` where the answer is none that leads elsewhere by itself: no redirect, or one
/// of a request that is not known to change nothing and would have to be sent again.
///
/// `url` is where the answered request went, with its host.
pub(super) fn next(
    request: &HttpRequest,
    url: &HttpUrl,
    answer: &HttpResponse,
    settings: &HttpSettings,
) -> Result<Option<HttpRequest>> {
    let changes_nothing = request.operation().repeat == Repeat::Safe;
    // RFC 9110, 15.4
    let becomes_get = match answer.status {
        StatusCode::SEE_OTHER => request.method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if changes_nothing => false,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
        _ => return Ok(None),
    };
    let Some(location) = answer.headers.get(LOCATION) else {
        return Ok(None);
    };
    let location = location.to_str().map_err(|_| refused("a redirect to something that is no URL"))?;
    let there = url
        .redirected(location)
        .map_err(|error| refused("a redirect to something that is no URL").with_source(error))?;
    if url.is_https() && !there.is_https() {
        return Err(refused("a redirect that would leave TLS").with_context("to", &there));
    }
    let mut next = request.clone();
    if becomes_get {
        next.method = Method::GET;
        next.repeat = None;
        next.idempotency_key = None;
        without_body(&mut next);
    }
    if !there.has_origin_of(url) {
        let host = there.host().unwrap_or_default();
        let is_known = url.host().as_ref() == Some(&host)
            || settings.redirect_hosts.iter().any(|known| known.eq_ignore_ascii_case(&host));
        if !is_known {
            return Err(refused("a redirect to a host that is not configured").with_context("to", &there));
        }
        if !next.body.is_empty() {
            return Err(
                refused("a redirect that would take the body to another place").with_context("to", &there)
            );
        }
        next.headers = harmless(&next.headers);
        next.idempotency_key = None;
    }
    next.url = there;
    Ok(Some(next))
}

/// More redirects than are configured, for one request.
pub(super) fn too_many(settings: &HttpSettings) -> Error {
    refused("more redirects than are configured").with_context("max_redirects", settings.max_redirects)
}

fn refused(why: &'static str) -> Error {
    Error::unexpected(why)
}

fn without_body(request: &mut HttpRequest) {
    request.body = HttpBody::empty();
    request.headers.remove(CONTENT_TYPE);
    request.headers.remove(CONTENT_LENGTH);
}

fn harmless(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| HARMLESS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use external_core::ByteStream;
    use http::header::HeaderValue;

    use super::*;
    use crate::{HttpClient, MemoryAnswer, MemoryHttp};

    fn followed(request: &HttpRequest, status: u16, location: &str) -> Result<Option<HttpRequest>> {
        let settings = HttpSettings::new().with_redirect_host("other.example");
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
        let status = StatusCode::from_u16(status).unwrap();
        let answer = HttpResponse::new(status, headers, ByteStream::from_bytes("".into()));
        next(request, &request.url, &answer, &settings)
    }

    fn get() -> HttpRequest {
        let get = HttpRequest::get("https://a.example/x").unwrap();
        let get = get.with_header("authorization", "Bearer t").unwrap();
        get.with_header("x-api-key", "k").unwrap().with_header("accept", "text/plain").unwrap()
    }

    fn post() -> HttpRequest {
        HttpRequest::post("https://a.example/x").unwrap().with_body("b").with_idempotency_key("k")
    }

    #[test]
    fn the_same_origin_gets_everything() {
        let next = followed(&get(), 302, "/y?z").unwrap().unwrap();
        assert_eq!((next.url.expose().as_str(), next.headers.len()), ("https://a.example/y?z", 3));
    }

    #[test]
    fn another_origin_gets_no_credentials() {
        for there in ["https://other.example/y", "https://OTHER.example:444/", "https://a.example:8443/"] {
            let next = followed(&get(), 307, there).unwrap().unwrap();
            assert_eq!(
                next.headers.keys().map(|name| name.as_str()).collect::<Vec<_>>(),
                ["accept"],
                "{there}"
            );
        }
    }

    #[test]
    fn events_go_on_elsewhere_where_they_ended() {
        let get = get().with_header("last-event-id", "7").unwrap();
        let next = followed(&get, 307, "https://other.example/y").unwrap().unwrap();
        let kept = next.headers.get("last-event-id").map(HeaderValue::as_bytes);
        assert_eq!((kept, next.headers.len()), (Some(&b"7"[..]), 2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_tells_where_redirects_led() {
        let double = MemoryHttp::new().with_fallback(|request| match request.url.path() {
            "/here" => MemoryAnswer::new(200),
            "/stays" => MemoryAnswer::new(304),
            _ => MemoryAnswer::new(302).with_header("location", "/here?x"),
        });
        let http = HttpClient::over(double).with_settings(HttpSettings::new().with_max_redirects(1)).unwrap();
        for (path, led) in
            [("/here", None), ("/stays", None), ("/moved", Some("https://memory.invalid/here?x"))]
        {
            let answer = http.get(path).await.unwrap();
            assert_eq!(answer.final_url().map(HttpUrl::exposed), led, "{path}");
        }
    }

    #[test]
    fn where_nobody_configured_it_does_not_lead() {
        for there in [
            "https://evil.example/",
            "https://other.example.evil.example/",
            "http://a.example/",
            "file:///etc",
        ] {
            let refused = followed(&get(), 302, there).unwrap_err();
            assert_eq!(refused.retry(), external_core::Retry::Never, "{there}");
        }
    }

    #[test]
    fn what_may_not_be_sent_again_is_not() {
        assert!(followed(&post(), 302, "/y").unwrap().is_none());
        assert!(followed(&get(), 304, "/y").unwrap().is_none());
        let seen = followed(&post(), 303, "/y").unwrap().unwrap();
        assert_eq!((&seen.method, seen.body.is_empty()), (&Method::GET, true));
        assert_eq!(seen.operation().repeat, Repeat::Safe);
        let moved = followed(&post(), 308, "/y").unwrap().unwrap();
        assert_eq!((&moved.method, moved.body.length()), (&Method::POST, Some(1)));
        assert!(followed(&post(), 308, "https://other.example/y").is_err());
    }
}
