//! How often, and when, a subscription that was lost is made anew: over the double, on a clock that is paused.

use std::sync::Mutex;
use std::time::Duration;

use external_api::external_http::external_resilience::Policy;
use external_api::external_http::{BuildContext, MemoryAnswer, MemoryHttp};
use external_api::graphql::{GraphqlClient, GraphqlRequest, Subscription, SubscriptionEvent};
use external_api::{Error, ErrorKind, HttpClient};
use serde_json::Value;
use tokio::time::Instant;

/// A server with one answer after the other; then with none but 503. Waits are the longest that chance gives.
fn api(answers: impl IntoIterator<Item = MemoryAnswer>) -> GraphqlClient {
    let answers = Mutex::new(answers.into_iter().collect::<Vec<_>>().into_iter());
    let double = MemoryHttp::new().with_fallback(move |_| {
        let next = answers.lock().unwrap().next();
        next.unwrap_or_else(|| MemoryAnswer::new(503))
    });
    let policy = Policy::off().with_backoff(Duration::from_secs(1), Duration::from_secs(8));
    let longest = BuildContext::new().with_random(|buffer| buffer.fill(0xFF));
    GraphqlClient::over(HttpClient::over(double).with_policy(policy), "/graphql")
        .unwrap()
        .with_context(&longest)
}

fn down() -> MemoryAnswer {
    MemoryAnswer::new(503)
}

/// A connection that ends after these events.
fn events(numbers: &[u32]) -> MemoryAnswer {
    let events = numbers.iter().map(|n| format!("event: next\ndata: {{\"data\": {{\"n\": {n}}}}}\n\n"));
    said(events.collect())
}

fn complete() -> MemoryAnswer {
    said("event: complete\ndata:\n\n".to_owned())
}

fn said(body: String) -> MemoryAnswer {
    MemoryAnswer::new(200).with_header("content-type", "text/event-stream").with_body(body)
}

async fn subscribed(api: &GraphqlClient) -> Subscription<Value> {
    api.subscribe(&GraphqlRequest::new("subscription { n }")).await.unwrap()
}

/// What it tells, as one word each, and the error that ends it, if one does.
async fn told(mut subscription: Subscription<Value>) -> (String, Option<Error>) {
    let mut words = Vec::new();
    loop {
        words.push(match subscription.next().await {
            Ok(Some(SubscriptionEvent::Next(reply))) => reply.into_data().unwrap()["n"].to_string(),
            Ok(Some(SubscriptionEvent::Lost(_))) => "lost".to_owned(),
            Ok(Some(SubscriptionEvent::Resumed)) => "resumed".to_owned(),
            Ok(Some(other)) => panic!("{other:?}"),
            Ok(None) => return (words.join(" "), None),
            Err(error) => return (words.join(" "), Some(error)),
        });
    }
}

fn requests(api: &GraphqlClient) -> usize {
    api.http().provider::<MemoryHttp>().unwrap().received().len()
}

#[tokio::test(start_paused = true)]
async fn a_try_that_fails_is_one_of_those_that_are_made_and_not_the_end() {
    let api = api([events(&[1]), down(), down(), events(&[2]), complete()]).with_max_reconnects(3);
    let (words, error) = told(subscribed(&api).await).await;
    assert_eq!((words.as_str(), error.is_none()), ("1 lost resumed 2 lost resumed", true));
}

#[tokio::test(start_paused = true)]
async fn as_many_tries_are_made_as_are_allowed_with_longer_waits_between_them() {
    let api = api([events(&[1])]).with_max_reconnects(4);
    let began = Instant::now();
    let (words, error) = told(subscribed(&api).await).await;
    let error = error.unwrap();
    assert_eq!((words.as_str(), error.kind(), requests(&api)), ("1 lost", ErrorKind::Unavailable, 1 + 4));
    assert_eq!((error.http_status(), error.context_value("losses")), (Some(503), Some("5")));
    assert_eq!(began.elapsed().as_secs(), 2 + 4 + 8 + 8);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_a_new_beginning_and_a_connection_alone_is_none() {
    // Six failures, but never more than three with no event between.
    let answers = [events(&[1]), down(), down(), events(&[2]), down(), down(), events(&[3]), complete()];
    let eventful = api(answers).with_max_reconnects(3);
    let (words, error) = told(subscribed(&eventful).await).await;
    assert_eq!((words.as_str(), error.is_none()), ("1 lost resumed 2 lost resumed 3 lost resumed", true));

    let silent = api(vec![events(&[]); 9]).with_max_reconnects(3);
    let (words, error) = told(subscribed(&silent).await).await;
    assert_eq!(words, "lost resumed lost resumed lost resumed");
    assert_eq!((error.unwrap().kind(), requests(&silent)), (ErrorKind::Unavailable, 4));
}

#[tokio::test(start_paused = true)]
async fn what_another_try_would_not_mend_ends_it_at_once() {
    let api = api([events(&[1]), down(), MemoryAnswer::new(401), events(&[2])]);
    let (words, error) = told(subscribed(&api).await).await;
    assert_eq!((words.as_str(), error.unwrap().kind()), ("1 lost", ErrorKind::Unauthenticated));
    assert_eq!(requests(&api), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_when_is_left_alone_until_then() {
    let busy = || MemoryAnswer::new(503).with_header("retry-after", "60");
    let api = api([events(&[1]), busy(), busy(), complete()]);
    let began = Instant::now();
    let (words, error) = told(subscribed(&api).await).await;
    assert_eq!((words.as_str(), error.is_none()), ("1 lost resumed", true));
    assert_eq!(began.elapsed().as_secs(), 2 + 60 + 60);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_closed_tries_no_more() {
    let api = api([events(&[1])]).with_max_reconnects(1000);
    let mut subscription = subscribed(&api).await;
    for _ in 0..2 {
        assert!(subscription.next().await.unwrap().is_some());
    }
    let began = Instant::now();
    let left = api.close(Duration::from_secs(60)).await;
    assert!(left.is_clean(), "{left:?}");
    assert_eq!(
        (subscription.next().await.unwrap_err().kind(), began.elapsed().as_secs()),
        (ErrorKind::Closed, 0)
    );
    assert!(subscription.next().await.unwrap().is_none());
    let again = api.subscribe::<Value>(&GraphqlRequest::new("subscription { n }")).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Closed);
}
