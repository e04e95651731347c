//! Durations in configuration: `"250ms"`, `"1.5s"`, `"2m"`, `"1h"`, `"7d"`. A bare number is refused, since
//! nobody can see its unit.
//!
//! ```
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     #[serde(with = "external_core::config::duration")]
//!     timeout: std::time::Duration,
//! }
//! let config: Config = toml::from_str("timeout = '250ms'")?;
//! assert_eq!(config.timeout, std::time::Duration::from_millis(250));
//! # Ok::<(), toml::de::Error>(())
//! ```

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::ser::Serializer;

const UNITS: [(&str, f64); 6] =
    [("ms", 0.001), ("us", 0.000_001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)];

/// Reads a duration.
///
/// # Errors
///
/// If it is not a number with a unit.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(DurationVisitor)
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"250ms\", \"5s\" or \"2m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// Writes a duration in milliseconds, or finer where it must be.
///
/// # Errors
///
/// As the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}ms", duration.as_secs_f64() * 1000.0))
}

/// Reads the text form of a duration; `None` if it is not one.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = (text[..split].trim(), &text[split..]);
    if !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()
}

/// The same for `Option<Duration>`; use it with `#[serde(default)]`.
pub mod option {
    use super::{Deserializer, Duration, Serializer};

    /// Writes a duration that may be absent.
    ///
    /// # Errors
    ///
    /// As the serializer.
    #[allow(clippy::ref_option, reason = "the signature that serde asks for")]
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a duration that may be absent.
    ///
    /// # Errors
    ///
    /// If it is there and not a number with a unit.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_needed_and_known() {
        assert_eq!(parse("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse(" 2 m"), Some(Duration::from_secs(120)));
        assert_eq!(parse("7d"), Some(Duration::from_secs(7 * 86400)));
        for wrong in ["", "5", "s", "-1s", "1e400s", "1 fortnight", "NaNs", "1.2.3s"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
