//! Rules about manifests: lints, versions, who depends on whom, features.

use super::{Findings, Tree};
use crate::workspace::{Dependency, Package};

/// Providers that `all-providers` leaves out, and why. (None yet.)
const NOT_IN_ALL: &[(&str, &str)] = &[];

/// Every member inherits the workspace's lints.
pub fn lints(tree: &Tree, findings: &mut Findings) {
    for (path, text) in manifests(tree) {
        let inherits = section(text, "lints").any(|(_, line)| line == "workspace = true");
        if !inherits && !text.lines().any(|line| line.trim() == "lints.workspace = true") {
            findings.on(path, "add `[lints]` with `workspace = true`");
        }
    }
}

/// Versions of dependencies stand in the root manifest alone. Dev-dependencies on our own crates that would make a
/// circle are by path, without a version, so that packaging leaves them out.
pub fn versions(tree: &Tree, findings: &mut Findings) {
    for (path, text) in manifests(tree) {
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (line, entry) in section(text, table) {
                let Some((name, value)) = entry.split_once('=') else {
                    continue;
                };
                let (name, value) = (name.trim(), value.trim());
                let is_shared = name.ends_with(".workspace") || value.contains("workspace = true");
                let is_local =
                    table == "dev-dependencies" && value.contains("path =") && !value.contains("version");
                if !is_shared && !is_local && !value.starts_with('[') {
                    findings.at(
                        path,
                        line,
                        format!("{name}: put it into [workspace.dependencies] and say `workspace = true`"),
                    );
                }
            }
        }
    }
    for package in tree.packages.iter().filter(|package| package.is_published()) {
        for dependency in package.dependencies.iter().filter(|d| d.name == "external-contract") {
            let path = format!("{}/Cargo.toml", tree.folder(package));
            if dependency.kind.as_deref() != Some("dev") {
                findings.on(&path, "external-contract is a dev-dependency and nothing else");
            } else if dependency.req != "*" {
                findings.on(
                    &path,
                    "external-contract: by path alone, without a version, or packaging goes in a circle",
                );
            }
        }
    }
}

/// A domain that others stand on: providers whose vendor speaks HTTP make their exchanges by its transport.
const TRANSPORT: &str = "external-http";

/// Domain crates do not know each other, but for the transport; core, resilience, net, container and the suite know no domain.
pub fn arrows(tree: &Tree, findings: &mut Findings) {
    let domains: Vec<&str> = tree.providers().into_iter().map(|(package, _)| package).collect();
    let below = [
        "external-core",
        "external-resilience",
        "external-net",
        "external-container",
        "external-contract",
        "external-simulator",
    ];
    for package in &tree.packages {
        let path = format!("{}/Cargo.toml", tree.folder(package));
        let is_domain = domains.contains(&package.name.as_str());
        for Dependency { name, kind, .. } in
            package.dependencies.iter().filter(|d| domains.contains(&d.name.as_str()))
        {
            // A crate's own circle (a dev-dependency on itself) is no arrow to another.
            if *name == package.name {
                continue;
            }
            if is_domain && name == TRANSPORT {
                continue;
            }
            if is_domain {
                findings.on(
                    &path,
                    format!("{name}: domain crates never depend on each other: take the trait from core"),
                );
            } else if below.contains(&package.name.as_str()) && !may_test_with(package, kind.as_deref()) {
                findings.on(&path, format!("{name}: {} knows no domain", package.name));
            }
        }
        if package.name == "external-core" {
            for Dependency { name, .. } in
                package.dependencies.iter().filter(|d| d.name.starts_with("external-"))
            {
                findings.on(&path, format!("{name}: core depends on none of the others"));
            }
        }
        if package.name == "xtask" {
            for Dependency { name, .. } in
                package.dependencies.iter().filter(|d| d.name.starts_with("external-"))
            {
                findings.on(&path, format!("{name}: xtask depends on no workspace crate"));
            }
        }
    }
}

/// The container's own tests may build containers of real domains.
fn may_test_with(package: &Package, kind: Option<&str>) -> bool {
    package.name == "external-container" && kind == Some("dev")
}

