//! A server's program, however it was had.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How to run it.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub file: PathBuf,
    /// Arguments that come before the server's own.
    pub arguments: Vec<OsString>,
    /// Variables it needs.
    pub variables: Vec<(OsString, OsString)>,
    /// Where it came from, for people.
    pub origin: String,
}

impl Program {
    /// A program of this machine.
    pub fn of(file: impl Into<PathBuf>, origin: impl Into<String>) -> Self {
        Self { file: file.into(), arguments: Vec::new(), variables: Vec::new(), origin: origin.into() }
    }

    /// A program of a private tree, which finds its libraries there.
    pub fn of_tree(tree: &Path, file: &str, origin: impl Into<String>) -> Self {
        let mut program = Self::of(tree.join(file), origin);
        program.variables = tree_variables(tree);
        program
    }

    /// With one more variable.
    pub fn with_variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The command without the server's own arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.file);
        command.args(&self.arguments).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The variables with which programs of a private Debian tree run: its library folders, one per machine type.
fn tree_variables(tree: &Path) -> Vec<(OsString, OsString)> {
    let mut folders = Vec::new();
    for lib in [tree.join("usr/lib"), tree.join("lib")] {
        let Ok(entries) = lib.read_dir() else { continue };
        folders.extend(entries.flatten().map(|entry| entry.path()).filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-gnu"))
                && path.is_dir()
        }));
    }
    std::env::join_paths(folders).map(|joined| vec![("LD_LIBRARY_PATH".into(), joined)]).unwrap_or_default()
}
