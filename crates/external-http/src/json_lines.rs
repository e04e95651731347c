//! Newline-delimited JSON: a value a line, read as it arrives.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use external_core::{ByteStream, Error, Result};
use futures_core::Stream;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::lines::{Ends, Lines};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The values of a body of newline-delimited JSON (`application/x-ndjson`, `application/jsonl`). Empty lines are passed
/// over, and the last line needs no end.
///
/// A line that is no `T` is an error of that line alone: whoever asks on gets the next one. After any other error there is
/// nothing more.
///
/// ```
/// use external_http::json_lines::JsonLines;
/// use external_http::{ByteStream, ErrorKind};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let body = ByteStream::from_bytes("[1, 2]\n[3, \"four\"]\n\n[5]".into());
/// let mut lines = JsonLines::<Vec<u32>>::new(body);
/// assert_eq!(lines.next_value().await?, Some(vec![1, 2]));
/// let error = lines.next_value().await.unwrap_err();
/// assert_eq!((error.kind(), error.context_value("line")), (ErrorKind::Corrupt, Some("2")));
/// assert_eq!(lines.next_value().await?, Some(vec![5]));
/// assert_eq!(lines.next_value().await?, None);
/// # Ok::<(), external_core::Error>(()) }).unwrap();
/// ```
pub struct JsonLines<T> {
    body: ByteStream,
    lines: Lines,
    /// The number of the last line that was read.
    number: u64,
    has_ended: bool,
    is_broken: bool,
    value: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> JsonLines<T> {
    /// The values of a body; a line has at most 4 MiB.
    #[must_use]
    pub fn new(body: ByteStream) -> Self {
        let lines = Lines::new(Ends::LineFeed, 4 << 20);
        Self { body, lines, number: 0, has_ended: false, is_broken: false, value: PhantomData }
    }

    /// Refuses lines that are longer.
    #[must_use]
    pub fn with_max_line(mut self, bytes: usize) -> Self {
        self.lines.limit(bytes);
        self
    }

    /// The next value; `None` when the body ended. A call that is dropped loses nothing.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a line that is no JSON, or not that of a `T`; `PayloadTooLarge` for one beyond the limit; both name the
    /// line by its number, from 1 on, and hold nothing of it. Else what broke the body.
    pub async fn next_value(&mut self) -> Result<Option<T>> {
        self.next().await.transpose()
    }

    /// What the lines say that are there; `None` if that is nothing yet.
    fn value(&mut self) -> Option<Result<T>> {
        loop {
            let line = match self.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) if self.has_ended => self.lines.rest()?,
                Ok(None) => return None,
                Err(error) => {
                    self.is_broken = true;
                    return Some(Err(error.with_context("line", self.number + 1)));
                }
            };
            self.number += 1;
            let mut text = line.text();
            if self.number == 1 {
                text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
            }
            if !text.trim_ascii().is_empty() {
                return Some(decoded(text).map_err(|error| error.with_context("line", self.number)));
            }
        }
    }
}

impl<T: DeserializeOwned> Stream for JsonLines<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while !this.is_broken {
            if let Some(value) = this.value() {
                return Poll::Ready(Some(value));
            }
            if this.has_ended {
                break;
            }
            match ready!(Pin::new(&mut this.body).poll_next(cx)) {
                Some(Ok(chunk)) => this.lines.push(chunk),
                Some(Err(error)) => {
                    this.is_broken = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.has_ended = true,
            }
        }
        Poll::Ready(None)
    }
}

impl<T> fmt::Debug for JsonLines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").field("line", &self.number).finish_non_exhaustive()
    }
}

/// JSON as a `T`. What serde says about it is left out, since it cites what it read.
pub(crate) fn decoded<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|error| {
        let why = match error.classify() {
            Category::Data => "JSON of another shape than expected",
            Category::Eof => "JSON that ends too early",
            Category::Syntax | Category::Io => "not JSON",
        };
        Error::corrupt(why).with_context("column", error.column())
    })
}
