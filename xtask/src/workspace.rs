//! Where the workspace and its target directory are, and what `cargo metadata` says of the members.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::failure::{Context, Result};

/// The workspace, as cargo sees it.
#[derive(Debug, Deserialize)]
pub struct Workspace {
    /// Absolute path of the folder that holds the root manifest.
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    /// Absolute path; cargo alone decides where it is.
    #[serde(rename = "target_directory")]
    pub target: PathBuf,
    /// The members.
    pub packages: Vec<Package>,
}

/// One member.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// As in its manifest.
    pub name: String,
    /// As in its manifest.
    pub version: String,
    /// Absolute path of its `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// `Some([])` for `publish = false`.
    pub publish: Option<Vec<String>>,
    /// Features, without what each switches on.
    pub features: std::collections::BTreeMap<String, Vec<String>>,
    /// All kinds.
    pub dependencies: Vec<Dependency>,
    /// Libraries, programs, tests.
    pub targets: Vec<Target>,
    /// The manifest's tables for tools, such as `docs.rs`.
    #[serde(default)]
    pub metadata: serde_json::Value,
}

/// One line of a member's dependency tables.
#[derive(Debug, Clone, Deserialize)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// `*` where no version is given.
    pub req: String,
    /// `None`, `dev` or `build`.
    pub kind: Option<String>,
    /// Whether only a feature switches it on.
    #[serde(default)]
    pub optional: bool,
}

/// One thing that cargo builds.
#[derive(Debug, Clone, Deserialize)]
pub struct Target {
    /// As in the manifest or the file's name.
    pub name: String,
    /// `lib`, `bin`, `test`, `example`, …
    pub kind: Vec<String>,
}

impl Package {
    /// The folder of the manifest.
    pub fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// The same package in a copy of the workspace at `root`.
    pub fn moved(&self, workspace: &Workspace, root: &Path) -> Self {
        let from_root = self.manifest_path.strip_prefix(&workspace.root).unwrap_or(&self.manifest_path);
        Self { manifest_path: root.join(from_root), ..self.clone() }
    }

    /// Whether the crate may go to a registry.
    pub fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }

    /// Names of the targets of one kind.
    pub fn targets_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.targets
            .iter()
            .filter(move |target| target.kind.iter().any(|k| k == kind))
            .map(|t| t.name.as_str())
    }
}

impl Workspace {
    /// Asks cargo.
    pub fn load() -> Result<Self> {
        // The manifest of the tool itself, so that it works from every folder; cargo sets this for `cargo run`.
        let here = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let output = Command::new(cargo_program())
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(here.join("Cargo.toml"))
            .output()
            .context("cannot run cargo metadata")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(crate::failure::Failure::new(format!("cargo metadata: {}", said.trim())));
        }
        let mut loaded: Self =
            serde_json::from_slice(&output.stdout).context("cannot read cargo metadata")?;
        loaded.packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(loaded)
    }

    /// The folder below the target directory that belongs to this tool.
    pub fn own(&self) -> PathBuf {
        self.target.join("xtask")
    }

    /// A cargo command at the workspace's root.
    pub fn cargo(&self) -> Command {
        self.command(cargo_program())
    }

    /// Another program's, which may call cargo.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        // `cargo run` hands its own package's variables down; build scripts and programs must not see them.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    /// A path as people want to read it: relative to the workspace where it lies inside.
    pub fn show(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
