//! All suites of the workspace: their build, their list of clauses, the report of their last full run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::report::fingerprint;
use super::suite::{self, Steering};
use crate::failure::{Failure, Result};
use crate::graph::{self, Built};
use crate::tool::Tool;

/// Where the report of the last run without filters is.
pub fn last_report(tool: &Tool) -> PathBuf {
    tool.workspace().own().join("contract-report.json")
}

/// Builds every suite there is.
pub fn build(tool: &Tool) -> Result<Vec<Built>> {
    let suites = graph::suites(tool.workspace());
    if suites.is_empty() {
        return Err(Failure::new("no member has a test target named contract or client"));
    }
    let mut command = tool.workspace().cargo();
    graph::select(command.args(["test", "--no-run"]), tool.workspace());
    command.args(suites.iter().flat_map(|suite| ["--test", suite]));
    let mut built = graph::build(tool, &mut command)?;
    built.retain(|built| graph::SUITES.contains(&built.target.as_str()));
    built.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
    Ok(built)
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
