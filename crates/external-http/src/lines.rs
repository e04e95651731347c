//! Lines out of chunks, however the chunks are cut. A line that is whole within a chunk is not copied.

use bytes::{Bytes, BytesMut};
use external_core::{Effect, Error, Result};
use memchr::{memchr, memchr2};

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// A line feed.
    LineFeed,
    /// A line feed, a carriage return, or both.
    Any,
}

/// Lines out of chunks.
#[derive(Debug)]
pub(crate) struct Lines {
    ends: Ends,
    limit: usize,
    chunk: Bytes,
    /// Where in the chunk the next line begins.
    at: usize,
    /// What earlier chunks had of the next line.
    begun: BytesMut,
    /// The last line that was put together.
    joined: Bytes,
    /// Whether a line feed would belong to the end of the last line.
    after_return: bool,
}

/// One line, without its end.
pub(crate) struct Line<'a> {
    whole: &'a Bytes,
    start: usize,
    end: usize,
}

impl Lines {
    /// Lines of at most `limit` bytes.
    pub(crate) fn new(ends: Ends, limit: usize) -> Self {
        let (chunk, begun, joined) = (Bytes::new(), BytesMut::new(), Bytes::new());
        Self { ends, limit, chunk, at: 0, begun, joined, after_return: false }
    }

    pub(crate) fn limit(&mut self, bytes: usize) {
        self.limit = bytes;
    }

    /// Takes the next chunk.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.chunk = match self.chunk.get(self.at..) {
            Some(left) if !left.is_empty() => [left, &chunk].concat().into(),
            _ => chunk,
        };
        self.at = 0;
    }

    /// The next line that is whole; `None` until there is another chunk.
    ///
    /// # Errors
    ///
    /// `PayloadTooLarge` for a line beyond the limit, again and again.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>> {
        if self.after_return && self.at < self.chunk.len() {
            self.after_return = false;
            self.at += usize::from(self.chunk[self.at] == b'\n');
        }
        let rest = &self.chunk[self.at..];
        let found = match self.ends {
            Ends::LineFeed => memchr(b'\n', rest),
            // Every event ends with an empty line: that one needs no search.
            Ends::Any if matches!(rest.first(), Some(b'\n' | b'\r')) => Some(0),
            Ends::Any => memchr2(b'\n', b'\r', rest),
        };
        if self.begun.len() + found.unwrap_or(rest.len()) > self.limit {
            return Err(too_large("a line is longer than the limit", self.limit));
        }
        let Some(length) = found else {
            self.begun.extend_from_slice(rest);
            self.chunk = Bytes::new();
            self.at = 0;
            return Ok(None);
        };
        let (start, end) = (self.at, self.at + length);
        self.at = end + 1;
        self.after_return = self.ends == Ends::Any && self.chunk[end] == b'\r';
        if self.begun.is_empty() {
            return Ok(Some(Line { whole: &self.chunk, start, end }));
        }
        self.begun.extend_from_slice(&self.chunk[start..end]);
        Ok(Some(self.put_together()))
    }

    /// What comes after the last end of a line, if anything: for whom that is a line too.
    pub(crate) fn rest(&mut self) -> Option<Line<'_>> {
        (!self.begun.is_empty()).then(|| self.put_together())
    }

    fn put_together(&mut self) -> Line<'_> {
        self.joined = self.begun.split().freeze();
        Line { whole: &self.joined, start: 0, end: self.joined.len() }
    }
}

impl Line<'_> {
    pub(crate) fn text(&self) -> &[u8] {
        &self.whole[self.start..self.end]
    }

    /// The line from its byte `from` on, without a copy.
    pub(crate) fn share(&self, from: usize) -> Bytes {
        self.whole.slice(self.start + from..self.end)
    }
}

/// What the server sent is there, and only reading it is refused.
pub(crate) fn too_large(why: &'static str, limit: usize) -> Error {
    Error::payload_too_large(why).with_effect(Effect::MaybeApplied).with_context("limit", limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ends: Ends, chunks: &[&'static str]) -> Vec<String> {
        let mut lines = Lines::new(ends, 10);
        let mut all = Vec::new();
        let text = |line: &Line<'_>| String::from_utf8(line.text().to_vec()).unwrap();
        for chunk in chunks {
            lines.push(Bytes::from_static(chunk.as_bytes()));
            while let Some(line) = lines.next().unwrap() {
                all.push(text(&line));
            }
        }
        all.extend(lines.rest().map(|line| format!("{}…", text(&line))));
        all
    }

    #[test]
    fn lines_end_as_asked() {
        assert_eq!(read(Ends::Any, &["a\nb\r\nc\r\rd"]), ["a", "b", "c", "", "d…"]);
        assert_eq!(read(Ends::LineFeed, &["a\nb\r\nc\r\rd\n"]), ["a", "b\r", "c\r\rd"]);
    }

    #[test]
    fn an_end_that_is_cut_is_one() {
        assert_eq!(read(Ends::Any, &["a\r", "\nb", "", "c\r", "d\r", "\n", "\n"]), ["a", "bc", "d", ""]);
    }

    #[test]
    fn a_line_within_a_chunk_is_not_copied() {
        let chunk = Bytes::from_static(b"first\nsecond\n");
        let mut lines = Lines::new(Ends::Any, 10);
        lines.push(chunk.clone());
        lines.next().unwrap();
        let line = lines.next().unwrap().unwrap();
        assert_eq!((line.share(1).as_ptr(), &line.share(1)[..]), (chunk[7..].as_ptr(), &b"econd"[..]));
    }

    #[test]
    fn what_is_longer_than_the_limit_is_refused_as_soon_as_it_shows() {
        for chunks in [&["0123456789A"][..], &["01234567", "89A"], &["0123456789A\n"]] {
            let mut lines = Lines::new(Ends::Any, 10);
            let mut refused = None;
            for chunk in chunks {
                lines.push(Bytes::from_static(chunk.as_bytes()));
                refused = lines.next().err();
            }
            assert_eq!(refused.unwrap().context_value("limit"), Some("10"), "{chunks:?}");
            assert!(lines.next().is_err());
        }
        assert_eq!(read(Ends::Any, &["01234567", "89\n"]), ["0123456789"]);
    }

    #[test]
    fn who_does_not_read_on_before_the_next_chunk_loses_nothing() {
        let mut lines = Lines::new(Ends::Any, 10);
        lines.push(Bytes::from_static(b"a\nb"));
        assert_eq!(lines.next().unwrap().unwrap().text(), b"a");
        lines.push(Bytes::from_static(b"c\n"));
        assert_eq!(lines.next().unwrap().unwrap().text(), b"bc");
    }
}
