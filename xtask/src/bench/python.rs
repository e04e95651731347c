//! The Python packages that a benchmark measures against: from PyPI, once, into the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context, Failure, Result};
use crate::servers::on_path;
use crate::tool::Tool;

/// Where a benchmark's program looks for the interpreter.
const VARIABLE: &str = "EXTERNAL_BENCH_PYTHON";

/// A package that a benchmark measures against.
pub struct Package {
    /// What `import` says, too.
    pub name: &'static str,
    /// What pip is to get, with exact versions: the package, and everything that it needs.
    pub requirements: &'static [&'static str],
}

impl Package {
    /// Gets the package, unless it is here, and lets the program of `command` find it.
    pub fn hand_to(&self, tool: &Tool, command: &mut Command) -> Result<()> {
        let python = on_path("python3").ok_or_else(|| Failure::new("no python3 on PATH"))?;
        let folder = self.folder(tool, &python)?;
        let mut import = Command::new(&python);
        // asyncio and ssl too: a Python can lack them.
        import.env("PYTHONPATH", &folder).args(["-c", &format!("import asyncio, ssl, {}", self.name)]);
        tool.groups().check("python3", &mut import)?;
        command.env(VARIABLE, python).env("PYTHONPATH", folder);
        Ok(())
    }

    fn folder(&self, tool: &Tool, python: &Path) -> Result<PathBuf> {
        // The package itself stands first, and what else there is goes by its version.
        let name = self.requirements.first().copied().unwrap_or(self.name);
        let folder = tool.workspace().own().join("python").join(name);
        if folder.is_dir() {
            return Ok(folder);
        }
        eprintln!("getting {name} by pip …");
        // What is in place is whole: it is made in the folder of this run.
        let scratch = tool.folder().join(name);
        let mut install = Command::new(python);
        install.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--target",
        ]);
        tool.groups()
            .check("pip", install.arg(&scratch).args(self.requirements))
            .context("cannot install by pip")?;
        fs::create_dir_all(folder.parent().unwrap_or(&folder))?;
        match fs::rename(&scratch, &folder) {
            // Another run was faster.
            Err(_) if folder.is_dir() => Ok(folder),
            moved => moved.map(|()| folder).context(format!("cannot keep {name}")),
        }
    }
}
