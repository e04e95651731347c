//! `servers`: test servers that stay, for runs by hand.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};

use clap::{Args, Subcommand};

use crate::failure::{Failure, Result};
use crate::process;
use crate::runs::{Record, records, write_whole};
use crate::servers::{ALL, Fleet, Host, Server, control, given, named, obtain, simulator, simulators};
use crate::tool::Tool;

/// Starts the test servers in the background, stops them, lists them.
#[derive(Debug, Args)]
#[command(
    after_help = "By hand:\n  eval \"$(cargo xtask servers up redis redis-tls)\"\n  cargo test -p external-cache \
    --features all-providers --test contract\n  eval \"$(cargo xtask servers down)\"\n\n  cargo xtask servers up --simulator \
    sendgrid\n\nPrograms are had as for contract-test, and lie under the target directory; some take minutes, the first time.\nA server whose address \
    a variable gives already is not started; something has to answer there.\n`contract-test` and `demo \
    --servers` start servers of their own and need none of this."
)]
pub struct Servers {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start those that do not run yet; prints `export EXTERNAL_TEST_…` lines for a shell to evaluate
    Up {
        /// Only these [default: all]
        #[arg(conflicts_with = "simulator")]
        names: Vec<String>,
        /// Instead: the server shaped like this provider's vendor, in the foreground, until Ctrl-C; prints the
        /// configuration that points a client at it
        #[arg(long, value_name = "PROVIDER")]
        simulator: Option<String>,
    },
    /// Start them in the foreground, with a control port, until Ctrl-C; prints the same lines
    Run {
        /// Only these [default: all]
        names: Vec<String>,
    },
    /// Start them, run a command that finds them in its environment, stop them, and end with the command's exit code (128
    /// and the signal's number, if one ended it)
    With {
        /// Which
        #[arg(required = true)]
        names: Vec<String>,
        /// The command, behind `--`
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    /// Stop those that `up` started; prints `unset` lines for the variables that it set
    Down,
    /// Get the programs, so that nothing needs to be fetched later; start nothing
    Fetch {
        /// Only these [default: all]
        names: Vec<String>,
    },
    /// Show each server: running or not, where from, and its variables
    List,
}

impl Servers {
    /// Runs the command.
    pub fn run(&self, tool: &Tool) -> Result<ExitCode> {
        match &self.action {
            Action::Up { simulator: Some(id), .. } => simulate(tool, id),
            Action::Up { names, .. } => up(tool, &chosen(names)?),
            Action::Run { names } => run(tool, &chosen(names)?),
            Action::With { names, command } => with(tool, &chosen(names)?, command),
            Action::Down => down(tool),
            Action::Fetch { names } => fetch(tool, &chosen(names)?),
            Action::List => list(tool),
        }
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Server>> {
    if names.is_empty() { Ok(ALL.iter().collect()) } else { names.iter().map(|name| named(name)).collect() }
}

fn fetch(tool: &Tool, servers: &[&'static Server]) -> Result<ExitCode> {
    let host = Host { workspace: tool.workspace(), groups: tool.groups() };
    let mut code = ExitCode::SUCCESS;
    for server in servers {
        match obtain(server, &host) {
            Ok(program) => eprintln!("{:<10} {}", server.name, program.origin),
            Err(failure) => {
                eprintln!("{:<10} cannot be had: {failure}", server.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn up(tool: &Tool, servers: &[&'static Server]) -> Result<ExitCode> {
    let kept = tool.kept();
    fs::create_dir_all(&kept)?;
    let host = Host { workspace: tool.workspace(), groups: tool.groups() };
    let mut fleet = Fleet::new(tool.groups().with_folder(&kept));
    for server in servers {
        if alive(&kept, server.name).is_none() {
            if !given::is_given(server) {
                eprintln!("starting {} …", server.name);
            }
            fleet.add(server, &host, &kept, None);
        }
    }
    for server in ALL {
        let mine: Vec<_> =
            fleet.variables().into_iter().filter(|(name, _)| server.variables.contains(name)).collect();
        if fleet.runs(server.name) {
            write_whole(&variables_file(&kept, server.name), &serde_json::to_vec(&mine)?)?;
        }
    }
    let absent: Vec<String> =
        fleet.absent().map(|(server, why)| format!("{} cannot be had: {why}", server.name)).collect();
    fleet.given_lines().iter().for_each(|line| eprintln!("{line}"));
    fleet.keep();
    for server in servers.iter().filter(|server| alive(&kept, server.name).is_some()) {
        eprintln!("{:<10} {}; {}", server.name, server.what, server.note);
        for (name, value) in variables(&kept, server.name) {
            println!("export {name}='{value}'");
        }
    }
    for line in &absent {
        eprintln!("{line}");
    }
    Ok(if absent.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn simulate(tool: &Tool, id: &str) -> Result<ExitCode> {
    let simulator = simulator(tool.workspace(), id)?;
    let deliveries = tool.folder().join(id);
    let (mut group, url) = simulator.start(tool, &deliveries)?;
    println!("# {id} is simulated at {url}\n{}", simulator.configuration(&url)?);
    eprintln!("it runs until Ctrl-C; what it delivers lies in {} until then", deliveries.display());
    // The signal ends this process, and the server with it.
    let status = group.wait()?;
    Err(Failure::new(format!("the simulator of {id} ended with {status}")))
}

fn run(tool: &Tool, servers: &[&'static Server]) -> Result<ExitCode> {
    let host = Host { workspace: tool.workspace(), groups: tool.groups() };
    let mut fleet = Fleet::new(tool.groups().clone());
    for server in servers {
        fleet.add(server, &host, &tool.folder(), None);
    }
    fleet.lines().iter().chain(&fleet.given_lines()).for_each(|line| eprintln!("{line}"));
    fleet.absent().for_each(|(server, why)| eprintln!("{} cannot be had: {why}", server.name));
    for (name, value) in fleet.variables() {
        println!("export {name}='{value}'");
    }
    let control = control::serve(Arc::new(Mutex::new(fleet)))?;
    println!("export EXTERNAL_CONTROL='{control}'");
    eprintln!("they run until Ctrl-C; a line like `kill redis` or `start redis` to {control} does that");
    // The signal ends the process, and the servers with it.
    loop {
        std::thread::park();
    }
}

/// Ends as the command does. Without one of the servers it is not run.
fn with(tool: &Tool, servers: &[&'static Server], command: &[OsString]) -> Result<ExitCode> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::new("no command behind `--`"));
    };
    let host = Host { workspace: tool.workspace(), groups: tool.groups() };
    let mut fleet = Fleet::new(tool.groups().clone());
    for server in servers {
        fleet.add(server, &host, &tool.folder(), None);
    }
    if let Some((server, why)) = fleet.absent().next() {
        return Err(Failure::new(format!("{} cannot be had: {why}", server.name)));
    }
    fleet.given_lines().iter().for_each(|line| eprintln!("{line}"));
    let mut command = Command::new(program);
    command.args(arguments).envs(fleet.variables());
    let status = tool.groups().spawn(&program.to_string_lossy(), &mut command)?.wait()?;
    Ok(process::code(status))
}

fn down(tool: &Tool) -> Result<ExitCode> {
    let kept = tool.kept();
    let set = ALL.iter().flat_map(|server| variables(&kept, server.name));
    let unset = to_unset(set, |name| std::env::var(name).ok());
    for record in records(&kept) {
        if record.end() {
            eprintln!("stopped {} (process {})", record.name, record.pid);
        }
    }
    let _ = fs::remove_dir_all(&kept);
    unset.iter().for_each(|name| println!("unset {name}"));
    Ok(ExitCode::SUCCESS)
}

/// Of the variables that `up` has set, those that nobody has set to something else since.
fn to_unset(
    set: impl Iterator<Item = (String, String)>,
    now: impl Fn(&str) -> Option<String>,
) -> BTreeSet<String> {
    set.filter(|(name, value)| now(name).is_none_or(|now| now == *value)).map(|(name, _)| name).collect()
}

fn list(tool: &Tool) -> Result<ExitCode> {
    let kept = tool.kept();
    let host = Host { workspace: tool.workspace(), groups: tool.groups() };
    for server in ALL {
        match alive(&kept, server.name) {
            Some(record) => println!("{:<10} running, process {}: {}", server.name, record.pid, server.what),
            None if given::is_given(server) => println!("{}: {}", given::line(server), server.what),
            None => println!("{:<10} not running: {}", server.name, server.what),
        }
        let set = variables(&kept, server.name);
        for (name, value) in &set {
            println!("{:<10}   {name}={value}", "");
        }
        if set.is_empty() {
            println!("{:<10}   sets {}", "", server.variables.join(", "));
        }
        println!("{:<10}   {}", "", server.note);
        println!("{:<10}   from {}", "", Fleet::plan(server, &host));
    }
    for simulator in simulators(tool.workspace()) {
        println!(
            "{:<10} can be simulated: cargo xtask servers up --simulator {}",
            simulator.id, simulator.id
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn alive(kept: &Path, name: &str) -> Option<Record> {
    records(kept).into_iter().find(|record| record.name == name && record.is_alive())
}

fn variables_file(kept: &Path, name: &str) -> PathBuf {
    kept.join(format!("{name}.variables.json"))
}

fn variables(kept: &Path, name: &str) -> Vec<(String, String)> {
    fs::read(variables_file(kept, name))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_up_has_set_is_unset_and_nothing_else() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        // Two servers have set the second.
        let set =
            [pair("A_URL", "redis://a:1"), pair("CA", "ca.pem"), pair("CA", "ca.pem"), pair("B_URL", "b:2")];
        let now = |name: &str| match name {
            "A_URL" => Some("redis://a:1".to_owned()),
            "B_URL" => Some("somebody's own".to_owned()),
            _ => None,
        };
        let unset: Vec<String> = to_unset(set.into_iter(), now).into_iter().collect();
        assert_eq!(unset, ["A_URL", "CA"]);
        assert!(to_unset(std::iter::empty(), now).is_empty());
    }
}
