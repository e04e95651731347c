//! Subscriptions over WebSocket, against a server that does as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_api::external_http::external_core::build::TlsSettings;
use external_api::external_http::external_core::{CallContext, async_trait};
use external_api::external_http::external_resilience::Policy;
use external_api::external_http::{BearerAuth, Domain, HttpAuth, HttpRequest, MemoryHttp};
use external_api::graphql::{
    GraphqlClient, GraphqlRequest, Subscription, SubscriptionEvent, Upload, WebSocketConfig, errors_of,
};
use external_api::{Effect, ErrorKind, HttpClient, Secret};
use external_simulator::{Authority, HttpAnswer, HttpServer, Proxy};
use serde_json::{Value, json};

use super::peer::{Peer, serve};

fn client(url: &str, config: WebSocketConfig) -> GraphqlClient {
    let quick = HttpClient::policy().with_backoff(Duration::from_millis(1), Duration::from_millis(2));
    let http = HttpClient::over(MemoryHttp::new()).with_policy(quick);
    GraphqlClient::over(http, url).unwrap().with_websocket(config).unwrap()
}

fn request() -> GraphqlRequest {
    GraphqlRequest::new("subscription N { n }").with_operation("N").with_variable("from", 3).unwrap()
}

async fn subscribed(url: &str) -> Subscription<Value> {
    client(url, WebSocketConfig::new()).subscribe(&request()).await.unwrap()
}

fn event(n: u32) -> Value {
    json!({"id": "1", "type": "next", "payload": {"data": {"n": n}}})
}

async fn next_n(subscription: &mut Subscription<Value>) -> u64 {
    match subscription.next().await.unwrap().unwrap() {
        SubscriptionEvent::Next(reply) => reply.into_data().unwrap()["n"].as_u64().unwrap(),
        other => panic!("no event but {other:?}"),
    }
}

#[tokio::test]
async fn events_come_in_order_and_then_the_end() {
    let (url, mut told) = serve(|_, mut peer: Peer| async move {
        let begun = peer.begin().await;
        peer.say(event(1)).await;
        peer.say(json!({"id": "another", "type": "next", "payload": {"data": {"n": 9}}})).await;
        peer.say(json!({"type": "ping", "payload": {"at": 7}})).await;
        let pong = peer.hear().await;
        peer.say(json!({"id": "1", "type": "next", "payload": {"errors": [{"message": "no n"}]}})).await;
        peer.say(json!({"id": "1", "type": "complete"})).await;
        json!({"begun": begun, "pong": pong, "close": peer.closed().await, "headers": peer.headers()})
    })
    .await;
    let config = WebSocketConfig::new()
        .with_init(|| json!({"token": "t0ken"}))
        .with_auth(BearerAuth::new(Secret::new("b3arer")));
    let api = client(&url, config).with_header("x-tenant", "7").unwrap();
    let mut subscription: Subscription<Value> = api.subscribe(&request()).await.unwrap();
    assert_eq!(next_n(&mut subscription).await, 1);
    let Some(SubscriptionEvent::Next(reply)) = subscription.next().await.unwrap() else { panic!("no event") };
    assert_eq!((reply.data, reply.errors[0].message.as_str()), (None, "no n"));
    assert!(subscription.next().await.unwrap().is_none());
    assert!(subscription.next().await.unwrap().is_none());

    let told = told.recv().await.unwrap();
    assert_eq!(told["begun"][0], json!({"type": "connection_init", "payload": {"token": "t0ken"}}));
    let parameters = json!({"query": "subscription N { n }", "operationName": "N", "variables": {"from": 3}});
    assert_eq!(told["begun"][1], json!({"id": "1", "type": "subscribe", "payload": parameters}));
    assert_eq!((&told["pong"]["type"], &told["close"]), (&json!("pong"), &json!(1000)));
    assert_eq!(told["headers"]["sec-websocket-protocol"], "graphql-transport-ws");
    assert_eq!(
        (&told["headers"]["authorization"], &told["headers"]["x-tenant"]),
        (&json!("Bearer b3arer"), &json!("7"))
    );
}

