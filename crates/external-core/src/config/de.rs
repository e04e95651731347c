//! From a located tree into a struct. Every error is tied to the innermost value it is about, and tells that value's
//! type but not the value: what stands in a wrong field may be a password.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Entry, Node, Origin, Value, join, located};
use crate::secret::NEWTYPE_NAME;
use crate::{Error, ErrorKind};

/// What was noticed on the way.
#[derive(Default)]
pub(super) struct Notes {
    secrets: RefCell<BTreeSet<String>>,
}

impl Notes {
    pub(super) fn into_secrets(self) -> BTreeSet<String> {
        self.secrets.into_inner()
    }
}

/// A serde error that may know its place.
#[derive(Debug)]
pub(super) struct PlacedError {
    message: String,
    place: Option<(String, Origin)>,
    /// Whether a value is of another type than was expected.
    is_mismatch: bool,
}

impl PlacedError {
    /// Keeps the innermost place: the first one given.
    fn at(mut self, path: &str, origin: &Origin) -> Self {
        self.place.get_or_insert_with(|| (path.to_owned(), origin.clone()));
        self
    }

    pub(super) fn into_error(self, path: &str, value: &Value) -> Error {
        let (path, origin) = self.place.unwrap_or_else(|| (path.to_owned(), value.origin.clone()));
        located(&path, &origin, &self.message)
    }
}

impl fmt::Display for PlacedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PlacedError {}

impl de::Error for PlacedError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        // One of our own errors, as text: all of this is `configuration`, and one kind is enough.
        let message = match message.split_once(": ") {
            Some((kind, rest)) if is_kind(kind) => rest.to_owned(),
            _ => message,
        };
        Self { message, place: None, is_mismatch: false }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let message = format!("invalid type: {}, expected {expected}", type_name(found));
        Self { message, place: None, is_mismatch: true }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("invalid value: {}, expected {expected}", type_name(found)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let expected: Vec<String> = expected.iter().map(|name| format!("`{name}`")).collect();
        Self::custom(format_args!("unknown variant, expected {}", expected.join(" or ")))
    }
}

fn is_kind(name: &str) -> bool {
    ErrorKind::ALL.iter().any(|kind| kind.as_str() == name)
}

/// As [`Node::type_name`].
fn type_name(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "a table",
        _ => "another value",
    }
}

/// Whether a value is written as secrets alone may be.
fn is_reference(node: &Node) -> bool {
    match node {
        Node::Table(table) => {
            matches!(table.entries(), [entry] if ["env", "file"].contains(&entry.key.as_str()))
        }
        _ => false,
    }
}

type Placed<T> = Result<T, PlacedError>;

#[derive(Clone, Copy)]
pub(super) struct ValueDeserializer<'a> {
    value: &'a Value,
    path: &'a str,
    notes: &'a Notes,
}

impl<'a> ValueDeserializer<'a> {
    pub(super) fn new(value: &'a Value, path: &'a str, notes: &'a Notes) -> Self {
        Self { value, path, notes }
    }

    fn placed<T>(self, result: Placed<T>) -> Placed<T> {
        result.map_err(|mut error| {
            if error.is_mismatch && error.place.is_none() && is_reference(&self.value.node) {
                error.message.push_str(
                    "; only secrets are taken from { env } or { file }, but the environment variable EXTERNAL__… of its \
                     path overrides any value",
                );
            }
            error.at(self.path, &self.value.origin)
        })
    }
}

impl<'de> Deserializer<'de> for ValueDeserializer<'_> {
    type Error = PlacedError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Placed<V::Value> {
        self.placed(match &self.value.node {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Integer(value) => visitor.visit_i64(*value),
            Node::Float(value) => visitor.visit_f64(*value),
            Node::String(value) => visitor.visit_str(value),
            Node::Array(items) => visitor.visit_seq(Items { items: items.iter(), index: 0, parent: self }),
            Node::Table(table) => {
                visitor.visit_map(Entries { entries: table.entries().iter(), current: None, parent: self })
            }
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Placed<V::Value> {
        match self.value.node {
            Node::Null => visitor.visit_none(),
            _ => self.placed(visitor.visit_some(self)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Placed<V::Value> {
        if name == NEWTYPE_NAME {
            self.notes.secrets.borrow_mut().insert(self.path.to_owned());
        }
        self.placed(visitor.visit_newtype_struct(self))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Placed<V::Value> {
        let (variant, content) = match &self.value.node {
            Node::String(variant) => (variant.as_str(), None),
            Node::Table(table) => match table.entries() {
                [entry] => (entry.key.as_str(), Some(entry)),
                _ => {
                    return self.placed(Err(de::Error::custom("expected a table with one key, the variant")));
                }
            },
            node => {
                return self.placed(Err(de::Error::custom(format_args!(
                    "expected the name of a variant, found {}",
                    node.type_name()
                ))));
            }
        };
        self.placed(visitor.visit_enum(Variant { variant, content, parent: self }))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Placed<V::Value> {
        // `ratio = 1` is a number as good as `1.0`.
        match self.value.node {
            Node::Integer(value) => self.placed(visitor.visit_i64(value)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Placed<V::Value> {
        // A struct takes a list as its fields in order, which in a configuration is always a mistake.
        match self.value.node {
            Node::Array(_) => self.placed(Err(de::Error::custom("expected a table, found a list"))),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Value>,
    index: usize,
    parent: ValueDeserializer<'a>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = PlacedError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Placed<Option<T::Value>> {
        let Some(value) = self.items.next() else {
            return Ok(None);
        };
        let path = format!("{}[{}]", self.parent.path, self.index);
        self.index += 1;
        let inner = ValueDeserializer::new(value, &path, self.parent.notes);
        inner.placed(seed.deserialize(inner)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
    parent: ValueDeserializer<'a>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = PlacedError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Placed<Option<K::Value>> {
        self.current = self.entries.next();
        let Some(entry) = self.current else {
            return Ok(None);
        };
        // An unknown field is an error of its key, raised while the key is read.
        seed.deserialize(StrDeserializer::new(&entry.key))
            .map(Some)
            .map_err(|error: PlacedError| error.at(&join(self.parent.path, &entry.key), &entry.key_origin))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Placed<V::Value> {
        let Some(entry) = self.current else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let path = join(self.parent.path, &entry.key);
        let inner = ValueDeserializer::new(&entry.value, &path, self.parent.notes);
        inner.placed(seed.deserialize(inner))
    }
}

struct Variant<'a> {
    variant: &'a str,
    content: Option<&'a Entry>,
    parent: ValueDeserializer<'a>,
}

impl<'a> Variant<'a> {
    fn with_content<T>(self, read: impl FnOnce(ValueDeserializer<'_>) -> Placed<T>) -> Placed<T> {
        let Some(entry) = self.content else {
            return Err(de::Error::custom(format_args!("variant `{}` needs a value", self.variant)));
        };
        let path = join(self.parent.path, &entry.key);
        let inner = ValueDeserializer::new(&entry.value, &path, self.parent.notes);
        inner.placed(read(inner))
    }
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = PlacedError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Placed<(V::Value, Self)> {
        Ok((seed.deserialize(StrDeserializer::<PlacedError>::new(self.variant))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = PlacedError;

    fn unit_variant(self) -> Placed<()> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(de::Error::custom(format_args!("variant `{}` takes no value", self.variant))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Placed<T::Value> {
        self.with_content(|inner| seed.deserialize(inner))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Placed<V::Value> {
        self.with_content(|inner| inner.deserialize_any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Placed<V::Value> {
        self.with_content(|inner| inner.deserialize_any(visitor))
    }
}
