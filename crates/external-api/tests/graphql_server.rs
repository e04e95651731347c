//! The GraphQL client against graphql-yoga and graphql-ws: `cargo xtask servers run graphql` starts them and tells the
//! variable.
#![cfg(feature = "graphql")]
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and one that did not run says so"
)]

use std::time::Duration;

use external_api::external_http::{BuildContext, ByteStream, Domain, HttpBody, ReqwestConfig};
use external_api::graphql::{
    GraphqlClient, GraphqlRequest, PersistedQueries, Subscription, SubscriptionEvent, Upload,
    WebSocketConfig, errors_of,
};
use external_api::{Effect, ErrorKind, HttpClient};
use external_simulator::Proxy;
use serde_json::{Value, json};

const VARIABLE: &str = "EXTERNAL_TEST_GRAPHQL_URL";

/// Where the server is; `None`, and a word about it, where there is none.
fn url() -> Option<String> {
    let url = BuildContext::default().env(VARIABLE).filter(|url| !url.is_empty());
    if url.is_none() {
        eprintln!("not run: {VARIABLE} is not set");
    }
    url
}

fn client(url: &str) -> GraphqlClient {
    let http = HttpClient::over(ReqwestConfig::new().build(&BuildContext::default()).unwrap());
    let quick = HttpClient::policy().with_backoff(Duration::from_millis(5), Duration::from_millis(50));
    GraphqlClient::new(http.with_policy(quick), url).unwrap()
}

