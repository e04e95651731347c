//! TOML with the place of every key and value.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};
use external_core::config::{Entry, Node, Origin, Value};
use external_core::{Error, Result};

use super::at;
use super::place::Places;

/// Parses a document.
pub(super) fn parse(name: &str, text: &str) -> Result<Value> {
    let places = Places::new(name, text);
    let document = DeTable::parse(text).map_err(|error| refused(&error, &places))?;
    table(document.get_ref(), &|span| places.of(span)).map(|node| Value::new(node, places.of(&(0..0))))
}

/// Parses one value, as an environment variable holds it; `None` if the text is not one.
pub(super) fn parse_value(text: &str, origin: &Origin) -> Option<Result<Value>> {
    let parsed = DeValue::parse(text.trim()).ok()?;
    Some(value(&parsed, &|_| origin.clone()))
}

/// The parser's own text quotes the line, which may hold a secret: only its message is taken.
fn refused(error: &::toml::de::Error, places: &Places<'_>) -> Error {
    at(format!("not TOML: {}", error.message()), &places.of(&error.span().unwrap_or(0..0)))
}

type Locate<'a> = &'a dyn Fn(&std::ops::Range<usize>) -> Origin;

fn table(table: &DeTable<'_>, locate: Locate<'_>) -> Result<Node> {
    let mut entries: Vec<_> = table.iter().collect();
    // The parser sorts by key; people read in the order in which they wrote.
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, content)| {
        let key_origin = locate(&key.span());
        Ok(Entry { key: key.get_ref().to_string(), key_origin, value: value(content, locate)? })
    });
    entries.collect::<Result<_>>().map(Node::Table)
}

fn value(content: &Spanned<DeValue<'_>>, locate: Locate<'_>) -> Result<Value> {
    let origin = locate(&content.span());
    let node = match content.get_ref() {
        DeValue::String(text) => Node::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Node::Integer(number),
            Err(_) => return Err(at("the number does not fit into 64 bits", &origin)),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Node::Float(number),
            Err(_) => return Err(at("not a number", &origin)),
        },
        DeValue::Boolean(truth) => Node::Bool(*truth),
        // No configuration of ours holds dates; as text they lose nothing.
        DeValue::Datetime(time) => Node::String(time.to_string()),
        DeValue::Array(items) => {
            Node::Array(items.iter().map(|item| value(item, locate)).collect::<Result<_>>()?)
        }
        DeValue::Table(inner) => table(inner, locate)?,
    };
    Ok(Value::new(node, origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(tree: &Value, path: &str) -> String {
        tree.at(path).unwrap().origin.to_string()
    }

    #[test]
    fn every_value_has_its_place() {
        let text = "[storage.default]\nprovider = 'x'\na.b = 5\n\n[storage.\"y\".resilience]\nmax = 0x1_0\nf = -1_0.5\n\
                    day = 2020-01-01\nlist = [{ 'é' = 1 }, 2]\ninf = -inf\n";
        let tree = parse("s.toml", text).unwrap();
        assert_eq!(place(&tree, "storage.default"), "s.toml:1:1");
        assert_eq!(place(&tree, "storage.default.provider"), "s.toml:2:12");
        assert_eq!(place(&tree, "storage.default.a.b"), "s.toml:3:7");
        assert_eq!(place(&tree, "storage.y.resilience"), "s.toml:5:1");
        assert_eq!(tree.at("storage.y.resilience.max").unwrap().node, Node::Integer(16));
        assert_eq!(tree.at("storage.y.resilience.f").unwrap().node, Node::Float(-10.5));
        assert_eq!(tree.at("storage.y.resilience.inf").unwrap().node, Node::Float(f64::NEG_INFINITY));
        assert_eq!(tree.at("storage.y.resilience.day").unwrap().as_str(), Some("2020-01-01"));
        let Node::Array(items) = &tree.at("storage.y.resilience.list").unwrap().node else { panic!() };
        assert_eq!(place(&items[0], "é"), "s.toml:9:17");
        assert_eq!(items[1].origin.to_string(), "s.toml:9:22");
        let keys: Vec<_> =
            tree.at("storage.y.resilience").unwrap().as_table().unwrap().entries().iter().collect();
        assert_eq!(
            keys.iter().map(|entry| &*entry.key).collect::<Vec<_>>(),
            ["max", "f", "day", "list", "inf"]
        );
        assert_eq!(keys[1].key_origin.to_string(), "s.toml:7:1");
    }

    #[test]
    fn what_is_not_toml_is_located_and_not_quoted() {
        let refused = |text| parse("s.toml", text).unwrap_err().to_string();
        let secret = refused("[a]\npassword = hunter2");
        assert!(secret.contains("not TOML: ") && secret.contains("s.toml:2:12"), "{secret}");
        assert!(!secret.contains("hunter2"), "{secret}");
        assert!(refused("a = 1\na = 2\n").contains("duplicate key (at=s.toml:2:1)"));
        assert!(refused("a = 99999999999999999999").contains("does not fit into 64 bits (at=s.toml:1:5)"));
    }
}