#[tokio::test]
async fn a_subscription_that_is_dropped_tells_the_server() {
    let (url, mut told) = serve(|_, mut peer: Peer| async move {
        peer.begin().await;
        peer.say(event(1)).await;
        json!([peer.hear().await, peer.closed().await])
    })
    .await;
    let mut subscription = subscribed(&url).await;
    next_n(&mut subscription).await;
    drop(subscription);
    assert_eq!(told.recv().await.unwrap(), json!([{"id": "1", "type": "complete"}, 1000]));
}

#[tokio::test]
async fn a_client_that_is_closed_ends_its_subscriptions_and_tells_the_server() {
    let (url, mut told) = serve(|_, mut peer: Peer| async move {
        peer.begin().await;
        peer.say(event(1)).await;
        json!([peer.hear().await, peer.closed().await])
    })
    .await;
    let api = client(&url, WebSocketConfig::new());
    let mut subscription: Subscription<Value> = api.subscribe(&request()).await.unwrap();
    next_n(&mut subscription).await;
    assert!(api.close(Duration::from_secs(30)).await.is_clean());
    assert_eq!(told.recv().await.unwrap(), json!([{"id": "1", "type": "complete"}, 1000]));
    assert_eq!(subscription.next().await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn one_that_is_dropped_while_nobody_reads_tells_the_server_too() {
    let (url, mut told) = serve(|_, mut peer: Peer| async move {
        peer.begin().await;
        for n in 0..200 {
            peer.say(event(n)).await;
        }
        json!([peer.hear().await])
    })
    .await;
    let mut subscription = subscribed(&url).await;
    next_n(&mut subscription).await;
    drop(subscription);
    assert_eq!(told.recv().await.unwrap(), json!([{"id": "1", "type": "complete"}]));
}

#[tokio::test]
async fn a_slow_reader_gets_everything_in_order() {
    let (url, _told) = serve(|_, mut peer: Peer| async move {
        peer.begin().await;
        for n in 0..2000 {
            peer.say(event(n)).await;
        }
        peer.say(json!({"id": "1", "type": "complete"})).await;
        Value::from(peer.closed().await)
    })
    .await;
    let mut subscription = subscribed(&url).await;
    for n in 0..2000 {
        assert_eq!(next_n(&mut subscription).await, n);
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert!(subscription.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_lost_connection_is_made_anew_and_that_is_told() {
    let (url, _told) = serve(|nth, mut peer: Peer| async move {
        let begun = peer.begin().await;
        if nth == 0 {
            peer.say(event(1)).await;
            peer.vanish();
        } else {
            peer.say(event(2)).await;
            peer.say(json!({"id": "1", "type": "complete"})).await;
        }
        begun[1].clone()
    })
    .await;
    let mut subscription = subscribed(&url).await;
    assert_eq!(next_n(&mut subscription).await, 1);
    let lost = subscription.next().await.unwrap();
    assert!(
        matches!(&lost, Some(SubscriptionEvent::Lost(error)) if error.kind() == ErrorKind::Unavailable),
        "{lost:?}"
    );
    assert!(matches!(subscription.next().await.unwrap(), Some(SubscriptionEvent::Resumed)));
    assert_eq!(next_n(&mut subscription).await, 2);
    assert!(subscription.next().await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_lost_again_and_again_is_lost() {
    let (url, mut told) = serve(|nth, mut peer: Peer| async move {
        peer.begin().await;
        peer.close(1001).await;
        Value::from(nth)
    })
    .await;
    let api = client(&url, WebSocketConfig::new()).with_max_reconnects(2);
    let mut subscription: Subscription<Value> = api.subscribe(&request()).await.unwrap();
    let mut seen = String::new();
    let error = loop {
        match subscription.next().await {
            Ok(Some(SubscriptionEvent::Lost(_))) => seen.push('L'),
            Ok(Some(SubscriptionEvent::Resumed)) => seen.push('R'),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(
        (seen.as_str(), error.kind(), error.vendor_code()),
        ("LRLR", ErrorKind::Unavailable, Some("1001"))
    );
    assert!(subscription.next().await.unwrap().is_none());
    for nth in 0..3 {
        assert_eq!(told.recv().await, Some(json!(nth)));
    }
}

#[tokio::test]
async fn a_silent_server_is_asked_for_a_sign_of_life_and_then_left() {
    let (url, mut told) = serve(|nth, mut peer: Peer| async move {
        peer.begin().await;
        if nth > 0 {
            peer.say(event(2)).await;
            return Value::from(peer.closed().await);
        }
        let first = peer.hear().await;
        // One sign of life, and then none.
        peer.say(json!({"type": "pong"})).await;
        let second = peer.hear().await;
        let gone = peer.hear().await;
        json!([first, second, gone])
    })
    .await;
    let config = WebSocketConfig::new().with_ping_interval(Duration::from_millis(100));
    let mut subscription: Subscription<Value> = client(&url, config).subscribe(&request()).await.unwrap();
    let lost = subscription.next().await.unwrap();
    assert!(
        matches!(&lost, Some(SubscriptionEvent::Lost(error)) if error.kind() == ErrorKind::Timeout),
        "{lost:?}"
    );
    assert_eq!(told.recv().await.unwrap(), json!([{"type": "ping"}, {"type": "ping"}, null]));
    assert!(matches!(subscription.next().await.unwrap(), Some(SubscriptionEvent::Resumed)));
    assert_eq!(next_n(&mut subscription).await, 2);
}

#[tokio::test]
async fn a_refusal_ends_the_subscription_with_what_the_server_told() {
    let (url, _told) = serve(|_, mut peer: Peer| async move {
        peer.begin().await;
        let errors = json!([{"message": "no n for you", "extensions": {"code": "FORBIDDEN"}}]);
        peer.say(json!({"id": "1", "type": "error", "payload": errors})).await;
        Value::Null
    })
    .await;
    let mut subscription = subscribed(&url).await;
    let error = subscription.next().await.unwrap_err();
    assert_eq!(
        (error.kind(), errors_of(&error)[0].message.as_str()),
        (ErrorKind::PermissionDenied, "no n for you")
    );
    assert!(subscription.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_close_code_ends_what_another_try_would_not_mend() {
    for (code, kind) in [
        (4400, ErrorKind::InvalidArgument),
        (4401, ErrorKind::Unauthenticated),
        (4403, ErrorKind::PermissionDenied),
        (4406, ErrorKind::Unsupported),
        (4409, ErrorKind::Conflict),
        (4429, ErrorKind::Unexpected),
    ] {
        // Before the connection is acknowledged, and behind.
        for at_once in [true, false] {
            let (url, _told) = serve(move |_, mut peer: Peer| async move {
                if !at_once {
                    peer.begin().await;
                }
                peer.close(code).await;
                Value::Null
            })
            .await;
            let error = match client(&url, WebSocketConfig::new()).subscribe::<Value>(&request()).await {
                Err(error) => error,
                Ok(mut subscription) => subscription.next().await.unwrap_err(),
            };
            assert_eq!(
                (error.kind(), error.vendor_code()),
                (kind, Some(code.to_string().as_str())),
                "{at_once}"
            );
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_not_acknowledged_is_a_timeout() {
    let (url, _told) =
        serve(|_, mut peer: Peer| async move { json!([peer.hear().await, peer.hear().await]) }).await;
    let config = WebSocketConfig::new().with_ack_timeout(Duration::from_millis(50));
    let api = client(&url, config).with_policy(Policy::off());
    let error = api.subscribe::<Value>(&request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_the_subscription() {
    let (url, _told) = serve(|_, mut peer: Peer| async move {
        peer.begin().await;
        peer.say(event(1)).await;
        peer.say(json!({"id": "1", "type": "next", "payload": {"data": {"n": "x".repeat(10_000)}}})).await;
        Value::from(peer.closed().await)
    })
    .await;
    let small = request().with_body_limit(5000);
    let mut subscription = client(&url, WebSocketConfig::new()).subscribe::<Value>(&small).await.unwrap();
    next_n(&mut subscription).await;
    let error = subscription.next().await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::PayloadTooLarge, Effect::MaybeApplied));
}

#[tokio::test]
async fn what_is_no_message_of_the_protocol_is_refused_and_no_reason_to_try_again() {
    for nonsense in
        ["", "{", "[]", "<html>", r#"{"type": "data"}"#, r#"{"id": "1", "type": "next"}"#, "\u{0}"]
    {
        let (url, mut told) = serve(move |_, mut peer: Peer| async move {
            peer.begin().await;
            peer.say_text(nonsense).await;
            Value::from(peer.closed().await)
        })
        .await;
        let error = subscribed(&url).await.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{nonsense:?}");
        assert_eq!(told.recv().await.unwrap(), json!(4400), "{nonsense:?}");
    }
    for payload in ["null", "7", "{}", r#"{"data": null}"#, r#"{"errors": "text"}"#] {
        let (url, _told) = serve(move |_, mut peer: Peer| async move {
            peer.begin().await;
            peer.say_text(&format!(r#"{{"id": "1", "type": "next", "payload": {payload}}}"#)).await;
            Value::from(peer.closed().await)
        })
        .await;
        let error = subscribed(&url).await.next().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{payload}");
    }
}

#[tokio::test]
async fn where_no_websocket_is_the_error_says_so() {
    for (answer, kind) in [
        (HttpAnswer::new(401), ErrorKind::Unauthenticated),
        (HttpAnswer::new(404).with_body("<html>"), ErrorKind::NotFound),
        (HttpAnswer::new(200).with_body("<html>"), ErrorKind::Unexpected),
        (HttpAnswer::new(302).with_header("location", "/"), ErrorKind::Unexpected),
        (HttpAnswer::new(503), ErrorKind::Unavailable),
    ] {
        let said = answer.clone();
        let server = HttpServer::start(move |_| said.clone()).await.unwrap();
        let api = client(&format!("http://{}/", server.address()), WebSocketConfig::new());
        let error = api.subscribe::<Value>(&request()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.http_status()),
            (kind, Some(answer.status.as_u16())),
            "{}",
            error.report()
        );
    }
    // A WebSocket of another kind.
    let (url, _told) = super::peer::serve_plain().await;
    let error = client(&url, WebSocketConfig::new()).subscribe::<Value>(&request()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unsupported, Effect::NotApplied));
    // Nobody at all.
    let api = client("http://127.0.0.1:1/", WebSocketConfig::new()).with_policy(Policy::off());
    let error = api.subscribe::<Value>(&request()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
}

/// Another token after each refusal, twice.
#[derive(Debug, Default)]
struct Renewing(AtomicUsize);

#[async_trait]
impl HttpAuth for Renewing {
    async fn authorize(&self, _: &CallContext, request: &mut HttpRequest) -> external_api::Result<()> {
        let token = format!("token-{}", self.0.load(Ordering::Relaxed));
        request.headers.insert("authorization", token.parse().unwrap());
        Ok(())
    }

    async fn refused(&self, _: &HttpRequest) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed) < 2
    }
}

#[tokio::test]
async fn a_handshake_that_is_refused_is_tried_once_more_with_other_credentials() {
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let seen = tokens.clone();
    let server = HttpServer::start(move |question| {
        seen.lock().unwrap().push(question.headers["authorization"].to_str().unwrap().to_owned());
        HttpAnswer::new(401)
    });
    let server = server.await.unwrap();
    let config = WebSocketConfig::new().with_auth(Renewing::default());
    let api = client(&format!("http://{}/", server.address()), config);
    let error = api.subscribe::<Value>(&request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(*tokens.lock().unwrap(), ["token-0", "token-1"]);
}

#[tokio::test]
async fn over_tls_the_server_is_verified() {
    let authority = Authority::new().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    // It does not speak WebSocket, and that is the answer of one that is trusted.
    let server = HttpServer::start_tls(authority.identity(&["localhost"]).unwrap(), |_| HttpAnswer::new(403))
        .await
        .unwrap();
    let url = format!("https://localhost:{}/", server.address().port());
    let trusting = WebSocketConfig::new().with_tls(TlsSettings::new().with_only_ca_file(file.path()));
    let error = client(&url, trusting).subscribe::<Value>(&request()).await.unwrap_err();
    assert_eq!((error.kind(), error.http_status()), (ErrorKind::PermissionDenied, Some(403)));
    let stranger = Authority::new().unwrap();
    std::fs::write(file.path(), stranger.pem()).unwrap();
    let doubting = WebSocketConfig::new().with_tls(TlsSettings::new().with_only_ca_file(file.path()));
    let error = client(&url, doubting).subscribe::<Value>(&request()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::NotSent));
}

#[tokio::test]
async fn each_subscription_gives_its_connection_back() {
    let (url, mut told) = serve(|_, mut peer: Peer| async move {
        peer.begin().await;
        peer.say(event(1)).await;
        Value::from(peer.closed().await)
    })
    .await;
    let proxy =
        Proxy::start(url.trim_start_matches("http://").trim_end_matches('/').to_owned()).await.unwrap();
    let api = client(&format!("http://{}/", proxy.address()), WebSocketConfig::new());
    for _ in 0..5 {
        let mut subscription: Subscription<Value> = api.subscribe(&request()).await.unwrap();
        next_n(&mut subscription).await;
        drop(subscription);
        assert_eq!(told.recv().await.unwrap(), json!(1000));
    }
    assert_eq!(proxy.connections(), 5);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let http = || GraphqlClient::over(HttpClient::over(MemoryHttp::new()), "/graphql").unwrap();
    for wrong in [
        WebSocketConfig::new().with_ack_timeout(Duration::ZERO),
        WebSocketConfig::new().with_ping_interval(Duration::ZERO),
        WebSocketConfig::new().with_url("no url"),
        WebSocketConfig::new().with_url("/graphql"),
    ] {
        let error = http().with_websocket(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
    let with_file = request().with_upload("file", Upload::new("a", "b")).unwrap();
    let error = http().subscribe::<Value>(&with_file).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidArgument, Effect::NotSent));
}

#[tokio::test]
async fn what_a_connection_begins_with_goes_to_no_other_machine_without_tls_unless_it_may() {
    let over = |url: &str, config: WebSocketConfig| {
        let api = GraphqlClient::over(HttpClient::over(MemoryHttp::new()), url).unwrap();
        api.with_websocket(config)
    };
    let init = || WebSocketConfig::new().with_init(|| json!({"token": "t0ken"}));
    for config in [init(), init().with_url("http://api.example/events")] {
        let error = over("http://api.example/graphql", config).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Configuration, Effect::NotSent));
    }
    for (url, config) in [
        ("http://api.example/", init().with_insecure_http(true)),
        ("http://api.example/", init().with_url("https://api.example/events")),
        ("http://api.example/", WebSocketConfig::new()),
        ("https://api.example/", init()),
        ("http://localhost:4000/", init()),
    ] {
        assert!(over(url, config).is_ok(), "{url}");
    }
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let (url, _told) = serve(|_, mut peer: Peer| async move {
        peer.begin().await;
        peer.say_text(r#"{"type": "s3cret"}"#).await;
        Value::Null
    })
    .await;
    let config = WebSocketConfig::new()
        .with_init(|| json!("s3cret"))
        .with_auth(BearerAuth::new(Secret::new("s3cret")));
    let shown = format!("{config:?}");
    let mut subscription = client(&url, config).subscribe::<Value>(&request()).await.unwrap();
    let error = subscription.next().await.unwrap_err();
    let shown = format!("{shown} {subscription:?} {error:?} {}", error.report());
    assert!(!shown.contains("s3cret"), "{shown}");
}
