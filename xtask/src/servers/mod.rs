//! The test servers: which there are, where their programs come from, and the ones that run now.

mod container;
pub mod control;
mod debian;
mod fleet;
mod ports;
mod program;
mod python;
mod redis;
mod smtp;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Result;
use crate::process::Groups;
use crate::workspace::Workspace;

pub use fleet::{Ended, Fleet};
pub use program::Program;
pub use redis::PLAIN as REDIS;
pub use smtp::SMTP;

/// One kind of server. A new one is a file with such a value and a line in [`ALL`].
pub struct Server {
    /// Name at the control port, in records and in folders.
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
    /// The domain whose suites use it.
    pub domain: &'static str,
    /// The provider that talks to it.
    pub provider: &'static str,
    /// The variables that tell tests where it is. Where the first is set already, no server is started.
    pub variables: &'static [&'static str],
    /// How many ports it needs.
    pub ports: usize,
    /// The ways to get its program, in the order in which they are tried.
    pub sources: fn(&Host<'_>) -> Vec<Source>,
    /// The command that runs it.
    pub command: fn(&Program, &Place) -> Result<Command>,
    /// One exchange in its protocol: `Err` while it is not ready.
    pub ready: fn(&Place) -> Result<()>,
    /// Values for [`variables`](Self::variables).
    pub addresses: fn(&Place) -> Vec<String>,
}

/// Every server.
pub const ALL: &[Server] = &[REDIS, redis::TLS, SMTP];

/// What finding a program needs to know of this machine.
pub struct Host<'a> {
    /// For the target directory and the files that come with this tool.
    pub workspace: &'a Workspace,
    /// For the helpers that are run.
    pub groups: &'a Groups,
}

/// Gets a program.
pub type Obtain = Box<dyn Fn(&Host<'_>) -> Result<Program>>;

/// A way to get a server's program.
pub struct Source {
    /// For people, with what it costs: `Debian package redis-server (3 MB, about 5 s)`.
    pub what: String,
    /// Whether it is here already, so that nothing is fetched.
    pub here: bool,
    /// Gets it.
    pub obtain: Obtain,
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
