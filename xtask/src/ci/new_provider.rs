//! What `new-provider` writes, tried in every domain: it compiles without a warning, and its suite fails with a step for
//! each method that is to be written.
//!
//! That happens in a scratch workspace with links to all crates but the domains' own, which are copied and have the new
//! folder. Cargo names what it compiles by a crate's place in its workspace and by the crate's features: so the target
//! directory's crates serve there too, and those with the new feature do not replace the workspace's.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use indicatif::ProgressBar;

use super::{Ci, Log};
use crate::contract::outcome::NOT_WRITTEN;
use crate::contract::report::{Row, Status, fingerprint};
use crate::contract::suite;
use crate::failure::{Context, Failure, Result};
use crate::graph::{self, Built};
use crate::scaffold::{Written, domains, lane, plan};
use crate::scratch;
use crate::tool::Tool;
use crate::workspace::{Package, Workspace};

/// A provider that nobody has.
const ID: &str = "brand_new";
/// The test target of a domain's suite that knows providers.
const SUITE: &str = "contract";

/// The step.
pub fn check(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let scratch = Scratch::write(ci.workspace())?;
    let built = scratch.build(ci, log)?;
    let mut findings = Vec::new();
    if log.text().lines().any(|line| line.starts_with("warning: ")) {
        findings.push("what new-provider writes compiles with warnings: see them in the log".to_owned());
    }
    let mut steps = 0;
    // At the same time, since most of theirs is waiting for what never comes.
    let (tool, built) = (ci.tool, &built);
    let rows: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            domains().map(|domain| (domain, scope.spawn(move || run(tool, domain, built)))).collect();
        runs.into_iter().map(|(domain, run)| (domain, run.join())).collect()
    });
    for (domain, rows) in rows {
        let rows = rows.map_err(|_| Failure::new(format!("the run of the suite of {domain} died")))??;
        let methods = scratch.methods(domain);
        steps += methods.len();
        findings.extend(judge(domain, &methods, &rows));
    }
    findings.iter().try_for_each(|finding| log.say(&format!("{finding}\n")))?;
    match findings.first() {
        None => Ok(Some(format!("{} domains, {steps} methods to write", domains().count()))),
        Some(first) => Err(Failure::new(format!("{} findings, the first: {first}", findings.len()))),
    }
}

/// The rows of the new provider in a domain.
fn run(tool: &Tool, domain: &str, built: &[Built]) -> Result<Vec<Row>> {
    let built = built.iter().find(|built| built.domain() == domain);
    let built = built.ok_or_else(|| Failure::new(format!("no suite for {domain}")))?;
    let steering = vec![
        ("EXTERNAL_CONTRACT_PROVIDER", ID.to_owned()),
        ("EXTERNAL_CONTRACT_LANES", lane(domain).to_owned()),
    ];
    Ok(suite::run(tool, built, &steering, &tool.folder(), &ProgressBar::hidden())?.rows)
}

/// What is wrong with the rows of a provider of which nothing is written.
fn judge(domain: &str, methods: &BTreeSet<String>, rows: &[Row]) -> Vec<String> {
    let failed: Vec<&Row> = rows.iter().filter(|row| row.status == Status::Failed).collect();
    let mut findings = Vec::new();
    for method in methods {
        let step =
            format!("{NOT_WRITTEN}write `{method}` in crates/external-{domain}/src/providers/{ID}/mod.rs");
        if !failed.iter().any(|row| row.detail.contains(&step)) {
            findings.push(format!("{domain}: no clause fails with the step `{step}`"));
        }
    }
    for row in failed {
        if !row.detail.contains(&format!("{NOT_WRITTEN}write `")) {
            findings.push(format!("{domain}: {} fails without a step: {}", row.clause, row.detail));
        }
    }
    findings
}

/// The scratch workspace.
struct Scratch {
    root: PathBuf,
    target: PathBuf,
    packages: Vec<Package>,
    written: Vec<(&'static str, Vec<Written>)>,
}

impl Scratch {
    fn write(workspace: &Workspace) -> Result<Self> {
        // Worktrees may share a target directory.
        let name = fingerprint([workspace.root.to_string_lossy().as_ref()]);
        let root = workspace.own().join("new-provider").join(name);
        let _ = fs::create_dir_all(root.join("crates"));
        for file in ["Cargo.toml", "Cargo.lock"] {
            fs::copy(workspace.root.join(file), root.join(file)).context(format!("cannot copy {file}"))?;
        }
        let mut packages = Vec::new();
        for package in &workspace.packages {
            let there = package.moved(workspace, &root);
            let folder = there.folder().to_owned();
            packages.push(there);
            if domains().any(|domain| package.name == format!("external-{domain}")) {
                continue;
            }
            if !folder.is_symlink() && folder.is_dir() {
                fs::remove_dir_all(&folder)?;
            }
            let _ = fs::remove_file(&folder);
            symlink(package.folder(), &folder).context(format!("cannot link {}", folder.display()))?;
        }
        let mut written = Vec::new();
        for domain in domains() {
            let folder = format!("crates/external-{domain}");
            let plan = plan(domain, ID, |path| fs::read_to_string(workspace.root.join(path)).ok())?;
            let mut files = scratch::read(&workspace.root.join(&folder))?;
            for Written { path, text, .. } in &plan {
                let path = path.strip_prefix(&format!("{folder}/")).unwrap_or(path);
                files.insert(path.to_owned(), text.clone().into_bytes());
            }
            // A link from when the domain took no providers yet would lead into the workspace itself.
            if root.join(&folder).is_symlink() {
                fs::remove_file(root.join(&folder))?;
            }
            scratch::hold(&root.join(&folder), &files)?;
            written.push((domain, plan));
        }
        Ok(Self { root, target: workspace.target.clone(), packages, written })
    }

    /// The methods that the new provider leaves to be written.
    fn methods(&self, domain: &str) -> BTreeSet<String> {
        let plans = self.written.iter().filter(|(known, _)| *known == domain).flat_map(|(_, plan)| plan);
        let modules = plans.filter(|written| written.path.ends_with(&format!("/{ID}/mod.rs")));
        let rests = modules.flat_map(|module| module.text.split("Err(not_written(\"").skip(1));
        rests.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
    }

    fn build(&self, ci: &Ci<'_>, log: &Log) -> Result<Vec<Built>> {
        let mut command = ci.workspace().cargo();
        command.current_dir(&self.root).args(["test", "--no-run", "--locked", "--test", SUITE]);
        // Everything is selected as ever, so that every dependency has the features with which it is compiled already.
        graph::select(&mut command, ci.workspace());
        command.arg("--target-dir").arg(&self.target).stderr(log.open()?);
        let mut built = graph::build_of(ci.tool, &mut command, &self.packages)?;
        built.retain(|built| built.target == SUITE);
        Ok(built)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(detail: &str) -> Row {
        Row::of_binary("cache", SUITE, detail.to_owned())
    }

    #[test]
    fn every_method_has_a_clause_that_names_it_and_nothing_fails_for_another_reason() {
        let methods = BTreeSet::from(["get".to_owned(), "set".to_owned()]);
        let step = |method: &str| {
            row(&format!(
                "seen: not written yet: write `{method}` in crates/external-cache/src/providers/brand_new/mod.rs: x"
            ))
        };
        assert!(judge("cache", &methods, &[step("get"), step("set")]).is_empty());
        let found = judge("cache", &methods, &[step("get"), row("it panicked")]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("`set`") && found[1].contains("it panicked"), "{found:?}");
    }
}
