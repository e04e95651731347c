//! Environment variables laid over the file: `EXTERNAL__STORAGE__AVATARS__BUCKET` sets `storage.avatars.bucket`.

use std::collections::BTreeMap;
use std::sync::Arc;

use external_core::Result;
use external_core::config::{Node, Origin, Table, Value};

use super::{at, toml};

/// How the name of such a variable starts.
pub(crate) const PREFIX: &str = "EXTERNAL__";

/// Lays the variables over the tree. Their names are parts joined by two underscores, in lower case the keys on the
/// way; their values are TOML values where they parse as such, else text.
///
/// A shorter name is laid first, so that a variable may set a table and another one a key in it.
///
/// # Errors
///
/// `Configuration` naming the variable if its name has an empty part, or leads through something that is no table.
pub(crate) fn overlay(tree: &mut Value, variables: &BTreeMap<String, String>) -> Result<()> {
    for (name, text) in variables {
        let Some(path) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let origin = Origin::Variable(Arc::from(name.as_str()));
        let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        if keys.iter().any(String::is_empty) {
            return Err(at("the name of the variable has an empty part", &origin));
        }
        let value = match toml::parse_value(text, &origin) {
            Some(value) => value?,
            None => Value::new(Node::String(text.clone()), origin.clone()),
        };
        set(tree, &keys, value, &origin)?;
    }
    Ok(())
}

fn set(tree: &mut Value, keys: &[String], value: Value, origin: &Origin) -> Result<()> {
    let mut place = tree;
    let Some((last, way)) = keys.split_last() else {
        return Ok(());
    };
    for (depth, key) in way.iter().enumerate() {
        let table = table(place, &keys[..depth], origin)?;
        if table.get(key).is_none() {
            table.insert(key.clone(), origin.clone(), Value::new(Node::Table(Table::new()), origin.clone()));
        }
        let Some(next) = table.get_mut(key) else {
            return Ok(());
        };
        place = next;
    }
    let table = table(place, way, origin)?;
    match table.get_mut(last) {
        // The key keeps its place in the file; the value is the variable's.
        Some(old) => *old = value,
        None => table.insert(last.clone(), origin.clone(), value),
    }
    Ok(())
}

fn table<'v>(value: &'v mut Value, way: &[String], origin: &Origin) -> Result<&'v mut Table> {
    let found = value.node.type_name();
    let place = value.origin.clone();
    value.as_table_mut().ok_or_else(|| {
        at(format!("the variable sets a key in `{}`, which is {found}", way.join(".")), origin)
            .with_context("set", place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(file: &str, variables: &[(&str, &str)]) -> Result<Value> {
        let mut tree = toml::parse("s.toml", file).unwrap();
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        overlay(&mut tree, &variables).map(|()| tree)
    }

    #[test]
    fn values_are_toml_where_they_can_be() {
        let tree = over(
            "[storage.avatars]\nbucket = 'a'\n",
            &[
                ("EXTERNAL__STORAGE__AVATARS__BUCKET", "b c"),
                ("EXTERNAL__STORAGE__AVATARS__PARTS", "5"),
                ("EXTERNAL__STORAGE__AVATARS__QUOTED", "\"5\""),
                ("EXTERNAL__STORAGE__AVATARS__PATH", "/a/b"),
                ("EXTERNAL__STORAGE__AVATARS__LIST", "['x', 'y']"),
                ("EXTERNAL__STORAGE__NEW", "{ provider = 'memory' }"),
                ("EXTERNAL__STORAGE__NEW__LIMIT", "7"),
                ("EXTERNAL_TEST_REDIS_URL", "not ours"),
            ],
        )
        .unwrap();
        let node = |path| &tree.at(path).unwrap().node;
        assert_eq!(node("storage.avatars.bucket"), &Node::String("b c".into()));
        assert_eq!(node("storage.avatars.parts"), &Node::Integer(5));
        assert_eq!(node("storage.avatars.quoted"), &Node::String("5".into()));
        assert_eq!(node("storage.avatars.path"), &Node::String("/a/b".into()));
        assert!(matches!(node("storage.avatars.list"), Node::Array(items) if items.len() == 2));
        assert_eq!(node("storage.new.provider"), &Node::String("memory".into()));
        assert_eq!(node("storage.new.limit"), &Node::Integer(7));
        let origin = &tree.at("storage.avatars.bucket").unwrap().origin;
        assert_eq!(origin.to_string(), "environment variable EXTERNAL__STORAGE__AVATARS__BUCKET");
    }

    #[test]
    fn errors_name_the_variable() {
        let refused =
            |variable| over("[storage]\navatars = 5\n", &[(variable, "x")]).unwrap_err().to_string();
        let error = refused("EXTERNAL__STORAGE__AVATARS__BUCKET");
        assert!(error.contains("EXTERNAL__STORAGE__AVATARS__BUCKET"), "{error}");
        assert!(
            error.contains("`storage.avatars`, which is an integer") && error.contains("s.toml:2:11"),
            "{error}"
        );
        assert!(refused("EXTERNAL__STORAGE____X").contains("empty part"));
    }
}
