//! What lies where: the top level, and the files that every published crate carries.

use super::{Findings, Tree};

const TOP: &[&str] =
    &["Cargo.toml", "Cargo.lock", "README.md", "deny.toml", "rust-toolchain.toml", "crates/", "xtask/"];

/// The visible top level, exactly.
pub fn top_level(tree: &Tree, findings: &mut Findings) {
    let top = tree.paths.iter().filter(|path| path.trim_end_matches('/').split('/').count() == 1);
    for extra in top.filter(|path| !TOP.contains(&path.as_str())) {
        findings
            .on(extra, "nothing but the stated files stands at the top: move it into a crate, or remove it");
    }
    for missing in TOP.iter().filter(|path| !tree.has(path)) {
        findings.on(missing, "is missing from the top level");
    }
}

/// README.md, CHANGELOG.md and both licence texts in each published crate.
pub fn crate_files(tree: &Tree, findings: &mut Findings) {
    for package in tree.packages.iter().filter(|package| package.is_published()) {
        for name in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
            let path = format!("{}/{name}", tree.folder(package));
            if !tree.has(&path) {
                findings.on(&path, "every published crate carries this file: add it");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn names_what_is_too_much_and_too_little_at_the_top() {
        let said =
            said(super::top_level, &[("Cargo.toml", ""), ("notes.md", ""), ("crates/a/src/lib.rs", "")]);
        assert!(said.iter().any(|line| line.starts_with("notes.md: ")), "{said:?}");
        assert!(said.iter().any(|line| line.starts_with("README.md: is missing")), "{said:?}");
        assert!(!said.iter().any(|line| line.starts_with("crates")), "{said:?}");
    }
}
