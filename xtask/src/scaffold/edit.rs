//! How a provider's lines get into files that are there already. Their order is rustfmt's affair.

use crate::failure::{Failure, Result};

/// The feature, what it switches on, and its place in `all-providers`.
pub fn manifest(text: &str, id: &str, enables: &[&str]) -> Result<String> {
    let start = find(text, 0, "\n[features]\n")? + "\n[features]\n".len();
    let end = text[start..].find("\n[").map_or(text.len(), |at| start + at);
    if text[start..end].lines().any(|line| line.split(" =").next() == Some(id)) {
        return Err(Failure::new(format!("the feature `{id}` is there already")));
    }
    let all = find(text, start, "all-providers = [")?;
    let close = find(text, all, "]")?;
    let table = text[start..end].trim_end().len() + start;
    if close > table {
        return Err(Failure::new("`all-providers` does not end within [features]"));
    }
    let mut text = text.to_owned();
    text.insert_str(table, &format!("\n{id} = {enables:?}"));
    insert_item(&mut text, close, &format!("\"{id}\""));
    Ok(text)
}

/// Module, row and known line in `providers/mod.rs`.
pub fn table(text: &str, id: &str) -> Result<String> {
    let mut text = text.to_owned();
    let known = find(&text, 0, "const KNOWN:")?;
    let close = find(&text, known, "];")?;
    insert_item(&mut text, close, &format!("KnownProvider {{ id: \"{id}\", feature: \"{id}\" }}"));
    let rows = find(&text, 0, "const TABLE:")?;
    let close = find(&text, rows, "\n];")? + 1;
    text.insert_str(close, &format!("    #[cfg(feature = \"{id}\")]\n    {id}::ENTRY,\n"));
    let module = line_after_last(&text, "\npub mod ")?;
    text.insert_str(module, &format!("#[cfg(feature = \"{id}\")]\npub mod {id};\n"));
    Ok(text)
}

/// Its server in `SIMULATORS`.
pub fn simulator(text: &str, id: &str) -> Result<String> {
    let mut text = text.to_owned();
    let rows = find(&text, 0, "const SIMULATORS:")?;
    let close = find(&text, rows, "\n];")? + 1;
    let row = format!("    #[cfg(feature = \"{id}\")]\n    (\"{id}\", {id}::simulator::simulate),\n");
    text.insert_str(close, &row);
    Ok(text)
}

/// The provider's types at the crate's root.
pub fn exports(text: &str, id: &str, types: &[String]) -> Result<String> {
    let mut text = text.to_owned();
    let after = line_after_last(&text, "\npub use providers::")?;
    let line = format!("#[cfg(feature = \"{id}\")]\npub use providers::{id}::{{{}}};\n", types.join(", "));
    text.insert_str(after, &line);
    Ok(text)
}

/// Puts an item before the bracket that closes a list.
fn insert_item(text: &mut String, close: usize, item: &str) {
    let last = text[..close].trim_end().len();
    let comma = if text[..last].ends_with([',', '[']) { "" } else { "," };
    let space = if text[..last].ends_with('[') { "" } else { " " };
    text.insert_str(last, &format!("{comma}{space}{item}"));
}

/// Where the line begins that follows the last statement with this beginning.
fn line_after_last(text: &str, begins: &str) -> Result<usize> {
    let at = text.rfind(begins).ok_or_else(|| absent(begins))?;
    Ok(find(text, at, ";\n")? + 2)
}

fn find(text: &str, from: usize, what: &str) -> Result<usize> {
    text[from..].find(what).map(|at| from + at).ok_or_else(|| absent(what))
}

fn absent(what: &str) -> Failure {
    Failure::new(format!("no `{}` to put the provider beside: add its lines by hand", what.trim()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_feature_stands_at_the_end_of_its_table() {
        let text =
            "[package]\n[features]\nall-providers = [\"a\"]\na = [\n  \"dep:x\",\n]\n\n[dependencies]\n";
        assert_eq!(
            super::manifest(text, "b", &[]).unwrap(),
            "[package]\n[features]\nall-providers = [\"a\", \"b\"]\na = [\n  \"dep:x\",\n]\nb = []\n\n[dependencies]\n"
        );
        assert!(super::manifest(text, "a", &[]).unwrap_err().to_string().contains("already"));
        let lines = "[package]\n[features]\nall-providers = [\n  \"a\",\n]\n\n[dependencies]\n";
        assert!(
            super::manifest(lines, "b", &["dep:y", "dep:z"])
                .unwrap()
                .contains("  \"a\", \"b\"\n]\nb = [\"dep:y\", \"dep:z\"]\n\n")
        );
        let none = "[package]\n[features]\nall-providers = []\n";
        assert!(super::manifest(none, "b", &[]).unwrap().contains("all-providers = [\"b\"]\nb = []\n"));
    }

    #[test]
    fn what_is_not_as_expected_is_told() {
        assert!(super::table("pub mod a;\n", "b").unwrap_err().to_string().contains("const KNOWN:"));
        assert!(super::exports("use a;\n", "b", &[]).unwrap_err().to_string().contains("by hand"));
    }
}
