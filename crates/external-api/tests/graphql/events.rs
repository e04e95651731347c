//! Subscriptions by server-sent events.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use external_api::external_http::external_resilience::Policy;
use external_api::external_http::{BuildContext, HttpSettings, ReqwestConfig};
use external_api::graphql::{GraphqlClient, GraphqlRequest, Subscription, SubscriptionEvent, errors_of};
use external_api::{ErrorKind, HttpClient};
use external_simulator::HttpAnswer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::place::{Place, answering, both, graphql, json, typed};

fn request() -> GraphqlRequest {
    GraphqlRequest::new("subscription N { n }").with_operation("N").with_variable("from", 3).unwrap()
}

fn events(body: &str) -> HttpAnswer {
    typed("text/event-stream; charset=utf-8", 200, body)
}

fn event(n: u32) -> String {
    format!("event: next\ndata: {{\"data\": {{\"n\": {n}}}}}\n\n")
}

const COMPLETE: &str = "event: complete\ndata:\n\n";

/// What a subscription tells, as one word each, and the error that ends it, if one does.
async fn told(place: &Place, request: &GraphqlRequest) -> (String, Option<external_api::Error>) {
    let mut subscription: Subscription<Value> = match place.api.subscribe(request).await {
        Ok(subscription) => subscription,
        Err(error) => return ("none".to_owned(), Some(error)),
    };
    let mut words = Vec::new();
    loop {
        words.push(match subscription.next().await {
            Ok(Some(SubscriptionEvent::Next(reply))) => match reply.into_data() {
                Ok(data) => data["n"].to_string(),
                Err(error) => error.kind().to_string(),
            },
            Ok(Some(SubscriptionEvent::Lost(_))) => "lost".to_owned(),
            Ok(Some(SubscriptionEvent::Resumed)) => "resumed".to_owned(),
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => return (words.join(" "), None),
            Err(error) => return (words.join(" "), Some(error)),
        });
    }
}

#[tokio::test]
async fn events_come_in_order_and_then_the_end() {
    let body = [
        ":\n\n",
        &event(1),
        "event: other\ndata: x\n\n",
        "event: next\ndata: {\"data\":\ndata:  {\"n\": 2}}\n\n",
        "event: next\ndata: {\"errors\": [{\"message\": \"m\", \"extensions\": {\"code\": \"NOT_FOUND\"}}]}\n\n",
        COMPLETE,
        &event(9),
    ];
    for place in answering(events(&body.concat())).await {
        let (words, error) = told(&place, &request()).await;
        assert_eq!((words.as_str(), error.is_none()), ("1 2 not_found", true));
        let asked = &place.asked()[0];
        assert_eq!(
            (asked.method.as_str(), &asked.headers["accept"]),
            ("POST", &"text/event-stream".parse().unwrap())
        );
        let parameters =
            json!({"query": "subscription N { n }", "operationName": "N", "variables": {"from": 3}});
        assert_eq!(place.parameters(), [parameters]);
    }
}

