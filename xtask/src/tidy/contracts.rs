//! Contracts and clauses: each promise in a contract's docs ends in the id of the clause that proves it, and each clause is
//! cited by a promise.

use std::collections::BTreeMap;

use super::tree::Source;
use super::{Findings, Tree};

/// Where an id stands: file and line.
type Places<'a> = BTreeMap<&'a str, (&'a str, usize)>;

/// Both directions, and every bullet of a contract method.
pub fn clauses(tree: &Tree, findings: &mut Findings) {
    for domain in domains(tree) {
        let docs = format!("crates/external-core/src/{domain}/");
        let suite = format!("crates/external-contract/src/{domain}");
        let client = format!("crates/external-{domain}/tests/client.rs");
        let mut cited = Places::new();
        for file in tree.rust().filter(|file| file.path.starts_with(&docs)) {
            cite(file, domain, &mut cited);
            bullets(file, tree.has(&client), &client, findings);
        }
        let mut proven = Places::new();
        let is_suite = |path: &str| path.starts_with(&format!("{suite}/")) || path == format!("{suite}.rs");
        for file in tree.rust().filter(|file| is_suite(&file.path)) {
            prove(file, domain, &mut proven, findings);
        }
        for (id, (file, line)) in cited.iter().filter(|(id, _)| !proven.contains_key(*id)) {
            findings.at(file, *line, format!("({id}) is cited here, and no clause in {suite} has that id"));
        }
        for (id, (file, line)) in proven.iter().filter(|(id, _)| !cited.contains_key(*id)) {
            findings.at(file, *line, format!("the clause {id} is cited by no promise in {docs}"));
        }
    }
}

/// A clause of a capability comes with the check that providers without it refuse: `.capability(id, refused)` asks for it.
pub fn refusals(tree: &Tree, findings: &mut Findings) {
    let is_suite = |path: &str| {
        path.starts_with("crates/external-contract/src/")
            && !path.contains("/runner/")
            && !path.ends_with("/clause.rs")
            || path.ends_with("/tests/client.rs")
    };
    for file in tree.rust().filter(|file| is_suite(&file.path)) {
        let sets = |text: &str| text.contains("level: Level::Capability(") || text.contains(".level = ");
        for (line, _) in file.statements().filter(|(_, text)| sets(text)) {
            findings.at(
                &file.path,
                line,
                "say `.capability(id, refused)`, which asks for the check that it is refused",
            );
        }
    }
}

/// Domains with a contract in core: folders that hold a trait whose docs cite clauses or that have a crate.
fn domains(tree: &Tree) -> Vec<&str> {
    let folder = |path: &'_ str| -> Option<String> {
        let name = path.strip_prefix("crates/external-core/src/")?.strip_suffix('/')?;
        tree.has(&format!("crates/external-{name}/")).then(|| name.to_owned())
    };
    tree.paths
        .iter()
        .filter(|path| folder(path).is_some())
        .filter_map(|path| path.trim_end_matches('/').rsplit('/').next())
        .collect()
}

/// Ids in round brackets in doc comments.
fn cite<'a>(file: &'a Source, domain: &str, cited: &mut Places<'a>) {
    for (line, text) in file.code() {
        let text = text.trim_start();
        if !text.starts_with("///") && !text.starts_with("//!") {
            continue;
        }
        for inside in text.split('(').skip(1).map(|rest| rest.split(')').next().unwrap_or(rest)) {
            for id in inside.split(',').map(str::trim).filter(|id| is_id(id, domain)) {
                cited.entry(id).or_insert((&file.path, line));
            }
        }
    }
}

/// Ids that are the first argument of a clause macro or the value of a field `id`.
fn prove<'a>(file: &'a Source, domain: &str, proven: &mut Places<'a>, findings: &mut Findings) {
    let lines: Vec<(usize, &str)> = file.statements().collect();
    for (at, (line, text)) in lines.iter().enumerate() {
        let Some(id) = text.split('"').nth(1).filter(|id| is_id(id, domain)) else {
            continue;
        };
        let before = text.split('"').next().unwrap_or_default().trim();
        let above = at.checked_sub(1).map_or("", |above| lines[above].1.trim());
        let opens = |text: &str| text.ends_with("clause!(") || text.ends_with("Clause::new(");
        if !(opens(before) || before.ends_with("id:") || before.is_empty() && opens(above)) {
            continue;
        }
        if let Some((file_before, line_before)) = proven.insert(id, (&file.path, *line)) {
            findings.at(
                &file.path,
                *line,
                format!("the clause {id} stands at {file_before}:{line_before} too: give it a new id"),
            );
        }
    }
}

