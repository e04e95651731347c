//! The run of one suite binary: its environment, its progress, its rows.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use indicatif::ProgressBar;
use serde::Deserialize;

use super::report::{Program, Row, Status};
use crate::failure::{Context, Result};
use crate::graph::Built;
use crate::tool::Tool;

/// A clause ends within its own time limit, 300 s where programs of calls are drawn, and what it made is removed within another
/// 60 s. So a binary that says nothing for longer than both hangs; one that is ended earlier takes the rows of all clauses along.
const SILENCE: Duration = Duration::from_secs(420);

/// The variables by which suites are steered: names and values.
pub type Steering = Vec<(&'static str, String)>;

impl Built {
    /// `external-cache` -> `cache`.
    pub fn domain(&self) -> &str {
        self.package.strip_prefix("external-").unwrap_or(&self.package)
    }

    /// The command that runs it as cargo would.
    pub fn command(&self, steering: &Steering) -> Command {
        let mut command = Command::new(&self.file);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command.env("CARGO_PKG_NAME", &self.package).stdin(Stdio::null());
        command.envs(steering.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The full names of its tests: `provider::target::subject::clause`.
pub fn names(tool: &Tool, built: &Built, steering: &Steering) -> Result<Vec<String>> {
    let out = tool.groups().check(&built.target, built.command(steering).arg("--list"))?;
    let text = String::from_utf8_lossy(&out);
    let name = |line: &str| line.strip_suffix(": test").map(|name| strip_kind(name).to_owned());
    Ok(text.lines().filter_map(name).collect())
}

/// libtest-mimic puts the kind in square brackets before the name.
fn strip_kind(name: &str) -> &str {
    name.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map_or(name, |(_, name)| name)
}

/// What external-contract says of a clause that it stopped at its time limit.
const STOPPED: &str = "it was stopped, still running";

/// What is said here of one that had to be ended with its suite.
const KILLED: &str = "it was killed, still running";

/// Whether the clause did not end by itself.
pub fn was_stopped(row: &Row) -> bool {
    row.status == Status::Failed && [STOPPED, KILLED].iter().any(|words| row.detail.contains(words))
}

#[derive(Deserialize)]
struct Event {
    event: String,
    #[serde(default)]
    total: u64,
    #[serde(default)]
    provider: String,
    #[serde(default)]
    lane: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    clause: String,
    status: Option<Status>,
    #[serde(default)]
    unmet: Vec<String>,
    peak_bytes: Option<u64>,
}

/// What came of the run of one binary.
#[derive(Debug)]
pub struct Ran {
    /// A row for each clause on each target.
    pub rows: Vec<Row>,
    /// What it says of itself at its end.
    pub program: Program,
}

/// The clauses that have begun and not ended, each as the row of one that never will.
#[derive(Default)]
struct Running(Vec<Row>);

impl Running {
    fn note(&mut self, event: &Event, domain: &str) {
        let Event { provider, lane, target, subject, clause, .. } = event;
        match event.event.as_str() {
            "start" => self.0.push(Row {
                domain: domain.to_owned(),
                provider: provider.clone(),
                lane: lane.clone(),
                target: target.clone(),
                clause: clause.clone(),
                subject: subject.clone(),
                level: "must".to_owned(),
                status: Status::Failed,
                detail: format!(
                    "expected: the clause ends, or is stopped at its time limit\nseen:     {KILLED}, \
                     after {} s in which its suite said nothing",
                    SILENCE.as_secs()
                ),
                ms: u64::try_from(SILENCE.as_millis()).unwrap_or(u64::MAX),
                sentence: "A clause comes to an end.".to_owned(),
            }),
            "end" => self.0.retain(|row| {
                (&row.provider, &row.target, &row.subject, &row.clause) != (provider, target, subject, clause)
            }),
            _ => {}
        }
    }
}

/// Runs every selected clause of one binary. What the binary itself prints goes to a file in `logs`.
pub fn run(tool: &Tool, built: &Built, steering: &Steering, logs: &Path, bar: &ProgressBar) -> Result<Ran> {
    let report = tool.folder().join(format!("{}-{}.rows.json", built.domain(), built.target));
    // Rows of an earlier run are not this one's.
    let _ = fs::remove_file(&report);
    let log = logs.join(format!("{}-{}.txt", built.domain(), built.target));
    let mut command = built.command(steering);
    // The run's folder goes with it, also after Ctrl-C, which ends a suite before it has tidied up.
    let scratch = tool.folder().join("scratch");
    fs::create_dir_all(&scratch)?;
    command.env("TMPDIR", &scratch);
    command.env("EXTERNAL_CONTRACT_REPORT", &report).env("EXTERNAL_CONTRACT_PROGRESS", "1");
    command
        .stdout(File::create(&log).context(format!("cannot write {}", log.display()))?)
        .stderr(Stdio::piped());
    let mut group = tool.groups().spawn(&format!("{}-{}", built.domain(), built.target), &mut command)?;

    let (sender, lines) = channel();
    if let Some(pipe) = group.child().stderr.take() {
        std::thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(|line| line.ok()).all(|line| sender.send(line).is_ok())
        });
    }
    let mut said = Vec::new();
    let mut running = Running::default();
    let mut program = Program::of(built.domain(), &built.target);
    let mut hung = false;
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => match serde_json::from_str::<Event>(&line) {
                Ok(event) => {
                    running.note(&event, built.domain());
                    show(&event, built.domain(), bar);
                    if event.event == "finish" {
                        (program.unmet, program.peak_bytes) = (event.unmet, event.peak_bytes);
                    }
                }
                Err(_) => said.push(line),
            },
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                hung = true;
                group.kill()?;
                break;
            }
        }
    }
    let status = group.wait()?;
    let mut rows: Vec<Row> = match fs::read(&report) {
        Ok(text) => serde_json::from_slice(&text)
            .context(format!("{} wrote rows that cannot be read", built.package))?,
        Err(_) => Vec::new(),
    };
    let broken = if hung {
        rows.extend(running.0);
        Some(format!(
            "it said nothing for {} s and was killed; what it had found out by then is lost",
            SILENCE.as_secs()
        ))
    } else if !report.exists() {
        Some(format!("it ended with {status} and wrote no rows"))
    } else if !status.success() && !rows.iter().any(|row| row.status == Status::Failed) {
        Some(format!("it ended with {status}, though no row failed"))
    } else {
        None
    };
    if let Some(why) = broken {
        let tail = said[said.len().saturating_sub(10)..].join("\n");
        let log = tool.workspace().show(&log);
        rows.push(Row::of_binary(
            built.domain(),
            &built.target,
            format!("{why}; its output is in {log}\n{tail}"),
        ));
    }
    Ok(Ran { rows, program })
}

