//! What comes back: data, errors, both, and what is neither.

use external_api::external_http::external_resilience::Policy;
use external_api::graphql::{GraphqlReply, GraphqlRequest, PathSegment, errors_of};
use external_api::{Effect, Error, ErrorKind};
use external_simulator::HttpAnswer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::place::{answering, both, graphql, json, request, typed};

#[derive(Debug, Deserialize, PartialEq)]
struct Data {
    a: Option<u32>,
}

#[tokio::test]
async fn the_request_is_what_the_specification_wants() {
    for place in answering(graphql(200, r#"{"data": {"a": 1}}"#)).await {
        let place =
            place.with(|api| api.with_header("x-tenant", "7").unwrap().with_header("x-who", "all").unwrap());
        let request = request().with_variable("id", "x").unwrap().with_header("x-who", "me").unwrap();
        let reply: GraphqlReply<Data> = place.api.query(&request).await.unwrap();
        assert_eq!(reply.into_data().unwrap(), Data { a: Some(1) });
        let asked = &place.asked()[0];
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/graphql"));
        assert_eq!(asked.headers["content-type"], "application/json");
        assert_eq!(asked.headers["accept"], "application/graphql-response+json, application/json;q=0.9");
        assert_eq!(
            (&asked.headers["x-tenant"], &asked.headers["x-who"]),
            (&"7".parse().unwrap(), &"me".parse().unwrap())
        );
        let parameters = json!({"query": "query A { a }", "operationName": "A", "variables": {"id": "x"}});
        assert_eq!(place.parameters(), [parameters]);
    }
}

#[tokio::test]
async fn data_and_errors_are_both_kept_and_the_strict_form_takes_no_error() {
    let partial = r#"{"data": {"a": null}, "extensions": {"cost": 3}, "errors": [
        {"message": "no a for you", "path": ["a", 0], "locations": [{"line": 1, "column": 11}], "extensions": {"code": "FORBIDDEN"}}
    ]}"#;
    for place in answering(graphql(294, partial)).await {
        let reply: GraphqlReply<Data> = place.api.query(&request()).await.unwrap();
        assert_eq!((&reply.data, &reply.extensions["cost"]), (&Some(Data { a: None }), &json!(3)));
        let error = &reply.errors[0];
        assert_eq!((error.message.as_str(), error.code()), ("no a for you", Some("FORBIDDEN")));
        assert_eq!(error.path, [PathSegment::Field("a".into()), PathSegment::Index(0)]);
        assert_eq!((error.locations[0].line, error.locations[0].column), (1, 11));
        let strict = reply.into_data().unwrap_err();
        assert_eq!((strict.kind(), strict.effect()), (ErrorKind::PermissionDenied, Effect::MaybeApplied));
        assert_eq!((strict.vendor_code(), strict.context_value("path")), (Some("FORBIDDEN"), Some("a.0")));
        assert_eq!(errors_of(&strict)[0].message, "no a for you");
        assert_eq!(place.asked().len(), 1);
    }
}

