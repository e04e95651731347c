//! The resolved configuration in words: what holds, and where it was said.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use external_core::Section;
use external_core::config::{Node, Origin, Table, Value};

use crate::assembly::{Assembly, Instance};
use crate::in_force::unsaid;

/// In the form of TOML; each value is followed by its place.
pub(crate) fn explain(assembly: &Assembly) -> String {
    let mut text = format!("mode = \"{}\"\n", assembly.mode.as_str());
    for table in assembly.own.keys() {
        line(&mut text, format_args!("\n# [{table}] is the service's own and not shown"));
    }
    if let Some(tls) = &assembly.tls {
        line(&mut text, format_args!("\n[tls]"));
        section(&mut text, tls);
    }
    let built = assembly.state().built.clone();
    for instance in &built {
        describe(&mut text, instance);
    }
    text
}

fn describe(text: &mut String, instance: &Instance) {
    let info = instance.client.provider().info();
    let path = format!("{}.{}", instance.domain, instance.name);
    line(text, format_args!("\n[{path}]  # {}", info.location()));
    let Some(table) = &instance.table else {
        line(text, format_args!("# provider \"{}\", given by the program", info.id()));
        return;
    };
    match &table.provider {
        Some((provider, origin)) => said(text, "provider", &quoted(provider), origin),
        None => line(text, format_args!("provider = \"{}\"  # filled in by development mode", info.id())),
    }
    if let Some((_, origin)) = table.requires.first() {
        let ids: Vec<String> = table.requires.iter().map(|(id, _)| quoted(id)).collect();
        said(text, "requires", &format!("[{}]", ids.join(", ")), origin);
    }
    section(text, &table.rest);
    if let Some(settings) = &table.settings
        && settings.value().as_table().is_none_or(|table| !table.is_empty())
    {
        line(text, format_args!("[{path}.client]"));
        section(text, settings);
    }
    line(text, format_args!("[{path}.resilience]"));
    section(text, &table.resilience);
    for (key, value) in unsaid(instance.client.pipeline().policy(), table.resilience.value()) {
        line(text, format_args!("{key} = {value}  # default"));
    }
}

fn section(text: &mut String, section: &Section) {
    let secrets = section.secret_paths();
    if let Some(table) = section.value().as_table() {
        entries(text, "", section.path(), table, &secrets);
    }
}

/// `key` is what is printed before the names of this table; `path` leads to it from the root.
fn entries(text: &mut String, key: &str, path: &str, table: &Table, secrets: &BTreeSet<String>) {
    for entry in table.entries() {
        let path = format!("{path}.{}", entry.key);
        let key = if key.is_empty() { entry.key.clone() } else { format!("{key}.{}", entry.key) };
        match &entry.value.node {
            Node::Table(inner) if !inner.is_empty() && !secrets.contains(&path) => {
                entries(text, &key, &path, inner, secrets);
            }
            _ => said(text, &key, &printed(&entry.value, &path, secrets), &entry.value.origin),
        }
    }
}

fn printed(value: &Value, path: &str, secrets: &BTreeSet<String>) -> String {
    match &value.node {
        // A reference to a secret is a table, and no secret.
        node if secrets.contains(path) && !matches!(node, Node::Table(_)) => "***".to_owned(),
        Node::Null => "null".to_owned(),
        Node::Bool(truth) => truth.to_string(),
        Node::Integer(number) => number.to_string(),
        Node::Float(number) => format!("{number:?}"),
        Node::String(text) => quoted(&without_credentials(text)),
        Node::Array(items) => {
            let items =
                items.iter().enumerate().map(|(at, item)| printed(item, &format!("{path}[{at}]"), secrets));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        Node::Table(table) => {
            let inner = table.entries().iter().map(|entry| {
                let path = format!("{path}.{}", entry.key);
                format!("{} = {}", entry.key, printed(&entry.value, &path, secrets))
            });
            format!("{{ {} }}", inner.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Credentials belong into secrets, but addresses can carry them: `redis://app:***@host`.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password may hold a slash that should have been encoded: the last @ of all is the safer end.
    let Some(at) = rest[..authority].rfind('@').or_else(|| rest.rfind('@')) else {
        return text.to_owned();
    };
    match rest[..at].split_once(':') {
        Some((user, _)) => format!("{scheme}://{user}:***@{}", &rest[at + 1..]),
        None => format!("{scheme}://***@{}", &rest[at + 1..]),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

fn said(text: &mut String, key: &str, value: &str, origin: &Origin) {
    line(text, format_args!("{key} = {value}  # {origin}"));
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_credentials() {
        assert_eq!(without_credentials("redis://app:pa/ss@h:1/0"), "redis://app:***@h:1/0");
        assert_eq!(without_credentials("redis://:p@ss@h:1/0"), "redis://:***@h:1/0");
        assert_eq!(without_credentials("https://token@h/x"), "https://***@h/x");
        assert_eq!(without_credentials("https://h/x?mail=a"), "https://h/x?mail=a");
        assert_eq!(without_credentials("a@b.c"), "a@b.c");
    }
}
