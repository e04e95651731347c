//! Driving a subscription: events to the reader, a new connection where one was lost, an end where nobody wants more.

use std::time::Duration;

use external_core::{CallContext, Error, Result, Retry};
use tokio::sync::mpsc;

use super::super::client::Shared;
use super::super::{GraphqlClient, GraphqlRequest};
use super::Event;
use super::link::Link;

/// Hands events over until the server is through, the subscription is lost for good, nobody listens, or the client is closed.
pub(super) async fn drive(
    client: &GraphqlClient,
    request: &GraphqlRequest,
    mut link: Link,
    events: &mpsc::Sender<Result<Event>>,
) {
    let mut failures = 0;
    loop {
        let next = tokio::select! {
            biased;
            () = unwanted(client, events) => return link.end().await,
            next = link.next() => next,
        };
        let is_told = match next {
            Ok(Some(reply)) => {
                failures = 0;
                told(client, events, Ok(Event::Next(reply))).await
            }
            Ok(None) => {
                told(client, events, Ok(Event::End)).await;
                return;
            }
            Err(lost) => match resumed(client, request, lost, &mut failures, events).await {
                Some(again) => {
                    link = again;
                    told(client, events, Ok(Event::Resumed)).await
                }
                None => return,
            },
        };
        if !is_told {
            return link.end().await;
        }
    }
}

/// A new connection in the place of one that was lost. `None` where there is none, or nobody cares.
async fn resumed(
    client: &GraphqlClient,
    request: &GraphqlRequest,
    lost: Error,
    failures: &mut u32,
    events: &mpsc::Sender<Result<Event>>,
) -> Option<Link> {
    let mut error = lost;
    let mut is_news = true;
    loop {
        *failures += 1;
        if error.retry() == Retry::Never || *failures > client.shared.max_reconnects {
            told(client, events, Err(error.with_context("losses", *failures))).await;
            return None;
        }
        let wait = wait(&client.shared, error.retry(), *failures);
        // What is missed begins with the loss, however many tries its end takes.
        if std::mem::take(&mut is_news) && !told(client, events, Ok(Event::Lost(error))).await {
            return None;
        }
        let connecting = async {
            tokio::time::sleep(wait).await;
            // The deadline that the caller set was for the first connection alone.
            Link::open(client, &CallContext::default(), request).await
        };
        let connected = tokio::select! {
            biased;
            () = unwanted(client, events) => return None,
            connected = connecting => connected,
        };
        match connected {
            Ok(link) => return Some(link),
            Err(again) => error = again,
        }
    }
}

/// Tells the reader. False if there is none, or the client was closed.
async fn told(client: &GraphqlClient, events: &mpsc::Sender<Result<Event>>, event: Result<Event>) -> bool {
    tokio::select! {
        biased;
        () = unwanted(client, events) => false,
        sent = events.send(event) => sent.is_ok(),
    }
}

/// Until nobody listens, or the client is closed.
async fn unwanted(client: &GraphqlClient, events: &mpsc::Sender<Result<Event>>) {
    tokio::select! {
        () = events.closed() => {}
        () = client.pipeline().closing() => {}
    }
}

/// How long to wait after so many failures: up to twice as long after each, and never shorter than the server asks.
fn wait(shared: &Shared, retry: Retry, failures: u32) -> Duration {
    let policy = shared.wire.http.pipeline().policy().retry;
    let bound = policy.base.saturating_mul(1 << failures.min(16)).min(policy.cap);
    let mut random = [0; 4];
    shared.context.random(&mut random);
    let jittered = bound.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX));
    match retry {
        Retry::After(asked) => jittered.max(asked),
        _ => jittered,
    }
}

#[cfg(test)]
mod tests {
    use external_core::BuildContext;
    use external_http::{HttpClient, MemoryHttp};
    use external_resilience::Policy;

    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_heed_the_server() {
        let policy = Policy::default().with_backoff(Duration::from_millis(100), Duration::from_secs(1));
        let client = GraphqlClient::over(HttpClient::over(MemoryHttp::new()).with_policy(policy), "/graphql");
        // The longest that chance gives.
        let longest = BuildContext::new().with_random(|buffer| buffer.fill(0xFF));
        let client = client.unwrap().with_context(&longest);
        let waited = |retry, failures| wait(&client.shared, retry, failures).as_millis();
        let waits: Vec<u128> =
            [1, 2, 3, 4, 40].into_iter().map(|failures| waited(Retry::Backoff, failures)).collect();
        assert_eq!(waits, [200, 400, 800, 1000, 1000]);
        assert_eq!(waited(Retry::After(Duration::from_secs(7)), 1), 7000);
        assert_eq!(waited(Retry::After(Duration::ZERO), 1), 200);
    }
}