/// `(answer, kind, effect, http status)`
fn refusals() -> Vec<(HttpAnswer, ErrorKind, Effect, u16)> {
    use Effect::{MaybeApplied, NotApplied};
    use ErrorKind as Kind;
    let code =
        |code: &str| format!(r#"{{"errors": [{{"message": "m", "extensions": {{"code": "{code}"}}}}]}}"#);
    let mute = r#"{"errors": [{"message": "m"}]}"#;
    vec![
        // GraphQL has the word, whatever the status.
        (json(200, code("GRAPHQL_VALIDATION_FAILED")), Kind::InvalidArgument, NotApplied, 200),
        (graphql(422, code("GRAPHQL_VALIDATION_FAILED")), Kind::InvalidArgument, NotApplied, 422),
        (graphql(200, code("UNAUTHENTICATED")), Kind::Unauthenticated, NotApplied, 200),
        (json(400, code("permission-denied")), Kind::PermissionDenied, NotApplied, 400),
        (graphql(500, code("NOT_FOUND")), Kind::NotFound, NotApplied, 500),
        // No code that anybody knows: the status.
        (graphql(400, mute), Kind::InvalidArgument, NotApplied, 400),
        (json(401, code("MINE")), Kind::Unauthenticated, NotApplied, 401),
        (graphql(200, mute), Kind::Unexpected, MaybeApplied, 200),
        // Something was executed.
        (
            graphql(
                200,
                r#"{"data": null, "errors": [{"message": "m", "extensions": {"code": "FORBIDDEN"}}]}"#,
            ),
            Kind::PermissionDenied,
            MaybeApplied,
            200,
        ),
        // No GraphQL: the status, and where that is fine, the answer is not.
        (typed("text/html", 404, "<html>"), Kind::NotFound, NotApplied, 404),
        (json(403, r#"{"error": "no"}"#), Kind::PermissionDenied, NotApplied, 403),
        (json(404, r#"{"errors": "Not Found"}"#), Kind::NotFound, NotApplied, 404),
        (json(404, r#"{"data": {"a": 1}}"#), Kind::NotFound, NotApplied, 404),
        (
            json(502, r#"{"data": {"b": 1}, "errors": [{"message": "m"}]}"#),
            Kind::Unavailable,
            MaybeApplied,
            502,
        ),
        (HttpAnswer::new(401), Kind::Unauthenticated, NotApplied, 401),
        (typed("text/html", 200, "<html>log in</html>"), Kind::Corrupt, MaybeApplied, 200),
        (typed("text/html", 200, r#"{"data": {"a": 1}}"#), Kind::Corrupt, MaybeApplied, 200),
        (HttpAnswer::new(200).with_body(r#"{"data": {"a": 1}}"#), Kind::Corrupt, MaybeApplied, 200),
        (HttpAnswer::new(204), Kind::Corrupt, MaybeApplied, 204),
        (HttpAnswer::new(302).with_header("location", "/login"), Kind::Unexpected, MaybeApplied, 302),
    ]
}

#[tokio::test]
async fn an_answer_without_data_is_an_error_that_says_what_is_known() {
    for (answer, kind, effect, status) in refusals() {
        for place in answering(answer.clone()).await {
            let error = place.api.mutate::<Data>(&request()).await.unwrap_err();
            let said = format!("{status} {:?}: {}", answer.body, error.report());
            assert_eq!((error.kind(), error.effect()), (kind, effect), "{said}");
            assert_eq!((error.http_status(), place.asked().len()), (Some(status), 1), "{said}");
        }
    }
}

#[tokio::test]
async fn a_status_without_graphql_means_what_it_means_to_the_http_client() {
    for status in (400..600)
        .filter(|status| *status % 7 == 0 || (400..430).contains(status) || *status >= 500 && *status < 512)
    {
        let page = typed("text/html", status, "<html>")
            .with_header("retry-after", "7")
            .with_header("x-request-id", "r-1");
        for place in answering(page).await {
            let place = place.with(|api| api.with_policy(Policy::off()));
            let error = place.api.mutate::<Data>(&request()).await.unwrap_err();
            let plain = place.api.http().clone().with_policy(Policy::off());
            let expected = plain.post_json(&place.url, "{}").await.unwrap_err();
            let facts = |error: &Error| (error.kind(), error.effect(), error.retry(), error.http_status());
            assert_eq!(facts(&error), facts(&expected), "{status}");
            assert_eq!((error.message(), error.request_id()), (expected.message(), Some("r-1")), "{status}");
        }
    }
}

#[tokio::test]
async fn what_reads_like_no_graphql_is_corrupt() {
    let deep = format!("{{\"data\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for body in [
        "",
        "<html>",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"data": null}"#,
        r#"{"data": null, "errors": []}"#,
        r#"{"errors": []}"#,
        r#"{"errors": ["text"]}"#,
        r#"{"errors": [null]}"#,
        r#"{"errors": "text"}"#,
        r#"{"errors": {"message": "m"}}"#,
        r#"{"data": {"a": 1}, "data": {"a": 2}}"#,
        r#"{"data": {"a": 1}} trailing"#,
        &deep,
    ] {
        for place in answering(graphql(200, body)).await {
            let error = place.api.mutate::<Data>(&request()).await.unwrap_err();
            assert_eq!((error.kind(), error.effect()), (ErrorKind::Corrupt, Effect::MaybeApplied), "{body}");
        }
    }
    for place in
        both(|_| typed("application/json", 200, "").with_body(&b"{\"data\": {\"a\": \"\xff\"}}"[..])).await
    {
        assert_eq!(place.api.mutate::<Value>(&request()).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn what_servers_add_or_leave_out_does_not_matter() {
    for body in [
        r#"{"data": {"a": 1}, "errors": null, "extensions": null, "hasNext": false, "more": [1]}"#,
        r#"{"errors": [], "data": {"b": 2, "a": 1}, "extensions": "text"}"#,
    ] {
        for place in answering(json(200, body)).await {
            let reply: GraphqlReply<Data> = place.api.query(&request()).await.unwrap();
            assert_eq!(reply.into_data().unwrap(), Data { a: Some(1) }, "{body}");
        }
    }
}

#[tokio::test]
async fn data_of_another_type_are_the_callers_matter() {
    for place in answering(graphql(200, r#"{"data": {"a": "s3cret"}}"#)).await {
        let error = place.api.query::<Data>(&request()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Corrupt, Effect::MaybeApplied));
        assert_eq!(
            (error.context_value("line"), error.http_status(), place.asked().len()),
            (Some("1"), Some(200), 1)
        );
        assert!(!error.report().contains("s3cret"), "{}", error.report());
    }
    // Where something is missing the server says why.
    let partial =
        r#"{"data": {"a": [null]}, "errors": [{"message": "m", "extensions": {"code": "NOT_FOUND"}}]}"#;
    for place in answering(graphql(200, partial)).await {
        let error = place.api.query::<Data>(&request()).await.unwrap_err();
        assert_eq!((error.kind(), errors_of(&error).len()), (ErrorKind::NotFound, 1));
        assert_eq!(place.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit() {
    let large = format!(r#"{{"data": {{"a": 1, "b": "{}"}}}}"#, "x".repeat(100_000));
    for place in answering(graphql(200, &large)).await {
        let limited = request().with_body_limit(50_000);
        let error = place.api.query::<Value>(&limited).await.unwrap_err();
        assert_eq!((error.kind(), place.asked().len()), (ErrorKind::PayloadTooLarge, 1));
        place.api.query::<Value>(&request()).await.unwrap();
    }
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let body = r#"{"errors": [{"message": "s3cret", "path": ["a"], "extensions": {"code": "s3cret<>", "token": "s3cret"}}]}"#;
    for place in answering(graphql(200, body)).await {
        let request = GraphqlRequest::new("{ s3cret }").with_variable("x", "s3cret").unwrap();
        let error = place.api.query::<Value>(&request).await.unwrap_err();
        let shown = format!("{error} {error:?} {} {request:?} {:?}", error.report(), place.api);
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