/// `storage.put.4` for domain `storage`.
fn is_id(text: &str, domain: &str) -> bool {
    let mut parts = text.split('.');
    let (Some(first), Some(operation), Some(number), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    first == domain
        && !operation.is_empty()
        && operation.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        && !number.is_empty()
        && number.chars().all(|c| c.is_ascii_digit())
}

/// Every bullet in the docs of a contract's methods ends in its ids, or in `(client)`.
fn bullets(file: &Source, has_client_suite: bool, client: &str, findings: &mut Findings) {
    let mut inside = false;
    let mut bullet: Option<(usize, String)> = None;
    for (line, text) in file.code() {
        if text.starts_with("pub trait ") {
            inside = text.contains('{') && !text.ends_with("{}");
        } else if text == "}" {
            inside = false;
        }
        let doc = text.trim_start().strip_prefix("///").filter(|_| inside).map(str::trim_end);
        let starts = doc.is_some_and(|doc| doc.starts_with(" - "));
        let goes_on = doc.is_some_and(|doc| doc.starts_with("  "));
        if !goes_on && let Some((line, text)) = bullet.take() {
            judge(file, line, &text, has_client_suite, client, findings);
        }
        match (doc, &mut bullet) {
            (Some(doc), None) if starts => bullet = Some((line, doc.to_owned())),
            (Some(doc), Some((_, text))) if goes_on => text.push_str(doc),
            _ => {}
        }
    }
}

fn judge(
    file: &Source,
    line: usize,
    text: &str,
    has_client_suite: bool,
    client: &str,
    findings: &mut Findings,
) {
    let ids = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')).map_or("", |(_, ids)| ids);
    let is_client = ids == "client" || ids.ends_with(", client");
    let domain =
        client.strip_prefix("crates/external-").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let is_known = |id: &str| id == "client" || is_id(id, domain) || is_id(id, "common");
    if ids.is_empty() || !ids.split(',').map(str::trim).all(is_known) {
        findings.at(
            &file.path,
            line,
            "end this promise in the id of the clause that proves it, or in (client)",
        );
    } else if is_client && !has_client_suite {
        findings.at(&file.path, line, format!("(client): there is no {client} to prove it"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    const TRAIT: &str = "//! T.\n/// A.\n///\n/// - no promise\npub trait XService {\n    /// Puts.\n    ///\n    \
        /// - One promise that goes\n    ///   on here. (x.put.1, x.put.2)\n    /// - Another. (client)\n    fn put();\n}\n";

    #[test]
    fn promises_and_clauses_match() {
        let suite = "//! S.\nclause!(\"x.put.1\", \"s\", |c| {});\nclause!(\n    \"x.put.2\",\n    \"s\");\n";
        let none = said(
            super::clauses,
            &[
                ("crates/external-core/src/x/service.rs", TRAIT),
                ("crates/external-contract/src/x/put.rs", suite),
                ("crates/external-x/tests/client.rs", "//! C.\n"),
            ],
        );
        assert_eq!(none, Vec::<String>::new());
    }

    #[test]
    fn both_directions_are_checked() {
        let suite = "//! S.\nclause!(\"x.put.1\", \"s\", |c| {});\nClause { id: \"x.put.3\" }\nclause!(\"x.put.1\", \"again\");\n";
        let said = said(
            super::clauses,
            &[
                ("crates/external-core/src/x/service.rs", TRAIT),
                ("crates/external-contract/src/x/put.rs", suite),
                ("crates/external-x/src/lib.rs", ""),
            ],
        );
        assert!(said.iter().any(|line| line.contains("(x.put.2) is cited here")), "{said:#?}");
        assert!(
            said.iter().any(|line| line.contains("the clause x.put.3 is cited by no promise")),
            "{said:#?}"
        );
        assert!(said.iter().any(|line| line.contains("x.put.1 stands at")), "{said:#?}");
        assert!(said.iter().any(|line| line.contains("no crates/external-x/tests/client.rs")), "{said:#?}");
        assert_eq!(said.len(), 4, "{said:#?}");
    }

    #[test]
    fn a_capability_comes_with_its_refusal() {
        let text =
            "//! S.\nClause { level: Level::Capability(\"a\") }\nclause!().capability(\"a\", check!());\n";
        let said = said(super::refusals, &[("crates/external-contract/src/x/put.rs", text)]);
        assert_eq!(said.len(), 1, "{said:?}");
    }

    #[test]
    fn a_bullet_without_a_clause_is_found() {
        let text =
            "//! T.\npub trait XService {\n    /// - A promise that nobody proves.\n    fn put();\n}\n";
        let said = said(
            super::clauses,
            &[("crates/external-core/src/x/service.rs", text), ("crates/external-x/src/lib.rs", "")],
        );
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("crates/external-core/src/x/service.rs:3: "), "{said:?}");
    }
}
