//! From bytes to events.

use std::fmt;
use std::mem::take;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use external_core::{Error, Result};

use super::SseEvent;
use super::event::{Text, Word};
use crate::lines::{Ends, Lines, too_large};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads events out of bytes, however these are cut into chunks.
///
/// ```
/// use external_http::sse::SseParser;
///
/// let mut parser = SseParser::new();
/// parser.push("event: price\ndata: 10\nda".into());
/// assert!(parser.next_event()?.is_none());
/// parser.push("ta: 11\n\n".into());
/// let event = parser.next_event()?.unwrap();
/// assert_eq!((event.event(), event.data()), ("price", "10\n11"));
/// # Ok::<(), external_core::Error>(())
/// ```
pub struct SseParser {
    lines: Lines,
    is_first_line: bool,
    max_event: usize,
    takes_bare: bool,
    draft: Draft,
    /// The id of the last event that was whole, for who connects again.
    last_event_id: Word,
    /// Whether that may lie in a chunk.
    is_id_shared: bool,
    retry: Option<Duration>,
    refused: Option<Error>,
}

/// The event whose end has not come yet.
#[derive(Default)]
struct Draft {
    event: Word,
    data: Data,
    told_id: Option<Word>,
}

/// Lines of data, a line feed between them.
#[derive(Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Several(BytesMut),
}

impl SseParser {
    /// With a limit of 4 MiB for a line and of 16 MiB for the data of an event.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lines: Lines::new(Ends::Any, 4 << 20),
            is_first_line: true,
            max_event: 16 << 20,
            takes_bare: false,
            draft: Draft::default(),
            last_event_id: Word::default(),
            is_id_shared: false,
            retry: None,
            refused: None,
        }
    }

    /// Refuses lines that are longer, comments included.
    #[must_use]
    pub fn with_max_line(mut self, bytes: usize) -> Self {
        self.lines.limit(bytes);
        self
    }

    /// Refuses events whose data is longer.
    #[must_use]
    pub fn with_max_event(mut self, bytes: usize) -> Self {
        self.max_event = bytes;
        self
    }

    /// Hands out events that have a name and no data, too: to the standard they are none, and some protocols mean them all
    /// the same. Their data is empty.
    #[must_use]
    pub fn with_bare_events(mut self) -> Self {
        self.takes_bare = true;
        self
    }

    /// Begins with an id that was told before: on an earlier connection.
    #[must_use]
    pub fn with_last_event_id(mut self, id: impl Into<String>) -> Self {
        let id = Bytes::from(id.into());
        self.last_event_id = Word::decode(&id, || id.clone());
        self
    }

    /// Takes the next bytes. Events are read before the next ones are taken, so that they are not copied.
    pub fn push(&mut self, chunk: Bytes) {
        // It may be kept long after its chunk.
        if take(&mut self.is_id_shared) {
            self.last_event_id.leave_chunk();
        }
        self.lines.push(chunk);
    }

    /// The next event that is whole; `None` until there are more bytes. What the bytes end in is no event.
    ///
    /// # Errors
    ///
    /// `PayloadTooLarge` for a line or an event beyond the limit, again and again.
    pub fn next_event(&mut self) -> Result<Option<SseEvent>> {
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        while let Some(line) = self.lines.next()? {
            let skipped = match take(&mut self.is_first_line) && line.text().starts_with(BYTE_ORDER_MARK) {
                true => BYTE_ORDER_MARK.len(),
                false => 0,
            };
            let text = &line.text()[skipped..];
            if text.is_empty() {
                if let Some(id) = self.draft.told_id.take() {
                    self.last_event_id = id;
                    self.is_id_shared = true;
                }
                match self.draft.finish(&self.last_event_id, self.takes_bare) {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                }
            }
            // Comments, and what the standard does not know, are passed over.
            let Some((field, value_at)) = field(text) else { continue };
            let value = &text[value_at..];
            match field {
                Field::Data => {
                    if let Err(error) = self.draft.data.add(line.share(skipped + value_at), self.max_event) {
                        return Err(self.refused.insert(error).clone());
                    }
                }
                Field::Event => self.draft.event = Word::decode(value, || line.share(skipped + value_at)),
                Field::Id if value.contains(&0) => {}
                Field::Id => {
                    self.draft.told_id = Some(Word::decode(value, || line.share(skipped + value_at)));
                }
                Field::Retry => self.retry = milliseconds(value).or(self.retry),
            }
        }
        Ok(None)
    }

    /// The id of the last event that was whole: what a new connection begins after. Empty if none was told.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.last_event_id.as_str()
    }

    /// How long the server asks to wait before a new connection, if it said so.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }
}

