//! `demo`: the main job, from build to result, and the census after it.

mod backends;
mod census;
mod folders;
mod roster;
mod users;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use crate::failure::{Context, Failure, Result};
use crate::graph::{self, Built};
use crate::runs::writable;
use crate::servers::{Ended, Fleet, control};
use crate::tool::Tool;

use self::backends::{Asked, Kept};
use self::census::Places;
use self::folders::Folder;
use self::users::Users;

/// Builds and runs the demo: a small account service that keeps records, stores portraits and sends mails.
///
/// Nothing needs to be installed and nothing but loopback is used. Objects and mails of the last ten runs stay in `demo/`
/// under the target directory, so that they can be looked at.
#[derive(Debug, Args)]
#[command(after_help = "Which providers it uses comes from the configuration and nothing else:\n  \
    cargo xtask demo                      config/embedded.toml, embedded providers only\n  \
    cargo xtask demo --servers            config/servers.toml, Redis, S3 and SMTP started here\n  \
    cargo xtask demo --fault              config/embedded-fault.toml: faults are injected\n  \
    cargo xtask demo --servers --fault    config/servers-fault.toml: the servers are killed and restarted\n  \
    cargo xtask demo --config FILE        yours; every provider is compiled in\n\nThe files are in crates/external-demo. \
    After a run with --servers or --fault, a program that is not the demo counts what\nevery user has, unless the \
    configuration is yours or a server's address is given. The first build takes two to three\nminutes on two cores; with \
    --servers or --config about twice that.\n\nA server whose address is in EXTERNAL_TEST_REDIS_URL, \
    EXTERNAL_TEST_S3_ENDPOINT or EXTERNAL_TEST_SMTP_URL is used as it\nis and not started; --servers --fault refuses \
    it, since it could not be killed.")]
