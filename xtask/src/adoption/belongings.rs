//! Which crate belongs to which provider: read off the manifests' `dep:` lists and the graph of everything.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::COLLECTIONS;
use super::service::Service;
use crate::failure::{Context, Result};
use crate::graph::select;
use crate::tool::Tool;
use crate::workspace::{Package, Workspace};

/// How many crates a finding names.
const SHOWN: usize = 6;

/// The graph with every provider switched on, by crates' names.
pub struct Resolved {
    below: BTreeMap<String, BTreeSet<String>>,
    versions: BTreeMap<String, (String, Vec<String>)>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    resolve: Graph,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Graph {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    features: Vec<String>,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

impl Resolved {
    /// Asks cargo.
    pub fn load(tool: &Tool) -> Result<Self> {
        let mut command = tool.workspace().cargo();
        command.args(["metadata", "--locked", "--format-version", "1"]);
        let mut selected = std::process::Command::new("cargo");
        // `cargo metadata` always looks at the whole workspace and knows no `--workspace`.
        let arguments: Vec<_> =
            select(&mut selected, tool.workspace()).get_args().map(ToOwned::to_owned).collect();
        command.args(arguments.iter().filter(|argument| *argument != "--workspace"));
        let out = tool.groups().check("cargo metadata", &mut command)?;
        Self::read(&out)
    }

    fn read(json: &[u8]) -> Result<Self> {
        let metadata: Metadata = serde_json::from_slice(json).context("cannot read cargo metadata")?;
        let packages: BTreeMap<&str, &MetadataPackage> =
            metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect();
        let mut this = Self { below: BTreeMap::new(), versions: BTreeMap::new() };
        for node in &metadata.resolve.nodes {
            let Some(package) = packages.get(node.id.as_str()) else { continue };
            let below = this.below.entry(package.name.clone()).or_default();
            for edge in &node.deps {
                let is_built = edge.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
                below.extend(
                    packages.get(edge.pkg.as_str()).filter(|_| is_built).map(|package| package.name.clone()),
                );
            }
            // The graph is that of all platforms; asking for Windows' crates here would make another build of the same.
            let features =
                node.features.iter().filter(|name| !name.starts_with("windows-")).cloned().collect();
            this.versions.insert(package.name.clone(), (package.version.clone(), features));
        }
        Ok(this)
    }

    /// Version and features of a crate of the graph.
    pub fn version(&self, name: &str) -> Option<&(String, Vec<String>)> {
        self.versions.get(name)
    }

    /// These crates and all that they pull in.
    fn closure(&self, names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut waiting: Vec<String> = names.into_iter().collect();
        while let Some(name) = waiting.pop() {
            if let Some(below) = self.below.get(&name) {
                waiting.extend(below.iter().filter(|below| !all.contains(*below)).cloned());
            }
            all.insert(name);
        }
        all
    }

    /// What the service's graph holds of providers that it did not ask for.
    pub fn judge(&self, workspace: &Workspace, service: &Service, graph: &BTreeSet<String>) -> Vec<String> {
        let own = workspace.packages.iter().find(|package| package.name == service.package);
        let mut asked: BTreeSet<String> =
            own.into_iter().flat_map(always).chain(service.beside.clone()).collect();
        asked.extend(
            own.into_iter().flat_map(|own| service.features.iter().flat_map(|f| switched_on(own, f))),
        );
        let mut asked = self.closure(asked);
        // By its name alone: below it stands all that its features switch on.
        asked.insert(service.package.clone());
        let mut findings = Vec::new();
        for package in workspace.packages.iter().filter(|package| package.is_published()) {
            for feature in package.features.keys().filter(|name| !COLLECTIONS.contains(&name.as_str())) {
                let of_provider = self.closure(switched_on(package, feature));
                let unasked: Vec<&str> = of_provider
                    .difference(&asked)
                    .filter(|name| graph.contains(*name))
                    .map(String::as_str)
                    .collect();
                if !unasked.is_empty() {
                    findings.push(format!(
                        "its graph holds what belongs to `{feature}` of {}, and it did not ask for that: {}",
                        package.name,
                        shortened(&unasked)
                    ));
                }
            }
        }
        findings
    }
}

/// The first few: one name leads to the others.
fn shortened(names: &[&str]) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more (`cargo tree -i` names who needs them)") }
}

/// What a crate pulls in whatever its features.
fn always(package: &Package) -> impl Iterator<Item = String> {
    let built = package.dependencies.iter().filter(|d| !d.optional && d.kind.as_deref() != Some("dev"));
    built.map(|dependency| dependency.name.clone())
}

/// What a feature switches on: its `dep:` lines, and those of the features that it implies.
fn switched_on(package: &Package, feature: &str) -> BTreeSet<String> {
    let (mut names, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut waiting = vec![feature.to_owned()];
    while let Some(feature) = waiting.pop() {
        if !seen.insert(feature.clone()) {
            continue;
        }
        for item in package.features.get(&feature).into_iter().flatten() {
            match item.strip_prefix("dep:") {
                Some(name) => drop(names.insert(name.to_owned())),
                None if !item.contains('/') => waiting.push(item.clone()),
                None => {}
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const METADATA: &str = r#"{"packages":[{"id":"c","name":"external-c","version":"0.1.0"},{"id":"r","name":"redis","version":"1.0.0"},
        {"id":"t","name":"tls","version":"1.0.0"},{"id":"s","name":"serde","version":"1.0.0"},{"id":"d","name":"dev","version":"1.0.0"}],
        "resolve":{"nodes":[
        {"id":"c","features":[],"deps":[{"pkg":"r","dep_kinds":[{"kind":null}]},{"pkg":"s","dep_kinds":[{"kind":null}]},
          {"pkg":"d","dep_kinds":[{"kind":"dev"}]}]},
        {"id":"r","features":[],"deps":[{"pkg":"t","dep_kinds":[{"kind":null}]},{"pkg":"s","dep_kinds":[{"kind":null}]}]},
        {"id":"t","features":[],"deps":[]},{"id":"s","features":["std"],"deps":[]},{"id":"d","features":[],"deps":[]}]}}"#;

    fn workspace() -> Workspace {
        serde_json::from_str(
            r#"{"workspace_root":"/w","target_directory":"/t","packages":[{"name":"external-c","version":"0.1.0",
            "manifest_path":"/w/crates/external-c/Cargo.toml","publish":null,"targets":[],
            "features":{"default":[],"redis":["dep:redis"],"tls":["redis","serde/std"],"all-providers":["redis"]},
            "dependencies":[{"name":"serde","req":"^1","kind":null},{"name":"redis","req":"^1","kind":null,"optional":true},
            {"name":"dev","req":"^1","kind":"dev"}]}]}"#,
        )
        .unwrap()
    }

