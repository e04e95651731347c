//! The workspace's own tool: `cargo xtask <command>`. Commands are one file each under `commands/`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program for the terminal: it prints, reads its environment, and waits for processes on the real clock"
)]
#![allow(unreachable_pub, reason = "a program has no callers: `pub` says what a file offers to the others")]

mod adoption;
mod bench;
mod ci;
mod commands;
mod contract;
mod failure;
mod graph;
mod matrix;
mod mutate;
mod platform;
mod process;
mod runs;
mod scaffold;
mod scratch;
mod servers;
mod terminal;
mod tidy;
mod tool;
mod watch;
mod workspace;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Result;
use crate::tool::Tool;

/// Runs, tests and checks this workspace. Everything it needs it gets itself and keeps under the target directory.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(commands::demo::Demo),
    ContractTest(commands::contract_test::ContractTest),
    VendorTruth(commands::vendor_truth::VendorTruth),
    Mutate(commands::mutate::Mutate),
    Servers(commands::servers::Servers),
    Bench(commands::bench::Bench),
    SupportMatrix(commands::support_matrix::SupportMatrix),
    NewProvider(commands::new_provider::NewProvider),
    Tidy(commands::tidy::Tidy),
    Adoption(commands::adoption::Adoption),
    Ci(commands::ci::Ci),
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if let (Some(command), Some(run)) = (arguments.next(), arguments.next())
        && command == watch::COMMAND
    {
        watch::over(Path::new(&run));
        return ExitCode::SUCCESS;
    }
    terminal::end_with_the_output();
    let cli = Cli::parse();
    run(&cli.command).unwrap_or_else(|failure| {
        eprintln!("error: {failure}");
        ExitCode::FAILURE
    })
}

fn run(command: &Command) -> Result<ExitCode> {
    let tool = Tool::start()?;
    match command {
        Command::Demo(command) => command.run(&tool),
        Command::ContractTest(command) => command.run(&tool),
        Command::VendorTruth(command) => command.run(&tool),
        Command::Mutate(command) => command.run(&tool),
        Command::Servers(command) => command.run(&tool),
        Command::Bench(command) => command.run(&tool),
        Command::SupportMatrix(command) => command.run(&tool),
        Command::NewProvider(command) => command.run(tool.workspace()),
        Command::Tidy(command) => command.run(tool.workspace()),
        Command::Adoption(command) => command.run(&tool),
        Command::Ci(command) => command.run(&tool),
    }
}
