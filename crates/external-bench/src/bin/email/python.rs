//! aiosmtplib in a service of its own: a Python process that is told when to send, and answers how fast it was.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Names an interpreter that has aiosmtplib.
pub(crate) const VARIABLE: &str = "EXTERNAL_BENCH_PYTHON";

const SERVICE: &str = include_str!("simple_service.py");

/// How the service treats its connections.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Connections {
    /// One each caller.
    Kept,
    /// One each mail.
    Anew,
}

/// The running service; it ends with this value.
pub(crate) struct Service {
    process: Child,
    tasks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Service {
    /// Starts it; `None` if there is no interpreter for it.
    pub(crate) fn start(connections: Connections, port: u16) -> Result<Option<Self>, String> {
        let Some(python) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let how = match connections {
            Connections::Kept => "kept",
            Connections::Anew => "anew",
        };
        let mut command = Command::new(python);
        command.args(["-c", SERVICE, how, &port.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("{VARIABLE}: {error}"))?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (tasks, answers) = pipes.ok_or("a process without pipes")?;
        Ok(Some(Self { process, tasks, answers: BufReader::new(answers) }))
    }

    /// Mails a second that so many callers got sent, by the service's own clock: what it takes to start does not count.
    pub(crate) fn mails_per_second(&mut self, callers: usize, slice: Duration) -> f64 {
        writeln!(self.tasks, "{callers} {}", slice.as_secs_f64()).expect("the service listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the service answers");
        answer.trim().parse().expect("the service answers with a number")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
