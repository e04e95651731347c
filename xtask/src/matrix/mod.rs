//! The support matrix: what providers declare and which lanes proved it, as Markdown.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::contract::report::{Row, by_lane};
use crate::failure::{Failure, Result};

/// The line before the generated block.
pub const BEGIN: &str = "<!-- support-matrix:begin -->";
/// The line after it.
pub const END: &str = "<!-- support-matrix:end -->";

/// What one target of a provider declares, as the suites print it.
#[derive(Debug, Clone, Deserialize)]
pub struct Declared {
    domain: String,
    provider: String,
    kind: String,
    target: String,
    #[serde(default)]
    capabilities: Vec<Capability>,
    /// Why it could not be asked.
    #[serde(default)]
    unknown: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Capability {
    id: String,
    grade: Grade,
    #[serde(default)]
    caveat: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Grade {
    Unsupported,
    Emulated,
    Native,
}

/// The block, markers included.
pub fn markdown(declared: &[Declared], rows: &[Row]) -> Result<String> {
    if let Some(unknown) = declared.iter().find(|declared| declared.unknown.is_some()) {
        let Declared { domain, provider, target, .. } = unknown;
        let why = unknown.unknown.as_deref().unwrap_or_default();
        return Err(Failure::new(format!(
            "{domain} {provider} ({target}) does not tell its capabilities: {why}"
        )));
    }
    let proven = proven(rows);
    let mut text = format!("{BEGIN}\n<!-- made by `cargo xtask support-matrix`; do not edit -->\n");
    let domains: BTreeSet<&str> = declared.iter().map(|declared| declared.domain.as_str()).collect();
    for domain in domains {
        let declared: Vec<&Declared> = declared.iter().filter(|declared| declared.domain == domain).collect();
        text += &table(domain, &declared, &proven);
    }
    text += "\n● native, ◐ emulated (see the note), – unsupported: refused before anything is sent. The last row names the\n";
    text += "lanes of the contract tests in which everything passed.\n";
    text += END;
    Ok(text)
}

/// Replaces the block in a document.
pub fn replace(document: &str, block: &str) -> Result<String> {
    let missing = || Failure::new(format!("README.md has no {BEGIN} … {END}"));
    let (before, rest) = document.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{block}{after}"))
}

/// The lanes in which everything of a provider passed.
fn proven(rows: &[Row]) -> BTreeMap<(&str, &str), BTreeSet<&str>> {
    let mut proven: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for ((domain, provider, lane), count) in by_lane(rows) {
        if count.passed > 0 && count.failed == 0 && count.not_run == 0 {
            proven.entry((domain, provider)).or_default().insert(lane);
        }
    }
    proven
}

fn table(domain: &str, declared: &[&Declared], proven: &BTreeMap<(&str, &str), BTreeSet<&str>>) -> String {
    // Embedded ones first, then by name.
    let mut providers: Vec<(&str, &str)> =
        declared.iter().map(|declared| (declared.kind.as_str(), declared.provider.as_str())).collect();
    providers.sort_unstable();
    providers.dedup();
    let providers: Vec<&str> = providers.into_iter().map(|(_, provider)| provider).collect();
    // In the order in which the contract lists them.
    let mut ids: Vec<&str> = Vec::new();
    for capability in declared.iter().flat_map(|declared| &declared.capabilities) {
        if !ids.contains(&capability.id.as_str()) {
            ids.push(&capability.id);
        }
    }
    let mut text =
        format!("\n| {domain} | {} |\n|---|{}\n", providers.join(" | "), ":-:|".repeat(providers.len()));
    let mut notes: Vec<String> = Vec::new();
    for id in ids {
        let cells: Vec<String> =
            providers.iter().map(|provider| cell(declared, provider, id, &mut notes)).collect();
        text += &format!("| `{id}` | {} |\n", cells.join(" | "));
    }
    let lanes = |provider: &&str| {
        let lanes = proven.get(&(domain, *provider)).map(|lanes| lanes.iter().copied().collect::<Vec<_>>());
        lanes.map_or_else(|| "–".to_owned(), |lanes| lanes.join(", "))
    };
    text += &format!("| *proven in* | {} |\n", providers.iter().map(lanes).collect::<Vec<_>>().join(" | "));
    if !notes.is_empty() {
        text += "\n";
    }
    for (at, note) in notes.iter().enumerate() {
        text += &format!("{}. {note}\n", at + 1);
    }
    text
}

fn cell(declared: &[&Declared], provider: &str, id: &str, notes: &mut Vec<String>) -> String {
    let targets: Vec<(&str, Option<&Capability>)> = declared
        .iter()
        .filter(|declared| declared.provider == provider)
        .map(|d| (d.target.as_str(), d.capabilities.iter().find(|capability| capability.id == id)))
        .collect();
    let grade = |found: &Option<&Capability>| found.map_or(Grade::Unsupported, |capability| capability.grade);
    let best = targets.iter().map(|(_, found)| grade(found)).max().unwrap_or(Grade::Unsupported);
    let sign = match best {
        Grade::Native => "●",
        Grade::Emulated => "◐",
        Grade::Unsupported => return "–".to_owned(),
    };
    let mut why = Vec::new();
    let having: Vec<&str> =
        targets.iter().filter(|(_, found)| grade(found) == best).map(|(name, _)| *name).collect();
    if having.len() < targets.len() {
        why.push(format!("in the configuration `{}`", having.join("`, `")));
    }
    if best == Grade::Emulated {
        let caveats = targets.iter().filter_map(|(_, found)| found.as_ref()?.caveat.clone());
        why.extend(caveats.collect::<BTreeSet<_>>());
    }
    if why.is_empty() {
        return sign.to_owned();
    }
    let note = why.join("; ");
    let at = notes.iter().position(|known| *known == note).unwrap_or_else(|| {
        notes.push(note);
        notes.len() - 1
    });
    format!("{sign} ({})", at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> Vec<Declared> {
        serde_json::from_str(
            r#"[
            {"domain":"email","provider":"smtp","kind":"remote","target":"plain","lane":"server","capabilities":[
                {"id":"raw","grade":"native","caveat":null},
                {"id":"batch","grade":"emulated","caveat":"one by one"},
                {"id":"auth","grade":"unsupported","caveat":null}]},
            {"domain":"email","provider":"smtp","kind":"remote","target":"tls","lane":"server","capabilities":[
                {"id":"raw","grade":"native","caveat":null},
                {"id":"batch","grade":"emulated","caveat":"one by one"},
                {"id":"auth","grade":"native","caveat":null}]},
            {"domain":"email","provider":"memory","kind":"embedded","target":"memory","lane":"embedded","capabilities":[
                {"id":"raw","grade":"unsupported","caveat":null}]}]"#,
        )
        .unwrap()
    }

    fn row(provider: &str, lane: &str, status: &str) -> Row {
        serde_json::from_value(serde_json::json!({"domain": "email", "provider": provider, "lane": lane, "target": "t",
            "clause": "email.send.1", "subject": "provider", "level": "must", "status": status, "detail": "", "ms": 0}))
        .unwrap()
    }

    #[test]
    fn shows_grades_notes_and_proven_lanes() {
        let rows = [
            row("memory", "embedded", "passed"),
            row("smtp", "server", "passed"),
            row("smtp", "server", "failed"),
        ];
        let text = markdown(&declared(), &rows).unwrap();
        for line in [
            "| email | memory | smtp |",
            "| `raw` | – | ● |",
            "| `batch` | – | ◐ (1) |",
            "| `auth` | – | ● (2) |",
            "| *proven in* | embedded | – |",
            "1. one by one",
            "2. in the configuration `tls`",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn replaces_the_block_alone() {
        let document = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let block = markdown(&declared(), &[]).unwrap();
        let once = replace(&document, &block).unwrap();
        assert!(once.starts_with("before\n<!--") && once.ends_with("-->\nafter\n"), "{once}");
        assert_eq!(replace(&once, &block).unwrap(), once);
        assert!(replace("no markers", &block).is_err());
    }

    #[test]
    fn a_provider_that_does_not_tell_is_a_failure() {
        let mut declared = declared();
        declared[0].unknown = Some("no address".into());
        assert!(markdown(&declared, &[]).unwrap_err().to_string().contains("no address"));
    }
}