/// The same client twice: with subscriptions over either carrier.
fn both(url: &str) -> [(&'static str, GraphqlClient); 2] {
    let sockets = client(url).with_websocket(WebSocketConfig::new()).unwrap();
    [("events", client(url)), ("websocket", sockets)]
}

async fn numbers(subscription: &mut Subscription<Value>) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Some(event) = subscription.next().await.unwrap() {
        match event {
            SubscriptionEvent::Next(reply) => {
                seen.push(reply.into_data().unwrap()["count"].as_u64().unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    seen
}

#[tokio::test]
async fn a_query_has_its_variables_and_its_answer() {
    let Some(url) = url() else { return };
    let request = GraphqlRequest::new("query A { broken(code: \"X\") } query B($who: String!) { greeting(name: $who) header(name: \"x-tenant\") }")
        .with_operation("B")
        .with_variables(json!({"who": "wörld \"quoted\""}))
        .unwrap()
        .with_header("x-tenant", "7")
        .unwrap();
    let data: Value = client(&url).query(&request).await.unwrap().into_data().unwrap();
    assert_eq!(data, json!({"greeting": "hello wörld \"quoted\"", "header": "7"}));
}

#[tokio::test]
async fn errors_are_what_they_are() {
    let Some(url) = url() else { return };
    let api = client(&url);
    let partial =
        api.query::<Value>(&GraphqlRequest::new("{ greeting broken(code: \"FORBIDDEN\") }")).await.unwrap();
    assert_eq!(partial.data, Some(json!({"greeting": "hello you", "broken": null})));
    assert_eq!(partial.into_data().unwrap_err().kind(), ErrorKind::PermissionDenied);
    for (document, kind, effect) in [
        ("{ nothing }", ErrorKind::InvalidArgument, Effect::NotApplied),
        ("{", ErrorKind::InvalidArgument, Effect::NotApplied),
        ("query ($n: Int!) { greeting }", ErrorKind::InvalidArgument, Effect::NotApplied),
        ("{ fatal(code: \"NOT_FOUND\") }", ErrorKind::NotFound, Effect::MaybeApplied),
    ] {
        let error = api.query::<Value>(&GraphqlRequest::new(document)).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, effect), "{document}: {}", error.report());
        assert!(!errors_of(&error)[0].message.is_empty());
    }
    let away = client(&url.replace("/graphql", "/elsewhere"));
    assert_eq!(
        away.query::<Value>(&GraphqlRequest::new("{ greeting }")).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_mutation_is_made_once() {
    let Some(url) = url() else { return };
    let add = |number: i32| {
        GraphqlRequest::new("mutation ($n: Int!) { add(number: $n) }").with_variable("n", number).unwrap()
    };
    let api = client(&url);
    let sum = |data: Value| data["add"].as_i64().unwrap();
    let before = sum(api.mutate(&add(0)).await.unwrap().into_data().unwrap());
    assert_eq!(sum(api.mutate(&add(5)).await.unwrap().into_data().unwrap()), before + 5);
}

#[tokio::test]
async fn persisted_queries_are_kept() {
    let Some(url) = url() else { return };
    let proxy =
        Proxy::start(url.trim_start_matches("http://").split('/').next().unwrap().to_owned()).await.unwrap();
    let place = format!("http://{}/graphql", proxy.address());
    for (mode, name) in [(PersistedQueries::Post, "byPost"), (PersistedQueries::Get, "byGet")] {
        let api = client(&place).with_persisted_queries(mode);
        // A document that nobody sent before.
        let mut id = [0; 8];
        BuildContext::default().random(&mut id);
        let name = format!("{name}{}", u64::from_le_bytes(id));
        let request = GraphqlRequest::new(format!("query {name} {{ greeting }}"));
        for _ in 0..3 {
            let data: Value = api.query(&request).await.unwrap().into_data().unwrap();
            assert_eq!(data["greeting"], "hello you");
        }
        assert_eq!(proxy.count(&format!("query {name}")), 1, "{mode:?}");
    }
    assert_eq!(proxy.count("GET /graphql?extensions="), 3);
}

#[tokio::test]
async fn files_arrive_byte_for_byte() {
    let Some(url) = url() else { return };
    // 1 MiB, in pieces of an odd size and of a length that nobody knows.
    let piece: &'static [u8] = &[7; 1021];
    let streamed = HttpBody::from_factory(None, move || {
        ByteStream::new(futures_util::stream::iter((0..1027).map(move |_| Ok(piece.into()))))
    });
    let document = "mutation ($file: File!) { keep(file: $file) { name type bytes sha256 } }";
    for (content, bytes, sha256) in [
        (
            HttpBody::from("three words here"),
            16,
            "c57e5b9331d7e6655b771ef5d1cab2184fe35e5ed11a92c8ec3fe68a02f0d918",
        ),
        (streamed, 1021 * 1027, "fba81ecfce9fe75d13cd02b47b6ff9e2251d0a256a3102ed92f06d7c520f9be4"),
    ] {
        let upload = Upload::new("näme \"1\".txt", content).with_content_type("text/plain");
        let request = GraphqlRequest::new(document).with_upload("file", upload).unwrap();
        let data: Value = client(&url).mutate(&request).await.unwrap().into_data().unwrap();
        assert_eq!((&data["keep"]["bytes"], &data["keep"]["type"]), (&json!(bytes), &json!("text/plain")));
        assert_eq!(data["keep"]["sha256"], sha256);
        assert!(data["keep"]["name"].as_str().unwrap().contains("näme"), "{data}");
    }
}

#[tokio::test]
async fn a_subscription_has_all_events_and_an_end() {
    let Some(url) = url() else { return };
    for (carrier, api) in both(&url) {
        let request = GraphqlRequest::new("subscription ($to: Int!) { count(to: $to) }")
            .with_variable("to", 500)
            .unwrap();
        let mut subscription = api.subscribe(&request).await.unwrap();
        assert_eq!(numbers(&mut subscription).await, (1..=500).collect::<Vec<_>>(), "{carrier}");
    }
}

#[tokio::test]
async fn what_is_published_is_heard_until_nobody_listens() {
    let Some(url) = url() else { return };
    for (carrier, api) in both(&url) {
        let mut heard: Subscription<Value> =
            api.subscribe(&GraphqlRequest::new("subscription { published }")).await.unwrap();
        let publish = GraphqlRequest::new("mutation ($text: String!) { publish(text: $text) }")
            .with_variable("text", carrier)
            .unwrap();
        // The server may not have begun to listen: it is told until it has heard.
        let event = loop {
            api.mutate::<Value>(&publish).await.unwrap();
            if let Ok(event) = tokio::time::timeout(Duration::from_millis(50), heard.next()).await {
                break event.unwrap().unwrap();
            }
        };
        let SubscriptionEvent::Next(reply) = event else { panic!("{event:?}") };
        assert_eq!(reply.into_data().unwrap()["published"], carrier);
    }
}

#[tokio::test]
async fn a_subscription_that_is_refused_says_why() {
    let Some(url) = url() else { return };
    for (carrier, api) in both(&url) {
        for (document, kind) in [
            ("subscription { refused(code: \"FORBIDDEN\") }", ErrorKind::PermissionDenied),
            ("subscription { nothing }", ErrorKind::InvalidArgument),
        ] {
            let error = match api.subscribe::<Value>(&GraphqlRequest::new(document)).await {
                Err(error) => error,
                Ok(mut subscription) => match subscription.next().await {
                    Err(error) => error,
                    // What the operation itself refuses is its first and only event.
                    Ok(Some(SubscriptionEvent::Next(reply))) => reply.into_data().unwrap_err(),
                    Ok(other) => panic!("{other:?}"),
                },
            };
            assert_eq!(error.kind(), kind, "{carrier} {document}: {}", error.report());
        }
    }
    let strangers = WebSocketConfig::new().with_init(|| json!({"token": "wrong"}));
    let api = client(&url).with_websocket(strangers).unwrap();
    let error =
        api.subscribe::<Value>(&GraphqlRequest::new("subscription { count(to: 1) }")).await.unwrap_err();
    assert_eq!((error.kind(), error.vendor_code()), (ErrorKind::PermissionDenied, Some("4403")));
}

#[tokio::test]
async fn a_close_code_of_the_server_is_understood() {
    let Some(url) = url() else { return };
    let [_, (_, api)] = both(&url);
    for (code, kind) in [(4401, ErrorKind::Unauthenticated), (4400, ErrorKind::InvalidArgument)] {
        let request = GraphqlRequest::new(format!("subscription {{ closed(code: {code}) }}"));
        let mut subscription: Subscription<Value> = api.subscribe(&request).await.unwrap();
        assert_eq!(subscription.next().await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_anew() {
    let Some(url) = url() else { return };
    let proxy =
        Proxy::start(url.trim_start_matches("http://").split('/').next().unwrap().to_owned()).await.unwrap();
    for (carrier, api) in both(&format!("http://{}/graphql", proxy.address())) {
        let request = GraphqlRequest::new("subscription { count(to: 1000000, every: 5) }");
        let mut subscription: Subscription<Value> = api.subscribe(&request).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 4 {
            match subscription.next().await.unwrap().unwrap() {
                SubscriptionEvent::Next(reply) => {
                    let n = reply.into_data().unwrap()["count"].as_u64().unwrap();
                    if seen.is_empty() {
                        seen.push("event");
                        proxy.sever();
                    } else if n == 1 {
                        seen.push("begun anew");
                    }
                }
                SubscriptionEvent::Lost(_) => seen.push("lost"),
                SubscriptionEvent::Resumed => seen.push("resumed"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen, ["event", "lost", "resumed", "begun anew"], "{carrier}");
    }
}
