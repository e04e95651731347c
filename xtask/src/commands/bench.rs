//! `bench`: side by side with the libraries that people would use instead.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;

use crate::bench::{self, Report, Suite, targets};
use crate::failure::{Failure, Result};
use crate::runs::{writable, write_whole};
use crate::servers::{Fleet, Host};
use crate::tool::Tool;

/// Measures our clients beside other libraries, against the same servers with the same data, and prints the ratios.
#[derive(Debug, Args)]
#[command(
    after_help = "The programs are crates/external-bench, a workspace of its own; a program a domain is built for \
    release under\nbench/ in the target directory. The servers are started here, as for contract-test.\n\nRatio: \
    above 1 ours is better. Of units that end in /s it is ours divided by the peer's, of all others the\npeer's \
    divided by ours. The report is {\"benches\": [{\"domain\", \"name\", \"ours\", \"unit\", \"peers\": [{\"name\", \
    \"value\",\n\"ratio\"}]}]}."
)]
pub struct Bench {
    /// Only this domain: cache, email, http, pipeline or storage
    #[arg(long)]
    domain: Option<String>,
    /// Only cases whose name holds this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// A fraction of the time: to see that everything runs, not to compare
    #[arg(long)]
    quick: bool,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// A figure that misses its target is a failure; without this it is only told
    #[arg(long, conflicts_with = "quick")]
    hold_targets: bool,
}

impl Bench {
    /// Runs the command.
    pub fn run(&self, tool: &Tool) -> Result<ExitCode> {
        let suites = bench::select(self.domain.as_deref())?;
        let report = self.report.as_deref().map(writable).transpose()?;
        let mut all = Report::default();
        // A figure that is missing is told at the end, where it is seen; it does not cost the other figures.
        let mut failures = Vec::new();
        let domains: Vec<&str> = suites.iter().map(|suite| suite.domain).collect();
        for suite in suites {
            match self.measure(tool, suite) {
                Ok((measured, missing)) => {
                    all.benches.extend(measured.benches);
                    if self.hold_targets {
                        failures.extend(missing);
                    }
                }
                Err(failure) => failures.push(format!("{}: {failure}", suite.domain)),
            }
        }
        if let Some(file) = report {
            write(&file, &all)?;
        }
        if !all.benches.is_empty() {
            println!("{}\n{}", bench::table(&all.benches), bench::notes());
        }
        // Such short turns say little.
        let verdicts = if self.quick { Vec::new() } else { targets::judge(&all.benches) };
        if !verdicts.is_empty() {
            println!("{}", targets::table(&verdicts));
        }
        let missed = verdicts.iter().filter(|verdict| !verdict.is_held()).count();
        if self.hold_targets && missed > 0 {
            failures.push(format!("{missed} of {} targets are missed", verdicts.len()));
        }
        if self.hold_targets && self.only.is_none() && !self.quick {
            let unmeasured = targets::unmeasured(&all.benches, &domains);
            failures.extend(unmeasured.iter().map(|what| format!("a target without figures: {what}")));
        }
        if failures.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::new(failures.join("\n"))) }
    }

    /// The figures, and which are missing since a server is.
    fn measure(&self, tool: &Tool, suite: &Suite) -> Result<(Report, Vec<String>)> {
        eprintln!("building bench-{} for release …", suite.domain);
        let program = suite.build(tool)?;
        let host = Host { workspace: tool.workspace(), groups: tool.groups() };
        let mut fleet = Fleet::new(tool.groups().clone());
        for server in suite.servers.iter().chain(suite.also) {
            eprintln!("starting {} …", server.what);
            fleet.add(server, &host, &tool.folder(), None);
        }
        let (mut missed, mut absent) = (Vec::new(), Vec::new());
        for (server, why) in fleet.absent() {
            let needed = suite.servers.iter().any(|needed| needed.name == server.name);
            if needed { &mut absent } else { &mut missed }.push(format!("{}: {why}", server.name));
        }
        if !absent.is_empty() {
            return Err(Failure::new(format!("servers that cannot be had: {}", absent.join("; "))));
        }
        let missing: Vec<String> = missed
            .iter()
            .map(|line| format!("rows without figures, since a server cannot be had: {line}"))
            .collect();
        missing.iter().for_each(|line| eprintln!("{line}"));
        let mut command = Command::new(program);
        command.current_dir(tool.folder()).envs(fleet.variables());
        if self.quick {
            command.arg("--quick");
        }
        if let Some(only) = &self.only {
            command.args(["--only", only]);
        }
        Ok((suite.run(tool, &mut command)?, missing))
    }
}

fn write(file: &Path, report: &Report) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(report)?;
    text.push(b'\n');
    write_whole(file, &text)
}