/// Each provider but `memory` is a feature named like its folder, off by default, and part of `all-providers`.
pub fn all_providers(tree: &Tree, findings: &mut Findings) {
    for (crate_name, id) in tree.providers() {
        let Some(package) = tree.packages.iter().find(|package| package.name == crate_name) else {
            continue;
        };
        let path = format!("{}/Cargo.toml", tree.folder(package));
        if is_always_compiled(package, id) {
            continue;
        }
        if !package.features.contains_key(id) {
            findings.on(&path, format!("the provider {id} has a folder and no feature: add `{id} = [...]`"));
            continue;
        }
        let all = package.features.get("all-providers").cloned().unwrap_or_default();
        let is_exception = NOT_IN_ALL.iter().any(|(name, _)| *name == id);
        if !all.iter().any(|feature| feature == id) && !is_exception {
            findings.on(
                &path,
                format!(
                    "add {id} to `all-providers`, or to the list of exceptions in xtask/src/tidy/manifests.rs"
                ),
            );
        }
        if package.features.get("default").is_some_and(|default| default.iter().any(|feature| feature == id))
        {
            findings.on(&path, format!("take {id} out of `default`: providers are off by default"));
        }
    }
}

fn is_always_compiled(package: &Package, id: &str) -> bool {
    id == "memory" && !package.features.contains_key(id)
}

/// Every member's manifest.
fn manifests(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    let is_member = |path: &str| {
        path == "xtask/Cargo.toml"
            || path
                .strip_prefix("crates/")
                .and_then(|rest| rest.strip_suffix("/Cargo.toml"))
                .is_some_and(|n| !n.contains('/'))
    };
    tree.files
        .iter()
        .filter(move |file| is_member(&file.path))
        .map(|file| (file.path.as_str(), file.text.as_str()))
}

/// The lines of one table, with their numbers.
fn section<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let mut inside = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = header == name;
            return None;
        }
        (inside && !line.is_empty() && !line.starts_with('#')).then_some((at + 1, line))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;
    use super::super::{Findings, Tree};
    use crate::workspace::Package;

    fn packages(text: &str) -> Vec<Package> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn lints_are_inherited() {
        let said = said(
            super::lints,
            &[
                ("crates/a/Cargo.toml", "[package]\n[lints]\nworkspace = true\n"),
                ("crates/b/Cargo.toml", "[package]\nlints.workspace = true\n"),
                ("crates/c/Cargo.toml", "[package]\nversion.workspace = true\n"),
            ],
        );
        assert_eq!(said.len(), 1, "{said:?}");
    }

    #[test]
    fn versions_stand_at_the_root() {
        let manifest = "[dependencies]\nserde = { workspace = true }\nbytes.workspace = true\nhttp = \"1\"\n\
            [dev-dependencies]\nexternal-contract = { path = \"../external-contract\" }\n";
        let said = said(super::versions, &[("crates/a/Cargo.toml", manifest)]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("crates/a/Cargo.toml:4: http"), "{said:?}");
    }

    #[test]
    fn providers_are_features_and_in_all_providers() {
        let mut tree = Tree::of(&[
            ("crates/external-x/src/providers/memory/mod.rs", ""),
            ("crates/external-x/src/providers/one/mod.rs", ""),
            ("crates/external-x/src/providers/two/mod.rs", ""),
            ("crates/external-x/src/providers/three/mod.rs", ""),
        ]);
        tree.packages = packages(
            r#"[{"name":"external-x","version":"0.1.0","manifest_path":"/w/crates/external-x/Cargo.toml","publish":null,
            "features":{"one":[],"two":[],"default":["two"],"all-providers":["two"]},"dependencies":[],"targets":[]}]"#,
        );
        let mut findings = Findings::default();
        super::all_providers(&tree, &mut findings);
        let said: Vec<_> = findings.0.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said.iter().any(|line| line.contains("add one to `all-providers`")), "{said:?}");
        assert!(said.iter().any(|line| line.contains("three has a folder and no feature")), "{said:?}");
        assert!(said.iter().any(|line| line.contains("take two out of `default`")), "{said:?}");
    }

    #[test]
    fn domains_do_not_know_each_other() {
        let mut tree = Tree::of(&[
            ("crates/external-x/src/providers/memory/mod.rs", ""),
            ("crates/external-y/src/providers/memory/mod.rs", ""),
            ("crates/external-http/src/providers/memory/mod.rs", ""),
        ]);
        tree.packages = packages(
            r#"[{"name":"external-x","version":"0.1.0","manifest_path":"/w/crates/external-x/Cargo.toml","publish":null,
            "features":{},"targets":[],"dependencies":[{"name":"external-y","req":"^0.1","kind":null},
            {"name":"external-http","req":"^0.1","kind":null}]}]"#,
        );
        let mut findings = Findings::default();
        super::arrows(&tree, &mut findings);
        assert_eq!(findings.0.len(), 1, "{findings:?}");
    }
}
