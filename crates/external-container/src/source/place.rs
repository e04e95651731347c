//! From byte offsets to lines and columns.

use std::ops::Range;
use std::sync::Arc;

use external_core::config::Origin;

/// Knows where the lines of one text start.
pub(super) struct Places<'t> {
    file: Arc<str>,
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Places<'t> {
    pub(super) fn new(file: &str, text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { file: file.into(), text, starts }
    }

    /// The place of the first byte of a span.
    pub(super) fn of(&self, span: &Range<usize>) -> Origin {
        let offset = span.start.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        self.at(line, before.chars().count() + 1)
    }

    fn at(&self, line: usize, column: usize) -> Origin {
        Origin::File {
            file: self.file.clone(),
            line: line.try_into().unwrap_or(u32::MAX),
            column: column.try_into().unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_from_one() {
        let text = "a\nbéc\n";
        let places = Places::new("f", text);
        let at = |offset| places.of(&(offset..offset)).to_string();
        assert_eq!(at(0), "f:1:1");
        assert_eq!(at(1), "f:1:2");
        assert_eq!(at(2), "f:2:1");
        assert_eq!(at(5), "f:2:3");
        assert_eq!(at(7), "f:3:1");
        assert_eq!(at(700), "f:3:1");
    }
}
