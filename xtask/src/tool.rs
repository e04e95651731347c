//! What every command has at hand: the workspace, this run's folder, the processes, and the end by a signal.

use std::path::PathBuf;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Context, Result};
use crate::process::Groups;
use crate::runs::Run;
use crate::watch::Watch;
use crate::workspace::Workspace;

/// One run of this tool.
pub struct Tool {
    workspace: Workspace,
    groups: Groups,
    run: Run,
    _watch: Watch,
}

impl Tool {
    /// Finds the workspace, reaps what a killed run left, has this one watched, and makes signals end everything that this run starts.
    pub fn start() -> Result<Self> {
        let workspace = Workspace::load()?;
        let run = Run::start(&runs(&workspace))?;
        let watch = Watch::over(run.folder())?;
        let groups = Groups::new(run.folder());
        end_on_signals(groups.clone(), run.folder().to_owned())?;
        Ok(Self { workspace, groups, run, _watch: watch })
    }

    /// The workspace.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The processes of this run.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// A folder that goes when this run ends.
    pub fn folder(&self) -> PathBuf {
        self.run.folder().to_owned()
    }

    /// The folder of the servers that `servers up` leaves running.
    pub fn kept(&self) -> PathBuf {
        runs(&self.workspace).join("kept")
    }
}

fn runs(workspace: &Workspace) -> PathBuf {
    workspace.own().join("runs")
}

fn end_on_signals(groups: Groups, folder: PathBuf) -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let _held = groups.end_all();
            let _ = std::fs::remove_dir_all(&folder);
            eprintln!("\ninterrupted: every process that was started is stopped");
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}
