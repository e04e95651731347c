//! The test servers: which there are, where their programs come from, and the ones that run now.

mod container;
pub mod control;
mod crates_io;
mod debian;
mod fleet;
pub mod given;
mod go_module;
mod go_toolchain;
mod graphql;
mod kept;
mod mailpit;
mod minio;
mod node;
mod ports;
mod program;
mod python;
mod redis;
mod rest;
mod s3;
mod s3s;
mod simulator;
mod smtp;
mod soap;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process::Groups;
use crate::workspace::Workspace;

pub use crates_io::Crate;
pub use fleet::{Ended, Fleet, obtain};
pub use mailpit::MAILPIT;
pub use minio::{PLAIN as MINIO, TLS as MINIO_TLS};
pub use program::Program;
pub use redis::PLAIN as REDIS;
pub use s3s::S3;
pub use simulator::{simulator, simulators};
pub use smtp::SMTP;
pub use soap::SOAP;

/// One kind of server. A new one is a file with such a value and a line in [`ALL`].
pub struct Server {
    /// Name at the control port, in records and in folders.
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
    /// How to talk to it, for people who do so by hand.
    pub note: &'static str,
    /// The variables that tell tests where it is; those that end in `_URL`, `_ENDPOINT` or `_PORT` hold addresses. Where
    /// the first is set already, no server is started. Those that no other server has are how tests say that they need it.
    pub variables: &'static [&'static str],
    /// How many ports it needs.
    pub ports: usize,
    /// The ways to get its program, in the order in which they are tried.
    pub sources: fn(&Host<'_>) -> Vec<Source>,
    /// What its folder needs before it is started for the first time.
    pub prepare: fn(&Groups, &Program, &Place) -> Result<()>,
    /// The command that runs it.
    pub command: fn(&Program, &Place) -> Result<Command>,
    /// One exchange in its protocol: `Err` while it is not ready.
    pub ready: fn(&Place) -> Result<()>,
    /// Values for [`variables`](Self::variables).
    pub addresses: fn(&Place) -> Vec<String>,
}

/// Every server.
pub const ALL: &[Server] =
    &[REDIS, redis::TLS, SMTP, S3, MINIO, MINIO_TLS, rest::REST, graphql::GRAPHQL, SOAP];

/// The server of that name.
pub fn named(name: &str) -> Result<&'static Server> {
    ALL.iter().find(|server| server.name == name).ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().map(|server| server.name).collect();
        Failure::new(format!("no server {name}; there are: {}", known.join(", ")))
    })
}

/// What finding a program needs to know of this machine.
pub struct Host<'a> {
    /// For the target directory and the files that come with this tool.
    pub workspace: &'a Workspace,
    /// For the helpers that are run.
    pub groups: &'a Groups,
}

impl Host<'_> {
    /// A command for work that takes minutes beside a build that somebody waits for.
    fn in_background(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(nice) = on_path("nice") else {
            return Command::new(program);
        };
        let mut command = Command::new(nice);
        command.args(["-n", "10"]).arg(program.as_ref());
        command
    }
}

/// Gets a program.
pub type Obtain = Box<dyn Fn(&Host<'_>) -> Result<Program>>;

/// A way to get a server's program.
pub struct Source {
    /// For people: `Debian package redis-server`.
    pub what: String,
    /// What fetching it costs, for people: `3 MB, about 5 s`.
    pub cost: String,
    /// Whether nothing is fetched: it is here already, or nowhere.
    pub here: bool,
    /// Gets it.
    pub obtain: Obtain,
}

impl Source {
    /// What it is and what it costs.
    fn offer(&self) -> String {
        if self.cost.is_empty() { self.what.clone() } else { format!("{} ({})", self.what, self.cost) }
    }

    /// A program that is installed.
    fn on_path(program: &'static str) -> Self {
        Self {
            what: format!("{program} on PATH"),
            cost: String::new(),
            here: true,
            obtain: Box::new(move |_| {
                let file = on_path(program).ok_or_else(|| Failure::new(format!("no {program} on PATH")))?;
                Ok(Program::of(file, format!("{program} on PATH")))
            }),
        }
    }
}

/// Where one server runs.
pub struct Place {
    /// Its ports on 127.0.0.1, as many as asked for.
    pub ports: Vec<u16>,
    /// An empty folder of its own.
    pub data: PathBuf,
    /// Where a server that keeps something for people puts it; under [`data`](Self::data) if nobody asks for more.
    pub keep: PathBuf,
    /// This tool's `xtask/` folder, for scripts and certificates.
    pub tool: PathBuf,
}

impl Place {
    /// A file of `xtask/fixtures/tls`.
    pub fn tls(&self, file: &str) -> PathBuf {
        self.tool.join("fixtures/tls").join(file)
    }
}

/// Looks a program up on PATH.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
