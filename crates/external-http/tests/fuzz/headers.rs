//! Header fields of answers: how long to wait, which request it was, where to go instead.

use std::time::{Duration, UNIX_EPOCH};

use external_contract::fuzz::Fuzz;
use external_http::{
    HttpClient, HttpRequest, HttpSettings, HttpUrl, MemoryAnswer, MemoryHttp, request_id, retry_after,
};

use super::{fields, run};

#[test]
fn how_long_to_wait() {
    let words = [
        "retry-after:",
        "retry-after-ms:",
        "x-ms-retry-after-ms:",
        "date:",
        "\n",
        "0",
        "7",
        "99999999999999999999",
        ".",
        "-",
        "e",
        "ms",
        " ",
        "inf",
        "NaN",
        "Sun, 06 Nov 1994 08:49:47 GMT",
        "Sunday, 06-Nov-94 08:49:47 GMT",
        "Sun Nov  6 08:49:47 1994",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Feb",
        "29",
    ];
    let names = ["retry-after", "retry-after-ms", "x-ms-retry-after-ms", "x-retry-after-ms", "date"];
    let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
    Fuzz::of("how long to wait")
        .with_words(&words)
        .with_example("date: Sun, 06 Nov 1994 08:49:37 GMT\nretry-after: Sun, 06 Nov 1994 08:49:47 GMT")
        .with_example("retry-after: 120\nretry-after-ms: 250")
        .with_cases(20_000)
        .run(|input| {
            let headers = fields(input, &names);
            if let Some(wait) = retry_after(&headers, now) {
                assert!(wait <= Duration::from_secs(365 * 24 * 3600));
                assert!(names[..4].iter().any(|name| headers.contains_key(*name)), "nobody said so");
            }
        });
}

#[test]
fn which_request_it_was() {
    let words = ["x-request-id:", "request-id:", "cf-ray:", "\n", "\t", " ", "é", "a1b2", "{}", "\u{7f}"];
    let long = format!("x-request-id: {}\ncf-ray: 7", "a".repeat(129));
    Fuzz::of("which request it was")
        .with_words(&words)
        .with_example("x-request-id: two words\nrequest-id: r-7")
        .with_example(long)
        .run(|input| {
            let headers = fields(input, &["server", "x-request-id", "request-id", "cf-ray"]);
            if let Some(id) = request_id(&headers) {
                assert!(!id.is_empty() && id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic()));
                let told = |value: &http::HeaderValue| value.as_bytes().trim_ascii() == id.as_bytes();
                assert!(headers.iter().any(|(name, value)| name != "server" && told(value)));
            }
        });
}

#[test]
fn where_to_go_instead() {
    let words = [
        "http:",
        "https:",
        "//",
        "/",
        "\\",
        "?",
        "#",
        "@",
        ":",
        "..",
        "%2e",
        "%2F",
        "a.example",
        "other.example",
        "evil.example",
        "[::1]",
        ":443",
        ":80",
        "javascript:",
        "file:",
        "\t",
        " ",
        "é",
        "x=1",
        "?key=s3cret",
    ];
    let settings = HttpSettings::new().with_max_redirects(1).with_redirect_host("other.example");
    Fuzz::of("where to go instead")
        .with_words(&words)
        .with_example("https://other.example/a?b#c")
        .with_example("//a.example:443/../x")
        .with_example("https://a.example@evil.example/")
        .with_example("https://evil.example\\@a.example/")
        .with_example("https:a.example/x")
        .with_example("https://other.examplkey=s3cret/a?b#c")
        .with_example("https://o:ther.examplkey=s3cret/a?b#c")
        .with_cases(10_000)
        .run(|input| {
            let Ok(location) = http::HeaderValue::from_bytes(input) else { return };
            let location = location.to_str().map_or_else(|_| String::new(), str::to_owned);
            let to = location.clone();
            let double = MemoryHttp::new().with_fallback(move |request| match request.url.path() {
                "/asked" => MemoryAnswer::new(302).with_header("location", &to),
                _ => MemoryAnswer::new(200),
            });
            let http = HttpClient::over(double).with_settings(settings.clone()).unwrap();
            let request = HttpRequest::get("https://a.example/asked").unwrap();
            let request = request.with_header("authorization", "Bearer s3cret").unwrap();
            // Where it leads is told by host and port alone.
            if let Err(error) = run(http.send(&request)) {
                assert!(
                    !error.report().contains("key=") && !error.report().contains("Bearer"),
                    "{}",
                    error.report()
                );
            }
            let origin = HttpUrl::parse("https://a.example/").unwrap();
            for asked in http.provider::<MemoryHttp>().unwrap().received() {
                let host = asked.url.host().unwrap();
                assert!(
                    asked.url.is_https() && ["a.example", "other.example"].contains(&host.as_str()),
                    "{host}"
                );
                let is_home = asked.url.has_origin_of(&origin);
                assert_eq!(
                    asked.headers.contains_key("authorization"),
                    is_home,
                    "who is told the credentials"
                );
            }
        });
}
