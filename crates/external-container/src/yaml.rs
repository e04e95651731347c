//! YAML with the place of every key and value. An alias stands where it is used.

use std::fmt;
use std::sync::Arc;

use external_core::Result;
use external_core::config::{Node, Origin, Table, Value};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::source::at;

/// Parses a document. An empty one is an empty table.
pub(crate) fn parse(name: &str, text: &str) -> Result<Value> {
    let file: Arc<str> = name.into();
    let parsed: Spanned<Raw> = serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map_or(Origin::Code, |location| origin(&file, location));
        // Only the first line: the rest quotes the text, which may hold a secret.
        let message = error.without_snippet().to_string();
        let message = message.lines().next().unwrap_or_default();
        let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
        at(format!("not YAML that can be used: {message}"), &place)
    })?;
    match parsed {
        Spanned { value: Raw::Null, referenced, .. } => {
            Ok(Value::new(Node::Table(Table::new()), origin(&file, referenced)))
        }
        parsed => Ok(located(parsed, &file)),
    }
}

/// A node as the parser gives it, its children with places.
enum Raw {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    Array(Vec<Spanned<Self>>),
    Table(Vec<(Spanned<String>, Spanned<Self>)>),
}

fn located(raw: Spanned<Raw>, file: &Arc<str>) -> Value {
    let node = match raw.value {
        Raw::Null => Node::Null,
        Raw::Bool(value) => Node::Bool(value),
        Raw::Integer(value) => Node::Integer(value),
        Raw::Float(value) => Node::Float(value),
        Raw::String(value) => Node::String(value),
        Raw::Array(items) => Node::Array(items.into_iter().map(|item| located(item, file)).collect()),
        Raw::Table(entries) => {
            let mut table = Table::new();
            for (key, value) in entries {
                table.insert(key.value, origin(file, key.referenced), located(value, file));
            }
            Node::Table(table)
        }
    };
    Value::new(node, origin(file, raw.referenced))
}

fn origin(file: &Arc<str>, location: Location) -> Origin {
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Origin::File { file: file.clone(), line: count(location.line()), column: count(location.column()) }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Raw, E> {
        i64::try_from(value).map(Raw::Integer).map_err(|_| E::custom("the number does not fit into 64 bits"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Table(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_place() {
        let text = "storage:\n  default: &base\n    provider: local\n    parts: [1, two]\n    rate: 1.5\n    off: no\n    none:\n\
                    \x20 other: *base\n";
        let tree = parse("s.yaml", text).unwrap();
        let place = |path| tree.at(path).unwrap().origin.to_string();
        assert_eq!(place("storage.default.provider"), "s.yaml:3:15");
        assert_eq!(place("storage.other"), "s.yaml:8:10");
        assert_eq!(tree.at("storage.default.off").unwrap().node, Node::Bool(false));
        assert_eq!(tree.at("storage.default.none").unwrap().node, Node::Null);
        let Node::Array(items) = &tree.at("storage.default.parts").unwrap().node else { panic!() };
        assert_eq!(items[1].origin.to_string(), "s.yaml:4:16");
    }

    #[test]
    fn what_is_not_yaml_is_located_and_not_quoted() {
        let refused = |text| parse("s.yaml", text).unwrap_err().to_string();
        let secret = refused("a:\n  password: hunter2\n b: c");
        assert!(secret.contains("s.yaml:3:2") && !secret.contains("hunter2"), "{secret}");
        assert!(refused("a: 1\na: 2\n").contains("duplicate mapping key: a"), "{}", refused("a: 1\na: 2\n"));
    }

    #[test]
    fn an_empty_document_is_an_empty_table() {
        assert!(parse("s.yaml", "# nothing\n").unwrap().as_table().unwrap().is_empty());
    }
}
