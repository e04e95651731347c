//! Subscriptions: one stream, whatever carries it, that survives the loss of its connection and says so.

mod protocol;
mod sse;
mod websocket;

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use external_core::{CallContext, Error, Operation, Repeat, Result, Retry};
use futures_core::Stream;
use http::Method;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

pub(super) use websocket::Sockets;
pub use websocket::WebSocketConfig;

use super::client::{DOMAIN, Shared};
use super::reply::read_event;
use super::{GraphqlClient, GraphqlReply, GraphqlRequest};
use sse::Events;
use websocket::Socket;

/// How many events wait for a slow reader before the connection is read no further.
const WAITING: usize = 16;

/// The events of a subscription, in their order. It ends when the server is through, or with the error that ended it.
///
/// Dropping it ends the subscription: the server is told. Who reads slower than events come slows the server down, after 16
/// of them; who does not read at all is cut off by most servers.
///
/// ```no_run
/// use external_api::graphql::{GraphqlClient, GraphqlRequest, SubscriptionEvent};
///
/// # async fn follow(api: GraphqlClient) -> external_api::Result<()> {
/// let request = GraphqlRequest::new("subscription { price { symbol amount } }");
/// let mut prices = api.subscribe::<serde_json::Value>(&request).await?;
/// while let Some(event) = prices.next().await? {
///     match event {
///         SubscriptionEvent::Next(reply) => drop(reply.into_data()?),
///         SubscriptionEvent::Lost(error) => drop(error), // what comes now is missed
///         SubscriptionEvent::Resumed => {}               // a look at the present state, say
///         _ => {}
///     }
/// }
/// # Ok(()) }
/// ```
pub struct Subscription<T> {
    events: mpsc::Receiver<Result<Event>>,
    is_over: bool,
    of: PhantomData<fn() -> T>,
}

/// What a subscription tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum SubscriptionEvent<T> {
    /// An event. It may have errors beside its data, or in their place.
    Next(GraphqlReply<T>),
    /// The connection was lost, and is being made anew.
    Lost(Error),
    /// There is a new connection. What happened between the two was missed.
    Resumed,
}

/// The same, before anybody looked into it.
enum Event {
    Next(Bytes),
    Lost(Error),
    Resumed,
}

impl<T: DeserializeOwned> Subscription<T> {
    /// What happens next; `None` when the server is through. A call that is dropped loses nothing.
    ///
    /// # Errors
    ///
    /// What ended the subscription: the server's refusal, by its code; a connection that was lost more often than it is made
    /// anew; `PayloadTooLarge` for an event beyond the limit of the request; `Corrupt` for one that is no GraphQL, or not
    /// of the type `T`.
    pub async fn next(&mut self) -> Result<Option<SubscriptionEvent<T>>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }
}

impl<T: DeserializeOwned> Stream for Subscription<T> {
    type Item = Result<SubscriptionEvent<T>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let event = ready!(self.events.poll_recv(cx)).map(|event| {
            Ok(match event? {
                Event::Next(reply) => SubscriptionEvent::Next(read_event(&reply)?),
                Event::Lost(error) => SubscriptionEvent::Lost(error),
                Event::Resumed => SubscriptionEvent::Resumed,
            })
        });
        if !matches!(event, Some(Ok(_))) {
            self.is_over = true;
            self.events.close();
        }
        Poll::Ready(event)
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

impl GraphqlClient {
    /// Subscribes: over WebSocket where [`with_websocket`](Self::with_websocket) says so, else by server-sent events, through
    /// the client below. Returns once the server has heard of it; what it says to it comes with the stream.
    ///
    /// A connection that is lost is made anew, as often in a row as [`with_max_reconnects`](Self::with_max_reconnects) says.
    ///
    /// # Errors
    ///
    /// Where there is no connection: as [`query`](Self::query), by the handshake's status, by the close code; `Unsupported`
    /// for a server that does not speak the protocol.
    pub async fn subscribe<T: DeserializeOwned>(&self, request: &GraphqlRequest) -> Result<Subscription<T>> {
        if !request.uploads.is_empty() {
            return Err(Error::invalid_argument("a subscription takes no files"));
        }
        request.changes_nothing()?;
        let link = self.connect(&request.context(), request).await?;
        let (sender, events) = mpsc::channel(WAITING);
        let (client, request) = (self.clone(), request.clone());
        // It outlives whoever drops the subscription: for as long as it takes to tell the server.
        self.shared.pipeline.cleanup().spawn(async move { drive(&client, &request, link, &sender).await });
        Ok(Subscription { events, is_over: false, of: PhantomData })
    }

    /// The same client, whose subscriptions go over WebSocket by the protocol graphql-transport-ws. They go directly, not
    /// through the proxy of the client below; TLS settings are those of the context.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that is wrong.
    pub fn with_websocket(self, config: WebSocketConfig) -> Result<Self> {
        let sockets = config.build(&self.shared.place(), &self.shared.context)?;
        Ok(self.changed(|shared| shared.sockets = Some(sockets)))
    }

