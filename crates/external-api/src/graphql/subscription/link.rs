//! What carries a subscription: one call through the pipeline, which lasts as long as its connection.

use bytes::Bytes;
use external_core::{CallContext, Operation, Repeat, Result};
use external_resilience::CallGuard;
use http::Method;

use super::super::client::DOMAIN;
use super::super::{GraphqlClient, GraphqlRequest};
use super::sse::Events;
use super::websocket::Socket;

/// A connection with a subscription on it: one call, which lasts as long.
pub(super) struct Link {
    carrier: Carrier,
    call: Option<CallGuard>,
}

enum Carrier {
    Socket(Box<Socket>),
    Events(Box<Events>),
}

impl Link {
    /// A connection with the subscription on it, through the pipeline.
    pub(super) async fn open(
        client: &GraphqlClient,
        cx: &CallContext,
        request: &GraphqlRequest,
    ) -> Result<Self> {
        let parameters = request.parameters(true, &request.extensions)?;
        // A subscription changes nothing, so that it may be tried again.
        let operation = Operation::new(DOMAIN, "subscribe", Repeat::Safe);
        let run = client.pipeline().run_streaming(operation, cx, |cx, _| {
            let parameters = &parameters;
            Box::pin(async move {
                match &client.shared.sockets {
                    Some(sockets) => {
                        let handshake = client.request(Method::GET, sockets.url.clone(), request);
                        let socket = sockets.open(cx, handshake, parameters, request.body_limit).await?;
                        Ok(Carrier::Socket(Box::new(socket)))
                    }
                    None => {
                        let post = client.post(request, parameters.clone())?;
                        let events = Events::open(&client.shared, cx, post, request.body_limit).await?;
                        Ok(Carrier::Events(Box::new(events)))
                    }
                }
            })
        });
        let (carrier, call) = run.await?;
        Ok(Self { carrier, call: Some(call) })
    }

    /// The next event; `None` once the server is through. A call that is dropped loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        let next = match &mut self.carrier {
            Carrier::Socket(socket) => socket.next().await,
            Carrier::Events(events) => events.next().await,
        };
        match (next, &mut self.call) {
            (Ok(Some(event)), _) => Ok(Some(event)),
            (Ok(None), call) => {
                call.take().into_iter().for_each(CallGuard::succeed);
                Ok(None)
            }
            (Err(error), call) => Err(match call.take() {
                Some(call) => call.fail(error),
                None => error,
            }),
        }
    }

    pub(super) async fn end(mut self) {
        // Whoever ends it had enough.
        drop(self.call.take());
        match &mut self.carrier {
            Carrier::Socket(socket) => socket.end().await,
            // Its connection ends with it, and that is what the server is told.
            Carrier::Events(_) => {}
        }
    }
}
