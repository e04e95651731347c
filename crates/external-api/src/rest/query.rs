//! Queries: whatever serde turns into names and values.

use external_core::{Error, Result};
use serde::Serialize;
use serde_json::Value;

use super::path::push_encoded;

/// Appends what a structure, a map or a sequence of pairs says. A list is its name several times, and what is `None` is
/// left out.
pub(super) fn append(query: &mut String, from: &(impl Serialize + ?Sized)) -> Result<()> {
    let value = serde_json::to_value(from)
        .map_err(|_| Error::invalid_argument("a query that cannot be serialised"))?;
    match value {
        Value::Null => Ok(()),
        Value::Object(members) => {
            members.iter().try_for_each(|(name, value)| append_values(query, name, value))
        }
        Value::Array(pairs) => pairs.iter().try_for_each(|pair| match pair.as_array().map(Vec::as_slice) {
            Some([Value::String(name), value]) => append_values(query, name, value),
            _ => Err(Error::invalid_argument("a list is a query only if it is one of pairs")),
        }),
        _ => Err(Error::invalid_argument("a query is a structure, a map or a list of pairs")),
    }
}

fn append_values(query: &mut String, name: &str, value: &Value) -> Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::String(text) => {
            append_pair(query, name, text);
            Ok(())
        }
        Value::Bool(_) | Value::Number(_) => {
            append_pair(query, name, &value.to_string());
            Ok(())
        }
        Value::Array(values) if values.iter().all(|value| !value.is_array()) => {
            values.iter().try_for_each(|value| append_values(query, name, value))
        }
        _ => Err(Error::invalid_argument("a query has no structures within").with_context("name", name)),
    }
}

/// Appends a pair.
pub(super) fn append_pair(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    push_encoded(query, name);
    query.push('=');
    push_encoded(query, value);
}

/// Sets the only pair of this name.
pub(super) fn replace(query: &mut String, name: &str, value: &str) {
    let mut known = String::new();
    push_encoded(&mut known, name);
    let kept = query.split('&').filter(|pair| pair.split('=').next() != Some(&known)).collect::<Vec<_>>();
    *query = kept.join("&");
    append_pair(query, name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(from: impl Serialize) -> Result<String> {
        let mut query = String::new();
        append(&mut query, &from).map(|()| query)
    }

    #[derive(Serialize)]
    struct Filter<'a> {
        name: &'a str,
        limit: Option<u32>,
        tags: Vec<&'a str>,
        until: Option<bool>,
    }

    #[test]
    fn a_structure_is_its_fields() {
        let filter = Filter { name: "a b&c=+", limit: Some(5), tags: vec!["x", "y/z"], until: None };
        let mut pairs: Vec<_> = query(filter).unwrap().split('&').map(str::to_owned).collect();
        pairs.sort();
        assert_eq!(pairs, ["limit=5", "name=a%20b%26c%3D%2B", "tags=x", "tags=y%2Fz"]);
    }

    #[test]
    fn pairs_keep_their_order() {
        assert_eq!(query([("b", "1"), ("a", "2"), ("b", "é")]).unwrap(), "b=1&a=2&b=%C3%A9");
        assert_eq!(query(()).unwrap(), "");
        assert_eq!(query([("n", 1.5)]).unwrap(), "n=1.5");
    }

    #[test]
    fn what_has_no_form_in_a_query_is_refused() {
        assert!(query("text").is_err() && query([1, 2]).is_err());
        assert!(query(serde_json::json!({"a": {"b": 1}})).is_err());
        assert!(query(serde_json::json!({"a": [[1]]})).is_err());
    }

    #[test]
    fn a_pair_is_replaced() {
        let mut query = "page=1&a=b&page=2".to_owned();
        replace(&mut query, "page", "3");
        assert_eq!(query, "a=b&page=3");
        replace(&mut query, "a", "c d");
        assert_eq!(query, "page=3&a=c%20d");
        let mut empty = String::new();
        replace(&mut empty, "page", "1");
        assert_eq!(empty, "page=1");
    }
}