    /// The same client, whose subscriptions are resumed after so many losses with no event between them. Default 5.
    #[must_use]
    pub fn with_max_reconnects(self, losses: u32) -> Self {
        self.changed(|shared| shared.max_reconnects = losses)
    }

    /// A connection with the subscription on it, through the pipeline.
    async fn connect(&self, cx: &CallContext, request: &GraphqlRequest) -> Result<Link> {
        let Shared { sockets, pipeline, .. } = &*self.shared;
        let parameters = request.parameters(true, &request.extensions)?;
        // A subscription changes nothing, so that it may be tried again.
        let operation = Operation::new(DOMAIN, "subscribe", Repeat::Safe);
        let run = pipeline.run(operation, cx, |cx, _| {
            let parameters = &parameters;
            Box::pin(async move {
                match sockets {
                    Some(sockets) => {
                        let handshake = self.request(Method::GET, sockets.url.clone(), request);
                        let socket = sockets.open(cx, handshake, parameters, request.body_limit).await?;
                        Ok(Link::Socket(Box::new(socket)))
                    }
                    None => {
                        let post = self.post(request, parameters.clone())?;
                        let events = Events::open(&self.shared, cx, post, request.body_limit).await?;
                        Ok(Link::Events(Box::new(events)))
                    }
                }
            })
        });
        run.await
    }
}

/// What carries a subscription.
enum Link {
    Socket(Box<Socket>),
    Events(Box<Events>),
}

impl Link {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::Socket(socket) => socket.next().await,
            Self::Events(events) => events.next().await,
        }
    }

    async fn end(&mut self) {
        match self {
            Self::Socket(socket) => socket.end().await,
            // Its connection ends with it, and that is what the server is told.
            Self::Events(_) => {}
        }
    }
}

/// Hands events over until the server is through, the subscription dropped, or lost for good.
async fn drive(
    client: &GraphqlClient,
    request: &GraphqlRequest,
    mut link: Link,
    events: &mpsc::Sender<Result<Event>>,
) {
    let mut losses = 0;
    loop {
        let lost = tokio::select! {
            biased;
            () = events.closed() => return link.end().await,
            next = link.next() => match next {
                Ok(None) => return,
                Ok(Some(reply)) => {
                    losses = 0;
                    if events.send(Ok(Event::Next(reply))).await.is_err() {
                        return link.end().await;
                    }
                    continue;
                }
                Err(error) => error,
            },
        };
        losses += 1;
        match resumed(client, request, lost, losses, events).await {
            Some(again) => link = again,
            None => return,
        }
    }
}

/// A new connection in the place of one that was lost, and the news of it. `None` where there is none, or nobody cares.
async fn resumed(
    client: &GraphqlClient,
    request: &GraphqlRequest,
    lost: Error,
    losses: u32,
    events: &mpsc::Sender<Result<Event>>,
) -> Option<Link> {
    if lost.retry() == Retry::Never || losses > client.shared.max_reconnects {
        let error = lost.with_context("losses", losses);
        events.send(Err(error)).await.ok()?;
        return None;
    }
    let wait = wait(&client.shared, lost.retry(), losses);
    events.send(Ok(Event::Lost(lost))).await.ok()?;
    let connecting = async {
        tokio::time::sleep(wait).await;
        // The deadline that the caller set was for the first connection alone.
        client.connect(&CallContext::default(), request).await
    };
    let connected = tokio::select! {
        biased;
        () = events.closed() => return None,
        connected = connecting => connected,
    };
    match connected {
        Ok(mut link) => match events.send(Ok(Event::Resumed)).await {
            Ok(()) => Some(link),
            Err(_) => {
                link.end().await;
                None
            }
        },
        Err(error) => {
            events.send(Err(error)).await.ok()?;
            None
        }
    }
}

/// How long to wait after so many losses: up to twice as long after each, and never shorter than the server asks.
fn wait(shared: &Shared, retry: Retry, losses: u32) -> Duration {
    let policy = shared.pipeline.policy().retry;
    let bound = policy.base.saturating_mul(1 << losses.min(16)).min(policy.cap);
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
        let client = GraphqlClient::new(HttpClient::over(MemoryHttp::new()).with_policy(policy), "/graphql");
        // The longest that chance gives.
        let client =
            client.unwrap().with_context(BuildContext::new().with_random(|buffer| buffer.fill(0xFF)));
        let waited = |retry, losses| wait(&client.shared, retry, losses).as_millis();
        let waits: Vec<u128> =
            [1, 2, 3, 4, 40].into_iter().map(|losses| waited(Retry::Backoff, losses)).collect();
        assert_eq!(waits, [200, 400, 800, 1000, 1000]);
        assert_eq!(waited(Retry::After(Duration::from_secs(7)), 1), 7000);
        assert_eq!(waited(Retry::After(Duration::ZERO), 1), 200);
    }
}
