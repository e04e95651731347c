//! `support-matrix`: writes the generated block of the README, or checks it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::contract::report::Report;
use crate::contract::suites;
use crate::failure::{Context, Failure, Result};
use crate::matrix::{Declared, markdown, replace};
use crate::runs::write_whole;
use crate::tool::Tool;

/// Writes the support matrix into README.md: what every provider declares, and the lanes that proved it.
#[derive(Debug, Args)]
#[command(
    after_help = "The lanes come from a report of `cargo xtask contract-test --require-servers`: the one given, \
    else that of the last\nfull run. The block stands between `<!-- support-matrix:begin -->` and \
    `<!-- support-matrix:end -->`."
)]
pub struct SupportMatrix {
    /// Write nothing; fail if README.md differs
    #[arg(long)]
    check: bool,
    /// The report to take proven lanes from
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl SupportMatrix {
    /// Runs the command.
    pub fn run(&self, tool: &Tool) -> Result<ExitCode> {
        let file = self.report.clone().unwrap_or_else(|| suites::last_report(tool));
        let report = Report::read(&file).context(
            "run `cargo xtask contract-test --require-servers` first, or name a report by --report",
        )?;
        let block = markdown(&declared(tool)?, &report.results)?;
        let readme = tool.workspace().root.join("README.md");
        let old = std::fs::read_to_string(&readme).context(format!("cannot read {}", readme.display()))?;
        let new = replace(&old, &block)?;
        if old == new {
            println!("the support matrix is up to date");
            return Ok(ExitCode::SUCCESS);
        }
        if self.check {
            for line in different(&old, &new) {
                println!("{line}");
            }
            println!(
                "README.md differs from what providers declare and tests prove: run `cargo xtask support-matrix`"
            );
            return Ok(ExitCode::FAILURE);
        }
        write_whole(&readme, new.as_bytes())?;
        println!("wrote the support matrix into README.md");
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks every suite what its providers declare.
fn declared(tool: &Tool) -> Result<Vec<Declared>> {
    let mut all = Vec::new();
    // The client suites know the same providers.
    for built in suites::build(tool, None)?.into_iter().filter(|built| built.target == "contract") {
        let file = tool.folder().join(format!("{}.capabilities.json", built.domain()));
        let steering = vec![("EXTERNAL_CONTRACT_CAPABILITIES", file.display().to_string())];
        tool.groups().check(&built.package, &mut built.command(&steering))?;
        all.extend(read(&file)?);
    }
    if all.is_empty() { Err(Failure::new("no suite declares anything")) } else { Ok(all) }
}

fn read(file: &Path) -> Result<Vec<Declared>> {
    let text = std::fs::read(file).context(format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).context(format!("cannot read {}", file.display()))
}

/// Lines that only one of them has.
fn different<'a>(old: &'a str, new: &'a str) -> Vec<String> {
    let only = |a: &'a str, b: &'a str, sign: char| {
        a.lines()
            .filter(move |line| !b.lines().any(|other| other == *line))
            .map(move |line| format!("{sign} {line}"))
    };
    only(old, new, '-').chain(only(new, old, '+')).collect()
}
