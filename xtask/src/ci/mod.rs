//! The steps of `ci`, their run and their summary.

mod cargo_deny;
mod graphs;
mod new_provider;
mod steps;

pub use cargo_deny::Installing;
pub use steps::STEPS;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::{Context, Failure, Result};
use crate::process::{Group, Groups};
use crate::tool::Tool;
use crate::workspace::Workspace;

/// How long another run of this tool gets to end what it started.
const TOOL_GRACE: Duration = Duration::from_secs(10);

/// One step.
pub struct Step {
    /// For `--only`.
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
    /// Runs it. `Ok` may carry a remark for the summary.
    pub run: fn(&Ci<'_>, &Log) -> Result<Option<String>>,
}

/// What steps have at hand.
pub struct Ci<'a> {
    /// The run.
    pub tool: &'a Tool,
    /// A copy of this program: the build of the workspace replaces the original while it runs.
    pub program: PathBuf,
    /// The report of this run's contract tests.
    pub report: PathBuf,
    /// cargo-deny, on its way.
    pub deny: &'a Installing,
    /// What decides whatever tests draw.
    pub seed: Option<u64>,
}

/// The variables that decide what tests draw: in the suites and fuzz targets, and in properties.
const SEEDS: [&str; 2] = ["EXTERNAL_CONTRACT_SEED", "PROPTEST_RNG_SEED"];

/// A seed out of what is checked: another tree draws other cases, the same tree the same ones, so that a verdict is
/// about the tree. `None` outside a clone, where chance decides.
pub fn seed(tool: &Tool) -> Option<u64> {
    let mut command = tool.workspace().command("git");
    command.args(["rev-parse", "HEAD^{tree}"]).stderr(Stdio::null());
    let tree = command.output().ok()?.stdout;
    u64::from_str_radix(std::str::from_utf8(tree.get(..16)?).ok()?, 16).ok()
}

/// Where a step's output goes.
pub struct Log {
    /// The file.
    pub path: PathBuf,
}

impl Ci<'_> {
    /// The workspace.
    pub fn workspace(&self) -> &Workspace {
        self.tool.workspace()
    }

    /// A cargo command with the one graph's selection.
    pub fn graph(&self, arguments: &[&str]) -> Command {
        let mut command = self.workspace().cargo();
        crate::graph::select(command.args(arguments), self.workspace());
        command
    }

    /// Another command of this tool.
    pub fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.workspace().root).args(arguments);
        // What this program was built from, also for its copy.
        command.env("CARGO_MANIFEST_DIR", self.workspace().root.join("xtask"));
        command
    }

    /// Starts another command of this tool that works beside the steps, with its output in a log of its own. It ends with
    /// the value.
    pub fn beside(&self, name: &str, arguments: &[&str], logs: &Path) -> Result<Group> {
        let log = Log { path: logs.join(format!("{name}.txt")) };
        let mut command = self.xtask(arguments);
        command.stdin(Stdio::null()).stdout(log.open()?).stderr(log.open()?);
        self.tool.groups().with_grace(TOOL_GRACE).spawn(name, &mut command)
    }

    /// Runs a command to its end, with its output in the step's log.
    pub fn run(&self, log: &Log, command: &mut Command) -> Result<()> {
        let name = command.get_program().to_string_lossy().into_owned();
        let name = name.rsplit('/').next().unwrap_or_default().to_owned();
        let shown: Vec<_> =
            command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        log.say(&format!("$ {name} {}\n", shown.join(" ")))?;
        command.env("CARGO_TERM_PROGRESS_WHEN", "never").env("CARGO_TERM_COLOR", "never");
        if let Some(seed) = self.seed {
            let unset = SEEDS.into_iter().filter(|name| std::env::var_os(name).is_none());
            command.envs(unset.map(|name| (name, seed.to_string())));
        }
        let (out, error) = (log.open()?, log.open()?);
        // A step may be this tool, which has processes of its own to end.
        let groups: Groups = self.tool.groups().with_grace(TOOL_GRACE);
        let mut group = groups.spawn(&name, command.stdin(Stdio::null()).stdout(out).stderr(error))?;
        let status = group.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!("{name} {} ended with {status}", shown.join(" "))))
        }
    }
}

impl Log {
    /// Appends to the log.
    pub fn say(&self, text: &str) -> Result<()> {
        use std::io::Write;
        self.open()?.write_all(text.as_bytes())?;
        Ok(())
    }

    /// All of it.
    pub fn text(&self) -> String {
        std::fs::read(&self.path).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// The last lines.
    pub fn tail(&self, lines: usize) -> String {
        let text = self.text();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn open(&self) -> Result<File> {
        let file = File::options().create(true).append(true).open(&self.path);
        file.context(format!("cannot write {}", self.path.display()))
    }
}
