//! `Content-Range` of an answer (RFC 9110, 14.4).

/// Which bytes an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The first one.
    pub(super) first: u64,
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
        (unit.eq_ignore_ascii_case("bytes") && fits).then_some(Self { first, total })
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
        let range = |first, total| Some(ContentRange { first, total });
        assert_eq!(ContentRange::parse("bytes 5-9/10"), range(5, Some(10)));
        assert_eq!(ContentRange::parse("Bytes 0-0/*"), range(0, None));
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
}
