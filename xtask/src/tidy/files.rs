//! Rules about single files: how they open, how long they are, what they are called, where conditions stand.

use super::{Findings, Tree};

/// Above this a file says why in its opening.
const EXPLAIN: usize = 500;
/// Above this it is split.
const LIMIT: usize = 800;

/// Places where `cfg(feature)` may stand beside `lib.rs` and `providers/mod.rs`, and why.
const FEATURE_GATES: &[(&str, &str, &str)] = &[
    ("crates/external-core/src/secret.rs", "schema", "the impl stands beside the type that it describes"),
    ("crates/external-core/src/build/tls.rs", "schema", "the derive stands on the type that it describes"),
    (
        "crates/external-storage/src/providers/local/mod.rs",
        "serve",
        "it chooses between links and what stands for them",
    ),
];

/// What the other rules look at can be read as text.
pub fn readable(tree: &Tree, findings: &mut Findings) {
    for (path, why) in &tree.unread {
        findings.on(path, format!("cannot be read as text ({why}): save it as UTF-8, or remove it"));
    }
}

/// Every file opens with `//!`.
pub fn opening(tree: &Tree, findings: &mut Findings) {
    for file in tree.rust() {
        if !file.text.starts_with("//!") {
            findings.at(&file.path, 1, "open the file with `//!`: what it is for, in a sentence or two");
        }
    }
}

/// 300 lines are the aim; above 500 the file explains itself, above 800 it is split. Tests are not counted.
pub fn length(tree: &Tree, findings: &mut Findings) {
    for file in tree.rust().filter(|file| !file.is_test() && !is_tests_file(&file.path)) {
        let lines = file.code().count();
        let explained =
            file.text.lines().take_while(|line| line.starts_with("//!")).any(|l| l.contains("Long because"));
        if lines > LIMIT {
            findings.on(&file.path, format!("{lines} lines without its tests, above {LIMIT}: split it"));
        } else if lines > EXPLAIN && !explained {
            findings.on(
                &file.path,
                format!(
                    "{lines} lines without its tests, above {EXPLAIN}: split it, or say `//! Long because …`"
                ),
            );
        }
    }
}

/// No drawer names.
pub fn names(tree: &Tree, findings: &mut Findings) {
    for path in &tree.paths {
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let stem = name.strip_suffix(".rs").unwrap_or(name);
        let is_drawer = ["utils", "util", "common", "helpers", "helper", "types", "misc"].contains(&stem);
        if is_drawer && (path.ends_with('/') || path.ends_with(".rs")) {
            findings.on(path, "name it after what is inside");
        }
    }
}

/// `cfg(feature)` in `lib.rs`, `providers/mod.rs`, and one `simulator` line in a provider's `mod.rs`. Tests may have it.
pub fn feature_gates(tree: &Tree, findings: &mut Findings) {
    let mut used = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("crates/") && !file.is_test()) {
        if file.path.ends_with("/src/lib.rs") || file.path.ends_with("/src/providers/mod.rs") {
            continue;
        }
        let is_provider = file.path.contains("/src/providers/") && file.name() == "mod.rs";
        let mut simulators = 0;
        for (line, text) in file.statements().filter(|(_, text)| is_gate(text, &["feature ="])) {
            if is_provider && text.contains("\"simulator\"") && simulators == 0 {
                simulators += 1;
                continue;
            }
            let exception = FEATURE_GATES
                .iter()
                .find(|(path, feature, _)| *path == file.path && text.contains(&format!("\"{feature}\"")));
            used.extend(exception);
            if exception.is_none() {
                findings.at(
                    &file.path,
                    line,
                    "`cfg(feature)` stands in lib.rs and providers/mod.rs only: gate a module there instead",
                );
            }
        }
    }
    stale_exceptions(tree, &used, findings);
}

/// Exceptions go when they are not needed any more.
fn stale_exceptions(tree: &Tree, used: &[&(&str, &str, &str)], findings: &mut Findings) {
    for exception in FEATURE_GATES.iter().filter(|exception| !used.contains(exception)) {
        let (path, feature, _) = exception;
        if tree.has(path) {
            findings.on(
                "xtask/src/tidy/files.rs",
                format!("the exception for {feature} in {path} is not needed: remove it"),
            );
        }
    }
}

