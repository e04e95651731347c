//! `ci`: everything that must hold, in one run.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use crate::ci::{Ci as Run, Installing, Log, STEPS, Step, seed};
use crate::failure::{Context, Failure, Result};
use crate::terminal;
use crate::tool::Tool;

/// Runs every check: format, lints, tests, contract tests with servers, demos, docs, packaging, and more.
#[derive(Debug, Args)]
#[command(
    after_help = "A step that fails does not stop the others. Each step's output is in ci/ under the target \
    directory's xtask folder;\nthe ends of those that failed are shown. About 20 minutes on two cores with nothing \
    cached, a few when all is built."
)]
pub struct Ci {
    /// Only these steps; may be given several times
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Not these steps; may be given several times
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// List the steps
    #[arg(long)]
    list: bool,
}

struct Done {
    step: &'static Step,
    took: Duration,
    outcome: Result<Option<String>>,
    log: Log,
}

impl Ci {
    /// Runs the command.
    pub fn run(&self, tool: &Tool) -> Result<ExitCode> {
        if self.list {
            STEPS.iter().for_each(|step| println!("{:<14} {}", step.name, step.what));
            return Ok(ExitCode::SUCCESS);
        }
        let steps = self.steps()?;
        let logs = tool.workspace().own().join("ci");
        let _ = fs::remove_dir_all(&logs);
        fs::create_dir_all(&logs)?;
        let program = tool.folder().join("xtask");
        fs::copy(std::env::current_exe()?, &program).context("cannot copy this program")?;
        let needs_deny = steps.iter().any(|step| step.name == "deny");
        let deny = if needs_deny { Installing::start(tool, &logs)? } else { Installing::none() };
        let report = logs.join("contract-report.json");
        let ci = Run { tool, program, report, deny: &deny, seed: seed(tool) };
        // The contract step finds them there, or waits for the one that is being made.
        let needs_servers = steps.iter().any(|step| step.name == "contract");
        let programs = if needs_servers {
            Some(ci.beside("servers-fetch", &["servers", "fetch"], &logs)?)
        } else {
            None
        };

        let started = Instant::now();
        let mut done = Vec::new();
        for (at, step) in steps.iter().copied().enumerate() {
            done.push(one(&ci, step, (at + 1, steps.len()), &logs));
        }
        drop(programs);
        Ok(conclude(tool, &done, started.elapsed()))
    }

    fn steps(&self) -> Result<Vec<&'static Step>> {
        for name in self.only.iter().chain(&self.skip) {
            if !STEPS.iter().any(|step| step.name == name) {
                let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
                return Err(Failure::new(format!("no step {name}; there are: {}", known.join(", "))));
            }
        }
        let wanted = |step: &&Step| {
            (self.only.is_empty() || self.only.iter().any(|name| name == step.name))
                && !self.skip.iter().any(|name| name == step.name)
        };
        Ok(STEPS.iter().filter(wanted).collect())
    }
}

fn one(ci: &Run<'_>, step: &'static Step, (at, of): (usize, usize), logs: &Path) -> Done {
    let log = Log { path: logs.join(format!("{}.txt", step.name)) };
    let title = format!("[{at:>2}/{of}] {:<14} {:<40}", step.name, step.what);
    if std::io::stderr().is_terminal() {
        eprint!("{title} …\r");
    }
    let started = Instant::now();
    let outcome = (step.run)(ci, &log);
    let took = started.elapsed();
    let word = if outcome.is_ok() { "ok" } else { "FAILED" };
    eprintln!("{title} {word:<6} {:>7.1} s", took.as_secs_f64());
    Done { step, took, outcome, log }
}

fn conclude(tool: &Tool, done: &[Done], took: Duration) -> ExitCode {
    let mut table = terminal::table(["step", "", "seconds", ""]);
    for Done { step, took, outcome, .. } in done {
        let remark = match outcome {
            Ok(remark) => remark.clone().unwrap_or_default(),
            Err(failure) => failure.to_string(),
        };
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        let seconds = format!("{:.1}", took.as_secs_f64());
        table.add_row([step.name, word, &seconds, &terminal::short(&remark, 70)]);
    }
    let failed: Vec<&Done> = done.iter().filter(|done| done.outcome.is_err()).collect();
    // What failed first is often why the others did.
    let lines = std::iter::once(80).chain(std::iter::repeat(30));
    for (Done { step, outcome, log, .. }, lines) in failed.iter().zip(lines) {
        let path = tool.workspace().show(&log.path);
        println!("\n{} failed ({path}):\n{}", step.name, log.tail(lines));
        if let Err(failure) = outcome {
            println!("{failure}");
        }
    }
    println!("\n{table}");
    for remark in done.iter().filter_map(|done| done.outcome.as_ref().ok()?.as_ref()) {
        // What was left out must not drown in the table.
        if remark.contains("NOT") {
            println!("{remark}");
        }
    }
    println!(
        "\n{:.1} minutes in all; logs: {}",
        took.as_secs_f64() / 60.0,
        tool.workspace().show(&tool.workspace().own().join("ci"))
    );
    println!("{} passed, {} failed", done.len() - failed.len(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
