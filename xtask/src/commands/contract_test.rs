//! `contract-test`: every provider against every clause, with the servers that this needs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::contract::needs;
use crate::contract::offer::Offer;
use crate::contract::outcome;
use crate::contract::report::{Count, Program, Report, Row, Status};
use crate::contract::suite::{self, Steering};
use crate::contract::suites;
use crate::failure::{Failure, Result};
use crate::graph::Built;
use crate::runs::writable;
use crate::servers::{self, Fleet, Host, Server, control};
use crate::tool::Tool;

/// Runs the contract suites: every provider against every promise of its contract.
///
/// Four lanes: `embedded` (memory, local, file), `simulator` (a vendor-shaped server of our own), `server` (real servers,
/// started here on loopback and thrown away afterwards), `live` (the real vendor: a provider has it by a target in its
/// contract.toml, with the EXTERNAL_LIVE_* variables that this names; it runs only when asked for. None has one yet).
#[derive(Debug, Args)]
#[command(
    after_help = "Servers come from the first of: an address in the environment (EXTERNAL_TEST_REDIS_URL, …), \
    a program on PATH,\nthe Debian package unpacked without root under the target directory, the language's package \
    or a build from its\nregistry there (minutes, the first time only), a container engine. What cannot be had is \"not run\", with the reason; --require-servers makes that a \
    failure.\n\nExit code 0: nothing failed and, with --require-servers, nothing was left out.\n\nExamples:\n  \
    cargo xtask contract-test --lane embedded            needs no server\n  \
    cargo xtask contract-test --domain cache --provider redis --clause cache.set\n  \
    cargo xtask contract-test --require-servers --report report.json"
)]
pub struct ContractTest {
    /// Only this domain: storage, cache, email, …
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Only this provider, by its id
    #[arg(long, value_name = "ID")]
    provider: Option<String>,
    /// Only this lane; may be given several times [default: all but live]
    #[arg(long, value_name = "LANE")]
    lane: Vec<Lane>,
    /// Only this clause, or all that begin with this: storage.put or storage.put.3
    #[arg(long, value_name = "ID")]
    clause: Option<String>,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// A clause that could not be run is a failure
    #[arg(long)]
    require_servers: bool,
    /// Do not start this server: what needs it is "not run"; may be given several times
    #[arg(long, value_name = "SERVER")]
    without: Vec<String>,
    /// List what would be run, and run nothing
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lane {
    Embedded,
    Simulator,
    Server,
    Live,
}

impl Lane {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Simulator => "simulator",
            Self::Server => "server",
            Self::Live => "live",
        }
    }
}

impl ContractTest {
    /// Runs the command.
    pub fn run(&self, tool: &Tool) -> Result<ExitCode> {
        let started = Instant::now();
        let lanes: Vec<_> = self.lane.iter().map(|lane| lane.as_str()).collect();
        let offer = Offer::read(tool.workspace())?;
        offer.check(self.domain.as_deref(), self.provider.as_deref(), &lanes)?;
        let report = self.report.as_deref().map(writable).transpose()?;
        let servers = if self.list { Vec::new() } else { self.servers(tool)? };
        let host = Host { workspace: tool.workspace(), groups: tool.groups() };
        self.announce(&servers, &host, tool);

        let mut fleet = Fleet::new(tool.groups().clone());
        // Programs that take minutes are made while the suites are built.
        let built = std::thread::scope(|scope| {
            let fetching = scope.spawn(|| fleet.fetch(&servers, &host));
            let built = self.selected(tool).and_then(|built| self.has_clauses(tool, &built).map(|()| built));
            if built.is_err() {
                // Nobody needs the programs any more.
                drop(tool.groups().end_all());
            } else if !fetching.is_finished() {
                eprintln!("  waiting  for the programs of the servers");
            }
            built
        })?;
        for server in &servers {
            fleet.add(server, &host, &tool.folder(), None);
        }
        fleet.lines().iter().for_each(|line| eprintln!("  started  {line}"));
        let absent: Vec<String> = fleet
            .absent()
            .map(|(server, why)| format!("not here: {} ({}): {why}", server.name, server.what))
            .collect();
        absent.iter().for_each(|line| eprintln!("  {line}"));

        let mut steering = self.steering();
        if self.list {
            return list(tool, &built, &steering);
        }
        let (variables, _ended) = control::hand_over(fleet)?;
        steering.extend(variables);

        let (results, programs) = run_all(tool, &built, &steering)?;
        let (suite, clauses) = (suites::version(tool), suites::clauses(tool, &built)?);
        let whole = Report { suite, clauses, results, programs };
        self.conclude(tool, &whole, &absent, report.as_deref(), started.elapsed())
    }

    /// The clauses that the filters leave are known once their suites are built.
    fn has_clauses(&self, tool: &Tool, built: &[Built]) -> Result<()> {
        for built in built {
            if !suite::names(tool, built, &self.steering())?.is_empty() {
                return Ok(());
            }
        }
        let clause = self.clause.as_deref().unwrap_or_default();
        let operations = suites::operations(tool, built)?;
        Err(Failure::new(format!(
            "no clause `{clause}` is left by these filters; clauses begin with: {}; --list shows each",
            operations.into_iter().collect::<Vec<_>>().join(", ")
        )))
    }

