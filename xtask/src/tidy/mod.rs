//! `tidy`: the house rules that can be read off the text. Each check is a function in a file of this folder.

mod contracts;
mod files;
mod layout;
mod manifests;
mod providers;
mod secrets;
mod tree;

use std::fmt;

pub use tree::Tree;

/// A rule that is broken, where, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path from the root.
    pub file: String,
    /// From 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}: {}", self.file, self.message),
        }
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    fn at(&mut self, file: &str, line: usize, message: impl Into<String>) {
        self.0.push(Finding { file: file.to_owned(), line, message: message.into() });
    }

    fn on(&mut self, file: &str, message: impl Into<String>) {
        self.at(file, 0, message);
    }
}

/// Looks at the whole tree and says what breaks its rule.
pub type Check = fn(&Tree, &mut Findings);

/// Every check, with the rule that it holds.
pub const CHECKS: &[(&str, Check)] = &[
    ("the visible top level is as stated", layout::top_level),
    ("published crates carry README, CHANGELOG and both licences", layout::crate_files),
    ("sources, manifests and documents are text", files::readable),
    ("every file opens with //!", files::opening),
    ("files stay short", files::length),
    ("files are named after what is inside", files::names),
    ("cfg(feature) stands in few places", files::feature_gates),
    ("cfg(unix) and its like stand in platform.rs", files::platform_gates),
    ("members inherit the lints", manifests::lints),
    ("versions stand in the root manifest", manifests::versions),
    ("dependencies follow the arrows", manifests::arrows),
    ("all-providers is complete, and off by default", manifests::all_providers),
    ("a provider folder is the whole story", providers::folders),
    ("providers know no sibling and no client", providers::imports),
    ("what vendor crates show is told to users", providers::leaks),
    ("promises and clauses cite each other", contracts::clauses),
    ("clauses of a capability check its refusal", contracts::refusals),
    ("secrets are Secret", secrets::fields),
];

/// Runs every check.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Findings::default();
    for (_, check) in CHECKS {
        check(tree, &mut findings);
    }
    findings.0.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    findings.0
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::workspace::Workspace;

    /// What one check says of a small tree.
    pub(crate) fn said(check: Check, files: &[(&str, &str)]) -> Vec<String> {
        let mut findings = Findings::default();
        check(&Tree::of(files), &mut findings);
        findings.0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_workspace_is_tidy() {
        let findings = check(&Tree::read(&Workspace::load().unwrap()).unwrap());
        let text: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}\n`cargo xtask tidy` says this too", text.join("\n"));
    }
}
