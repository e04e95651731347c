//! Server-sent events, by the HTML standard (9.2): a parser, a stream over the body of an answer, and a source that
//! connects again.
//!
//! ```
//! use external_http::sse::{SseSource, SseUpdate};
//! use external_http::{HttpClient, HttpRequest, MemoryAnswer, MemoryHttp, Method};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
//! // The server ends the connection after each event, and says 204 when there are no more.
//! let double = MemoryHttp::new().with_route(Method::GET, "/news", |request| match request.header("last-event-id") {
//!     None => MemoryAnswer::new(200).with_header("content-type", "text/event-stream").with_body("id: 1\ndata: hello\n\n"),
//!     Some("1") => MemoryAnswer::new(204),
//!     Some(_) => MemoryAnswer::new(400),
//! });
//! let mut news = SseSource::new(HttpClient::over(double), HttpRequest::get("/news")?);
//! while let Some(update) = news.next().await? {
//!     match update {
//!         SseUpdate::Event(event) => assert_eq!((event.id(), event.data()), ("1", "hello")),
//!         SseUpdate::Disconnected { retry_in, .. } => assert!(retry_in.as_secs() >= 3),
//!         _ => {}
//!     }
//! }
//! # Ok::<(), external_core::Error>(()) }).unwrap();
//! ```
//!
//! | | |
//! |---|---|
//! | [`SseSource`] | a request whose events go on after the connection ended: what one wants, most often |
//! | [`SseStream`] | the events of one answer |
//! | [`SseParser`] | bytes in, events out: for bytes that come another way |
mod event;
mod parser;
mod source;
mod stream;

pub use event::SseEvent;
pub use parser::SseParser;
pub use source::{SseSource, SseUpdate};
pub use stream::SseStream;
pub(crate) use stream::is_event_stream;
