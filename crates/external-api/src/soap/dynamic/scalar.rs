//! Texts and values: what a simple type lets through, and what it is in JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_core::Result;
use serde_json::{Number, Value};

use super::place::Place;
use crate::soap::wsdl::{Builtin, Resolved, SimpleType, TypeRef, Types, Variety};

/// The text of a value.
pub(super) fn written(types: &Types, of: &TypeRef, value: &Value, place: &Place<'_>) -> Result<String> {
    match types.resolve(of)? {
        Resolved::Builtin(builtin) => of_builtin(builtin, value).ok_or_else(|| {
            place.wrong(format!("expected xs:{}, and there is {}", builtin.name(), what(value)))
        }),
        Resolved::Simple(simple) => of_simple(types, simple, value, place),
        Resolved::Anything => {
            plain(value).ok_or_else(|| place.wrong(format!("expected a text, and there is {}", what(value))))
        }
        Resolved::Complex(_) => Err(place.wrong("its type has elements, and only a text can stand here")),
    }
}

fn of_simple(types: &Types, simple: &SimpleType, value: &Value, place: &Place<'_>) -> Result<String> {
    let step = |of: &TypeRef, value: &Value| written(types, of, value, place);
    let text = match &simple.variety {
        Variety::Restricts(base) => step(base, value)?,
        Variety::ListOf(item) => match value {
            Value::Array(items) => {
                items.iter().map(|value| step(item, value)).collect::<Result<Vec<_>>>()?.join(" ")
            }
            _ => return Err(place.wrong(format!("expected a list, and there is {}", what(value)))),
        },
        Variety::OneOf(members) => members
            .iter()
            .find_map(|member| step(member, value).ok())
            .ok_or_else(|| place.wrong(format!("no type of a union takes {}", what(value))))?,
    };
    let length = match value {
        Value::Array(items) => items.len(),
        _ => text.chars().count(),
    };
    match unfit(simple, &text, length) {
        Some(why) => Err(place.wrong(why)),
        None => Ok(text),
    }
}

/// Why a text is none of those that a type allows.
fn unfit(simple: &SimpleType, text: &str, length: usize) -> Option<String> {
    let facets = &simple.facets;
    if !facets.values.is_empty() && !facets.values.iter().any(|value| value == text) {
        return Some(format!("expected one of {}", facets.values.join(", ")));
    }
    if facets.min_length.is_some_and(|least| length < least) {
        return Some(format!("shorter than {}", facets.min_length.unwrap_or_default()));
    }
    if facets.max_length.is_some_and(|most| length > most) {
        return Some(format!("longer than {}", facets.max_length.unwrap_or_default()));
    }
    let number: Option<f64> = text.parse().ok();
    if let (Some(number), Some((bound, is_in))) = (number, facets.at_least)
        && (number < bound || !is_in && number <= bound)
    {
        return Some(format!("less than its type allows ({bound})"));
    }
    if let (Some(number), Some((bound, is_in))) = (number, facets.at_most)
        && (number > bound || !is_in && number >= bound)
    {
        return Some(format!("more than its type allows ({bound})"));
    }
    None
}

