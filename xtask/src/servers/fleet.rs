//! The servers of one run: obtained, started, restarted on demand, ended with the run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Host, Place, Program, Server, given, ports};
use crate::failure::{Context, Failure, Result};
use crate::process::{Group, Groups};

/// How long a server may take until it answers.
const READY: Duration = Duration::from_secs(20);

/// The servers that run, that others run, and that could not be had.
pub struct Fleet {
    groups: Groups,
    /// What [`fetch`](Self::fetch) got, by the server's name.
    programs: BTreeMap<&'static str, Result<Program>>,
    running: Vec<Running>,
    /// Servers whose address the environment gives.
    given: Vec<&'static Server>,
    absent: Vec<(&'static Server, String)>,
}

struct Running {
    server: &'static Server,
    program: Program,
    place: Place,
    group: Option<Group>,
}

/// Where a server will come from.
pub enum Plan {
    /// The environment gives its address.
    Given(&'static str),
    /// Something is here already.
    Here(String),
    /// The first of these that works.
    Fetch(Vec<String>),
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Given(variable) => write!(f, "the address in {variable}"),
            Self::Here(what) => write!(f, "{what}; it is here already"),
            Self::Fetch(ways) => write!(f, "the first that works: {}", ways.join("; ")),
        }
    }
}

impl Fleet {
    /// No servers yet; their processes go to `groups`.
    pub fn new(groups: Groups) -> Self {
        Self { groups, programs: BTreeMap::new(), running: Vec::new(), given: Vec::new(), absent: Vec::new() }
    }

    /// How `server` would be had; nothing is fetched or started.
    pub fn plan(server: &'static Server, host: &Host<'_>) -> Plan {
        if given::is_given(server) {
            return Plan::Given(server.variables[0]);
        }
        let sources = (server.sources)(host);
        let here = sources.iter().filter(|source| source.here).find_map(|source| (source.obtain)(host).ok());
        match here {
            Some(program) => Plan::Here(program.origin),
            None => Plan::Fetch(
                sources.into_iter().filter(|source| !source.here).map(|source| source.offer()).collect(),
            ),
        }
    }