/// `cfg(unix)`, `cfg(windows)`, `cfg(target_…)` only in a file `platform.rs`.
pub fn platform_gates(tree: &Tree, findings: &mut Findings) {
    let words = ["unix", "windows", "target_os", "target_family", "target_arch", "target_env"];
    for file in tree.rust().filter(|file| file.name() != "platform.rs") {
        for (line, _) in file.statements().filter(|(_, text)| is_gate(text, &words)) {
            findings.at(
                &file.path,
                line,
                "conditions on the platform stand in a file `platform.rs`: move it there",
            );
        }
    }
}

fn is_gate(text: &str, words: &[&str]) -> bool {
    ["cfg(", "cfg!(", "cfg_attr("].iter().filter_map(|gate| text.split_once(gate)).any(|(before, rest)| {
        // A string that holds the words is no gate.
        before.matches('"').count() % 2 == 0 && words.iter().any(|word| rest.contains(word))
    })
}

/// A test module kept in a file of its own.
fn is_tests_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;
    use super::{Findings, Tree};

    #[test]
    fn what_cannot_be_read_is_named() {
        let mut tree = Tree::of(&[("crates/a/src/lib.rs", "//! A.\n")]);
        let mut findings = Findings::default();
        super::readable(&tree, &mut findings);
        assert!(findings.0.is_empty());
        tree.unread.push(("crates/a/latin.toml".to_owned(), "no UTF-8".to_owned()));
        super::readable(&tree, &mut findings);
        assert_eq!(findings.0.len(), 1);
        let said = findings.0[0].to_string();
        assert!(said.starts_with("crates/a/latin.toml: ") && said.contains("no UTF-8"), "{said}");
    }

    #[test]
    fn a_file_opens_with_its_purpose() {
        assert_eq!(said(super::opening, &[("crates/a/src/lib.rs", "//! A.\n")]), Vec::<String>::new());
        assert_eq!(said(super::opening, &[("crates/a/src/b.rs", "use a;\n//! A.\n")]).len(), 1);
    }

    #[test]
    fn long_files_explain_themselves_and_very_long_ones_fail() {
        let body = |n: usize| "let x = 1;\n".repeat(n);
        let explained = format!("//! A. Long because it is one table.\n{}", body(600));
        let tested = format!("//! A.\n{}#[cfg(test)]\nmod tests {{\n{}}}\n", body(400), body(900));
        let said = said(
            super::length,
            &[
                ("crates/a/src/short.rs", &body(500)),
                ("crates/a/src/silent.rs", &body(501)),
                ("crates/a/src/explained.rs", &explained),
                ("crates/a/src/huge.rs", &format!("//! Long because.\n{}", body(800))),
                ("crates/a/src/tested.rs", &tested),
                ("crates/a/tests/all.rs", &body(2000)),
            ],
        );
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("silent.rs: 501 lines"), "{said:?}");
        assert!(said[1].contains("huge.rs: 801 lines"), "{said:?}");
    }

    #[test]
    fn drawers_are_refused() {
        let said = said(super::names, &[("crates/a/src/utils.rs", ""), ("crates/a/src/types/mod.rs", "")]);
        assert_eq!(said.len(), 2, "{said:?}");
    }

    #[test]
    fn feature_gates_stand_where_they_may() {
        let gate = "//! A.\n#[cfg(feature = \"x\")]\nmod x;\n";
        let simulator = "//! A.\n#[cfg(feature = \"simulator\")]\nmod simulator;\n";
        let said = said(
            super::feature_gates,
            &[
                ("crates/a/src/lib.rs", gate),
                ("crates/a/src/providers/mod.rs", gate),
                ("crates/a/src/providers/x/mod.rs", simulator),
                ("crates/a/src/providers/y/mod.rs", gate),
                ("crates/a/src/b.rs", "//! Not `#[cfg(feature = \"x\")]`.\nlet s = \"cfg(feature = 1)\";\n"),
            ],
        );
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("crates/a/src/providers/y/mod.rs:2: "), "{said:?}");
    }

    #[test]
    fn platform_gates_stand_in_platform_rs() {
        let gate = "//! A.\nif cfg!(windows) {}\n#[cfg(unix)]\nfn f() {}\n";
        let said =
            said(super::platform_gates, &[("crates/a/src/platform.rs", gate), ("crates/a/src/b.rs", gate)]);
        assert_eq!(said.len(), 2, "{said:?}");
    }
}
