//! Automatic persisted queries.

use std::collections::BTreeSet;
use std::sync::Mutex;

use external_api::ErrorKind;
use external_api::graphql::{GraphqlRequest, PersistedQueries};
use external_simulator::{HttpAnswer, HttpQuestion};
use serde_json::Value;

use super::place::{Place, answering, both, graphql, json, request};

/// A server that keeps documents as Apollo's does.
fn keeping() -> impl Fn(&HttpQuestion) -> HttpAnswer {
    let kept = Mutex::new(BTreeSet::new());
    move |question| {
        let (has_document, hash) = told(question);
        let how = match hash {
            None => "plain",
            Some(hash) if has_document => {
                kept.lock().unwrap().insert(hash);
                "kept"
            }
            Some(hash) if kept.lock().unwrap().contains(&hash) => "by hash",
            Some(_) => return refusal("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND"),
        };
        graphql(200, format!(r#"{{"data": {{"how": "{how}"}}}}"#))
    }
}

/// Whether there is a document, and the hash.
fn told(question: &HttpQuestion) -> (bool, Option<String>) {
    let all = format!(
        "{}{}",
        question.target.replace("%22", "\"").replace("%3A", ":"),
        String::from_utf8_lossy(&question.body)
    );
    let hash = all.split_once(r#""sha256Hash":""#).map(|(_, rest)| rest[..64].to_owned());
    (all.contains(r#""query":""#) || all.contains("query="), hash)
}

fn refusal(message: &str, code: &str) -> HttpAnswer {
    json(200, format!(r#"{{"errors": [{{"message": "{message}", "extensions": {{"code": "{code}"}}}}]}}"#))
}

async fn how(place: &Place, request: &GraphqlRequest) -> String {
    let data: Value = place.api.query(request).await.unwrap().into_data().unwrap();
    data["how"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_document_is_sent_once_and_its_hash_from_then_on() {
    for mode in [PersistedQueries::Post, PersistedQueries::Get] {
        for place in both(keeping_each()).await {
            let place = place.with(|api| api.with_persisted_queries(mode));
            assert_eq!(how(&place, &request()).await, "kept");
            assert_eq!(how(&place, &request()).await, "by hash");
            let asked = place.asked();
            let by_hash = if mode == PersistedQueries::Get { "GET" } else { "POST" };
            let methods: Vec<&str> = asked.iter().map(|question| question.method.as_str()).collect();
            assert_eq!(methods, [by_hash, "POST", by_hash]);
            for question in asked {
                assert_eq!(
                    question.method == "GET",
                    question.headers.contains_key("apollo-require-preflight")
                );
            }
        }
    }
}

/// Each client has a server of its own: they are told apart by who is asking.
fn keeping_each() -> impl Fn(&HttpQuestion) -> HttpAnswer {
    let (memory, network) = (keeping(), keeping());
    move |question| if question.headers.contains_key("host") { network(question) } else { memory(question) }
}

#[tokio::test]
async fn a_mutation_never_travels_by_get_and_neither_does_what_is_too_long() {
    let long = request().with_variable("text", "x".repeat(5000)).unwrap();
    for place in both(keeping_each()).await {
        let place = place.with(|api| api.with_persisted_queries(PersistedQueries::Get));
        place.api.mutate::<Value>(&request()).await.unwrap();
        place.api.query::<Value>(&long).await.unwrap();
        assert!(place.asked().iter().all(|question| question.method == "POST"));
    }
}

#[tokio::test]
async fn a_server_that_keeps_none_is_not_asked_again() {
    let answer = |question: &HttpQuestion| match told(question) {
        (true, None) => graphql(200, r#"{"data": {"how": "plain"}}"#),
        // As some tell it: by the message alone.
        _ => json(400, r#"{"errors": [{"message": "PersistedQueryNotSupported"}]}"#),
    };
    for place in both(answer).await {
        let place = place.with(|api| api.with_persisted_queries(PersistedQueries::Post));
        let clone = place.api.clone();
        for _ in 0..2 {
            assert_eq!(how(&place, &request()).await, "plain");
        }
        clone.query::<Value>(&request()).await.unwrap();
        let hashed = place.asked().iter().filter(|question| told(question).1.is_some()).count();
        assert_eq!((hashed, place.asked().len()), (1, 4));
    }
}

#[tokio::test]
async fn a_server_that_has_not_heard_of_hashes_gets_the_document() {
    let answer = |question: &HttpQuestion| match told(question) {
        (true, None) => graphql(200, r#"{"data": {"how": "plain"}}"#),
        _ if question.method == "GET" => HttpAnswer::new(405),
        _ => json(400, r#"{"errors": [{"message": "Must provide query string."}]}"#),
    };
    for mode in [PersistedQueries::Post, PersistedQueries::Get] {
        for place in both(answer).await {
            let place = place.with(|api| api.with_persisted_queries(mode));
            for _ in 0..3 {
                assert_eq!(how(&place, &request()).await, "plain");
            }
            assert_eq!(place.asked().len(), 4);
        }
    }
    // What the server refuses with the document, too, is no reason to leave hashes.
    for place in answering(json(400, r#"{"errors": [{"message": "no such field"}]}"#)).await {
        let place = place.with(|api| api.with_persisted_queries(PersistedQueries::Post));
        for _ in 0..2 {
            let error = place.api.mutate::<Value>(&request()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
        let hashed = place.asked().iter().filter(|question| told(question).1.is_some()).count();
        assert_eq!((hashed, place.asked().len()), (2, 4));
    }
}

#[tokio::test]
async fn a_server_that_forgets_at_once_is_an_error_and_no_loop() {
    for place in answering(refusal("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")).await {
        let place = place.with(|api| api.with_persisted_queries(PersistedQueries::Post));
        let error = place.api.query::<Value>(&request()).await.unwrap_err();
        assert_eq!((error.kind(), place.asked().len()), (ErrorKind::Unexpected, 2));
    }
}

#[tokio::test]
async fn by_default_the_document_is_sent() {
    for place in answering(graphql(200, r#"{"data": {}}"#)).await {
        place.api.query::<Value>(&request()).await.unwrap();
        assert_eq!(told(&place.asked()[0]), (true, None));
    }
}