    /// Gets the programs of `servers`, which may take minutes, for [`add`](Self::add) to start.
    pub fn fetch(&mut self, servers: &[&'static Server], host: &Host<'_>) {
        for server in servers.iter().filter(|server| !given::is_given(server)) {
            self.programs.insert(server.name, obtain(server, host));
        }
    }

    /// Obtains and starts `server` with its data under `folder`; what it keeps for people goes to `keep` if given.
    /// One whose address the environment gives is not started, but something has to answer there. A server that cannot be
    /// had is remembered with the reason.
    pub fn add(&mut self, server: &'static Server, host: &Host<'_>, folder: &Path, keep: Option<&Path>) {
        let had = given::check(server).and_then(|()| {
            if given::is_given(server) {
                self.given.push(server);
            } else {
                let running = self.begin(server, host, folder, keep)?;
                self.running.push(running);
            }
            Ok(())
        });
        if let Err(failure) = had {
            self.absent.push((server, failure.to_string()));
        }
    }

    fn begin(
        &mut self,
        server: &'static Server,
        host: &Host<'_>,
        folder: &Path,
        keep: Option<&Path>,
    ) -> Result<Running> {
        let program = self.programs.remove(server.name).unwrap_or_else(|| obtain(server, host))?;
        let data = folder.join(server.name);
        let mut failure = Failure::new("not started");
        // A port may be taken between the look and the start: other ports, then.
        for _ in 0..3 {
            let _ = fs::remove_dir_all(&data);
            fs::create_dir_all(&data)?;
            let place = Place {
                ports: ports::free(server.ports)?,
                keep: keep.map_or_else(|| data.join("keep"), Path::to_owned),
                data: data.clone(),
                tool: host.workspace.root.join("xtask"),
            };
            let started = (server.prepare)(&self.groups, &program, &place)
                .and_then(|()| start(&self.groups, server, &program, &place));
            match started {
                Ok(group) => {
                    return Ok(Running { server, program, place, group: Some(group) });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// What tests need to know: variables and their values.
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::new();
        for running in &self.running {
            all.extend(
                running.server.variables.iter().copied().zip((running.server.addresses)(&running.place)),
            );
        }
        // What somebody set by hand wins, for a variable that belongs to two servers as well.
        all.retain(|name, _| std::env::var_os(name).is_none_or(|value| value.is_empty()));
        all
    }

    /// The servers that could not be had, with the reason.
    pub fn absent(&self) -> impl Iterator<Item = (&'static Server, &str)> {
        self.absent.iter().map(|(server, reason)| (*server, reason.as_str()))
    }

    /// One line for each server that the environment gives.
    pub fn given_lines(&self) -> Vec<String> {
        self.given.iter().map(|server| given::line(server)).collect()
    }

    /// Whether this fleet runs `name`.
    pub fn runs(&self, name: &str) -> bool {
        self.running.iter().any(|running| running.server.name == name)
    }

    /// One line for each running server: name and where its program came from.
    pub fn lines(&self) -> Vec<String> {
        self.running
            .iter()
            .map(|running| {
                format!("{:<10} {} ({})", running.server.name, running.server.what, running.program.origin)
            })
            .collect()
    }

    /// Stops a server in the orderly way.
    pub fn stop(&mut self, name: &str) -> Result<()> {
        self.named(name)?.group.take().map_or(Ok(()), |mut group| group.stop().map(drop))
    }

    /// Kills a server.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        self.named(name)?.group.take().map_or(Ok(()), |mut group| group.kill().map(drop))
    }

    /// Starts a stopped server again, on the ports it had, and waits until it answers.
    pub fn start(&mut self, name: &str) -> Result<()> {
        let groups = self.groups.clone();
        let running = self.named(name)?;
        if running.group.as_mut().is_some_and(|group| !group.is_over()) {
            return Ok(());
        }
        running.group = Some(start(&groups, running.server, &running.program, &running.place)?);
        Ok(())
    }

    /// Freezes a server: its connections stay open and nothing answers.
    pub fn pause(&mut self, name: &str) -> Result<()> {
        self.named(name)?.group.as_ref().map_or(Ok(()), |group| group.signal(Signal::STOP))
    }

    /// Lets a frozen server go on.
    pub fn resume(&mut self, name: &str) -> Result<()> {
        self.named(name)?.group.as_ref().map_or(Ok(()), |group| group.signal(Signal::CONT))
    }

    /// Stops every server; none can be started again.
    pub fn end(&mut self) {
        self.running.clear();
    }

    /// Leaves every server running when this value goes.
    pub fn keep(self) {
        for group in self.running.into_iter().filter_map(|running| running.group) {
            group.keep();
        }
    }

    fn named(&mut self, name: &str) -> Result<&mut Running> {
        if self.given.iter().any(|server| server.name == name) {
            return Err(Failure::new(format!("{name} was given by its address and is not ours to control")));
        }
        let known = self.running.iter().map(|running| running.server.name).collect::<Vec<_>>().join(", ");
        self.running
            .iter_mut()
            .find(|running| running.server.name == name)
            .ok_or_else(|| Failure::new(format!("no server {name} here; there are: {known}")))
    }
}

/// Empties a fleet that the control port shares, which stops its servers, when a run ends in whatever way.
pub struct Ended(pub Arc<Mutex<Fleet>>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).end();
    }
}

/// Gets a server's program from the first source that has it, and says so on standard error where that takes time.
pub fn obtain(server: &Server, host: &Host<'_>) -> Result<Program> {
    let mut reasons = Vec::new();
    for source in (server.sources)(host) {
        if !source.here {
            eprintln!("  getting  {:<10} {} …", server.name, source.offer());
        }
        let begun = Instant::now();
        match (source.obtain)(host) {
            Ok(program) => {
                if !source.here {
                    eprintln!("  got      {:<10} in {:.0} s", server.name, begun.elapsed().as_secs_f64());
                }
                return Ok(program);
            }
            Err(failure) => reasons.push(format!("{}: {failure}", source.what)),
        }
    }
    Err(Failure::new(format!(
        "{} (yours does too: its program on PATH, or its address in {})",
        reasons.join("; "),
        server.variables[0]
    )))
}

/// What the last start of a server printed.
pub fn log(place: &Place) -> PathBuf {
    place.data.join("log.txt")
}

/// Starts a server and waits until it answers.
pub fn start(groups: &Groups, server: &Server, program: &Program, place: &Place) -> Result<Group> {
    let log = log(place);
    let _ = fs::rename(&log, place.data.join("log-before.txt"));
    let output = fs::File::create(&log).context(format!("cannot write {}", log.display()))?;
    let mut command = (server.command)(program, place)?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut group = groups.spawn(server.name, &mut command)?;
    let deadline = Instant::now() + READY;
    loop {
        let failure = match (server.ready)(place) {
            Ok(()) if !group.is_over() => return Ok(group),
            Ok(()) => Failure::new("another program answers on its port"),
            Err(failure) => failure,
        };
        if group.is_over() {
            let status = group.wait()?;
            return Err(Failure::new(format!("ended with {status}: {}", tail(&log))));
        }
        if Instant::now() >= deadline {
            return Err(failure).context(format!("not ready within {} s ({})", READY.as_secs(), tail(&log)));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The end of a log file, on one line.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}
