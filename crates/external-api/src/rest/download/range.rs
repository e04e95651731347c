//! `Content-Range` of an answer (RFC 9110, 14.4).

/// Which bytes an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The first one.
    pub(super) first: u64,
    /// The last one.
    pub(super) last: u64,
    /// How many there are in all, if that is known.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    /// `bytes 5-9/10`, `bytes 5-9/*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (unit, range) = text.trim().split_once(' ')?;
        let (range, total) = range.trim_start().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let total = if total == "*" { None } else { Some(number(total)?) };
        let fits = first <= last && total.is_none_or(|total| last < total);
        (unit.eq_ignore_ascii_case("bytes") && fits).then_some(Self { first, last, total })
    }

    /// How many bytes there are in all, where the range that was asked for is beyond them: `bytes */10`.
    pub(super) fn beyond(text: &str) -> Option<u64> {
        let (unit, total) = text.trim().split_once(' ')?;
        let total = total.trim_start().strip_prefix("*/")?;
        if unit.eq_ignore_ascii_case("bytes") { number(total) } else { None }
    }
}

/// Digits, and nothing else that `parse` would take.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_bytes_are_read() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        assert_eq!(ContentRange::parse("bytes 5-9/10"), range(5, 9, Some(10)));
        assert_eq!(ContentRange::parse("Bytes 0-0/*"), range(0, 0, None));
        for text in [
            "",
            "bytes",
            "bytes */10",
            "bytes 5-4/10",
            "bytes 5-10/10",
            "bytes +5-9/10",
            "bytes 5-9",
            "items 5-9/10",
            "bytes 5-99999999999999999999/*",
            "bytes=5-9/10",
        ] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_range_beyond_the_end_tells_the_end() {
        assert_eq!(ContentRange::beyond("bytes */10"), Some(10));
        for text in ["", "bytes */", "bytes */*", "bytes 5-9/10", "items */10", "bytes */-1"] {
            assert_eq!(ContentRange::beyond(text), None, "{text}");
        }
    }
}
