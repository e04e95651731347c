//! The builds: one selection of packages and features for everything, so that nothing is compiled twice.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::failure::{Failure, Result};
use crate::tool::Tool;
use crate::workspace::{Package, Workspace};

/// The feature that switches on every provider.
pub const FEATURE: &str = "all-providers";

/// The feature that compiles the vendor-shaped servers.
const SIMULATOR: &str = "simulator";

/// The contract suites' test targets; those of a client that has a server of its own to be tried against are named for it.
pub const SUITES: &[&str] = &["contract", "client", "rest_server", "graphql_server", "soap_server"];

/// A program that a build made.
#[derive(Debug, Clone)]
pub struct Built {
    /// The package's name.
    pub package: String,
    /// The package's folder, where cargo runs its tests.
    pub folder: PathBuf,
    /// Name of the test or program.
    pub target: String,
    /// The file to run.
    pub file: PathBuf,
}

/// Adds the one graph's selection to a cargo command.
pub fn select<'a>(command: &'a mut Command, workspace: &Workspace) -> &'a mut Command {
    with_features(command.arg("--workspace"), &workspace.packages.iter().collect::<Vec<_>>())
}

/// Adds a part of that selection: these packages, and what of its features they have.
pub fn select_part<'a>(command: &'a mut Command, packages: &[&Package]) -> &'a mut Command {
    command.args(packages.iter().flat_map(|package| ["--package", &package.name]));
    with_features(command, packages)
}

/// Cargo refuses a feature that no package has.
fn with_features<'a>(command: &'a mut Command, packages: &[&Package]) -> &'a mut Command {
    for feature in [FEATURE, SIMULATOR] {
        if packages.iter().any(|package| package.features.contains_key(feature)) {
            command.args(["--features", feature]);
        }
    }
    command
}

/// Adds a small test target of `package`. With a test among its targets cargo resolves features as it does for the suites,
/// so that a program shares every dependency with them; without one some are compiled twice.
pub fn with_a_test<'a>(command: &'a mut Command, workspace: &Workspace, package: &str) -> &'a mut Command {
    let package = workspace.packages.iter().find(|known| known.name == package);
    if let Some(test) = package.and_then(|package| package.targets_of("test").next()) {
        command.args(["--test", test]);
    }
    command
}

/// The names among [`SUITES`] that some of these packages have.
pub fn suites(packages: &[&Package]) -> Vec<&'static str> {
    let has = |name: &str| packages.iter().any(|package| package.targets_of("test").any(|t| t == name));
    SUITES.iter().copied().filter(|name| has(name)).collect()
}

/// Builds by `command`, with cargo's own progress on standard error, and returns the programs it names.
pub fn build(tool: &Tool, command: &mut Command) -> Result<Vec<Built>> {
    build_of(tool, command, &tool.workspace().packages)
}

/// As [`build`], for programs of other packages.
pub fn build_of(tool: &Tool, command: &mut Command, packages: &[Package]) -> Result<Vec<Built>> {
    command.arg("--message-format=json-render-diagnostics");
    let mut group = tool.groups().spawn("cargo", command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let mut built = Vec::new();
    if let Some(out) = group.child().stdout.take() {
        for line in BufReader::new(out).lines() {
            built.extend(program(&line?, packages));
        }
    }
    let status = group.wait()?;
    if status.success() { Ok(built) } else { Err(Failure::new(format!("the build failed ({status})"))) }
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<MessageTarget>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct MessageTarget {
    name: String,
}

fn program(line: &str, packages: &[Package]) -> Option<Built> {
    let message: Message = serde_json::from_str(line).ok()?;
    let (file, manifest) = (message.executable?, message.manifest_path?);
    if message.reason != "compiler-artifact" {
        return None;
    }
    let package = packages.iter().find(|package| package.manifest_path == manifest)?;
    Some(Built {
        package: package.name.clone(),
        folder: package.folder().to_owned(),
        target: message.target?.name,
        file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_asked_for_the_features_it_has() {
        let packages: Vec<Package> = serde_json::from_str(
            r#"[{"name":"external-demo","version":"0.1.0","manifest_path":"/w/d/Cargo.toml","publish":[],
                "features":{"all-providers":[]},"dependencies":[],"targets":[]},
                {"name":"external-email","version":"0.1.0","manifest_path":"/w/e/Cargo.toml","publish":null,
                "features":{"all-providers":[],"simulator":[]},"dependencies":[],"targets":[]}]"#,
        )
        .unwrap();
        let asked = |part: &[&Package]| {
            let mut command = Command::new("cargo");
            let arguments = select_part(&mut command, part).get_args();
            arguments.map(|argument| argument.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(asked(&[&packages[0]]), "--package external-demo --features all-providers");
        let both =
            "--package external-demo --package external-email --features all-providers --features simulator";
        assert_eq!(asked(&[&packages[0], &packages[1]]), both);
    }

    #[test]
    fn reads_programs_from_cargos_messages() {
        let packages: Vec<Package> = serde_json::from_str(
            r#"[{"name":"external-cache","version":"0.1.0","manifest_path":"/w/c/Cargo.toml","publish":null,
                "features":{},"dependencies":[],"targets":[]}]"#,
        )
        .unwrap();
        let line = r#"{"reason":"compiler-artifact","package_id":"x","manifest_path":"/w/c/Cargo.toml","target":
            {"kind":["test"],"name":"contract"},"executable":"/t/contract-1"}"#;
        let built = program(line, &packages).unwrap();
        assert_eq!((built.package.as_str(), built.target.as_str()), ("external-cache", "contract"));
        assert_eq!(built.folder, PathBuf::from("/w/c"));
        let library = line.replace(r#""/t/contract-1""#, "null");
        assert!(program(&library, &packages).is_none());
        assert!(program("not json", &packages).is_none());
    }
}
