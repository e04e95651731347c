//! Rules about provider folders: what is in one, and what it may know.

use super::{Findings, Tree};

/// `mod.rs`, `config.rs`, `error.rs` and `contract.toml`; a file that is not needed is named in the docs of `mod.rs`,
/// with the reason.
pub fn folders(tree: &Tree, findings: &mut Findings) {
    for (package, id) in tree.providers() {
        let folder = format!("crates/{package}/src/providers/{id}");
        let Some(module) = tree.file(&format!("{folder}/mod.rs")) else {
            findings.on(
                &format!("{folder}/mod.rs"),
                "a provider folder opens with mod.rs: the type, its constructor, the trait",
            );
            continue;
        };
        let docs: String = module.text.lines().take_while(|line| line.starts_with("//!")).collect();
        for name in ["config.rs", "error.rs"] {
            // The reference implementations have no vendor whose errors a table could map.
            let is_needless = id == "memory" && name == "error.rs";
            if !is_needless && !tree.has(&format!("{folder}/{name}")) && !docs.contains(name) {
                findings.on(
                    &module.path,
                    format!(
                        "no {name} beside it: add it, or say in this file's `//!` why there is no `{name}`"
                    ),
                );
            }
        }
        if !tree.has(&format!("{folder}/contract.toml")) {
            findings
                .on(&folder, "no contract.toml: without it the contract suite does not test this provider");
        }
    }
}

/// A provider imports core, net, http and its own folder; never a sibling, never the client.
pub fn imports(tree: &Tree, findings: &mut Findings) {
    let providers = tree.providers();
    for file in tree.rust().filter(|file| !file.is_test()) {
        let Some((package, rest)) =
            file.path.strip_prefix("crates/").and_then(|p| p.split_once("/src/providers/"))
        else {
            continue;
        };
        let Some((id, inside)) = rest.split_once('/') else {
            continue;
        };
        // How the folder `providers` is named from here.
        let up = "super::".repeat(1 + inside.matches('/').count() + usize::from(!inside.ends_with("mod.rs")));
        let siblings = providers.iter().filter(|(other, _)| *other == package).map(|(_, id)| *id);
        let siblings: Vec<&str> = siblings.filter(|sibling| *sibling != id).collect();
        for (line, text) in file.statements() {
            for sibling in &siblings {
                let ways = [
                    format!("crate::providers::{sibling}"),
                    format!(" {up}{sibling}::"),
                    format!("({up}{sibling}::"),
                ];
                if ways.iter().any(|way| text.contains(way.as_str())) {
                    findings.at(&file.path, line, format!("a provider never imports a sibling ({sibling}): move what both need out of the folder"));
                }
            }
            let after = text.match_indices("crate::").map(|(at, found)| &text[at + found.len()..]);
            let is_client = |rest: &str| {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                name == "client" || name.ends_with("Client")
            };
            // `external_core::…Client` would be found too, if core had one.
            if after.into_iter().any(is_client) {
                findings.at(
                    &file.path,
                    line,
                    "a provider never imports the client: turn the dependency round",
                );
            }
        }
    }
}

/// What vendor crates show at TRACE stands in the README of the crate, as the filter that keeps it out, and no other
/// filter does. The contract suite sees to it that `leaks` is neither too short nor too long.
pub fn leaks(tree: &Tree, findings: &mut Findings) {
    let mut packages: Vec<&str> = tree.providers().into_iter().map(|(package, _)| package).collect();
    packages.dedup();
    for package in packages {
        let path = format!("crates/{package}/README.md");
        let readme = tree.file(&path).map_or("", |file| &file.text);
        let folder = format!("crates/{package}/src/providers/");
        let described =
            tree.files.iter().filter(|file| file.path.starts_with(&folder) && file.name() == "contract.toml");
        let leaks: Vec<&str> = described.flat_map(|file| listed(&file.text)).collect();
        for leak in &leaks {
            if !readme.contains(&format!("`{leak}=debug`")) {
                findings
                    .on(&path, format!("`{leak}` shows secrets at TRACE: name the filter `{leak}=debug`"));
            }
        }
        let filters = readme.split('`').filter_map(|text| text.strip_suffix("=debug"));
        for filter in filters.filter(|filter| !leaks.contains(filter)) {
            findings
                .on(&path, format!("`{filter}=debug`: no contract.toml lists this module in its `leaks`"));
        }
    }
}

/// The texts of every `leaks = [...]`.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    let lists = text.split("\nleaks = [").skip(1).map(|rest| rest.split(']').next().unwrap_or_default());
    lists.flat_map(|list| list.split('"').skip(1).step_by(2))
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn a_folder_is_complete_or_says_why_not() {
        let said = said(
            super::folders,
            &[
                ("crates/x/src/providers/a/mod.rs", "//! A. It has no `error.rs`: nothing fails.\n"),
                ("crates/x/src/providers/a/config.rs", ""),
                ("crates/x/src/providers/a/contract.toml", ""),
                ("crates/x/src/providers/b/mod.rs", "//! B.\n"),
            ],
        );
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said.iter().all(|line| line.contains("/b")), "{said:?}");
    }

    #[test]
    fn what_vendors_show_is_told_to_users() {
        let toml =
            "[[target]]\nleaks = [\"vendor::wire\", \"other\"]\n[[target]]\nleaks = [\n  \"third\",\n]\n";
        let readme = "Keep `vendor::wire=debug` and `third=debug`, and not `stale=debug`; `level = debug` is no filter.";
        let files = [("crates/x/src/providers/a/contract.toml", toml), ("crates/x/README.md", readme)];
        let said = said(super::leaks, &files);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("`other=debug`") && said[1].contains("`stale=debug`"), "{said:?}");
    }

    #[test]
    fn siblings_and_clients_are_not_imported() {
        let said = said(
            super::imports,
            &[
                (
                    "crates/x/src/providers/a/mod.rs",
                    "//! crate::client is fine here.\nuse super::b::B;\nuse super::c;\n",
                ),
                (
                    "crates/x/src/providers/a/deep/one.rs",
                    "use crate::providers::b;\nuse crate::client::Upload;\n",
                ),
                (
                    "crates/x/src/providers/b/mod.rs",
                    "use crate::XClient;\nuse crate::providers::b::own;\nuse super::super::own;\n",
                ),
                ("crates/x/src/providers/c/wire.rs", "use super::b::not_a_sibling;\n"),
            ],
        );
        assert_eq!(said.len(), 4, "{said:#?}");
    }
}