#[tokio::test]
async fn a_server_is_through_with_and_without_data_behind_the_word() {
    for complete in [COMPLETE, "event: complete\n\n", "event:complete\r\n\r\n"] {
        for place in answering(events(&[&event(1), complete].concat())).await {
            // Where the word is passed over the connection counts as lost.
            let place = place.with(|api| api.with_max_reconnects(0));
            let (words, error) = told(&place, &request()).await;
            assert_eq!(
                (words.as_str(), error.is_none(), place.asked().len()),
                ("1", true, 1),
                "{complete:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_anew_and_that_is_told() {
    let answered = AtomicUsize::new(0);
    let places = both(move |_| match answered.fetch_add(1, Ordering::Relaxed) % 3 {
        0 => events(&event(1)),
        // A try that fails is repeated like any.
        1 => HttpAnswer::new(503),
        _ => events(&[&event(2), COMPLETE].concat()),
    });
    for place in places.await {
        let (words, error) = told(&place, &request()).await;
        assert_eq!((words.as_str(), error.is_none(), place.asked().len()), ("1 lost resumed 2", true, 3));
    }
}

#[tokio::test]
async fn what_is_lost_again_and_again_is_lost() {
    for place in answering(events("")).await {
        let place = place.with(|api| api.with_max_reconnects(1));
        let (words, error) = told(&place, &request()).await;
        assert_eq!((words.as_str(), error.unwrap().kind()), ("lost resumed", ErrorKind::Unavailable));
    }
}

#[tokio::test]
async fn what_is_no_event_stream_is_an_error_that_says_what_is_known() {
    let refusal = r#"{"errors": [{"message": "no", "extensions": {"code": "FORBIDDEN"}}]}"#;
    for (answer, kind) in [
        (graphql(200, refusal), ErrorKind::PermissionDenied),
        (json(400, refusal), ErrorKind::PermissionDenied),
        (graphql(200, r#"{"data": {"n": 1}}"#), ErrorKind::Unsupported),
        (HttpAnswer::new(401), ErrorKind::Unauthenticated),
        (typed("text/html", 200, "<html>"), ErrorKind::Corrupt),
        (typed("text/event-stream", 404, "data: x\n\n"), ErrorKind::NotFound),
    ] {
        for place in answering(answer.clone()).await {
            let place = place.with(|api| api.with_policy(Policy::off()));
            let error = place.api.subscribe::<Value>(&request()).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{answer:?}: {}", error.report());
            assert_eq!(errors_of(&error).len(), usize::from(kind == ErrorKind::PermissionDenied));
        }
    }
}

#[tokio::test]
async fn an_event_that_is_none_ends_the_subscription() {
    let large = format!("event: next\ndata: {{\"data\": {{\"n\": \"{}\"}}}}\n\n", "x".repeat(10_000));
    for (body, kind) in [
        ("event: next\ndata: <html>\n\n", ErrorKind::Corrupt),
        ("event: next\ndata: {}\n\n", ErrorKind::Corrupt),
        ("event: next\ndata:\n\n", ErrorKind::Corrupt),
        (large.as_str(), ErrorKind::PayloadTooLarge),
    ] {
        for place in answering(events(&[&event(1), body].concat())).await {
            let (words, error) = told(&place, &request().with_body_limit(5000)).await;
            assert_eq!(
                (words.as_str(), error.unwrap().kind(), place.asked().len()),
                ("1", kind, 1),
                "{body}"
            );
        }
    }
}

/// A server that begins and says nothing more, and how it is left.
async fn silent() -> (String, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        assert!(client.read(&mut asked).await.unwrap() > 0);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let event = event(1);
        let said = format!("{head}{:x}\r\n{event}\r\n", event.len());
        client.write_all(said.as_bytes()).await.unwrap();
        client.read(&mut asked).await.unwrap_or_default()
    });
    (url, serving)
}

#[tokio::test]
async fn a_subscription_that_is_dropped_ends_its_connection() {
    let (url, left) = silent().await;
    let http = HttpClient::over(ReqwestConfig::new().build(&BuildContext::default()).unwrap());
    let mut subscription: Subscription<Value> =
        GraphqlClient::over(http, &url).unwrap().subscribe(&request()).await.unwrap();
    assert!(matches!(subscription.next().await.unwrap(), Some(SubscriptionEvent::Next(_))));
    drop(subscription);
    assert_eq!(left.await.unwrap(), 0);
}

#[tokio::test]
async fn a_silent_server_is_left_after_the_idle_timeout() {
    let (url, left) = silent().await;
    let settings = HttpSettings::new().with_idle_timeout(Duration::from_millis(100));
    let http = HttpClient::over(ReqwestConfig::new().build(&BuildContext::default()).unwrap());
    let api =
        GraphqlClient::over(http.with_settings(settings).unwrap(), &url).unwrap().with_max_reconnects(0);
    let mut subscription: Subscription<Value> = api.subscribe(&request()).await.unwrap();
    assert!(matches!(subscription.next().await.unwrap(), Some(SubscriptionEvent::Next(_))));
    assert_eq!(subscription.next().await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(left.await.unwrap(), 0);
}
