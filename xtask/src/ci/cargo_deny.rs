//! cargo-deny: built once, beside the other steps, and kept by version under the target directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Ci, Log};
use crate::failure::{Context, Failure, Result};
use crate::process::Group;
use crate::servers::on_path;
use crate::tool::Tool;

/// The version that the steps were written for.
const VERSION: &str = "0.20.2";

/// cargo-deny, here or on its way.
pub struct Installing {
    program: PathBuf,
    log: PathBuf,
    running: Mutex<Option<Group>>,
}

impl Installing {
    /// For a run that does not need it.
    pub fn none() -> Self {
        Self { program: PathBuf::new(), log: PathBuf::new(), running: Mutex::new(None) }
    }

    /// Starts the installation, unless that version is here.
    pub fn start(tool: &Tool, logs: &Path) -> Result<Self> {
        let root = tool.workspace().own().join("tools").join(format!("cargo-deny-{VERSION}"));
        let mut this = Self {
            program: root.join("bin/cargo-deny"),
            log: logs.join("cargo-deny-install.txt"),
            running: Mutex::new(None),
        };
        if this.program.is_file() {
            return Ok(this);
        }
        if let Some(installed) = on_path("cargo-deny").filter(|program| says_version(program)) {
            this.program = installed;
            return Ok(this);
        }
        eprintln!(
            "installing cargo-deny {VERSION} in the background, once (about 5 minutes beside the other steps)"
        );
        // It has time until the others are done: they come first.
        let mut command = match on_path("nice") {
            Some(nice) => {
                let mut command = Command::new(nice);
                command.args(["-n", "15"]).arg(tool.workspace().cargo().get_program());
                command
            }
            None => tool.workspace().cargo(),
        };
        command.args(["install", "cargo-deny", "--version", VERSION, "--locked", "--root"]).arg(&root);
        command.arg("--target-dir").arg(build_folder(&root));
        // Fast to build rather than fast to run.
        for (name, value) in
            [("LTO", "false"), ("OPT_LEVEL", "1"), ("CODEGEN_UNITS", "16"), ("DEBUG", "0"), ("STRIP", "true")]
        {
            command.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
        }
        let log = File::create(&this.log).context("cannot write the log")?;
        // Outside the workspace, whose toolchain and settings are not meant for it.
        command.current_dir(std::env::temp_dir()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command
            .env("RUSTUP_TOOLCHAIN", std::env::var_os("RUSTUP_TOOLCHAIN").unwrap_or_else(|| "stable".into()));
        this.running = Mutex::new(Some(tool.groups().spawn("cargo-install", &mut command)?));
        Ok(this)
    }

    /// Waits until it is here.
    fn program(&self) -> Result<&Path> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut group) = running {
            let status = group.wait()?;
            if let Some(root) = self.program.parent().and_then(Path::parent) {
                let _ = fs::remove_dir_all(build_folder(root));
            }
            if !status.success() {
                let log = Log { path: self.log.clone() };
                return Err(Failure::new(format!(
                    "cargo install cargo-deny ended with {status}:\n{}",
                    log.tail(10)
                )));
            }
        }
        Ok(&self.program)
    }
}

fn build_folder(root: &Path) -> PathBuf {
    root.join("build")
}

fn says_version(program: &Path) -> bool {
    let said = Command::new(program).arg("--version").output();
    said.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == format!("cargo-deny {VERSION}"))
}

/// Licences, bans and sources always; advisories where their database can be reached.
pub fn check(ci: &Ci<'_>, log: &Log) -> Result<Option<String>> {
    let program = ci.deny.program()?;
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(&ci.workspace().root).env("CARGO", ci.workspace().cargo().get_program());
        command.args(["--log-level", "warn", "--workspace", "--features", "all-providers"]).args(arguments);
        command
    };
    ci.run(log, &mut deny(&["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))?;
    let mut fetch = deny(&["fetch", "db"]);
    // A mirror that hangs must not hold up the run; git gives up on a connection that stands still.
    fetch
        .env("GIT_HTTP_LOW_SPEED_LIMIT", "1000")
        .env("GIT_HTTP_LOW_SPEED_TIME", "20")
        .env("GIT_TERMINAL_PROMPT", "0");
    if !within(ci, log, &mut fetch, Duration::from_secs(90))? {
        log.say("\nADVISORIES NOT CHECKED: the advisory database cannot be reached from here\n")?;
        return Ok(Some("ADVISORIES NOT CHECKED: their database cannot be reached from here".to_owned()));
    }
    ci.run(log, &mut deny(&["check", "--hide-inclusion-graph", "--disable-fetch", "advisories"]))?;
    Ok(None)
}

/// Whether the command succeeds in time.
fn within(ci: &Ci<'_>, log: &Log, command: &mut Command, limit: Duration) -> Result<bool> {
    command.stdin(Stdio::null()).stdout(log.open()?).stderr(log.open()?);
    let mut group = ci.tool.groups().spawn("cargo-deny", command)?;
    let started = std::time::Instant::now();
    while !group.is_over() {
        if started.elapsed() > limit {
            group.kill()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(group.wait()?.success())
}
