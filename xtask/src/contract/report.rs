//! The report: one row for each clause on each target, and the file that holds them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::{Context, Result};

/// What came of a clause. The four are never merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The promise is kept.
    Passed,
    /// It is broken.
    Failed,
    /// Declared unsupported, and proven to be refused.
    Unsupported,
    /// Could not be tried here.
    NotRun,
}

/// One clause on one target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// `storage`, …
    pub domain: String,
    /// The provider's id.
    pub provider: String,
    /// `embedded`, `simulator`, `server` or `live`.
    pub lane: String,
    /// Which of the provider's targets.
    pub target: String,
    /// The clause's id.
    pub clause: String,
    /// `provider` or `client`.
    pub subject: String,
    /// `must`, or the capability's id.
    pub level: String,
    /// What came of it.
    pub status: Status,
    /// Expected and seen, or why it was not run.
    pub detail: String,
    /// How long it took.
    pub ms: u64,
    /// The promise; shown, but no part of the report.
    #[serde(default, skip_serializing)]
    pub sentence: String,
}

impl Row {
    /// A row for what is no clause: a binary that ended badly.
    pub fn of_binary(domain: &str, target: &str, detail: String) -> Self {
        Self {
            domain: domain.to_owned(),
            provider: "-".to_owned(),
            lane: "-".to_owned(),
            target: target.to_owned(),
            clause: BINARY.to_owned(),
            subject: "provider".to_owned(),
            level: "must".to_owned(),
            status: Status::Failed,
            detail,
            ms: 0,
            sentence: "The suite's program runs to its end and reports every clause.".to_owned(),
        }
    }

    /// Whether it is about the binary as a whole.
    pub fn is_of_binary(&self) -> bool {
        self.clause == BINARY
    }
}

/// What stands in the place of a clause where a binary ended badly.
const BINARY: &str = "suite";

/// The whole report, as `--report` writes it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Version of the suite.
    pub suite: String,
    /// Differs whenever the list of clauses does.
    pub clauses: String,
    /// All rows.
    pub results: Vec<Row>,
    /// The suites' programs.
    #[serde(default)]
    pub programs: Vec<Program>,
}

/// What the program of a suite says of itself at its end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Program {
    /// Its domain.
    pub domain: String,
    /// Its test target.
    pub target: String,
    /// The clauses that stand in no row, since no target has what they need.
    pub unmet: Vec<String>,
    /// The most memory that it had at a time, in bytes; where the system does not tell, or it had no end, there is none.
    pub peak_bytes: Option<u64>,
}

impl Program {
    /// One that has not said anything yet.
    pub fn of(domain: &str, target: &str) -> Self {
        Self { domain: domain.to_owned(), target: target.to_owned(), ..Self::default() }
    }
}

impl Report {
    /// Reads a report.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).context(format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).context(format!("{} is no report", path.display()))
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        crate::runs::write_whole(path, &text)
    }
}

/// How many rows of each status.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// See [`Status`].
    pub passed: usize,
    /// See [`Status`].
    pub failed: usize,
    /// See [`Status`].
    pub unsupported: usize,
    /// See [`Status`].
    pub not_run: usize,
}

impl Count {
    /// Counts one more.
    pub fn add(&mut self, status: Status) {
        *match status {
            Status::Passed => &mut self.passed,
            Status::Failed => &mut self.failed,
            Status::Unsupported => &mut self.unsupported,
            Status::NotRun => &mut self.not_run,
        } += 1;
    }

    /// All rows.
    pub fn of(rows: &[Row]) -> Self {
        let mut count = Self::default();
        rows.iter().for_each(|row| count.add(row.status));
        count
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passed, failed, unsupported, not_run } = self;
        write!(f, "{passed} passed, {failed} failed, {unsupported} unsupported, {not_run} not run")
    }
}

/// Counts by domain, provider and lane.
pub fn by_lane(rows: &[Row]) -> BTreeMap<(&str, &str, &str), Count> {
    let mut table: BTreeMap<_, Count> = BTreeMap::new();
    for row in rows {
        table
            .entry((row.domain.as_str(), row.provider.as_str(), row.lane.as_str()))
            .or_default()
            .add(row.status);
    }
    table
}

/// A text that differs whenever the set of names does (FNV-1a, 64 bits).
pub fn fingerprint<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: std::collections::BTreeSet<&str> = names.into_iter().collect();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in names.iter().flat_map(|name| name.bytes().chain([b'\n'])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = r#"[
        {"domain":"cache","provider":"redis","lane":"server","target":"plain","clause":"cache.get.1","subject":"provider",
         "level":"must","status":"passed","detail":"","ms":3,"sentence":"A sentence."},
        {"domain":"cache","provider":"redis","lane":"server","target":"tls","clause":"cache.get.1","subject":"client",
         "level":"locks","status":"not_run","detail":"why","ms":0,"sentence":"A sentence."}]"#;

    #[test]
    fn counts_rows_by_lane() {
        let rows: Vec<Row> = serde_json::from_str(ROWS).unwrap();
        assert_eq!(Count::of(&rows).to_string(), "1 passed, 0 failed, 0 unsupported, 1 not run");
        let table = by_lane(&rows);
        assert_eq!(table[&("cache", "redis", "server")].not_run, 1);
    }

    #[test]
    fn the_report_has_the_stated_fields_and_no_other() {
        let rows: Vec<Row> = serde_json::from_str(ROWS).unwrap();
        let report = Report {
            suite: "0.1.0".into(),
            clauses: fingerprint(["a"]),
            results: rows,
            programs: Vec::new(),
        };
        let value = serde_json::to_value(&report).unwrap();
        let keys: Vec<_> = value["results"][0].as_object().unwrap().keys().collect();
        let stated =
            ["clause", "detail", "domain", "lane", "level", "ms", "provider", "status", "subject", "target"];
        assert_eq!(keys, stated);
        let _: Report = serde_json::from_value(value).unwrap();
    }

    #[test]
    fn the_fingerprint_is_of_the_set() {
        assert_eq!(fingerprint(["a", "b", "a"]), fingerprint(["b", "a"]));
        assert_ne!(fingerprint(["a", "b"]), fingerprint(["ab"]));
    }
}
