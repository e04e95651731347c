//! Subscriptions by server-sent events: graphql-sse in its mode of distinct connections.
//!
//! <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md#distinct-connections-mode>

use bytes::Bytes;
use external_core::http::{HttpRequest, HttpResponse, HttpTransport};
use external_core::{ByteStream, CallContext, Effect, Error, Result};
use external_http::sse::{SseParser, SseStream};
use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde::de::IgnoredAny;

use super::super::client::Shared;
use super::super::reply::read;

/// An answer that goes on.
pub(super) struct Events(SseStream);

impl Events {
    /// Asks. `limit` is the most bytes of an event.
    pub(super) async fn open(
        shared: &Shared,
        cx: &CallContext,
        mut request: HttpRequest,
        limit: u64,
    ) -> Result<Self> {
        request.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let answer = shared.attempts.execute(cx, &request.streamed()).await?;
        if !is_event_stream(&answer) {
            return Err(refused(shared, answer, limit).await);
        }
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        // Its `complete` has data by its own protocol alone: many a server says no more than the name.
        let parser = SseParser::new().with_bare_events().with_max_line(limit).with_max_event(limit);
        Ok(Self(SseStream::new(answer.body).with_parser(parser)))
    }

    /// The next event; `None` once the server is through. A call that is dropped loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some(event) = self.0.next_event().await? {
            match event.event() {
                "next" => return Ok(Some(event.into_data())),
                "complete" => return Ok(None),
                _ => {}
            }
        }
        Err(Error::unavailable("the connection ended before the subscription"))
    }
}

fn is_event_stream(answer: &HttpResponse) -> bool {
    let told = answer.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = told.split(|byte| *byte == b';').next().unwrap_or_default();
    answer.status.is_success() && essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// The server answered as it would a query: with a refusal, as a rule.
async fn refused(shared: &Shared, mut answer: HttpResponse, limit: u64) -> Error {
    answer.body = match answer.body.collect(limit).await {
        Ok(body) => ByteStream::from_bytes(body),
        Err(error) => return error,
    };
    match read::<IgnoredAny>(answer, shared.context.now()).await {
        Err(error) => error,
        Ok(_) => Error::unsupported("event-stream").with_effect(Effect::MaybeApplied),
    }
}
