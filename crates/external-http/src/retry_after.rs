//! How long a server asks to wait.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// Where vendors tell milliseconds.
const MILLISECONDS: &[&str] = &["retry-after-ms", "x-ms-retry-after-ms", "x-retry-after-ms"];

/// Longer than anybody waits.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long the server asks to wait: milliseconds where a vendor tells them, else `Retry-After` in seconds (fractions
/// included) or as a date of any of the three forms of RFC 9110, 5.6.7. A date is measured from the answer's own `Date`,
/// so that clocks need not agree, else from `now`; one that is over asks for no wait.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(milliseconds) = MILLISECONDS.iter().find_map(|name| number(text(name)?)) {
        return Some(duration(milliseconds / 1000.0));
    }
    let told = text(RETRY_AFTER.as_str())?;
    if let Some(milliseconds) = told.strip_suffix("ms") {
        return number(milliseconds.trim_end()).map(|milliseconds| duration(milliseconds / 1000.0));
    }
    if let Some(seconds) = number(told) {
        return Some(duration(seconds));
    }
    let until = httpdate::parse_http_date(told).ok()?;
    let since = text(DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    Some(until.duration_since(since).unwrap_or_default().min(LONGEST))
}

/// Digits, with a fraction at most: no sign, no exponent, no name.
fn number(text: &str) -> Option<f64> {
    let is_number = text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_number)
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |told| told.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};

    use super::*;

    fn told(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        // Sun, 06 Nov 1994 08:49:37 GMT
        retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn every_form_is_read() {
        let ms = |ms| Some(Duration::from_millis(ms));
        for (name, value, expected) in [
            ("retry-after", "7", ms(7_000)),
            ("retry-after", " 0 ", ms(0)),
            ("retry-after", "1.5", ms(1_500)),
            ("retry-after", "250ms", ms(250)),
            ("retry-after-ms", "250", ms(250)),
            ("x-ms-retry-after-ms", "1000", ms(1_000)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT", ms(10_000)),
            ("retry-after", "Sunday, 06-Nov-94 08:49:47 GMT", ms(10_000)),
            ("retry-after", "Sun Nov  6 08:49:47 1994", ms(10_000)),
            ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT", ms(0)),
            ("retry-after", "99999999999999999999999999", Some(LONGEST)),
        ] {
            assert_eq!(told(&[(name, value)]), expected, "{name}: {value}");
        }
        for nonsense in ["", "-1", "soon", "1e3", "inf", "NaN", "1.2.3", "+5", "Sun, 06 Nov"] {
            assert_eq!(told(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }

    #[test]
    fn the_finer_one_counts_and_dates_are_measured_by_the_server() {
        assert_eq!(
            told(&[("retry-after", "1"), ("retry-after-ms", "300")]),
            Some(Duration::from_millis(300))
        );
        let late =
            [("date", "Sun, 06 Nov 1994 09:49:37 GMT"), ("retry-after", "Sun, 06 Nov 1994 09:49:40 GMT")];
        assert_eq!(told(&late), Some(Duration::from_secs(3)));
    }
}
