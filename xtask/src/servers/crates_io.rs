//! Programs from crates.io, built by cargo for their own folder.

use super::{Host, Program, Source, kept};
use crate::failure::{Failure, Result};

/// A program in a crate.
#[derive(Clone, Copy)]
pub struct Crate {
    /// The crate's name, and its program's.
    pub name: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// The features that its program needs.
    pub features: &'static str,
    /// How long its build takes, for people.
    pub takes: &'static str,
}

impl Crate {
    /// The source that builds it.
    pub fn source(self, host: &Host<'_>) -> Source {
        let Self { name, version, takes, .. } = self;
        Source {
            what: format!("cargo install {name} {version} into the target directory"),
            cost: format!("{takes}, first time only"),
            here: self.is_here(host),
            obtain: Box::new(move |host| self.obtain(host)),
        }
    }

    /// Whether it was built before.
    pub fn is_here(self, host: &Host<'_>) -> bool {
        kept::tool(host, &self.folder()).is_dir()
    }

    fn folder(self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Builds it, unless that was done before.
    pub fn obtain(self, host: &Host<'_>) -> Result<Program> {
        let Self { name, version, features, .. } = self;
        let folder = kept::make(&kept::tool(host, &self.folder()), |work| {
            // A build folder of its own: the workspace's is locked by the workspace's build.
            let build = work.join("build");
            let mut command = host.in_background(host.workspace.cargo().get_program());
            command.args([
                "install",
                name,
                "--version",
                version,
                "--features",
                features,
                "--locked",
                "--root",
            ]);
            command.arg(work).arg("--target-dir").arg(&build);
            // Fast to build rather than fast to run.
            for (setting, value) in [
                ("LTO", "off"),
                ("OPT_LEVEL", "1"),
                ("CODEGEN_UNITS", "16"),
                ("DEBUG", "0"),
                ("STRIP", "true"),
            ] {
                command.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
            }
            // Outside the workspace, whose settings are not meant for it; but with a toolchain that is here.
            command.current_dir(std::env::temp_dir());
            let toolchain = std::env::var_os("RUSTUP_TOOLCHAIN").unwrap_or_else(|| "stable".into());
            host.groups.check("cargo install", command.env("RUSTUP_TOOLCHAIN", toolchain))?;
            Ok(std::fs::remove_dir_all(&build)?)
        })?;
        let file = folder.join("bin").join(name);
        if !file.is_file() {
            return Err(Failure::new(format!("cargo install {name} made no {}", file.display())));
        }
        Ok(Program::of(file, format!("crate {name} {version}")))
    }
}