fn show(event: &Event, domain: &str, bar: &ProgressBar) {
    match event.event.as_str() {
        "plan" => bar.inc_length(event.total),
        "start" => bar.set_message(format!("{domain} {} {} {}", event.provider, event.target, event.clause)),
        "end" => {
            bar.inc(1);
            if event.status == Some(Status::Failed) {
                bar.println(format!("failed: {domain} {} {} {}", event.provider, event.target, event.clause));
            }
        }
        _ => {}
    }
}

/// A folder for what the binaries print; it stays after the run.
pub fn logs(tool: &Tool) -> Result<PathBuf> {
    let logs = tool.workspace().own().join("logs");
    fs::create_dir_all(&logs)?;
    Ok(logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_listed_names() {
        assert_eq!(
            strip_kind("[server] redis::plain::provider::cache.get.1"),
            "redis::plain::provider::cache.get.1"
        );
        assert_eq!(strip_kind("redis::plain"), "redis::plain");
    }

    #[test]
    fn a_clause_that_never_ends_is_known() {
        let mut running = Running::default();
        let event = |event: &str, clause: &str, subject: &str| -> Event {
            let text = format!(
                r#"{{"event":"{event}","provider":"redis","lane":"server","target":"plain","clause":"{clause}","subject":"{subject}"}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        for (what, clause, subject) in [
            ("start", "cache.get.1", "provider"),
            ("start", "cache.get.1", "client"),
            ("start", "cache.get.2", "provider"),
            ("end", "cache.get.1", "client"),
            ("end", "cache.get.2", "provider"),
        ] {
            running.note(&event(what, clause, subject), "cache");
        }
        let [row] = running.0.as_slice() else { panic!("{} are running", running.0.len()) };
        assert_eq!((row.clause.as_str(), row.subject.as_str()), ("cache.get.1", "provider"));
        assert!(was_stopped(row));
    }

    /// By the numbers in the suite's own source, which is not built here.
    #[test]
    fn a_clause_that_takes_all_its_time_is_not_silent_for_too_long() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/external-contract/src");
        let seconds = |file: &str, name: &str| -> u64 {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            let (_, rest) =
                text.split_once(&format!("const {name}: Duration = Duration::from_secs(")).unwrap();
            rest.split_once(')').unwrap().0.parse().unwrap()
        };
        let longest = seconds("clause.rs", "LIMIT").max(seconds("programs.rs", "LIMIT"));
        assert!(SILENCE.as_secs() > longest + seconds("runner/execute.rs", "TIDYING"), "{longest}");
    }

    #[test]
    fn hears_what_a_suite_says_of_itself() {
        let text = r#"{"event":"finish","unmet":["common.1.5"],"peak_bytes":1024}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!((event.unmet, event.peak_bytes), (vec!["common.1.5".to_owned()], Some(1024)));
        let elsewhere: Event =
            serde_json::from_str(r#"{"event":"finish","unmet":[],"peak_bytes":null}"#).unwrap();
        assert_eq!(elsewhere.peak_bytes, None);
    }

    #[test]
    fn counts_progress() {
        let bar = ProgressBar::hidden();
        bar.set_length(0);
        for line in [
            r#"{"event":"plan","total":2}"#,
            r#"{"event":"start","domain":"cache","provider":"redis","lane":"server","target":"plain","clause":"cache.get.1"}"#,
            r#"{"event":"end","domain":"cache","provider":"redis","clause":"cache.get.1","status":"passed","ms":1}"#,
        ] {
            show(&serde_json::from_str(line).unwrap(), "cache", &bar);
        }
        assert_eq!((bar.position(), bar.length()), (1, Some(2)));
        assert!(bar.message().contains("cache.get.1"));
    }
}
