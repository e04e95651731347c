//! Dates as mail headers write them (RFC 5322, 3.3), in UTC.

use std::time::{Duration, SystemTime};

use external_core::{Error, Result};

/// The last second that a date header can name: the end of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);
const DAY: u64 = 24 * 60 * 60;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Sun, 06 Nov 1994 08:49:37 +0000`.
pub(crate) fn date(at: SystemTime) -> Result<String> {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).ok().filter(|since| *since <= LAST);
    let seconds = since
        .ok_or_else(|| Error::invalid_argument("the date of a mail must lie in the years 1970 to 9999"))?
        .as_secs();
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], at: u64| {
        usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
    };
    // The first of January 1970 was a Thursday.
    let (weekday, month) = (name(&WEEKDAYS, days % 7), name(&MONTHS, month - 1));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Ok(format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000"))
}

/// Year, month and day of the Gregorian calendar, so many days after the first of January 1970.
///
/// Years that begin with March end with the day that some of them lack.
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> String {
        date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn dates_are_written_as_the_standard_says() {
        assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 +0000");
        assert_eq!(at(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(at(951_782_400), "Tue, 29 Feb 2000 00:00:00 +0000");
        assert_eq!(at(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 +0000");
        assert_eq!(at(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 +0000");
        assert_eq!(at(LAST.as_secs()), "Fri, 31 Dec 9999 23:59:59 +0000");
    }

    #[test]
    fn every_day_is_the_one_that_lettre_names() {
        use lettre::message::header::{Date, Header, Headers};
        for day in 0..=LAST.as_secs() / DAY {
            // Each day at another second of it.
            let seconds = day * DAY + day * 7919 % DAY;
            let mut line = Headers::new();
            line.set(Date::new(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
            assert_eq!(line.get_raw(&Date::name()), Some(at(seconds).as_str()));
        }
    }
}
