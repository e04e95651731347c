//! Refusals, and answers that are none.

use std::sync::{Arc, Mutex};

use external_api::rest::{Endpoint, RestClient, RestError, RestRequest};
use external_api::{Effect, Error, ErrorKind, HttpClient};
use external_http::external_resilience::CallRecord;
use external_http::{BuildContext, CallObserver, HttpSettings, Policy, ReqwestConfig, Retry};
use external_simulator::HttpAnswer;
use serde::Deserialize;
use serde_json::Value;

use super::origin::{both, json};

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "what is read tells nothing here")]
struct User {
    id: u32,
    tags: Vec<String>,
}

struct GetUser;

const TEMPLATE: &str = "/users/7";

impl Endpoint for GetUser {
    const NAME: &'static str = "get_user";
    type Answer = User;

    fn request(&self) -> RestRequest {
        RestRequest::get(TEMPLATE)
    }
}

/// An answer as it would be read: if it were one.
const USER: &str = r#"{"id": 7, "tags": []}"#;

#[tokio::test]
async fn the_status_comes_before_the_body() {
    for (status, kind) in [
        (400, ErrorKind::InvalidArgument),
        (401, ErrorKind::Unauthenticated),
        (403, ErrorKind::PermissionDenied),
        (404, ErrorKind::NotFound),
        (409, ErrorKind::Conflict),
        (412, ErrorKind::Conflict),
        (422, ErrorKind::InvalidArgument),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Unavailable),
        (504, ErrorKind::Timeout),
    ] {
        for origin in both(move |_, _| json(status, USER)).await {
            let error = origin.rest.call(&GetUser).await.unwrap_err();
            assert_eq!((error.kind(), error.http_status()), (kind, Some(status)));
            assert_eq!(error.context_value("endpoint"), Some("get_user"));
            assert_eq!(RestError::of(&error).unwrap().body(), USER, "{status}");
        }
    }
}

#[tokio::test]
async fn a_problem_is_told_whatever_the_status() {
    const PROBLEM: &str =
        r#"{"type": "https://example.org/busy", "title": "Busy", "detail": "s3cret", "queue": 9}"#;
    for status in [404, 422, 429, 503] {
        let says = move |_: &_, _| {
            let answer = HttpAnswer::new(status).with_header("content-type", "application/problem+json");
            answer.with_header("x-request-id", "r-1").with_body(PROBLEM)
        };
        for origin in both(says).await {
            let error = origin.rest.fetch::<Value>(&RestRequest::post("/jobs")).await.unwrap_err();
            let said = RestError::of(&error).unwrap();
            let problem = said.problem().unwrap();
            assert_eq!((problem.title.as_deref(), problem.detail.as_deref()), (Some("Busy"), Some("s3cret")));
            assert_eq!((&problem.extensions["queue"], error.request_id()), (&Value::from(9), Some("r-1")));
            assert_eq!(error.vendor_code(), Some("https://example.org/busy"));
            assert!(!format!("{error} {error:?} {}", error.report()).contains("s3cret"));
        }
    }
}