    /// The servers that the filters leave a use for.
    fn servers(&self, tool: &Tool) -> Result<Vec<&'static Server>> {
        for name in &self.without {
            servers::named(name)?;
        }
        if !self.lane.is_empty() && !self.lane.contains(&Lane::Server) {
            return Ok(Vec::new());
        }
        let mut all = needs::servers(tool.workspace(), self.domain.as_deref(), self.provider.as_deref())?;
        all.retain(|server| !self.without.iter().any(|name| name == server.name));
        Ok(all)
    }

    fn announce(&self, servers: &[&'static Server], host: &Host<'_>, tool: &Tool) {
        let cold = !suites::were_built(tool);
        eprintln!("This will");
        for server in servers {
            eprintln!("  start    {:<10} {}, from {}", server.name, server.what, Fleet::plan(server, host));
        }
        eprintln!(
            "  build    the suites with every provider{}",
            if cold {
                " (nothing is built yet: about 6 minutes on two cores)"
            } else {
                " (a minute or less if little changed)"
            }
        );
        eprintln!("  run      the suites (about 2 minutes when all lanes run)");
        if !servers.is_empty() {
            let variables: Vec<&str> = servers.iter().map(|server| server.variables[0]).collect();
            eprintln!("Without servers: --lane embedded. Without one of them: --without NAME.");
            eprintln!(
                "With one of your own: its program on PATH, or its address in {}.",
                variables.join(", ")
            );
        }
    }

    fn selected(&self, tool: &Tool) -> Result<Vec<Built>> {
        let mut built = suites::build(tool)?;
        built.retain(|built| self.domain.as_deref().is_none_or(|domain| built.domain() == domain));
        if built.is_empty() {
            let domain = self.domain.as_deref().unwrap_or("any domain");
            return Err(Failure::new(format!("no suite for {domain}")));
        }
        Ok(built)
    }

    fn is_everything(&self) -> bool {
        self.domain.is_none() && self.provider.is_none() && self.lane.is_empty() && self.clause.is_none()
    }

    fn steering(&self) -> Steering {
        let mut steering = Steering::new();
        if !self.lane.is_empty() {
            let lanes: Vec<_> = self.lane.iter().map(|lane| lane.as_str()).collect();
            steering.push(("EXTERNAL_CONTRACT_LANES", lanes.join(",")));
        }
        steering.extend(self.provider.clone().map(|provider| ("EXTERNAL_CONTRACT_PROVIDER", provider)));
        steering.extend(self.clause.clone().map(|clause| ("EXTERNAL_CONTRACT_CLAUSE", clause)));
        steering
    }

    fn conclude(
        &self,
        tool: &Tool,
        report: &Report,
        absent: &[String],
        file: Option<&Path>,
        took: Duration,
    ) -> Result<ExitCode> {
        let rows = &report.results;
        println!("{}", outcome::table(rows));
        for row in rows.iter().filter(|row| row.status == Status::Failed) {
            println!("\n{}", outcome::failure(row));
        }
        let left_out = [absent, &outcome::not_run(rows), &outcome::unmet(&report.programs)].concat();
        if !left_out.is_empty() {
            println!();
            left_out.iter().for_each(|line| println!("{line}"));
        }
        let next = outcome::next(rows);
        let count = Count::of(rows);
        if self.is_everything() {
            report.write(&suites::last_report(tool))?;
        }
        if let Some(file) = file {
            report.write(file)?;
            println!("\nreport: {}", file.display());
        }
        println!("\nin {:.1} s, the build included", took.as_secs_f64());
        let short = self.require_servers && (count.not_run > 0 || !absent.is_empty());
        if short {
            println!("--require-servers: what was not run counts as a failure");
        }
        next.iter().for_each(|next| println!("{next}"));
        println!("{count}");
        Ok(if count.failed > 0 || short { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn run_all(tool: &Tool, built: &[Built], steering: &Steering) -> Result<(Vec<Row>, Vec<Program>)> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}") {
        bar.set_style(style);
    }
    let logs = suite::logs(tool)?;
    let (mut rows, mut programs) = (Vec::new(), Vec::new());
    for built in built {
        let started = Instant::now();
        let ran = suite::run(tool, built, steering, &logs, &bar)?;
        let line = format!(
            "  ran      {} {}: {} in {:.1} s{}",
            built.package,
            built.target,
            Count::of(&ran.rows),
            started.elapsed().as_secs_f64(),
            outcome::memory(&ran.program)
        );
        bar.suspend(|| eprintln!("{line}"));
        rows.extend(ran.rows);
        programs.push(ran.program);
    }
    bar.finish_and_clear();
    Ok((rows, programs))
}

fn list(tool: &Tool, built: &[Built], steering: &Steering) -> Result<ExitCode> {
    for built in built {
        for name in suite::names(tool, built, steering)? {
            println!("{} {name}", built.domain());
        }
    }
    Ok(ExitCode::SUCCESS)
}
