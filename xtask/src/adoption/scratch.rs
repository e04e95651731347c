//! The scratch workspace: the services as packages of their own, with the unpacked crates in place of a registry's.
//!
//! It is one workspace for its one lock file. Cargo resolves features for the selected package alone, so what one service
//! asks for is not seen by another. Compiled dependencies are shared with the workspace itself: same target directory, same
//! lock file, same profile, and what a service names beside our crate has the features that it has there.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::belongings::Resolved;
use super::packages::Unpacked;
use super::service::Service;
use crate::failure::{Failure, Result};
use crate::graph;
use crate::scratch;
use crate::tool::Tool;
use crate::workspace::{Package, Workspace};

/// The scratch workspace.
pub struct Scratch {
    root: PathBuf,
    target: PathBuf,
}

impl Scratch {
    /// Writes it; files that are as they should be are left alone.
    pub fn write(
        workspace: &Workspace,
        root: &Path,
        packages: &[Unpacked],
        services: &[Service],
        resolved: &Resolved,
    ) -> Result<Self> {
        let this = Self { root: root.to_owned(), target: workspace.target.clone() };
        let mut manifest =
            "[workspace]\nresolver = \"3\"\nexclude = [\"packages\", \"fresh\", \"package\"]\nmembers = [\n"
                .to_owned();
        for service in services {
            writeln!(manifest, "  \"services/{}\",", service.program())?;
            let folder = this.service(service);
            scratch::put(&folder.join("Cargo.toml"), member(workspace, service, resolved)?.as_bytes())?;
            scratch::put(&folder.join("src/main.rs"), &fs::read(&service.source)?)?;
        }
        manifest.push_str("]\n\n[patch.crates-io]\n");
        for package in packages {
            writeln!(manifest, "{0} = {{ path = \"packages/{0}\" }}", package.name)?;
        }
        // As the workspace's own, or its compiled dependencies would not do.
        manifest.push_str("\n[profile.dev]\ndebug = false\n");
        scratch::put(&root.join("Cargo.toml"), manifest.as_bytes())?;
        // Cargo takes out what is not needed, so the original is kept beside it for the comparison.
        let lock = fs::read_to_string(workspace.root.join("Cargo.lock"))?;
        let seed = root.join("Cargo.lock.seed");
        if fs::read_to_string(&seed).ok().as_deref() != Some(&lock) {
            scratch::put(&root.join("Cargo.lock"), lock.as_bytes())?;
            scratch::put(&seed, lock.as_bytes())?;
        }
        Ok(this)
    }

    /// What cargo says of the services and of all that they are made of.
    pub fn metadata(&self, tool: &Tool) -> Result<Vec<u8>> {
        let mut command = self.cargo(tool);
        tool.groups().check("cargo metadata", command.args(["metadata", "--format-version", "1"]))
    }

    /// The names of all crates that the service is made of.
    pub fn graph(&self, tool: &Tool, service: &Service) -> Result<BTreeSet<String>> {
        let mut command = self.cargo(tool);
        command.args(["tree", "--package", &service.program(), "--edges", "normal,build"]);
        command.args(["--prefix", "none", "--format", "{p}"]);
        let out = tool.groups().check("cargo tree", &mut command)?;
        let text = String::from_utf8_lossy(&out);
        Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// Builds the service's program.
    pub fn build(&self, tool: &Tool, service: &Service) -> Result<PathBuf> {
        let mut command = self.cargo(tool);
        command.args(["build", "--quiet", "--package", &service.program(), "--target-dir"]).arg(&self.target);
        let package = Package {
            name: service.program(),
            version: String::new(),
            manifest_path: self.service(service).join("Cargo.toml"),
            publish: None,
            features: std::collections::BTreeMap::new(),
            dependencies: Vec::new(),
            targets: Vec::new(),
            metadata: serde_json::Value::Null,
        };
        let built = graph::build_of(tool, &mut command, &[package])?;
        built
            .into_iter()
            .next()
            .map(|built| built.file)
            .ok_or_else(|| Failure::new("the build names no program"))
    }

    fn service(&self, service: &Service) -> PathBuf {
        self.root.join("services").join(service.program())
    }

    fn cargo(&self, tool: &Tool) -> std::process::Command {
        let mut command = tool.workspace().cargo();
        command.current_dir(&self.root);
        command
    }
}

/// A service's manifest: our crate, and what it names beside it.
fn member(workspace: &Workspace, service: &Service, resolved: &Resolved) -> Result<String> {
    let ours = workspace.packages.iter().find(|package| package.name == service.package);
    let ours =
        ours.ok_or_else(|| Failure::new(format!("{} is no crate of this workspace", service.package)))?;
    let mut text = format!(
        "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[dependencies]\n{} = {{ version = \
        \"{}\", features = {:?} }}\n",
        service.program(),
        ours.name,
        ours.version,
        service.features
    );
    for name in &service.beside {
        let (version, features) = resolved
            .version(name)
            .ok_or_else(|| Failure::new(format!("{}: the workspace has no {name}", service.title())))?;
        writeln!(
            text,
            "{name} = {{ version = \"{version}\", default-features = false, features = {features:?} }}"
        )?;
    }
    text.push_str("\n[lints.rust]\nwarnings = \"deny\"\n");
    Ok(text)
}