#[tokio::test]
async fn a_refusal_in_a_form_of_its_own_is_readable() {
    for origin in both(|_, _| json(422, r#"{"code": "E17", "fields": ["name"]}"#)).await {
        let error = origin.rest.call(&GetUser).await.unwrap_err();
        let own: Value = RestError::of(&error).unwrap().json().unwrap();
        assert_eq!(own["code"], "E17");
    }
}

#[tokio::test]
async fn a_huge_refusal_is_kept_in_part() {
    for origin in both(|_, _| HttpAnswer::new(400).with_body(vec![b'x'; 10_000_000])).await {
        let error = origin.rest.call(&GetUser).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(RestError::of(&error).unwrap().body().len(), 64 << 10);
    }
}

/// An answer that is none: its status, content type and body, and the kind of error and where.
type Bad = (u16, &'static str, &'static [u8], ErrorKind, Option<&'static str>);

const BAD: &[Bad] = &[
    (200, "text/html", b"<html>down for maintenance</html>", ErrorKind::Corrupt, None),
    (200, "text/html; charset=utf-8", USER.as_bytes(), ErrorKind::Corrupt, None),
    (200, "application/octet-stream", USER.as_bytes(), ErrorKind::Corrupt, None),
    (200, "application/json", b"<html>", ErrorKind::Corrupt, None),
    (200, "application/json", b"", ErrorKind::Corrupt, None),
    (200, "application/json", b"{\"id\": 7, \"tags\": [\"a", ErrorKind::Corrupt, Some("tags[0]")),
    (200, "application/json", b"{\"id\": 7, \"tags\": [\"\xFF\xFE\"]}", ErrorKind::Corrupt, Some("tags[0]")),
    (200, "application/json", b"\xFF\xFE{\0}\0", ErrorKind::Corrupt, None),
    (200, "application/json", b"{\"id\": \"seven\", \"tags\": []}", ErrorKind::Corrupt, Some("id")),
    (200, "application/json", b"{\"id\": -1, \"tags\": []}", ErrorKind::Corrupt, Some("id")),
    (200, "application/json", b"{\"id\": 7, \"tags\": [null]}", ErrorKind::Corrupt, Some("tags[0]")),
    (200, "application/json", b"{\"id\": 7, \"tags\": []}{}", ErrorKind::Corrupt, None),
    (200, "application/json", b"{\"id\": 7}", ErrorKind::Corrupt, None),
    (200, "application/json", b"{\"id\": 7, \"id\": 8, \"tags\": []}", ErrorKind::Corrupt, None),
    (302, "application/json", USER.as_bytes(), ErrorKind::Unexpected, None),
    (304, "application/json", b"", ErrorKind::Unexpected, None),
    (399, "application/json", USER.as_bytes(), ErrorKind::Unexpected, None),
];

#[tokio::test]
async fn what_is_no_answer_is_an_error_that_shows_nothing_of_it() {
    for (status, content_type, body, kind, path) in BAD {
        let says = move |_: &_, _| {
            HttpAnswer::new(*status).with_header("content-type", content_type).with_body(*body)
        };
        for origin in both(says).await {
            let error = origin.rest.call(&GetUser).await.unwrap_err();
            let text = String::from_utf8_lossy(body);
            assert_eq!((error.kind(), error.http_status()), (*kind, Some(*status)), "{text}");
            assert_eq!(error.effect(), Effect::MaybeApplied, "{text}");
            if path.is_some() {
                assert_eq!(error.context_value("path"), *path, "{text}");
            }
            assert!(
                !error.report().contains("seven") && !error.report().contains("maintenance"),
                "{error:?}"
            );
            // What was answered is not asked again.
            assert_eq!(origin.asked().len(), 1, "{text}");
        }
    }
}

#[tokio::test]
async fn what_says_that_it_is_json_or_nothing_is_read() {
    for content_type in
        ["application/json; charset=utf-8", "application/vnd.api+json", "APPLICATION/JSON", ""]
    {
        let says = move |_: &_, _| match content_type {
            "" => HttpAnswer::new(200).with_body(USER),
            told => HttpAnswer::new(200).with_header("content-type", told).with_body(USER),
        };
        for origin in both(says).await {
            origin.rest.call(&GetUser).await.unwrap();
        }
    }
}

#[tokio::test]
async fn depth_and_size_are_bounded() {
    for origin in both(|_, _| json(200, "[".repeat(3_000_000))).await {
        let error = origin.rest.fetch::<Value>(&RestRequest::get("/")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        let error =
            origin.rest.fetch::<Value>(&RestRequest::get("/").with_body_limit(1000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
    }
}

#[tokio::test]
async fn a_loop_of_redirects_ends() {
    for origin in both(|_, _| HttpAnswer::new(302).with_header("location", "/users/7?again")).await {
        let following = HttpSettings::new().with_max_redirects(5);
        let http = origin.rest.http().clone().with_settings(following).unwrap();
        let error = RestClient::over(http).call(&GetUser).await.unwrap_err();
        assert_eq!((error.kind(), origin.asked().len()), (ErrorKind::Unexpected, 6));
    }
}

#[tokio::test]
async fn lengths_that_are_wrong_are_errors() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for (said, kinds) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"id\": 7"[..], &[ErrorKind::Unavailable][..]),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n{}", &[ErrorKind::Corrupt, ErrorKind::Unavailable]),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"id",
            &[ErrorKind::Corrupt, ErrorKind::Unavailable],
        ),
        // Shorter than what follows: the rest is not the answer's.
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{\"id\": 7, \"tags\": []}", &[ErrorKind::Corrupt]),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let answering = tokio::spawn(async move {
            loop {
                let (mut peer, _) = listener.accept().await.unwrap();
                let _ = peer.read(&mut [0; 4096]).await;
                let _ = peer.write_all(said).await;
            }
        });
        let transport = ReqwestConfig::new().with_base_url(base).build(&BuildContext::default()).unwrap();
        let rest = RestClient::over(HttpClient::over(transport).with_policy(Policy::off()));
        let error = rest.call(&GetUser).await.unwrap_err();
        assert!(kinds.contains(&error.kind()), "{}: {}", String::from_utf8_lossy(said), error.report());
        answering.abort();
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<(String, Option<&'static str>)>>);

impl CallObserver for Heard {
    fn on_call(&self, record: &CallRecord<'_>) {
        let endpoint = record.metadata.iter().find(|(name, _)| name == "endpoint");
        let endpoint = endpoint.map(|(_, value)| value.clone()).unwrap_or_default();
        self.0.lock().unwrap().push((endpoint, record.operation.template));
    }
}

#[tokio::test]
async fn call_records_name_the_endpoint_and_nothing_is_shown() {
    const CANARY: &str = "s3cr3t-c4n4ry";
    for origin in both(|question, _| json(400, format!("{{\"detail\": {:?}}}", question.target))).await {
        let heard = Arc::new(Heard::default());
        let rest = RestClient::over(origin.rest.http().clone().with_observer(heard.clone()));
        let rest = rest.with_header("x-key", CANARY).unwrap();
        rest.call(&GetUser).await.unwrap_err();
        assert_eq!(*heard.0.lock().unwrap(), [("get_user".to_owned(), Some(TEMPLATE))]);
        // What is made at run time is not one of few.
        rest.send(&RestRequest::get(format!("/users/{}", 7))).await.unwrap_err();
        assert_eq!(heard.0.lock().unwrap()[1], (String::new(), None));
        let request = RestRequest::post("/{a}")
            .with_parameter("a", CANARY)
            .with_query(&[("b", CANARY)])
            .with_header("c", CANARY)
            .with_json(&[CANARY])
            .with_idempotency_key(CANARY);
        let error: Error = rest.send(&request).await.unwrap_err();
        let said = RestError::of(&error).unwrap();
        assert!(String::from_utf8_lossy(said.body()).contains(CANARY));
        let shown = format!("{error} {error:?} {} {rest:?} {request:?} {said} {said:?}", error.report());
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_not_worth_another_try() {
    for origin in both(|_, _| json(200, r#"{"id": "x", "tags": []}"#)).await {
        assert_eq!(origin.rest.call(&GetUser).await.unwrap_err().retry(), Retry::Never);
    }
}
