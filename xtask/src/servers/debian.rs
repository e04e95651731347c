//! Debian packages without root: the closure of what this machine lacks, downloaded and unpacked into a private tree
//! under the target directory. Nothing of the machine is changed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Host, kept, on_path};
use crate::failure::{Context, Failure, Result};

/// Where the tree of `package` is or would be.
pub fn tree(host: &Host<'_>, package: &str) -> PathBuf {
    host.workspace.own().join("debian").join(package)
}

/// Whether the tree is there and whole.
pub fn is_here(host: &Host<'_>, package: &str) -> bool {
    tree(host, package).is_dir()
}

/// Unpacks `package` and what it needs, unless that was done before; returns the tree.
pub fn unpack(host: &Host<'_>, package: &str) -> Result<PathBuf> {
    let tree = tree(host, package);
    if is_here(host, package) {
        return Ok(tree);
    }
    for program in ["apt-get", "dpkg"] {
        on_path(program).ok_or_else(|| Failure::new(format!("no {program} here")))?;
    }
    kept::make(&tree, |work| {
        fetch(host, package, work, &[]).or_else(|first| {
            // Root's package lists are absent, or so old that they name files that are gone: our own, then.
            let lists = private_lists(host)?;
            fetch(host, package, work, &lists).context(format!("{first}; with fresh package lists"))
        })
    })
}

fn fetch(host: &Host<'_>, package: &str, tree: &Path, options: &[OsString]) -> Result<()> {
    let debs = tree.join(".deb");
    let _ = fs::remove_dir_all(&debs);
    fs::create_dir_all(&debs)?;
    let mut simulate = Command::new("apt-get");
    simulate.args(options).args(["-s", "-o", "Debug::NoLocking=1"]);
    simulate.args(["install", "--no-install-recommends", "-y", package]);
    let plan = host.groups.check("apt-get", &mut simulate)?;
    let packages = closure(&String::from_utf8_lossy(&plan));
    if packages.is_empty() {
        return Err(Failure::new(format!("{package} is installed, but its program is not on PATH")));
    }
    let mut download = Command::new("apt-get");
    // The sandbox user cannot write here, and there is nothing that it would protect.
    download.args(options).args(["-q", "-o", "APT::Sandbox::User=root", "download"]);
    host.groups.check("apt-get", download.args(&packages).current_dir(&debs))?;
    for entry in fs::read_dir(&debs)? {
        host.groups.check("dpkg", Command::new("dpkg").arg("-x").arg(entry?.path()).arg(tree))?;
    }
    Ok(fs::remove_dir_all(&debs)?)
}

/// Package lists of our own, fresh; returns the options that make apt-get use them.
fn private_lists(host: &Host<'_>) -> Result<Vec<OsString>> {
    let apt = host.workspace.own().join("apt");
    let (lists, cache) = (apt.join("lists"), apt.join("cache"));
    fs::create_dir_all(lists.join("partial"))?;
    fs::create_dir_all(cache.join("archives/partial"))?;
    let option = |name: &str, path: &Path| {
        let mut option = OsString::from(format!("{name}="));
        option.push(path);
        option
    };
    let options = vec![
        "-o".into(),
        option("Dir::State::lists", &lists),
        "-o".into(),
        option("Dir::Cache", &cache),
        "-o".into(),
        "APT::Sandbox::User=root".into(),
    ];
    let mut update = Command::new("apt-get");
    host.groups
        .check("apt-get", update.args(&options).args(["-q", "update"]))
        .context("cannot fetch package lists")?;
    Ok(options)
}

/// `name=version` of everything that a simulated installation would add, without what only documentation needs.
fn closure(plan: &str) -> Vec<String> {
    plan.lines()
        .filter_map(|line| line.strip_prefix("Inst "))
        .filter_map(|line| {
            // `Inst name [old] (version origin [arch])`
            let name = line.split_whitespace().next()?;
            let version = line.split_once('(')?.1.split_whitespace().next()?;
            Some((name, version))
        })
        .filter(|(name, _)| !["fonts-", "sphinx-"].iter().any(|prefix| name.starts_with(prefix)))
        .map(|(name, version)| format!("{name}={version}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::closure;

    #[test]
    fn reads_a_simulated_installation() {
        let plan = "Reading package lists...\nInst fonts-lato (2.0-2.1 Debian:12.15/oldstable [all])\n\
            Inst redis-server (5:7.0.15-1~deb12u10 Debian-Security:12/oldstable-security [amd64])\n\
            Inst libssl3 [3.0.1] (3.0.2 Debian:12 [amd64]) []\n\
            Conf redis-server (5:7.0.15-1~deb12u10 Debian-Security:12/oldstable-security [amd64])\n";
        assert_eq!(closure(plan), ["redis-server=5:7.0.15-1~deb12u10", "libssl3=3.0.2"]);
    }
}