impl Default for SseParser {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SseParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseParser").field("retry", &self.retry).finish_non_exhaustive()
    }
}

impl Draft {
    /// The event, if there is data: without, nothing happened, unless a name alone is taken for something.
    fn finish(&mut self, id: &Word, takes_bare: bool) -> Option<SseEvent> {
        let event = take(&mut self.event);
        let data = match take(&mut self.data) {
            Data::None if takes_bare && !event.is_empty() => Bytes::new(),
            Data::None => return None,
            Data::One(line) => line,
            Data::Several(lines) => lines.freeze(),
        };
        Some(SseEvent { event, data: Text::decode(data), id: id.clone() })
    }
}

impl Data {
    fn add(&mut self, line: Bytes, max: usize) -> Result<()> {
        let length = match self {
            Self::None => line.len(),
            Self::One(first) => first.len() + 1 + line.len(),
            Self::Several(lines) => lines.len() + 1 + line.len(),
        };
        if length > max {
            return Err(too_large("the data of an event is longer than the limit", max));
        }
        match self {
            Self::None => *self = Self::One(line),
            Self::One(first) => {
                let mut lines = BytesMut::with_capacity(2 * length);
                lines.extend_from_slice(first);
                append_line(&mut lines, &line);
                *self = Self::Several(lines);
            }
            Self::Several(lines) => append_line(lines, &line),
        }
        Ok(())
    }
}

fn append_line(lines: &mut BytesMut, line: &[u8]) {
    lines.extend_from_slice(b"\n");
    lines.extend_from_slice(line);
}

/// A field that the standard knows.
enum Field {
    Data,
    Event,
    Id,
    Retry,
}

/// What field a line tells, and where its value begins.
fn field(line: &[u8]) -> Option<(Field, usize)> {
    let (field, name) = match line.first()? {
        b'd' => (Field::Data, "data"),
        b'e' => (Field::Event, "event"),
        b'i' => (Field::Id, "id"),
        b'r' => (Field::Retry, "retry"),
        _ => return None,
    };
    let before_value = match line.strip_prefix(name.as_bytes())? {
        [] => 0,
        [b':', b' ', ..] => 2,
        [b':', ..] => 1,
        _ => return None,
    };
    Some((field, name.len() + before_value))
}

