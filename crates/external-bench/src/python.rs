//! A peer in Python: a process that is told how many callers are to go on for how long, and answers how fast they were.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Names an interpreter that has what the peers need.
pub const PYTHON: &str = "EXTERNAL_BENCH_PYTHON";

/// The running process; it ends with this value.
#[derive(Debug)]
pub struct PythonPeer {
    process: Child,
    tasks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl PythonPeer {
    /// Starts this script with these arguments; `None` if there is no interpreter for it.
    ///
    /// # Errors
    ///
    /// What keeps the process from starting.
    pub fn start(script: &str, arguments: &[&str]) -> Result<Option<Self>, String> {
        let Some(python) = std::env::var_os(PYTHON) else { return Ok(None) };
        let mut command = Command::new(python);
        command.args(["-c", script]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("{PYTHON}: {error}"))?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (tasks, answers) = pipes.ok_or("a process without pipes")?;
        Ok(Some(Self { process, tasks, answers: BufReader::new(answers) }))
    }

    /// What so many callers got done a second, by the process's own clock: what it takes to start does not count.
    ///
    /// # Panics
    ///
    /// If the process does not answer with a number.
    #[allow(clippy::expect_used, reason = "a benchmark that cannot go on ends")]
    pub fn per_second(&mut self, callers: usize, slice: Duration) -> f64 {
        writeln!(self.tasks, "{callers} {}", slice.as_secs_f64()).expect("the process listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the process answers");
        answer.trim().parse().expect("the process answers with a number")
    }
}

impl Drop for PythonPeer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
