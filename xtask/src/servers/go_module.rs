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
        Source {
            what: format!("Go module {} built in the target directory", self.path),
            cost: format!("with {}; {}, first time only", go_toolchain::origin(host, self.go), self.takes),
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

    /// As a dependency of an empty module: `go install` wants the list of all versions, which not every proxy has.
    fn build(self, host: &Host<'_>, work: &Path) -> Result<()> {
        let go = go_toolchain::obtain(host, self.go)?;
        let scratch = work.join("build");
        let module = scratch.join("module");
        fs::create_dir_all(&module)?;
        let run = |arguments: &[&str]| {
            let mut command = host.in_background(&go);
            command.args(arguments).current_dir(&module);
            // Nothing in the user's own folders, and no settings that are meant for other builds.
            command.env("GOPATH", scratch.join("path")).env("GOMODCACHE", scratch.join("modules"));
            // Go makes the folders of modules read-only, which would keep them from being removed.
            command.env("GOCACHE", scratch.join("cache")).env("GOFLAGS", "-modcacherw -mod=mod");
            command.env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("CGO_ENABLED", "0");
            command.env_remove("GOOS").env_remove("GOARCH").env_remove("GOROOT");
            host.groups.check(&format!("go {}", arguments[0]), &mut command).map(drop)
        };
        run(&["mod", "init", "scratch/program"])?;
        run(&["mod", "edit", &format!("-require={}@{}", self.path, self.version)])?;
        let out = work.join(self.program).display().to_string();
        run(&["build", "-trimpath", "-ldflags=-s -w", "-o", &out, self.path])?;
        Ok(fs::remove_dir_all(scratch)?)
    }
}
