//! Which texts of a configuration must not show.

use std::borrow::Cow;
use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use serde_json::Value as Json;
use toml::{Table, Value};

use crate::watch::SHORTEST;

/// Fields with such names hold secrets, whether or not the provider asks for one.
const NAMES: &[&str] =
    &["password", "passphrase", "secret", "token", "api_key", "private_key", "credentials"];

/// What such names end with names a secret within a text that is one: `AccountKey=…;`, `?sig=…`.
const PARTS: &[&str] = &["key", "password", "pwd", "secret", "token", "sig", "signature"];

/// The secrets of a configuration, each with what a finding calls it: what the provider `asked` for as a secret (by
/// dotted path), what is named like one, and the passwords in URLs. A URL itself is none: it says where, and that may
/// be told. But of what was asked for, that which its own parts name is one as well: the key of a connection string, the
/// signature of a link.
pub(crate) fn secrets(table: &Table, asked: &BTreeSet<String>) -> Vec<(String, String)> {
    let mut secrets = Vec::new();
    for (key, value) in table {
        walk(key, key, value, asked, &mut secrets);
    }
    secrets
}

/// The fields that hold secrets according to a JSON Schema, each as the names that lead to it.
pub(crate) fn secret_fields(schema: &Json) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    described(schema, schema, &mut Vec::new(), &mut found);
    found
}

/// What a schema that describes itself is followed to.
const DEEPEST: usize = 8;

fn described(root: &Json, schema: &Json, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let reference = schema.get("$ref").and_then(Json::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
    match reference {
        Some("Secret") => found.push(path.clone()),
        Some(name) if path.len() < DEEPEST => {
            if let Some(schema) = root.pointer(&format!("/$defs/{name}")) {
                described(root, schema, path, found);
            }
        }
        _ => {}
    }
    for choice in
        ["anyOf", "oneOf", "allOf"].iter().filter_map(|choice| schema.get(choice)?.as_array()).flatten()
    {
        described(root, choice, path, found);
    }
    for (name, schema) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        path.push(name.clone());
        described(root, schema, path, found);
        path.pop();
    }
}

/// The table with this text in the field that the path leads to.
pub(crate) fn planted(table: &Table, path: &[String], text: &str) -> Table {
    let mut table = table.clone();
    match path {
        [] => {}
        [field] => drop(table.insert(field.clone(), Value::String(text.to_owned()))),
        [field, rest @ ..] => {
            let inner = table.get(field).and_then(Value::as_table).cloned().unwrap_or_default();
            table.insert(field.clone(), Value::Table(planted(&inner, rest, text)));
        }
    }
    table
}

fn walk(path: &str, key: &str, value: &Value, asked: &BTreeSet<String>, secrets: &mut Vec<(String, String)>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                walk(&format!("{path}.{key}"), key, value, asked, secrets);
            }
        }
        Value::Array(values) => {
            for (n, value) in values.iter().enumerate() {
                walk(&format!("{path}[{n}]"), key, value, asked, secrets);
            }
        }
        Value::String(text) => {
            let is_asked = asked.contains(path);
            match after_scheme(text) {
                Some(rest) => add(secrets, &format!("the password in `{path}`"), password(rest)),
                None if is_asked || is_named_like_a_secret(key) => {
                    secrets.push((format!("the secret `{path}`"), text.clone()));
                }
                None => {}
            }
            if is_asked {
                add(secrets, &format!("a part of `{path}`"), parts(text));
            }
        }
        _ => {}
    }
}

/// Texts as they stand there, and as they are meant if a URL holds them.
fn add<'a>(secrets: &mut Vec<(String, String)>, name: &str, texts: impl IntoIterator<Item = &'a str>) {
    let both = texts.into_iter().flat_map(|text| [text.to_owned(), decoded(text)]);
    secrets.extend(both.map(|text| (name.to_owned(), text)));
}

fn is_named_like_a_secret(key: &str) -> bool {
    NAMES.iter().any(|name| key.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')))
}

/// What stands behind the scheme of a URL. A connection string may hold URLs, and is none.
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)).then_some(rest)
}

/// What is called a secret within a text: the values of a connection string or of a URL's query. Short ones are words.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let pairs = text.split([';', '?', '&', '#']).filter_map(|pair| pair.split_once('='));
    let is_secret = |name: &str| PARTS.iter().any(|part| name.trim().to_ascii_lowercase().ends_with(part));
    pairs.filter(move |(name, value)| is_secret(name) && value.len() >= SHORTEST).map(|(_, value)| value)
}

/// What stands between `:` and `@` before the host.
fn password(rest: &str) -> Option<&str> {
    let authority = rest.split(['/', '?', '#']).next()?;
    let (credentials, _) = authority.rsplit_once('@')?;
    credentials.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

/// `%40` as `@`; what is not encoded rightly stays as it is.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plants_a_text_in_every_field_that_is_described_as_a_secret() {
        let schema: Json = serde_json::from_str(
            r##"{"properties":{
                "name":{"type":"string"},
                "password":{"anyOf":[{"$ref":"#/$defs/Secret"},{"type":"null"}]},
                "tls":{"$ref":"#/$defs/Tls"}},
              "$defs":{"Secret":{},"Tls":{"properties":{"key":{"$ref":"#/$defs/Secret"},"again":{"$ref":"#/$defs/Tls"}}}}}"##,
        )
        .unwrap();
        let fields = secret_fields(&schema);
        assert_eq!(fields.first().unwrap(), &["password"]);
        assert!(fields.iter().any(|path| path == &["tls", "key"]), "{fields:?}");
        let table: Table = toml::from_str("name = 'me'\ntls = { ca = 'x' }").unwrap();
        let planted = planted(&table, &["tls".to_owned(), "key".to_owned()], "canary");
        assert_eq!(planted, toml::from_str("name = 'me'\ntls = { ca = 'x', key = 'canary' }").unwrap());
    }

    #[test]
    fn finds_what_was_asked_for_named_so_or_in_a_url() {
        let table: Table = toml::from_str(
            "url = 'redis://app:p%40ss@host:1/0'\nendpoint = 'http://host:1'\nname = 'me'\nkey = 'asked-for'\n\
             access_token = 'named-so'\nlist = [{ password = 'deep' }]\n[serve]\nkey = 'deeper'\n",
        )
        .unwrap();
        let asked = ["url", "key", "serve.key", "endpoint"].map(str::to_owned).into();
        let mut found = secrets(&table, &asked);
        found.sort();
        let expected = [
            ("the password in `url`", "p%40ss"),
            ("the password in `url`", "p@ss"),
            ("the secret `access_token`", "named-so"),
            ("the secret `key`", "asked-for"),
            ("the secret `list[0].password`", "deep"),
            ("the secret `serve.key`", "deeper"),
        ];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn finds_the_secrets_within_what_was_asked_for() {
        const STRING: &str =
            "Protocol=https;AccountName=somebody;AccountKey=c2VjcmV0IGtleQ==;Blob=http://host:1/x";
        let table: Table = toml::from_str(&format!(
            "connection = '{STRING}'\nlink = 'https://host/x?sv=2026-01-01&sig=a%2Fsignature'\n\
             told = 'https://host/x?sig=another-signature'\n",
        ))
        .unwrap();
        let asked = ["connection", "link"].map(str::to_owned).into();
        let mut found: Vec<_> = secrets(&table, &asked).into_iter().map(|(_, text)| text).collect();
        found.sort();
        found.dedup();
        assert_eq!(found, [STRING, "a%2Fsignature", "a/signature", "c2VjcmV0IGtleQ=="]);
    }
}
