//! Programs from Go modules, built from source.

use std::fs;
use std::path::Path;

use super::{Host, Program, Source, go_toolchain, kept};
use crate::failure::Result;

/// A program in a module.
#[derive(Clone, Copy)]
pub struct Module {
    /// The path of its main package, which is the module's too.
    pub path: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// The program's name.
    pub program: &'static str,
    /// The oldest Go that can build it.
    pub go: (u32, u32),
    /// What its build takes, for people.
    pub takes: &'static str,
}

impl Module {
    /// The source that builds it.
    pub fn source(self, host: &Host<'_>) -> Source {
        let Self { path, takes, .. } = self;
        let go = go_toolchain::origin(host, self.go);
        Source {
            what: format!(
                "go install {path} into the target directory, with {go} ({takes}, first time only)"
            ),
            here: kept::tool(host, &self.folder()).is_dir(),
            obtain: Box::new(move |host| self.obtain(host)),
        }
    }

    fn folder(self) -> String {
        format!("{}-{}", self.program, self.version)
    }

    fn obtain(self, host: &Host<'_>) -> Result<Program> {
        let folder = kept::make(&kept::tool(host, &self.folder()), |work| self.build(host, work))?;
        Ok(Program::of(folder.join(self.program), format!("Go module {} {}", self.path, self.version)))
    }

    fn build(self, host: &Host<'_>, work: &Path) -> Result<()> {
        let go = go_toolchain::obtain(host, self.go)?;
        let scratch = work.join("build");
        let mut command = host.in_background(&go);
        command
            .args(["install", "-trimpath", "-ldflags=-s -w"])
            .arg(format!("{}@{}", self.path, self.version));
        // Nothing in the user's own folders, and no settings that are meant for other builds.
        command.env("GOBIN", work).env("GOPATH", scratch.join("path"));
        command.env("GOMODCACHE", scratch.join("modules")).env("GOCACHE", scratch.join("cache"));
        // Go makes the folders of modules read-only, which would keep them from being removed.
        command.env("GOFLAGS", "-modcacherw").env("GOTOOLCHAIN", "local").env("GOWORK", "off");
        command.env("CGO_ENABLED", "0").env_remove("GOOS").env_remove("GOARCH").env_remove("GOROOT");
        host.groups.check("go install", command.current_dir(std::env::temp_dir()))?;
        Ok(fs::remove_dir_all(scratch)?)
    }
}
