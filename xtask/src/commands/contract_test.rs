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
use crate::contract::suites::{self, Selected};
use crate::failure::{Failure, Result};
use crate::graph::Built;
use crate::runs::writable;
use crate::servers::{self, Fleet, Host, Server, control, given};
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
    or a build from its\nregistry there (minutes, the first time only), a container engine. None is started that \
    no clause needs\nof those that the filters leave. What cannot be had is \"not run\", with the reason; --require-servers makes \
    that a failure.\nAn address in the environment at which nothing answers ends the run before it begins.\n\nExit code 0: nothing failed and, with --require-servers, nothing was left out.\n\nExamples:\n  \
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
    /// Do without this server, also if its address is in the environment: what needs it is "not run"; may be given several
    /// times
    #[arg(long, value_name = "SERVER")]
    without: Vec<String>,
    /// List the clauses that would be run, and run nothing
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
        let without = self.without()?;
        if self.list {
            return self.list(tool);
        }
        let report = self.report.as_deref().map(writable).transpose()?;
        let certain = self.certain(tool)?;
        // Told before what takes minutes.
        given::check_all(&certain)?;
        let host = Host { workspace: tool.workspace(), groups: tool.groups() };
        self.announce(&certain, &host, tool);

        let mut fleet = Fleet::new(tool.groups().clone());
        // Programs that take minutes are made while the suites are built.
        let (built, selected) = std::thread::scope(|scope| {
            let fetching = scope.spawn(|| fleet.fetch(&certain, &host));
            let asked = self.ask(tool);
            if asked.is_err() {
                // Nobody needs the programs any more.
                drop(tool.groups().end_all());
            } else if !fetching.is_finished() {
                eprintln!("  waiting  for the programs of the servers");
            }
            asked
        })?;
        let servers = self.but_without(needs::of_suites(tool.workspace(), &selected)?);
        given::check_all(&servers)?;
        for server in &servers {
            fleet.add(server, &host, &tool.folder(), None);
        }
        fleet.lines().iter().for_each(|line| eprintln!("  started  {line}"));
        fleet.given_lines().iter().for_each(|line| eprintln!("  using    {line}"));
        let absent: Vec<String> = fleet
            .absent()
            .map(|(server, why)| format!("not here: {} ({}): {why}", server.name, server.what))
            .collect();
        absent.iter().for_each(|line| eprintln!("  {line}"));

        let mut steering = self.steering();
        // Empty is as good as not set.
        steering.extend(without.into_iter().flat_map(needs::own).map(|variable| (variable, String::new())));
        let (variables, _ended) = control::hand_over(fleet)?;
        steering.extend(variables);

        let (results, programs) = run_all(tool, &selected, &steering)?;
        let (suite, clauses) = (suites::version(tool), suites::clauses(tool, &built)?);
        let whole = Report { suite, clauses, results, programs };
        self.conclude(tool, &whole, &absent, report.as_deref(), started.elapsed())
    }

    fn list(&self, tool: &Tool) -> Result<ExitCode> {
        let (_, selected) = self.ask(tool)?;
        for Selected { built, names } in &selected {
            names.iter().for_each(|name| println!("{} {name}", built.domain()));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Builds the suites, and asks each what the filters leave of it: which clauses it has, and a client's over which
    /// providers, is not known before.
    fn ask(&self, tool: &Tool) -> Result<(Vec<Built>, Vec<Selected>)> {
        let built = suites::build(tool, self.domain.as_deref())?;
        let selected = suites::select(tool, &built, &self.steering())?;
        if !selected.is_empty() {
            return Ok((built, selected));
        }
        let Some(clause) = &self.clause else {
            return Err(Failure::new("no clause is left by these filters; --list with fewer shows all"));
        };
        let operations = suites::operations(tool, &built)?;
        Err(Failure::new(format!(
            "no clause `{clause}` is left by these filters; clauses begin with: {}; --list shows each",
            operations.into_iter().collect::<Vec<_>>().join(", ")
        )))
    }

    fn without(&self) -> Result<Vec<&'static Server>> {
        self.without.iter().map(|name| servers::named(name)).collect()
    }

    fn but_without(&self, mut servers: Vec<&'static Server>) -> Vec<&'static Server> {
        servers.retain(|server| !self.without.iter().any(|name| name == server.name));
        servers
    }

    fn takes_servers(&self) -> bool {
        self.lane.is_empty() || self.lane.contains(&Lane::Server)
    }

    /// The servers that the filters leave a use for, as far as that is known before the suites are asked: which targets
    /// have a clause is not.
    fn certain(&self, tool: &Tool) -> Result<Vec<&'static Server>> {
        if self.clause.is_some() || !self.takes_servers() {
            return Ok(Vec::new());
        }
        let all = needs::servers(tool.workspace(), self.domain.as_deref(), self.provider.as_deref())?;
        Ok(self.but_without(all))
    }

    fn announce(&self, servers: &[&'static Server], host: &Host<'_>, tool: &Tool) {
        let cold = !suites::were_built(tool);
        eprintln!("This will");
        for server in servers {
            let how = if given::is_given(server) { "use" } else { "start" };
            eprintln!("  {how:<8} {:<10} {}, from {}", server.name, server.what, Fleet::plan(server, host));
        }
        if self.takes_servers() && (self.clause.is_some() || self.provider.is_some()) {
            eprintln!("  start    what else the suites ask for once they are built, if anything");
        }
        eprintln!(
            "  build    the suites with every provider{}",
            if cold {
                " (nothing is built yet: about 6 minutes on two cores)"
            } else {
                " (a minute or less if little changed)"
            }
        );
        eprintln!("  run      those of which the filters leave a clause (all lanes: about 2 minutes)");
        if !servers.is_empty() {
            let variables: Vec<&str> = servers.iter().map(|server| server.variables[0]).collect();
            eprintln!("Without servers: --lane embedded. Without one of them: --without NAME.");
            eprintln!(
                "With one of your own: its program on PATH, or its address in {}.",
                variables.join(", ")
            );
        }
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

fn run_all(tool: &Tool, selected: &[Selected], steering: &Steering) -> Result<(Vec<Row>, Vec<Program>)> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}") {
        bar.set_style(style);
    }
    let logs = suite::logs(tool)?;
    let (mut rows, mut programs) = (Vec::new(), Vec::new());
    for Selected { built, .. } in selected {
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
