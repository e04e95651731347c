//! The events of one answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use external_core::http::HttpResponse;
use external_core::{ByteStream, Error, Result};
use futures_core::Stream;
use futures_util::StreamExt;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::{SseEvent, SseParser};

/// The events of a body. After an error it yields nothing more.
///
/// ```
/// use external_http::sse::SseStream;
/// use external_http::{HttpClient, HttpRequest, MemoryAnswer, MemoryHttp};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # let http = HttpClient::over(MemoryHttp::new().with_fallback(|_| {
/// #     MemoryAnswer::new(200).with_header("content-type", "text/event-stream").with_body("data: {\"n\": 1}\n\n")
/// # }));
/// let answer = http.send(&HttpRequest::get("/answers/7")?.streamed()).await?;
/// let mut events = SseStream::of(answer)?;
/// while let Some(event) = events.next_event().await? {
///     assert_eq!(event.json::<serde_json::Value>()?["n"], 1);
/// }
/// # Ok::<(), external_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct SseStream {
    body: ByteStream,
    parser: SseParser,
    is_broken: bool,
}

impl SseStream {
    /// The events of an answer, which should be delivered [streamed](external_core::http::HttpRequest::streamed).
    ///
    /// # Errors
    ///
    /// `Unexpected` if its status is not 200 or it is no `text/event-stream`: trying again is of no use, then.
    pub fn of(answer: HttpResponse) -> Result<Self> {
        let refused = |why: &'static str| {
            let error = Error::unexpected(why).with_http_status(answer.status.as_u16());
            Err(match answer.request_id.clone() {
                Some(id) => error.with_request_id(id),
                None => error,
            })
        };
        if answer.status != StatusCode::OK {
            return refused("the answer to a request for events is not 200");
        }
        if !answer.headers.get(CONTENT_TYPE).is_some_and(|told| is_event_stream(told.as_bytes())) {
            return refused("the answer to a request for events is no text/event-stream");
        }
        Ok(Self::new(answer.body))
    }

    /// The events of a body.
    #[must_use]
    pub fn new(body: ByteStream) -> Self {
        Self { body, parser: SseParser::new(), is_broken: false }
    }

    /// Reads with this parser: with other limits, or after an id that is known.
    #[must_use]
    pub fn with_parser(mut self, parser: SseParser) -> Self {
        self.parser = parser;
        self
    }

    /// What reads: it knows the last id and how long to wait before another connection.
    #[must_use]
    pub fn parser(&self) -> &SseParser {
        &self.parser
    }

    /// The next event; `None` when the body ended. A call that is dropped loses nothing.
    ///
    /// # Errors
    ///
    /// What broke the body, and as [`SseParser::next_event`].
    pub async fn next_event(&mut self) -> Result<Option<SseEvent>> {
        self.next().await.transpose()
    }
}

impl Stream for SseStream {
    type Item = Result<SseEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while !this.is_broken {
            let error = match this.parser.next_event() {
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Ok(None) => match ready!(Pin::new(&mut this.body).poll_next(cx)) {
                    Some(Ok(chunk)) => {
                        this.parser.push(chunk);
                        continue;
                    }
                    Some(Err(error)) => error,
                    None => return Poll::Ready(None),
                },
                Err(error) => error,
            };
            this.is_broken = true;
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(None)
    }
}

/// Whether a `Content-Type` says so, whatever its parameters.
pub(crate) fn is_event_stream(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}