/// Digits alone; more of them than a number has is as long as can be.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_number)?;
    Some(Duration::from_millis(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use external_core::ErrorKind;

    use super::*;

    fn read(parser: &mut SseParser, text: &str) -> Vec<(String, String, String)> {
        parser.push(Bytes::copy_from_slice(text.as_bytes()));
        std::iter::from_fn(|| parser.next_event().unwrap())
            .map(|event| (event.event().to_owned(), event.data().to_owned(), event.id().to_owned()))
            .collect()
    }

    fn data(text: &str) -> Vec<String> {
        read(&mut SseParser::new(), text).into_iter().map(|(_, data, _)| data).collect()
    }

    #[test]
    fn lines_of_data_are_one_event() {
        assert_eq!(data("data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
        assert_eq!(data("data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
        assert_eq!(data("data:test\n\ndata: test\n\ndata:  test\n\n"), ["test", "test", " test"]);
    }

    #[test]
    fn any_end_of_a_line_will_do() {
        assert_eq!(
            data("data:1\r\rdata:2\r\n\r\ndata:3\n\ndata:4\r\n\ndata:5\n\r"),
            ["1", "2", "3", "4", "5"]
        );
    }

    #[test]
    fn what_is_no_field_is_passed_over() {
        assert_eq!(
            data(": comment\n:\ndatax: 1\n data: 2\nDATA: 3\nda ta:4\ndata :5\ndata:6:7\nfoo\n\n"),
            ["6:7"]
        );
        assert_eq!(data("\u{feff}data: 1\n\n\u{feff}data: 2\n\n"), ["1"]);
        assert_eq!(data("\u{feff}\u{feff}data: 1\n\ndata: 2\n\n"), ["2"]);
    }

    #[test]
    fn an_event_without_data_is_none_and_its_type_is_forgotten() {
        let events = read(&mut SseParser::new(), "event: a\n\ndata: 1\n\nevent: b\ndata: 2\n\ndata: 3\n\n");
        let types: Vec<_> = events.iter().map(|(event, ..)| event.as_str()).collect();
        assert_eq!(types, ["message", "b", "message"]);
    }

    #[test]
    fn a_name_alone_is_an_event_where_it_is_asked_for() {
        let text = "event: a\n\nevent\n\nid: 1\n\n: none\n\n\nevent: b\r\ndata\r\n\r\ndata: c\n\nevent:d\n\nevent: half";
        let events = read(&mut SseParser::new().with_bare_events(), text);
        let told: Vec<_> =
            events.iter().map(|(event, data, id)| (event.as_str(), data.as_str(), id.as_str())).collect();
        assert_eq!(told, [("a", "", ""), ("b", "", "1"), ("message", "c", "1"), ("d", "", "1")]);
    }

    #[test]
    fn ids_stay_until_there_is_another_one() {
        let mut parser = SseParser::new().with_last_event_id("0");
        let events =
            read(&mut parser, "data\n\nid: 1\ndata\n\ndata\n\nid: x\0\ndata\n\nid\ndata\n\nid: 7\n\n");
        let ids: Vec<_> = events.iter().map(|(.., id)| id.as_str()).collect();
        assert_eq!(ids, ["0", "1", "1", "1", ""]);
        assert_eq!(parser.last_event_id(), "7");
        // It is not known before its event is whole.
        read(&mut parser, "id: 8\ndata: lost\n");
        assert_eq!(parser.last_event_id(), "7");
    }

    #[test]
    fn a_time_to_wait_is_digits_alone() {
        let mut parser = SseParser::new();
        for (line, told) in [
            ("retry: 1x", None),
            ("retry", None),
            ("retry: 1500", Some(1_500)),
            ("retry: -1", Some(1_500)),
            ("retry:  2", Some(1_500)),
            ("retry:0", Some(0)),
            ("retry: 99999999999999999999", Some(u64::MAX)),
        ] {
            read(&mut parser, &format!("{line}\n"));
            assert_eq!(parser.retry(), told.map(Duration::from_millis), "{line}");
        }
    }

    #[test]
    fn what_is_no_text_is_replaced() {
        let mut parser = SseParser::new();
        parser.push(Bytes::from_static(b"event: \xff\nid: \xfe\ndata: a\xc3\ndata: \x28\xe2\x82\n\n"));
        let event = parser.next_event().unwrap().unwrap();
        let replaced = ("\u{fffd}", "a\u{fffd}\n(\u{fffd}", "\u{fffd}");
        assert_eq!((event.event(), event.data(), event.id()), replaced);
    }

    #[test]
    fn the_data_of_a_whole_line_is_not_copied() {
        let chunk = Bytes::from_static(b"data: hello\n\n");
        let mut parser = SseParser::new();
        parser.push(chunk.clone());
        let event = parser.next_event().unwrap().unwrap();
        assert_eq!(event.into_data().as_ptr(), chunk[6..].as_ptr());
    }

    #[test]
    fn an_id_that_is_kept_keeps_no_chunk() {
        for id in ["7".to_owned(), "7".repeat(100)] {
            let chunk = Bytes::from(format!("id: {id}\ndata: 1\n\n"));
            let mut parser = SseParser::new();
            parser.push(chunk.clone());
            parser.next_event().unwrap().unwrap();
            assert!(parser.next_event().unwrap().is_none());
            parser.push(Bytes::from_static(b": nothing\n"));
            assert!(chunk.is_unique());
            assert_eq!(parser.last_event_id(), id);
        }
    }

    #[test]
    fn limits_are_kept_and_errors_show_nothing() {
        for text in ["data: s3cret s3cret\n\n", ": s3cret s3cret", "data: s3cret\ndata: s3cret\n\n"] {
            let mut parser = SseParser::new().with_max_line(14).with_max_event(12);
            parser.push(Bytes::from_static(text.as_bytes()));
            let error = parser.next_event().unwrap_err();
            assert_eq!(
                (error.kind(), error.retry()),
                (ErrorKind::PayloadTooLarge, external_core::Retry::Never)
            );
            assert!(!error.report().contains("s3cret"));
            // No half of an event comes after it.
            parser.push(Bytes::from_static(b"\n\ndata\n\n"));
            assert!(parser.next_event().is_err());
        }
        let mut parser = SseParser::new().with_max_line(12).with_max_event(13);
        assert_eq!(read(&mut parser, "data: s3cret\ndata: s3cret\n\n").len(), 1);
        assert!(!format!("{parser:?}").contains("s3cret"));
    }
}
