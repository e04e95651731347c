//! What is tried again, and what is not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use external_api::external_http::external_resilience::Policy;
use external_api::graphql::GraphqlRequest;
use external_api::{Effect, ErrorKind};
use external_simulator::HttpAnswer;
use serde_json::Value;
use tokio::time::Instant;

use super::place::{answering, both, graphql, json, request, typed};

fn coded(code: &str) -> String {
    format!(r#"{{"errors": [{{"message": "m", "extensions": {{"code": "{code}"}}}}]}}"#)
}

/// `(answer, requests of a query, of a mutation, of one with a key)`
fn table() -> Vec<(HttpAnswer, usize, usize, usize)> {
    vec![
        // Certainly not executed, and worth another try.
        (graphql(200, coded("RATE_LIMITED")), 3, 3, 3),
        (json(200, coded("THROTTLED")), 3, 3, 3),
        (HttpAnswer::new(429), 3, 3, 3),
        // Nobody knows.
        (graphql(500, coded("INTERNAL_SERVER_ERROR")), 3, 1, 3),
        (json(200, coded("INTERNAL_SERVER_ERROR")), 3, 1, 3),
        (typed("text/html", 503, "<html>"), 3, 1, 3),
        (typed("text/html", 200, "<html>"), 3, 1, 3),
        (
            graphql(
                200,
                r#"{"data": null, "errors": [{"message": "m", "extensions": {"code": "RATE_LIMITED"}}]}"#,
            ),
            3,
            1,
            3,
        ),
        // Another try changes nothing.
        (graphql(400, coded("GRAPHQL_PARSE_FAILED")), 1, 1, 1),
        (json(200, coded("FORBIDDEN")), 1, 1, 1),
        // Partial data are an answer.
        (
            graphql(
                200,
                r#"{"data": {"a": null}, "errors": [{"message": "m", "extensions": {"code": "RATE_LIMITED"}}]}"#,
            ),
            1,
            1,
            1,
        ),
        (
            graphql(
                500,
                r#"{"data": {"a": null}, "errors": [{"message": "m", "extensions": {"code": "TIMEOUT"}}]}"#,
            ),
            1,
            1,
            1,
        ),
    ]
}

#[tokio::test]
async fn what_may_have_taken_effect_is_tried_again_only_if_that_is_harmless() {
    for (answer, query, mutation, keyed) in table() {
        let key = request().with_idempotency_key("k-1");
        for place in answering(answer.clone()).await {
            let _ = place.api.query::<Value>(&request()).await;
            assert_eq!(place.asked().len(), query, "a query, {answer:?}");
            let _ = place.api.mutate::<Value>(&request()).await;
            assert_eq!(place.asked().len(), query + mutation, "a mutation, {answer:?}");
            let _ = place.api.mutate::<Value>(&key).await;
            assert_eq!(place.asked().len(), query + mutation + keyed, "a keyed mutation, {answer:?}");
            let last = place.asked().pop().unwrap();
            assert_eq!(last.headers["idempotency-key"], "k-1");
        }
    }
}

#[tokio::test]
async fn a_mutation_is_not_taken_for_something_harmless() {
    let mutation = GraphqlRequest::new("mutation { forget }");
    for place in answering(graphql(200, r#"{"data": {"forget": 1}}"#)).await {
        let error = place.api.query::<Value>(&mutation).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidArgument, Effect::NotSent));
        assert!(place.api.subscribe::<Value>(&mutation).await.is_err());
        assert_eq!(place.asked().len(), 0);
        assert!(place.api.mutate::<Value>(&mutation).await.is_ok());
    }
}

#[tokio::test]
async fn a_query_ends_well_when_the_server_does() {
    let answered = AtomicUsize::new(0);
    let places = both(move |_| match answered.fetch_add(1, Ordering::Relaxed) % 3 {
        0 => graphql(200, coded("THROTTLED")),
        1 => typed("text/html", 502, "<html>bad gateway</html>"),
        _ => graphql(200, r#"{"data": {"a": 1}}"#),
    });
    for place in places.await {
        let data: Value = place.api.query(&request()).await.unwrap().into_data().unwrap();
        assert_eq!((data["a"].as_u64(), place.asked().len()), (Some(1), 3));
    }
}

#[tokio::test]
async fn a_server_that_says_when_is_waited_for() {
    for said in [
        graphql(200, coded("RATE_LIMITED")).with_header("retry-after-ms", "150"),
        graphql(
            200,
            r#"{"errors": [{"message": "m", "extensions": {"code": "THROTTLED"}}], "extensions": {"cost":
            {"requestedQueryCost": 10, "throttleStatus": {"currentlyAvailable": 2.5, "restoreRate": 50.0}}}}"#,
        ),
    ] {
        let answered = AtomicUsize::new(0);
        let places = both(move |_| match answered.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => said.clone(),
            _ => graphql(200, r#"{"data": {"a": 1}}"#),
        });
        for place in places.await {
            let began = Instant::now();
            place.api.mutate::<Value>(&request()).await.unwrap();
            assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
        }
    }
}

#[tokio::test]
async fn without_resilience_calls_and_requests_are_as_many() {
    for place in answering(HttpAnswer::new(503)).await {
        let place = place.with(|api| api.with_policy(Policy::off()));
        for _ in 0..5 {
            place.api.query::<Value>(&request()).await.unwrap_err();
        }
        assert_eq!(place.asked().len(), 5);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_heard_nothing() {
    use external_api::HttpClient;
    use external_api::external_http::{BuildContext, ReqwestConfig};
    use external_api::graphql::GraphqlClient;
    let http = HttpClient::over(ReqwestConfig::new().build(&BuildContext::default()).unwrap());
    let api = GraphqlClient::over(http.with_policy(Policy::off()), "http://127.0.0.1:1/graphql").unwrap();
    let error = api.mutate::<Value>(&request()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
    assert!(GraphqlClient::over(api.http().clone(), "no url").is_err());
}

#[tokio::test]
async fn a_deadline_is_for_all_attempts() {
    for place in answering(HttpAnswer::new(503).with_header("retry-after", "60")).await {
        let hurried = request().with_timeout(Duration::from_millis(200));
        let error = place.api.query::<Value>(&hurried).await.unwrap_err();
        assert_eq!((error.kind(), place.asked().len()), (ErrorKind::Unavailable, 1));
    }
}