pub struct Demo {
    /// Run against Redis, an S3 server and an SMTP server, which are started unless a variable gives their address
    #[arg(long)]
    servers: bool,
    /// Take every system down in the middle, and fail unless the service recovers; needs at least 10 users
    #[arg(long)]
    fault: bool,
    /// How many users to register, or a file of them (default: the 30 of crates/external-demo/data)
    #[arg(long, value_name = "N|FILE")]
    users: Option<Users>,
    /// Run the same program with another configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write every external call as JSON; the file's folder must be there
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What belongs to one run.
struct Run {
    /// The folder under which the demo makes its own.
    out: PathBuf,
    users: PathBuf,
    /// What the servers keep.
    kept: Kept,
    /// Where `out` is of this run alone: held as long as the run goes on.
    _folder: Option<Folder>,
}

impl Demo {
    /// Runs the command.
    pub fn run(&self, tool: &Tool) -> Result<ExitCode> {
        self.check(backends::is_set)?;
        let config = self.config(&tool.workspace().root)?;
        let report = self.report.as_deref().map(writable).transpose()?;
        let run = self.prepare(tool)?;
        let fleet = Arc::new(Mutex::new(Fleet::new(tool.groups().clone())));
        let _ended = Ended(Arc::clone(&fleet));
        let mut variables = Vec::new();
        let (mut mailbox, mut places) = (None, None);
        if self.servers {
            let mut fleet = fleet.lock().unwrap_or_else(PoisonError::into_inner);
            backends::start(tool, &mut fleet, &run.kept)?;
            // In the configuration with faults the bucket stands behind another instance.
            let bucket = if self.fault && self.config.is_none() { "BUCKET" } else { "DEFAULT" };
            let asked = Asked::of(&config);
            variables = backends::overrides(&fleet, bucket, &asked)?;
            variables.extend(fleet.variables().into_iter().map(|(name, value)| (name.to_owned(), value)));
            if asked.smtp {
                mailbox = Some(backends::value(&fleet, "EXTERNAL_TEST_SMTP_MAILBOX")?);
            }
            if self.counts() {
                places = Places::of_servers(&fleet, &run.kept)?;
            }
        }
        if self.servers {
            variables.push(("EXTERNAL_CONTROL".to_owned(), control::serve(Arc::clone(&fleet))?.to_string()));
        }

        let built = self.build(tool)?;
        let mut command = Command::new(program(&built, "external-demo")?);
        command.current_dir(&tool.workspace().root).envs(variables);
        command.arg("--config").arg(config);
        command.arg("--out").arg(&run.out).arg("--users").arg(&run.users);
        if let Some(report) = &report {
            command.arg("--report").arg(report);
        }
        if let Some(mailbox) = mailbox {
            command.arg("--mailbox").arg(mailbox);
        }
        if self.fault {
            command.arg("--fault");
        }
        let mut ok = tool.groups().status("external-demo", &mut command)?.success();
        if self.counts() && !self.servers {
            // A demo that was refused at once made no folder, and has said why.
            places = Places::of_embedded(&run.out).ok();
        }
        match places {
            // A demo that was refused before its first call left nothing to count.
            Some(places) if ok || places.objects.is_dir() => {
                ok &= places.census(tool, program(&built, "census")?, &run.users)?;
            }
            None if self.counts() && self.servers => {
                println!(
                    "\nnot counted: some of the servers were given by their addresses, and are not of this run alone"
                );
            }
            _ => {}
        }
        Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Refuses what would fail only after minutes.
    fn check(&self, is_set: impl Fn(&str) -> bool) -> Result<()> {
        if self.servers && self.fault {
            backends::all_ours(is_set)?;
        }
        self.users.as_ref().map_or(Ok(()), |users| users.enough(self.fault))
    }

    /// Whether what the run leaves behind is counted: where that is known, and there is more to it than the demo's own
    /// checks.
    fn counts(&self) -> bool {
        self.config.is_none() && (self.servers || self.fault)
    }

    /// The folder of the run, and the users.
    fn prepare(&self, tool: &Tool) -> Result<Run> {
        let shipped = tool.workspace().root.join("crates/external-demo/data/users.jsonl");
        let all = tool.workspace().target.join("demo");
        let (count, file) = match &self.users {
            None => (None, shipped),
            Some(Users::Count(count)) => (Some(*count), shipped),
            Some(Users::File(file)) => (None, readable(file)?),
        };
        let loses_an_answer = self.servers && self.fault;
        let is_own = count.is_some() || self.servers || self.counts();
        let kind = folders::kind(self.servers, self.fault);
        let folder = is_own.then(|| folders::make(&all, kind)).transpose()?;
        let out = folder.as_ref().map_or(all, |folder| folder.path.clone());
        fs::create_dir_all(&out).context(format!("cannot make {}", out.display()))?;
        let mut users = file;
        if count.is_some() || loses_an_answer {
            let made = out.join("users.jsonl");
            let loser = roster::write(&users, count, loses_an_answer, &made)?;
            if let Some(loser) = loser {
                eprintln!("the mail to {loser} will be taken without an answer");
            }
            users = made;
        }
        let kept = Kept { mails: out.join("mails"), buckets: out.join("buckets") };
        Ok(Run { users, kept, out, _folder: folder })
    }

    fn config(&self, root: &Path) -> Result<PathBuf> {
        let shipped = match (self.servers, self.fault) {
            (true, true) => "servers-fault.toml",
            (true, false) => "servers.toml",
            (false, true) => "embedded-fault.toml",
            (false, false) => "embedded.toml",
        };
        let shipped = root.join("crates/external-demo/config").join(shipped);
        readable(self.config.as_ref().unwrap_or(&shipped))
    }

    fn build(&self, tool: &Tool) -> Result<Vec<Built>> {
        let mut command = tool.workspace().cargo();
        command.arg("build");
        if self.servers || self.config.is_some() {
            eprintln!("building the demo with every provider …");
            graph::select(&mut command, tool.workspace());
            graph::with_a_test(&mut command, tool.workspace(), "external-demo");
        } else {
            eprintln!("building the demo with the embedded providers …");
            command.args(["--package", "external-demo"]);
        }
        graph::build(tool, command.args(["--bin", "external-demo", "--bin", "census"]))
    }
}

/// A file that can be read, by its absolute path: asked before what takes minutes.
fn readable(file: &Path) -> Result<PathBuf> {
    fs::File::open(file).context(format!("cannot read {}", file.display()))?;
    Ok(std::path::absolute(file)?)
}

fn program<'a>(built: &'a [Built], name: &str) -> Result<&'a Path> {
    let program = built.iter().find(|built| built.target == name);
    program.map(|built| &*built.file).ok_or_else(|| Failure::new(format!("the build made no {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    fn demo(servers: bool, fault: bool, config: Option<&str>) -> Demo {
        Demo { servers, fault, users: None, config: config.map(PathBuf::from), report: None }
    }

    #[test]
    fn each_way_to_run_it_has_its_configuration() {
        let root = Workspace::load().unwrap().root;
        for (servers, fault) in [(false, false), (false, true), (true, false), (true, true)] {
            assert!(demo(servers, fault, None).config(&root).unwrap().is_file(), "{servers} {fault}");
        }
    }

    #[test]
    fn what_would_fail_late_is_refused_at_once() {
        let given = |name: &str| name == "EXTERNAL_TEST_S3_ENDPOINT";
        let told = demo(true, true, None).check(given).unwrap_err().to_string();
        assert!(told.contains("unset EXTERNAL_TEST_S3_ENDPOINT"), "{told}");
        demo(true, false, None).check(given).unwrap();
        demo(false, true, None).check(given).unwrap();
        let few = Demo { users: Some(Users::Count(3)), ..demo(false, true, None) };
        assert!(few.check(given).unwrap_err().to_string().contains("at least 10 users"));
    }

    #[test]
    fn a_configuration_that_is_not_there_is_told_by_its_name() {
        let root = Workspace::load().unwrap().root;
        let told = demo(true, false, Some("no-such.toml")).config(&root).unwrap_err().to_string();
        assert!(told.contains("cannot read no-such.toml"), "{told}");
    }
}
