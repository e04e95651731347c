//! All suites of the workspace: their build, their list of clauses, the report of their last full run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::report::fingerprint;
use super::suite::{self, Steering};
use crate::failure::{Failure, Result};
use crate::graph::{self, Built};
use crate::tool::Tool;
use crate::workspace::Package;

/// Where the report of the last run without filters is.
pub fn last_report(tool: &Tool) -> PathBuf {
    tool.workspace().own().join("contract-report.json")
}

/// A suite of which the filters leave something.
pub struct Selected {
    /// Its program.
    pub built: Built,
    /// The full names of the tests that are left.
    pub names: Vec<String>,
}

/// Builds the suites of `domain`, or all.
pub fn build(tool: &Tool, domain: Option<&str>) -> Result<Vec<Built>> {
    let is_meant = |name: &str| domain.is_none_or(|domain| name.strip_prefix("external-") == Some(domain));
    let packages: Vec<&Package> =
        tool.workspace().packages.iter().filter(|package| is_meant(&package.name)).collect();
    let suites = graph::suites(&packages);
    if suites.is_empty() {
        return Err(Failure::new(format!("no suite for {}", domain.unwrap_or("any domain"))));
    }
    let mut command = tool.workspace().cargo();
    graph::select(command.args(["test", "--no-run"]), tool.workspace());
    command.args(suites.iter().flat_map(|suite| ["--test", suite]));
    let mut built = graph::build(tool, &mut command)?;
    // A name stands for the targets of all packages.
    built.retain(|built| graph::SUITES.contains(&built.target.as_str()) && is_meant(&built.package));
    built.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
    Ok(built)
}

/// Asks each suite what this steering leaves of it.
pub fn select(tool: &Tool, built: &[Built], steering: &Steering) -> Result<Vec<Selected>> {
    let mut selected = Vec::new();
    for built in built {
        let names = suite::names(tool, built, steering)?;
        if !names.is_empty() {
            selected.push(Selected { built: built.clone(), names });
        }
    }
    Ok(selected)
}

/// Whether they were ever built, this version or another: every one of them needs external-contract, and this tool does not.
pub fn were_built(tool: &Tool) -> bool {
    let Ok(mut entries) = tool.workspace().target.join("debug/deps").read_dir() else {
        return false;
    };
    entries.any(|entry| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libexternal_contract"))
    })
}

/// The version of external-contract.
pub fn version(tool: &Tool) -> String {
    let packages = &tool.workspace().packages;
    packages
        .iter()
        .find(|package| package.name == "external-contract")
        .map_or_else(String::new, |p| p.version.clone())
}

/// A fingerprint of all clauses there are, whatever the filters.
pub fn clauses(tool: &Tool, built: &[Built]) -> Result<String> {
    Ok(fingerprint(ids(tool, built)?.iter().map(String::as_str)))
}

/// What clauses are about, whatever the filters: `storage.put` of `storage.put.3`.
pub fn operations(tool: &Tool, built: &[Built]) -> Result<BTreeSet<String>> {
    let ids = ids(tool, built)?;
    Ok(ids.iter().filter_map(|id| Some(id.rsplit_once('.')?.0.to_owned())).collect())
}

fn ids(tool: &Tool, built: &[Built]) -> Result<Vec<String>> {
    let mut clauses = Vec::new();
    for built in built {
        let names = suite::names(tool, built, &Steering::new())?;
        clauses.extend(names.iter().filter_map(|name| Some(name.rsplit_once("::")?.1.to_owned())));
    }
    Ok(clauses)
}