fn of_builtin(builtin: Builtin, value: &Value) -> Option<String> {
    let text = plain(value);
    match builtin {
        Builtin::Boolean => value.as_bool().map(|value| value.to_string()),
        Builtin::Integer(_, least, most) => {
            let text = text.filter(|_| !value.is_boolean())?;
            let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            // What is larger than any bound is only let through where there is none.
            match text.parse::<i128>() {
                Ok(number) => {
                    let fits =
                        least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most);
                    fits.then_some(text)
                }
                Err(_) => {
                    let is_negative = text.starts_with('-');
                    let fits = if is_negative { least.is_none() } else { most.is_none() };
                    fits.then_some(text)
                }
            }
        }
        Builtin::Decimal => text.filter(|text| !value.is_boolean() && is_decimal(text)),
        Builtin::Float(_) => match value {
            Value::Number(number) => Some(number.to_string()),
            Value::String(text) => {
                let is_special = matches!(text.as_str(), "INF" | "-INF" | "NaN");
                let is_number = !text.is_empty()
                    && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
                    && text.parse::<f64>().is_ok();
                (is_special || is_number).then(|| text.clone())
            }
            _ => None,
        },
        Builtin::String(_) => text,
        Builtin::Token(_) => text.map(|text| text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")),
        Builtin::Base64 => value.as_str().filter(|text| STANDARD.decode(text).is_ok()).map(str::to_owned),
        Builtin::Hex => value
            .as_str()
            .filter(|text| text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .map(str::to_owned),
        Builtin::DateTime => value.as_str().filter(|text| is_date_time(text)).map(str::to_owned),
        Builtin::Date => value.as_str().filter(|text| is_zoned(text, is_date)).map(str::to_owned),
        Builtin::Time => value.as_str().filter(|text| is_zoned(text, is_time)).map(str::to_owned),
        Builtin::List(_) => {
            let items = value.as_array()?.iter().map(|item| item.as_str().filter(|text| !text.is_empty()));
            items.collect::<Option<Vec<_>>>().map(|items| items.join(" "))
        }
    }
}

/// The text of a scalar.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// What a value is, without what it says.
pub(super) fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number that is none",
        Value::String(_) => "a text that is none",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// What a text of a type says.
pub(super) fn read(types: &Types, of: &TypeRef, text: &str, place: &Place<'_>) -> Result<Value> {
    match types.resolve(of)? {
        Resolved::Builtin(builtin) => {
            said(builtin, text).ok_or_else(|| place.corrupt(format!("expected xs:{}", builtin.name())))
        }
        Resolved::Simple(simple) => match &simple.variety {
            Variety::Restricts(base) => read(types, base, text, place),
            Variety::ListOf(item) => {
                let items = text.split_ascii_whitespace();
                items.map(|item_text| read(types, item, item_text, place)).collect()
            }
            Variety::OneOf(members) => Ok(members
                .iter()
                .find_map(|member| read(types, member, text, place).ok())
                .unwrap_or_else(|| Value::from(text))),
        },
        Resolved::Anything | Resolved::Complex(_) => Ok(Value::from(text)),
    }
}

fn said(builtin: Builtin, text: &str) -> Option<Value> {
    let bare = text.trim_ascii();
    match builtin {
        Builtin::Boolean => match bare {
            "true" | "1" => Some(Value::Bool(true)),
            "false" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        Builtin::Integer(..) => {
            let bare = bare.strip_prefix('+').unwrap_or(bare);
            let digits = bare.strip_prefix('-').unwrap_or(bare);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let number =
                bare.parse::<i64>().map(Value::from).or_else(|_| bare.parse::<u64>().map(Value::from));
            Some(number.unwrap_or_else(|_| Value::from(bare)))
        }
        Builtin::Decimal => is_decimal(bare).then(|| Value::from(bare)),
        Builtin::Float(_) => match bare {
            "INF" | "-INF" | "NaN" => Some(Value::from(bare)),
            _ => bare.parse().ok().and_then(Number::from_f64).map(Value::Number),
        },
        Builtin::String(_) => Some(Value::from(text)),
        Builtin::List(_) => Some(bare.split_ascii_whitespace().map(Value::from).collect()),
        // White space means nothing in these, wherever servers put it.
        Builtin::Base64 | Builtin::Hex => Some(bare.split_ascii_whitespace().collect::<String>().into()),
        Builtin::Token(_) | Builtin::DateTime | Builtin::Date | Builtin::Time => Some(Value::from(bare)),
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    !(whole.is_empty() && part.is_empty())
        && [whole, part].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_date_time(text: &str) -> bool {
    text.split_once('T').is_some_and(|(date, time)| is_date(date) && is_zoned(time, is_time))
}

/// A text that may end with a time zone.
fn is_zoned(text: &str, is_good: fn(&str) -> bool) -> bool {
    if let Some(text) = text.strip_suffix('Z') {
        return is_good(text);
    }
    let zone = text.len().checked_sub(6).and_then(|at| text.split_at_checked(at));
    match zone {
        Some((text, zone)) if zone.starts_with(['+', '-']) && zone.as_bytes().get(3) == Some(&b':') => {
            is_good(text) && in_range(&zone[1..3], 0, 14) && in_range(&zone[4..], 0, 59)
        }
        _ => is_good(text),
    }
}

fn is_date(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    year.len() >= 4
        && year.bytes().all(|byte| byte.is_ascii_digit())
        && in_range(month, 1, 12)
        && in_range(day, 1, 31)
}

fn is_time(text: &str) -> bool {
    let (clock, part) = text.split_once('.').map_or((text, None), |(clock, part)| (clock, Some(part)));
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else { return false };
    in_range(hour, 0, 24)
        && in_range(minute, 0, 59)
        && in_range(second, 0, 59)
        && part.is_none_or(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn in_range(text: &str, least: u32, most: u32) -> bool {
    text.len() == 2
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u32>().is_ok_and(|number| (least..=most).contains(&number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn builtin(name: &str) -> Builtin {
        Builtin::named(name).unwrap()
    }

    #[test]
    fn what_is_no_such_value_is_refused() {
        for (name, good, bad) in [
            ("boolean", vec![json!(true)], vec![json!("true"), json!(1), json!(null)]),
            (
                "int",
                vec![json!(1), json!("-5"), json!(2_147_483_647)],
                vec![json!(2_147_483_648_u64), json!(1.5), json!(true), json!(""), json!("1e3"), json!("-")],
            ),
            ("unsignedLong", vec![json!(u64::MAX)], vec![json!(-1), json!("18446744073709551616")]),
            (
                "integer",
                vec![json!("1".repeat(60)), json!(format!("-{}", "1".repeat(60)))],
                vec![json!("1x")],
            ),
            (
                "positiveInteger",
                vec![json!("1".repeat(60))],
                vec![json!(0), json!(format!("-{}", "1".repeat(60)))],
            ),
            (
                "decimal",
                vec![json!(1.5), json!("0.10"), json!("-.5"), json!(7)],
                vec![json!("1e5"), json!("."), json!("1,5")],
            ),
            (
                "double",
                vec![json!(1e300), json!("INF"), json!("NaN"), json!("1e5")],
                vec![json!("inf"), json!("infinity"), json!("x")],
            ),
            ("string", vec![json!("a"), json!(1), json!(true)], vec![json!(null), json!([]), json!({})]),
            ("base64Binary", vec![json!("AAEC")], vec![json!("AAE"), json!("ä"), json!(1)]),
            ("hexBinary", vec![json!("0aFF")], vec![json!("0"), json!("zz")]),
            (
                "dateTime",
                vec![
                    json!("2024-02-29T23:59:59"),
                    json!("2024-01-01T00:00:00.123Z"),
                    json!("-0044-03-15T12:00:00+14:00"),
                ],
                vec![
                    json!("2024-01-01"),
                    json!("2024-13-01T00:00:00"),
                    json!("2024-01-01T25:00:00"),
                    json!("2024-01-01T00:00"),
                    json!(7),
                    json!("2024-01-01T00:00:00.Z"),
                ],
            ),
            (
                "date",
                vec![json!("2024-01-01"), json!("2024-01-01Z"), json!("2024-01-01-05:00")],
                vec![json!("24-01-01"), json!("2024-1-1"), json!("2024-01-01é")],
            ),
            (
                "time",
                vec![json!("12:00:00"), json!("12:00:00.5+01:00")],
                vec![json!("12:00"), json!("12:60:00")],
            ),
            ("NMTOKENS", vec![json!(["a", "b"])], vec![json!("a b"), json!([""])]),
        ] {
            for value in good {
                assert!(of_builtin(builtin(name), &value).is_some(), "{name} {value}");
            }
            for value in bad {
                assert!(of_builtin(builtin(name), &value).is_none(), "{name} {value}");
            }
        }
    }

    #[test]
    fn what_is_read_keeps_all_that_was_said() {
        for (name, text, value) in [
            ("int", " +7 ", json!(7)),
            ("unsignedLong", "18446744073709551615", json!(u64::MAX)),
            ("integer", "111111111111111111111", json!("111111111111111111111")),
            ("decimal", "1.10", json!("1.10")),
            ("double", "1.5E3", json!(1500.0)),
            ("double", "INF", json!("INF")),
            ("boolean", "1", json!(true)),
            ("string", " a ", json!(" a ")),
            ("token", " a ", json!("a")),
            ("base64Binary", "AA\n EC", json!("AAEC")),
            ("IDREFS", " a  b ", json!(["a", "b"])),
        ] {
            assert_eq!(said(builtin(name), text), Some(value), "{name}");
        }
        for (name, text) in
            [("int", "x"), ("int", ""), ("boolean", "yes"), ("double", "1,5"), ("decimal", "1e5")]
        {
            assert_eq!(said(builtin(name), text), None, "{name}");
        }
    }
}