    fn service(features: &[&str]) -> Service {
        Service {
            package: "external-c".into(),
            name: "plain".into(),
            source: PathBuf::new(),
            what: String::new(),
            features: features.iter().map(|name| (*name).to_owned()).collect(),
            beside: Vec::new(),
            prints: Vec::new(),
        }
    }

    #[test]
    fn what_a_provider_pulls_in_is_its_own() {
        let resolved = Resolved::read(METADATA.as_bytes()).unwrap();
        let graph = ["external-c", "serde", "tls"].map(str::to_owned).into();
        let said = resolved.judge(&workspace(), &service(&[]), &graph);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("`redis` of external-c") && said[0].ends_with(": tls"), "{said:?}");
        assert_eq!(resolved.judge(&workspace(), &service(&["redis"]), &graph), Vec::<String>::new());
        assert_eq!(resolved.judge(&workspace(), &service(&["tls"]), &graph), Vec::<String>::new());
    }

    #[test]
    fn what_everybody_needs_belongs_to_no_provider() {
        let resolved = Resolved::read(METADATA.as_bytes()).unwrap();
        let graph = ["external-c", "serde", "dev"].map(str::to_owned).into();
        assert_eq!(resolved.judge(&workspace(), &service(&[]), &graph), Vec::<String>::new());
    }
}
