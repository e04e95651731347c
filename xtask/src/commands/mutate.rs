//! `mutate`: whether the clauses notice mistakes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use crate::failure::Result;
use crate::mutate::generated::{self, Selection};
use crate::mutate::{self, Copy, Mutation, Outcome, Trials};
use crate::runs::writable;
use crate::servers::{Fleet, Host, control, given};
use crate::tool::Tool;

/// Makes small mistakes in real providers and clients, one by one in a scratch copy, and reports which clause notices which.
#[derive(Debug, Args)]
#[command(
    after_help = "The mistakes are in xtask/mutations: a file a domain, each with the text before and after, why a \
    person could\nwrite that, and the clause or test that should notice it. That one is run first, and all beside it \
    only if it\nnotices nothing. The copy is below the target directory and shares it, so that one mistake costs the \
    build of one\ncrate and one test program: 1 to 10 s on two cores, after some minutes at the beginning. Servers are started once, as for \
    contract-test.\n\nWith --generated cargo-mutants makes the mistakes, in external-core and external-resilience; \
    survivors are\nexplained in xtask/mutations/generated.toml, or failures. All of it takes hours: take some files, or a share.\n\n\
    Exit code 0: every mistake was noticed. A survivor, one whose text is not there any more (or several times), one\nthat \
    does not compile and one that could not be tried are failures.\n\nExamples:\n  cargo xtask mutate --domain cache\n  \
    cargo xtask mutate --only redis-ttl-in-seconds\n  cargo xtask mutate --generated --file 'crates/external-core/src/error/**'\n  \
    cargo xtask mutate --generated --shard 0/40"
)]
pub struct Mutate {
    /// Only this domain: storage, cache, email, http, api, net, resilience, core
    #[arg(long, value_name = "DOMAIN", conflicts_with = "generated")]
    domain: Option<String>,
    /// Only this mutation; may be given several times
    #[arg(long, value_name = "ID", conflicts_with = "generated")]
    only: Vec<String>,
    /// List them, with who should notice each, and make none
    #[arg(long)]
    list: bool,
    /// Write the outcomes as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "generated")]
    report: Option<PathBuf>,
    /// Those that cargo-mutants makes, over the crates on which everything stands
    #[arg(long)]
    generated: bool,
    /// Of those that are generated only this file's, from the root; `*` and `**` stand for names; may be given several times
    #[arg(long, value_name = "FILE", requires = "generated")]
    file: Vec<String>,
    /// Of those that are generated only a share: 0/4 is the first of four
    #[arg(long, value_name = "K/N", requires = "generated")]
    shard: Option<String>,
}

impl Mutate {
    /// Runs the command.
    pub fn run(&self, tool: &Tool) -> Result<ExitCode> {
        if self.generated { self.generated(tool) } else { self.written(tool) }
    }

    /// Those of the list.
    fn written(&self, tool: &Tool) -> Result<ExitCode> {
        let all = mutate::read(tool.workspace())?;
        let chosen = mutate::in_order(mutate::choose(&all, self.domain.as_deref(), &self.only)?);
        if self.list {
            chosen.iter().for_each(|mutation| println!("{}", mutate::line(tool.workspace(), mutation)));
            return Ok(ExitCode::SUCCESS);
        }
        let started = Instant::now();
        let report = self.report.as_deref().map(writable).transpose()?;
        eprintln!(
            "{} mutations, 1 to 10 s each on two cores, after what is built and run without any",
            chosen.len()
        );
        let servers = mutate::servers(tool.workspace(), &chosen)?;
        given::check_all(&servers)?;
        let copy = Copy::of(tool.workspace())?;
        let host = Host { workspace: tool.workspace(), groups: tool.groups() };
        let mut fleet = Fleet::new(tool.groups().clone());
        for server in servers {
            fleet.add(server, &host, &tool.folder(), None);
        }
        fleet.lines().iter().for_each(|line| eprintln!("  started  {line}"));
        fleet
            .absent()
            .for_each(|(server, why)| eprintln!("  not here: {} ({}): {why}", server.name, server.what));
        let (steering, _ended) = control::hand_over(fleet)?;

        let trials = Trials::begin(tool, copy, steering, &chosen)?;
        let mut outcomes = Vec::new();
        for (at, mutation) in chosen.iter().enumerate() {
            let outcome = trials.judge(mutation)?;
            eprintln!(
                "[{:>2}/{}] {:<13} {:<62} {:>5.1} s  {}",
                at + 1,
                chosen.len(),
                outcome.fate.word(),
                mutation.title(),
                outcome.ms as f64 / 1000.0,
                outcome.remark()
            );
            outcomes.push(outcome);
        }
        if let Some(file) = &report {
            mutate::write(file, &outcomes)?;
        }
        println!("{}", mutate::table(&outcomes));
        Ok(conclude(&chosen, &outcomes, started))
    }

    /// Those of cargo-mutants.
    fn generated(&self, tool: &Tool) -> Result<ExitCode> {
        let copy = Copy::of(tool.workspace())?;
        let selection = Selection { files: &self.file, shard: self.shard.as_deref() };
        if self.list {
            print!("{}", generated::list(tool, &copy, &selection)?);
            return Ok(ExitCode::SUCCESS);
        }
        let (seen, found) = generated::run(tool, &copy, &selection)?;
        for mutant in &found.unexplained {
            println!(
                "\nSURVIVED: write a test that tells it from the right code, or explain it in xtask/mutations/generated.toml:\n"
            );
            println!("{}", mutant.as_entry());
        }
        for mutant in &found.stale {
            println!("\nSTALE: it does not survive any more; take it off xtask/mutations/generated.toml:\n");
            println!("{}", mutant.as_entry());
        }
        println!("\n{}", seen.counts(&found));
        let is_well = found.unexplained.is_empty() && found.stale.is_empty();
        Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What is to be done, and the last line.
fn conclude(chosen: &[&Mutation], outcomes: &[Outcome], started: Instant) -> ExitCode {
    for (mutation, outcome) in chosen.iter().zip(outcomes) {
        if let Some(advice) = mutate::advice(mutation, outcome) {
            println!("\n{advice}");
        }
    }
    println!("\nin {:.1} minutes", started.elapsed().as_secs_f64() / 60.0);
    println!("{}", mutate::counts(outcomes));
    let is_well = outcomes.iter().all(|outcome| outcome.fate.is_killed());
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
