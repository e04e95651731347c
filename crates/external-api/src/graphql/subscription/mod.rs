//! Subscriptions: one stream, whatever carries it, that survives the loss of its connection and says so.

mod drive;
mod link;
mod protocol;
mod sse;
mod websocket;

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use external_core::{Error, Result};
use futures_core::Stream;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

pub(super) use websocket::Sockets;
pub use websocket::WebSocketConfig;

use super::reply::read_event;
use super::{GraphqlClient, GraphqlReply, GraphqlRequest};
use drive::drive;
use link::Link;

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
    /// The connection was lost, and is being made anew. Told once for each loss, however many tries that takes.
    Lost(Error),
    /// There is a new connection. What happened between the two was missed.
    Resumed,
}

/// The same, before anybody looked into it.
enum Event {
    Next(Bytes),
    Lost(Error),
    Resumed,
    /// The server is through. Without it, the client was closed.
    End,
}

impl<T: DeserializeOwned> Subscription<T> {
    /// What happens next; `None` when the server is through. A call that is dropped loses nothing.
    ///
    /// # Errors
    ///
    /// What ended the subscription: the server's refusal, by its code; a connection that was lost more often than it is made
    /// anew; `PayloadTooLarge` for an event beyond the limit of the request; `Corrupt` for one that is no GraphQL, or not
    /// of the type `T`; `Closed` after [`close`](GraphqlClient::close).
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
        let event = match ready!(self.events.poll_recv(cx)) {
            Some(Ok(Event::Next(reply))) => Some(read_event(&reply).map(SubscriptionEvent::Next)),
            Some(Ok(Event::Lost(error))) => Some(Ok(SubscriptionEvent::Lost(error))),
            Some(Ok(Event::Resumed)) => Some(Ok(SubscriptionEvent::Resumed)),
            Some(Ok(Event::End)) => None,
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err(Error::closed("the client was closed"))),
        };
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
    /// A connection that is lost is made anew, by as many tries as [`with_max_reconnects`](Self::with_max_reconnects) says, with
    /// the policy's backoff between them. The wait doubles with each of them.
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
        let link = Link::open(self, &request.context(), request).await?;
        let (sender, events) = mpsc::channel(WAITING);
        let (client, request) = (self.clone(), request.clone());
        // It outlives whoever drops the subscription: for as long as it takes to tell the server.
        self.pipeline().cleanup().spawn(async move { drive(&client, &request, link, &sender).await });
        Ok(Subscription { events, is_over: false, of: PhantomData })
    }

    /// The same client, whose subscriptions go over WebSocket by the protocol graphql-transport-ws.
    ///
    /// Not supported is a WebSocket through a proxy: it goes directly, whatever proxy the client below is configured with.
    /// Where the network lets nothing through but a proxy, subscriptions go by server-sent events, which use that client's.
    /// TLS settings are those of the context.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that is wrong.
    pub fn with_websocket(self, config: WebSocketConfig) -> Result<Self> {
        let sockets = config.build(&self.shared.place(), &self.shared.context)?;
        Ok(self.changed(|shared| shared.sockets = Some(sockets)))
    }

    /// The same client, whose subscriptions are made anew by so many tries with no event between them, whether a try fails
    /// or its connection is lost. Each is a call of its own, which the policy may repeat. Default 5; 0: a loss is the end.
    #[must_use]
    pub fn with_max_reconnects(self, tries: u32) -> Self {
        self.changed(|shared| shared.max_reconnects = tries)
    }
}
