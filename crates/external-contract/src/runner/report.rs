//! What came of every clause: counted, told while it happens, and written down.

use std::collections::HashSet;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::json;

use super::memory;
use crate::watch::Leak;

/// What came of a clause. The four are never merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The promise is kept.
    Passed,
    /// The promise is broken.
    Failed,
    /// The provider declares that it lacks this, and refuses it before anything is sent.
    Unsupported,
    /// It could not be tried here.
    NotRun,
}

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) domain: &'static str,
    pub(super) provider: String,
    pub(super) lane: &'static str,
    pub(super) target: String,
    pub(super) clause: &'static str,
    pub(super) subject: &'static str,
    pub(super) level: &'static str,
    pub(super) status: Status,
    pub(super) detail: String,
    pub(super) ms: u64,
    pub(super) sentence: &'static str,
}

/// How many clauses came out how, and which did not pass, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// How many passed.
    pub passed: usize,
    /// The ids of the clauses that failed, each with what was expected and seen.
    pub failed: Vec<(String, String)>,
    /// The ids of the clauses about what the provider lacks.
    pub unsupported: Vec<String>,
    /// The ids of the clauses that could not be tried, each with the reason.
    pub not_run: Vec<(String, String)>,
}

impl Tally {
    /// Whether a clause of this id failed.
    #[must_use]
    pub fn has_failed(&self, clause: &str) -> bool {
        self.failed.iter().any(|(id, _)| id == clause)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} unsupported, {} not run",
            self.passed,
            self.failed.len(),
            self.unsupported.len(),
            self.not_run.len()
        )
    }
}

/// Collects rows from all threads.
pub(super) struct Book {
    rows: Mutex<Vec<Row>>,
    tells: bool,
    /// Which leaks of which provider were told.
    leaks: Mutex<HashSet<(String, Leak)>>,
}

impl Book {
    pub(super) fn new(tells: bool) -> Self {
        Self { rows: Mutex::default(), tells, leaks: Mutex::default() }
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of the leaks that this provider has not shown before: the first clause to see one tells it, or each
    /// would.
    pub(super) fn new_leaks(&self, provider: &str, leaks: Vec<Leak>) -> Vec<Leak> {
        let mut told = self.leaks.lock().unwrap_or_else(PoisonError::into_inner);
        leaks.into_iter().filter(|leak| told.insert((provider.to_owned(), leak.without_context()))).collect()
    }

    pub(super) fn plan(&self, total: usize) {
        self.tell(&json!({ "event": "plan", "total": total }));
    }

    pub(super) fn started(&self, row: &Row) {
        self.tell(&event("start", row));
    }

    pub(super) fn add(&self, row: Row) {
        self.tell(&event("end", &row));
        self.rows().push(row);
    }

    fn tell(&self, event: &serde_json::Value) {
        if self.tells {
            // Nobody may listen any more; that is no reason to stop.
            let _ = writeln!(std::io::stderr().lock(), "{event}");
        }
    }

    /// Clauses run side by side: by provider and id, not as they ended.
    fn rows_in_order(&self) -> MutexGuard<'_, Vec<Row>> {
        let mut rows = self.rows();
        rows.sort_by(|a, b| {
            (&a.provider, &a.target, a.clause, a.subject).cmp(&(&b.provider, &b.target, b.clause, b.subject))
        });
        rows
    }

    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for row in self.rows_in_order().iter() {
            let id = row.clause.to_owned();
            match row.status {
                Status::Passed => tally.passed += 1,
                Status::Failed => tally.failed.push((id, row.detail.clone())),
                Status::Unsupported => tally.unsupported.push(id),
                Status::NotRun => tally.not_run.push((id, row.detail.clone())),
            }
        }
        tally
    }

    /// Writes the report, if asked for, which clauses no target met, and the last line.
    pub(super) fn finish(&self, report: Option<&str>, unmet: &[&str], code: ExitCode) -> ExitCode {
        let mut code = code;
        self.tell(&json!({ "event": "finish", "unmet": unmet, "peak_bytes": memory::peak() }));
        if let Some(path) = report {
            let rows = self.rows_in_order();
            let written = serde_json::to_vec_pretty(&*rows)
                .map_err(std::io::Error::from)
                .and_then(|text| std::fs::write(path, text));
            if let Err(error) = written {
                let _ = writeln!(std::io::stderr(), "cannot write the report {path}: {error}");
                code = ExitCode::FAILURE;
            }
        }
        let tally = self.tally();
        let mut reasons: Vec<_> = tally.not_run.iter().map(|(_, reason)| reason.as_str()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let mut out = std::io::stdout().lock();
        for reason in reasons {
            let count = tally.not_run.iter().filter(|(_, other)| other == reason).count();
            let _ = writeln!(out, "not run ({count}): {reason}");
        }
        if !unmet.is_empty() {
            let _ = writeln!(out, "no target ({}): {}", unmet.len(), unmet.join(" "));
        }
        let _ = writeln!(out, "{tally}");
        code
    }
}

fn event(name: &str, row: &Row) -> serde_json::Value {
    let mut event = json!({
        "event": name,
        "domain": row.domain,
        "provider": row.provider,
        "lane": row.lane,
        "target": row.target,
        "subject": row.subject,
        "clause": row.clause,
    });
    if name == "end" {
        event["status"] = json!(row.status);
        event["ms"] = json!(row.ms);
    }
    event
}
