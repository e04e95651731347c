//! Files with mutations.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use external_api::external_http::external_resilience::OperationPolicy;
use external_api::external_http::{ByteStream, Domain as _, HttpBody, MemoryAnswer, MemoryHttp};
use external_api::graphql::{GraphqlClient, GraphqlRequest, PersistedQueries, Upload};
use external_api::{ErrorKind, HttpClient};
use external_simulator::{HttpAnswer, HttpQuestion};
use serde_json::Value;
use tokio::time::Instant;

use super::place::{answering, both, graphql};

fn request(content: impl Into<HttpBody>) -> GraphqlRequest {
    GraphqlRequest::new("mutation ($file: Upload!) { keep(file: $file) { id } }")
        .with_upload("file", Upload::new("notes.txt", content).with_content_type("text/plain"))
        .unwrap()
}

fn text(question: &HttpQuestion) -> String {
    String::from_utf8(question.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_file_arrives_with_its_name_and_type() {
    for place in answering(graphql(200, r#"{"data": {"keep": {"id": 1}}}"#)).await {
        let place = place.with(|api| api.with_persisted_queries(PersistedQueries::Post));
        place.api.mutate::<Value>(&request("three words here")).await.unwrap();
        let asked = &place.asked()[0];
        assert!(
            asked.headers["content-type"].to_str().unwrap().starts_with("multipart/form-data; boundary=")
        );
        assert_eq!(asked.headers["apollo-require-preflight"], "true");
        let body = text(asked);
        let order = [
            "name=\"operations\"",
            "{\"file\":null}",
            "name=\"map\"",
            r#"{"0":["variables.file"]}"#,
            "filename=\"notes.txt\"",
            "Content-Type: text/plain",
            "three words here",
        ];
        let places: Vec<usize> = order
            .iter()
            .map(|piece| body.find(piece).unwrap_or_else(|| panic!("{piece} in {body}")))
            .collect();
        assert!(places.is_sorted(), "{body}");
        assert!(!body.contains("persistedQuery"));
        assert_eq!(place.asked().len(), 1);
    }
}

/// A file whose length nobody knows has the time of a very large one, as long as something of it moves.
#[tokio::test(start_paused = true)]
async fn a_file_of_unknown_length_that_comes_to_a_halt_is_left() {
    let policy = HttpClient::policy().with_max_attempts(1);
    let slow = OperationPolicy::new().with_attempt_timeout(Duration::from_secs(25));
    for (policy, seconds) in [(policy.clone(), 10), (policy.with_operation("mutation", slow), 25)] {
        let late = |_: &_| MemoryAnswer::new(200).with_delay(Duration::from_secs(3600));
        let http = HttpClient::over(MemoryHttp::new().with_fallback(late));
        let api = GraphqlClient::over(http, "/graphql").unwrap().with_policy(policy);
        let content = HttpBody::from_factory(None, || ByteStream::from_bytes("three words here".into()));
        let start = Instant::now();
        let error = api.mutate::<Value>(&request(content)).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed().as_secs()), (ErrorKind::Timeout, seconds), "{error}");
    }
}

#[tokio::test]
async fn each_attempt_sends_the_file_from_its_beginning() {
    let answered = AtomicUsize::new(0);
    let places = both(move |_| match answered.fetch_add(1, Ordering::Relaxed) % 2 {
        // Certainly not executed.
        0 => HttpAnswer::new(429),
        _ => graphql(200, r#"{"data": {"keep": {"id": 1}}}"#),
    });
    for place in places.await {
        let opened = Arc::new(AtomicUsize::new(0));
        let counted = opened.clone();
        let content = HttpBody::from_factory(None, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            ByteStream::from_bytes("all of it".into())
        });
        place.api.mutate::<Value>(&request(content)).await.unwrap();
        let asked = place.asked();
        assert_eq!((asked.len(), opened.load(Ordering::Relaxed)), (2, 2));
        assert!(asked.iter().all(|question| text(question).contains("\r\n\r\nall of it\r\n--")));
    }
}

#[tokio::test]
async fn several_files_stand_for_several_places() {
    for place in answering(graphql(200, r#"{"data": {}}"#)).await {
        let request = GraphqlRequest::new("mutation ($in: In!) { keep(in: $in) }")
            .with_variable("in", serde_json::json!({"title": "t"}))
            .unwrap()
            .with_upload("in.files.0", Upload::new("a", "Alpha"))
            .unwrap()
            .with_upload("in.files.1", Upload::new("b", "Bravo"))
            .unwrap();
        place.api.mutate::<Value>(&request).await.unwrap();
        let body = text(&place.asked()[0]);
        assert!(body.contains(r#""variables":{"in":{"files":[null,null],"title":"t"}}"#), "{body}");
        assert!(body.contains(r#"{"0":["variables.in.files.0"],"1":["variables.in.files.1"]}"#), "{body}");
        assert!(body.find("Alpha").unwrap() < body.find("Bravo").unwrap());
    }
}
