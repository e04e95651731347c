//! Secrets are of the type `Secret`, which cannot be printed.

use super::{Findings, Tree};

const WORDS: &[&str] =
    &["password", "passphrase", "secret", "token", "api_key", "private_key", "credentials"];

/// A field named like a secret is no `String`.
pub fn fields(tree: &Tree, findings: &mut Findings) {
    for file in tree.rust().filter(|file| file.path.starts_with("crates/") && !file.is_test()) {
        for (line, text) in file.statements() {
            let Some((name, kind)) = field(text) else { continue };
            let is_secret = WORDS.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")));
            let is_text = ["String", "Option<String>", "Vec<u8>", "Option<Vec<u8>>", "Box<str>", "Arc<str>"]
                .contains(&kind);
            if is_secret && is_text {
                findings.at(
                    &file.path,
                    line,
                    format!("{name}: make it a `Secret`, or name it after what it is if it is none"),
                );
            }
        }
    }
}

/// Name and type, if the line is a struct's field.
fn field(line: &str) -> Option<(&str, &str)> {
    let line = line.trim().strip_suffix(',')?;
    let line = ["pub(crate) ", "pub(super) ", "pub "]
        .iter()
        .find_map(|word| line.strip_prefix(word))
        .unwrap_or(line);
    let (name, kind) = line.split_once(": ")?;
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_name.then_some((name, kind.trim()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn text_named_like_a_secret_is_refused() {
        let text = "//! A.\nstruct A {\n    pub password: Option<String>,\n    api_key: String,\n    pub session_token: String,\n    \
            pub user: String,\n    pub secret: Secret,\n    tokens: String,\n}\n";
        let said = said(super::fields, &[("crates/a/src/lib.rs", text)]);
        assert_eq!(said.len(), 3, "{said:?}");
    }
}
